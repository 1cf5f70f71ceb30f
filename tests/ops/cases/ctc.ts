// Connectionist temporal classification.

import { ctcLoss, logSoftmax, type Tensor } from "../../../src/tensor/index.ts"
import { given, op, whole } from "../case.ts"

const i32 = (values: readonly number[]) => given([values.length], values, "i32")

export const ctcCases = [
  op("ctcLoss", (x, t) => ctcLoss(logSoftmax(x, -1), t), [[2, 7, 5], whole([2, 3], 5, 1)]),
  op("ctcLoss, of any numbers", (x, t) => ctcLoss(x, t, { reduction: "sum" }), [[2, 7, 5], whole([2, 3], 5, 1)]),
  op("ctcLoss, a symbol twice", (x, t) => ctcLoss(logSoftmax(x, -1), t, { reduction: "none" }), [
    [2, 6, 4],
    given([2, 4], [2, 2, 3, 3, 1, 1, 1, 2], "i32"),
  ]),
  op(
    "ctcLoss, lengths and another blank",
    (x, t, a, b) => ctcLoss(logSoftmax(x, -1), t, { inputLengths: a, targetLengths: b, blank: 3, reduction: "sum" }),
    [[3, 9, 4], whole([3, 4], 3), i32([9, 5, 7]), i32([4, 0, 1])],
  ),
  op(
    "ctcLoss, many states",
    (x, t) => ctcLoss(logSoftmax(x, -1), t, { reduction: "none" }),
    [[2, 90, 11], whole([2, 40], 11, 1)],
    { tolerance: 1e-5 },
  ),
  op(
    "ctcLoss, texts that do not fit count nothing",
    (x, t, a): Tensor => ctcLoss(logSoftmax(x, -1), t, { inputLengths: a, zeroInfinity: true, reduction: "none" }),
    [[3, 4, 4], given([3, 3], [1, 2, 3, 1, 1, 1, 1, 2, 1], "i32"), i32([4, 4, 0])],
  ),
]
