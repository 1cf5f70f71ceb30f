// Softmax and normalization.

import { layerNorm, logSoftmax, rmsNorm, softmax } from "../../../src/tensor/index.ts"
import { given, numbers, op } from "../case.ts"

export const normCases = [
  op("softmax", x => softmax(x), [[3, 5]], { second: true }),
  op("softmax, middle axis", x => x.softmax(1), [[2, 3, 5]], { second: true }),
  op("softmax, first axis", x => x.softmax(0), [[4, 3]]),
  op("softmax, long rows", x => x.softmax(), [[3, 257]]),
  op("softmax, transposed", x => x.transpose().softmax(), [[4, 3]]),
  op("softmax, one element", x => x.softmax(), [[3, 1]]),
  op("softmax, empty rows", x => x.softmax(), [[3, 0]], { gradient: false }),
  op("softmax, no rows", x => x.softmax(), [[0, 3]], { gradient: false }),
  op(
    "softmax, extremes",
    x => x.softmax(),
    [given([4, 3], [1000, 1000, -1000, -Infinity, 0, 0, 1e-30, 0, 0, -500, -501, -502])],
    { gradient: false },
  ),
  op("softmax, hidden rows are NaN", x => x.softmax(), [given([1, 2], [-Infinity, -Infinity])], { gradient: false }),
  op("logSoftmax", x => logSoftmax(x), [[3, 5]], { second: true }),
  op("logSoftmax, first axis", x => x.logSoftmax(0), [[4, 3]]),
  op("logSoftmax, extremes", x => x.logSoftmax(), [given([2, 3], [1000, 0, -1000, 5, 5, 5])], { gradient: false }),
  op("layerNorm", (x, w, b) => layerNorm(x, w, b), [[2, 3, 8], [8], [8]], { second: true }),
  op("layerNorm, no parameters", x => x.layerNorm(), [[3, 8]], { second: true }),
  op("layerNorm, weight only", (x, w) => x.layerNorm(w, null, { epsilon: 1e-3 }), [[3, 8], [8]]),
  op("layerNorm, bias only", (x, b) => x.layerNorm(null, b), [[3, 8], [8]]),
  op("layerNorm, two axes", (x, w, b) => x.layerNorm(w, b, { axes: [1, 2] }), [
    [2, 3, 4],
    [3, 4],
    [3, 4],
  ]),
  op("layerNorm, first axis", (x, w) => x.layerNorm(w, null, { axes: 0 }), [[5, 3], [5]]),
  op("layerNorm, long rows far from 0", (x, w, b) => x.layerNorm(w, b), [numbers([2, 129], 9, 11), [129], [129]], {
    tolerance: 2e-4,
  }),
  op("layerNorm, many rows", (x, w, b) => x.layerNorm(w, b), [[70, 5], [5], [5]], { tolerance: 1e-4 }),
  op("layerNorm, no rows", (x, w, b) => x.layerNorm(w, b), [[0, 8], [8], [8]], { gradient: false }),
  op("rmsNorm", (x, w) => rmsNorm(x, w), [[2, 3, 8], [8]], { second: true }),
  op("rmsNorm, no weight", x => x.rmsNorm(), [[3, 8]]),
  op("rmsNorm, shifted weight", (x, w) => x.rmsNorm(w, { shift: 1, epsilon: 1e-6 }), [[3, 8], [8]], { second: true }),
  op("rmsNorm, long rows", (x, w) => x.rmsNorm(w), [[3, 130], [130]], { tolerance: 1e-4 }),
]
