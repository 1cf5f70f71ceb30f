// Reductions over any axes.

import { logsumexp } from "../../../src/tensor/index.ts"
import { distinct, given, op, positive, truths, whole } from "../case.ts"

const keep = { keepDims: true }

export const reduceCases = [
  op("sum, all", x => x.sum(), [[2, 3, 4]], { second: true }),
  op("sum, last axis", x => x.sum(-1), [[2, 3, 4]]),
  op("sum, middle axis, kept", x => x.sum(1, keep), [[2, 3, 4]]),
  op("sum, first axis", x => x.sum(0), [[5, 33]]),
  op("sum, two separate axes", x => x.sum([0, 2]), [[2, 3, 4]]),
  op("sum, two separate axes, kept", x => x.sum([0, 2], keep), [[2, 3, 4]]),
  op("sum, long rows", x => x.sum(1), [[2, 1000]], { tolerance: 1e-4 }),
  op("sum, long columns", x => x.sum(0), [[1000, 3]], { tolerance: 1e-4 }),
  op("sum, empty axis", x => x.sum(1), [[2, 0]], { gradient: false }),
  op("sum, no rows", x => x.sum(1), [[0, 3]], { gradient: false }),
  op("sum, transposed", x => x.transpose().sum(1), [[4, 5]]),
  op("sum, reversed", x => x.flip().sum(0), [[4, 5]]),
  op("sum, broadcast input", x => x.broadcastTo([3, 4, 5]).sum([0, 2]), [[4, 1]]),
  op("sum, whole numbers", x => x.sum(0), [whole([3, 4], 9)]),
  op("sum, truth values count", x => x.sum(), [truths([3, 4])]),
  op(
    "sum of products",
    (a, b) => a.mul(b).sum(-1),
    [
      [3, 5],
      [3, 5],
    ],
    { second: true },
  ),
  op("mean", x => x.mean(-1), [[2, 3, 4]], { second: true }),
  op("mean, all", x => x.mean(), [[2, 3, 4]]),
  op("mean, whole numbers", x => x.mean(), [whole([5], 9)]),
  op("variance", x => x.variance(-1), [[3, 5]], { second: true }),
  op("variance, unbiased, kept", x => x.variance(0, { correction: 1, ...keep }), [[5, 3]]),
  op("max", x => x.max(-1), [distinct([3, 5])]),
  op("max, all", x => x.max(), [distinct([3, 5])]),
  op("max, first axis, kept", x => x.max(0, keep), [distinct([3, 5])]),
  op("max, NaN wins", x => x.max(-1), [given([2, 3], [1, Number.NaN, 2, -1, -2, -3])], { gradient: false }),
  op("max, whole numbers", x => x.max(0), [whole([4, 3], 9, -9)]),
  op("min", x => x.min(1), [distinct([2, 3, 4])]),
  op("min, infinities", x => x.min(), [given([3], [Infinity, -Infinity, 0])], { gradient: false }),
  op("prod", x => x.prod(-1), [positive([3, 4])], { second: true }),
  op("prod, one zero and two zeros", x => x.prod(-1), [given([3, 3], [1, 0, 3, 0, 0, 2, 2, 3, 4])]),
  op("argmax", x => x.argmax(-1), [distinct([3, 5])]),
  op("argmax, all", x => x.argmax(), [distinct([3, 5])]),
  op("argmax, first of equals", x => x.argmax(0, keep), [given([3, 2], [1, 5, 4, 5, 4, 1])], { gradient: false }),
  op("argmin", x => x.argmin(1), [distinct([2, 5, 3])]),
  op("argmax, truth values", x => x.argmax(-1), [given([2, 3], [0, 1, 1, 0, 0, 0], "bool")]),
  op("any and all", x => [x.any(0), x.all(1), x.any(), x.all()], [truths([3, 4])]),
  op("any of numbers", x => [x.any(0), x.all(0)], [given([2, 3], [0, 0, 1, 0, 2, 3])], { gradient: false }),
  op("logsumexp", x => logsumexp(x, -1), [[3, 5]], { second: true }),
  op("logsumexp, all, kept", x => x.logsumexp(undefined, keep), [[3, 5]]),
  op("logsumexp, extremes", x => x.logsumexp(-1), [given([3, 2], [1000, 1000, -Infinity, -Infinity, -Infinity, 3])], {
    gradient: false,
  }),
  op("cumsum", x => x.cumsum(-1), [[3, 5]], { second: true }),
  op("cumsum, first axis, from the end", x => x.cumsum(0, { reverse: true }), [[4, 3, 2]]),
  op("cumsum, whole numbers", x => x.cumsum(1), [whole([2, 5], 9)]),
]
