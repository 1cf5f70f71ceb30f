// Sparse patterns of attention: each kind, small and over several blocks of the kernel, alone and with other masks.

import {
  type AttentionOptions,
  attention,
  blockSparse,
  dilatedWindow,
  fixed,
  globalWindow,
  slidingWindow,
  strided,
  type Tensor,
} from "../../../src/tensor/index.ts"
import { type CaseOptions, given, type Input, key, numbers, op } from "../case.ts"

/** A case with q, k and v of B, H, T, K (one key head for every two query heads) and further inputs. */
function sparse(
  name: string,
  [B, H, T, K]: readonly [number, number, number, number],
  options: (...extra: Tensor[]) => AttentionOptions,
  more: readonly Input[] = [],
  facts: CaseOptions = {},
) {
  const G = H / 2
  const inputs = [numbers([B, H, T, K], -1.5, 1.5), numbers([B, G, T, K], -1.5, 1.5), numbers([B, G, T, K])]
  return op(
    `attention, ${name}`,
    (a, b, c, ...rest) => attention(a, b, c, options(...rest)),
    [...inputs, ...more],
    facts,
  )
}

const small = [2, 2, 13, 8] as const
const large = [1, 2, 150, 8] as const
const wide = { tolerance: 5e-5 }

/** bool [rows.length n] with the given positions true. */
const marks = (n: number, rows: readonly (readonly number[])[]): Input =>
  given(
    [rows.length, n],
    rows.flatMap(row => Array.from({ length: n }, (_, i) => Number(row.includes(i)))),
    "bool",
  )

const ladder = [[0], [0, 1], [1, 2, 4], [3], [2, 3, 4], [0, 5], [6, 1], [0, 7], [8, 9], [3, 9]]

export const attentionPatternCases = [
  sparse("sliding window pattern", small, () => ({ pattern: slidingWindow(3) })),
  sparse("sliding window pattern, long", large, () => ({ pattern: slidingWindow(20), causal: true }), [], wide),
  sparse("dilated window", small, () => ({ pattern: dilatedWindow(2, 3) }), [], { second: true }),
  sparse("dilated window, long", large, () => ({ pattern: dilatedWindow(10, 2) }), [], wide),
  sparse("dilated window, causal, long", large, () => ({ pattern: dilatedWindow(7, 4), causal: true }), [], wide),
  sparse("dilated window, more residues than positions", small, () => ({ pattern: dilatedWindow(2, 20) })),
  sparse("dilated window, lengths", small, n => ({ pattern: dilatedWindow(3, 2), lengths: n! }), [
    given([2], [6, 13], "i32"),
  ]),
  sparse("dilated window, mask and bias", small, (m, b) => ({ pattern: dilatedWindow(3, 2), mask: m!, bias: b! }), [
    given([13], [1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1], "bool"),
    numbers([2, 13, 13]),
  ]),
  sparse("dilated window, dropout", small, r => ({ pattern: dilatedWindow(3, 2), dropout: 0.3, key: r!, stream: 3 }), [
    key,
  ]),
  sparse("strided", small, () => ({ pattern: strided(4), causal: true }), [], { second: true }),
  sparse("strided, long", large, () => ({ pattern: strided(12), causal: true }), [], wide),
  sparse("strided, lengths", small, n => ({ pattern: strided(3), causal: true, lengths: n! }), [
    given([2], [5, 12], "i32"),
  ]),
  sparse("strided, soft cap", small, () => ({ pattern: strided(5), causal: true, softCap: 2 })),
  sparse("fixed", small, () => ({ pattern: fixed(4), causal: true }), [], { second: true }),
  sparse("fixed, two summaries, long", large, () => ({ pattern: fixed(16, 2), causal: true }), [], wide),
  sparse("fixed, lengths", small, n => ({ pattern: fixed(5, 2), causal: true, lengths: n! }), [
    given([2], [4, 11], "i32"),
  ]),
  sparse("block-sparse", [1, 2, 40, 8], () => ({ pattern: blockSparse(16, [[0, 2], [1], [0, 1]]) }), [], {
    second: true,
  }),
  sparse("block-sparse, long", large, () => ({ pattern: blockSparse(16, ladder) }), [], wide),
  sparse(
    "block-sparse, causal, long",
    large,
    () => ({ pattern: blockSparse(64, [[0], [0, 1], [1, 2]]), causal: true }),
    [],
    wide,
  ),
  sparse("block-sparse, lengths", [2, 2, 40, 8], n => ({ pattern: blockSparse(32, [[1], [0, 1]]), lengths: n! }), [
    given([2], [20, 35], "i32"),
  ]),
  sparse(
    "block-sparse, dropout",
    [1, 2, 40, 8],
    r => ({ pattern: blockSparse(16, [[0, 2], [1], [0, 1]]), dropout: 0.4, key: r!, stream: 2 }),
    [key],
  ),
  sparse("global window", small, m => ({ pattern: globalWindow(2, m!) }), [marks(13, [[0, 7], []])], { second: true }),
  sparse(
    "global window, long",
    [2, 2, 150, 8],
    m => ({ pattern: globalWindow(9, m!) }),
    [
      marks(150, [
        [0, 70, 149],
        [3, 64, 65, 140],
      ]),
    ],
    wide,
  ),
  sparse(
    "global window, causal, lengths",
    [2, 2, 150, 8],
    (m, n) => ({ pattern: globalWindow(5, m!), causal: true, lengths: n! }),
    [
      marks(150, [
        [0, 66],
        [1, 120],
      ]),
      given([2], [150, 90], "i32"),
    ],
    wide,
  ),
  sparse("global window, mask", small, (m, s) => ({ pattern: globalWindow(3, m!), mask: s! }), [
    marks(13, [[4], [12]]),
    given([13], [1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1], "bool"),
  ]),
  sparse(
    "global window, dropout",
    small,
    (m, r) => ({ pattern: globalWindow(3, m!), dropout: 0.3, key: r!, stream: 3 }),
    [marks(13, [[4], [12]]), key],
  ),
]
