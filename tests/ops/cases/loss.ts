// Losses.

import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  huber,
  klDivergence,
  linearCrossEntropy,
  meanAbsoluteError,
  meanSquaredError,
  negativeLogLikelihood,
  smoothL1,
} from "../../../src/tensor/index.ts"
import { distinct, given, numbers, op, positive, whole } from "../case.ts"

const targets = given([6], [0, 3, -100, 4, 1, -100], "i32")
const probabilities = given([2, 3], [0.2, 0.3, 0.5, 1, 0, 0])

export const lossCases = [
  op("crossEntropy", (x, t) => crossEntropy(x, t), [[4, 5], whole([4], 5)], { second: true }),
  op("crossEntropy, ignored rows", (x, t) => crossEntropy(x, t), [[6, 5], targets], { second: true }),
  op("crossEntropy, sum", (x, t) => crossEntropy(x, t, { reduction: "sum" }), [[6, 5], targets]),
  op("crossEntropy, none", (x, t) => crossEntropy(x, t, { reduction: "none" }), [[2, 3, 5], whole([2, 3], 5)]),
  op("crossEntropy, another ignored index", (x, t) => crossEntropy(x, t, { ignoreIndex: 0 }), [[6, 3], whole([6], 3)]),
  op("crossEntropy, label smoothing", (x, t) => crossEntropy(x, t, { labelSmoothing: 0.2 }), [[6, 5], targets], {
    second: true,
  }),
  op(
    "crossEntropy, class weights",
    (x, t, w) => crossEntropy(x, t, { weights: w.detach() }),
    [[6, 5], targets, positive([5])],
    {
      gradient: false,
    },
  ),
  op(
    "crossEntropy, class weights and smoothing",
    (x, t) => {
      const weights = x.slice(0, 0, 1).reshape([5]).detach().abs()
      return crossEntropy(x.mul(1.5), t, { weights, labelSmoothing: 0.1 })
    },
    [
      given(
        [6, 5],
        Array.from({ length: 30 }, (_, i) => Math.sin(i + 1)),
      ),
      targets,
    ],
    { gradient: false },
  ),
  op("crossEntropy, classes on axis 1", (x, t) => crossEntropy(x, t, { axis: 1 }), [[2, 5, 3], whole([2, 3], 5)]),
  op("crossEntropy, a distribution", (x, p) => crossEntropy(x, p), [[2, 3], probabilities]),
  op(
    "crossEntropy, a distribution, smoothed",
    (x, p) => crossEntropy(x, p.detach(), { labelSmoothing: 0.1 }),
    [[2, 3], probabilities],
    {
      gradient: false,
    },
  ),
  op("crossEntropy, every row ignored, sum", (x, t) => crossEntropy(x, t, { reduction: "sum" }), [
    [2, 3],
    given([2], [-100, -100], "i32"),
  ]),
  op("crossEntropy, many classes", (x, t) => crossEntropy(x, t), [[3, 300], whole([3], 300)]),
  op(
    "crossEntropy, far apart",
    (x, t) => crossEntropy(x, t),
    [given([2, 3], [1000, 0, -1000, 0, 500, 0]), given([2], [2, 1], "i32")],
    {
      gradient: false,
    },
  ),
  op("linearCrossEntropy", (x, w, t) => linearCrossEntropy(x, w, t), [[6, 4], [5, 4], targets], { second: true }),
  op(
    "linearCrossEntropy, bias and smoothing",
    (x, w, t, b) => linearCrossEntropy(x, w, t, { bias: b, labelSmoothing: 0.1 }),
    [[2, 3, 4], [7, 4], whole([2, 3], 7), [7]],
  ),
  op("linearCrossEntropy, none", (x, w, t) => linearCrossEntropy(x, w, t, { reduction: "none" }), [
    [2, 3, 4],
    [7, 4],
    whole([2, 3], 7),
  ]),
  op(
    "linearCrossEntropy, class weights",
    (x, w, t) => linearCrossEntropy(x, w, t, { weights: w.select(1, 0).detach().abs().add(1) }),
    [[6, 4], [5, 4], targets],
    { gradient: false },
  ),
  op(
    "linearCrossEntropy, many rows and classes",
    (x, w, t) => linearCrossEntropy(x, w, t),
    [numbers([150, 6]), numbers([130, 6]), whole([150], 130)],
    { tolerance: 1e-4 },
  ),
  op("linearCrossEntropy, a transposed weight", (x, w, t) => linearCrossEntropy(x, w.transpose(), t), [
    [6, 4],
    [4, 5],
    targets,
  ]),
  op("negativeLogLikelihood", (x, t) => negativeLogLikelihood(x.logSoftmax(), t), [[6, 5], targets]),
  op(
    "meanSquaredError",
    (x, t) => meanSquaredError(x, t),
    [
      [3, 4],
      [3, 4],
    ],
    { second: true },
  ),
  op(
    "meanSquaredError, sum and none",
    (x, t) => [meanSquaredError(x, t, { reduction: "sum" }), meanSquaredError(x, t, { reduction: "none" })],
    [
      [3, 4],
      [3, 4],
    ],
  ),
  op("meanAbsoluteError", x => meanAbsoluteError(x, x.mul(0)), [distinct([3, 4])]),
  op("smoothL1", (x, t) => smoothL1(x, t, { beta: 0.7 }), [distinct([3, 4]), given([3, 4], new Array(12).fill(0.013))]),
  op("huber", (x, t) => huber(x, t, { delta: 0.7, reduction: "sum" }), [
    distinct([3, 4]),
    given([3, 4], new Array(12).fill(0.013)),
  ]),
  op("binaryCrossEntropyWithLogits", (x, t) => binaryCrossEntropyWithLogits(x, t), [[3, 4], numbers([3, 4], 0, 1)], {
    second: true,
  }),
  op(
    "binaryCrossEntropyWithLogits, weight of yes",
    (x, t, w) => binaryCrossEntropyWithLogits(x, t, { positiveWeight: w }),
    [[3, 4], numbers([3, 4], 0, 1), positive([4])],
  ),
  op(
    "klDivergence",
    (a, b) => [
      klDivergence(a.logSoftmax(), b.logSoftmax()),
      klDivergence(a.logSoftmax(), b.logSoftmax(), { reduction: "mean" }),
    ],
    [
      [3, 4],
      [3, 4],
    ],
  ),
]
