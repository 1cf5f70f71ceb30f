// The op list: every operation and option, small enough to read. The runner checks each case's value on every device and its gradient.

import type { Case } from "./case.ts"
import { attentionCases } from "./cases/attention.ts"
import { attentionKindCases } from "./cases/attention-kinds.ts"
import { attentionPatternCases } from "./cases/attention-pattern.ts"
import { convolveCases } from "./cases/convolve.ts"
import { ctcCases } from "./cases/ctc.ts"
import { dynamicCases } from "./cases/dynamic.ts"
import { gatherCases } from "./cases/gather.ts"
import { lossCases } from "./cases/loss.ts"
import { matmulCases } from "./cases/matmul.ts"
import { moveCases } from "./cases/move.ts"
import { normCases } from "./cases/norm.ts"
import { pointwiseCases } from "./cases/pointwise.ts"
import { randomCases } from "./cases/random.ts"
import { reduceCases } from "./cases/reduce.ts"

export const cases: readonly Case[] = [
  ...pointwiseCases,
  ...reduceCases,
  ...moveCases,
  ...matmulCases,
  ...gatherCases,
  ...dynamicCases,
  ...normCases,
  ...attentionCases,
  ...attentionPatternCases,
  ...attentionKindCases,
  ...lossCases,
  ...convolveCases,
  ...ctcCases,
  ...randomCases,
]
