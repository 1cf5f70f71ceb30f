// How likely a language model finds continuations of a prompt, all in one batch.

import type { LanguageModel } from "../models/index.ts"
import { type Tensor, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { EncoderRunner } from "./encoder.ts"
import type { RunOptions } from "./task.ts"

/** A continuation's score. */
export interface ContinuationScore {
  /** Sum of the natural logarithms of its tokens' probabilities. */
  readonly logProbability: number
  /** How many tokens it has. */
  readonly tokens: number
}

/** A function that scores continuations as they are joined to a prompt. Throws ValueError for one without a token of its own. */
export function continuationScores(
  model: LanguageModel,
  tokenizer: Tokenizer,
  run: RunOptions,
): (prompt: string, continuations: readonly string[]) => Promise<ContinuationScore[]> {
  const values = ({ logits }: { readonly logits?: Tensor }) => ({ logs: logits!.cast("f32").logSoftmax(-1) })
  const runner = new EncoderRunner(model, { values, perToken: true }, run)
  return async (prompt, continuations) => {
    const before = tokenizer.encode(prompt)
    const rows = continuations.map(text => ({ ids: tokenizer.encode(prompt + text) }))
    const results = await runner.run(rows, { padToken: 0 })
    return rows.map(({ ids }, i) => {
      let start = 0
      while (start < before.length && before[start] === ids[start]) start++
      if (start === ids.length || start === 0)
        throw new ValueError(
          `expected a continuation with a token of its own behind a prompt, but ${JSON.stringify(continuations[i])} has none`,
        )
      const { data, shape } = results[i]!.logs!
      const V = shape[1]!
      let logProbability = 0
      for (let t = start; t < ids.length; t++) logProbability += data[(t - 1) * V + ids[t]!]!
      return { logProbability, tokens: ids.length - start }
    })
  }
}
