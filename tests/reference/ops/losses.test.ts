// Golden numbers of losses.

import {
  binaryCrossEntropyWithLogits,
  type CrossEntropyOptions,
  crossEntropy,
  ctcLoss,
  huber,
  klDivergence,
  meanAbsoluteError,
  meanSquaredError,
  negativeLogLikelihood,
  smoothL1,
  type Tensor,
  tensor,
  where,
} from "../../../src/tensor/index.ts"
import { checkGolden } from "./check.ts"

type Inputs = Record<string, Tensor>

const classes =
  (options: CrossEntropyOptions = {}) =>
  ({ x, t, w }: Inputs) => ({ y: crossEntropy(x!, t!, w ? { ...options, weights: w } : options) })

const numbers =
  (f: (prediction: Tensor, target: Tensor) => Tensor) =>
  ({ input, target }: Inputs) => ({ y: f(input!, target!) })

// log-probabilities with time first
const ctc =
  (reduction: "mean" | "sum" | "none") =>
  ({ x, t }: Inputs) => {
    const lengths = { inputLengths: tensor([12, 9], [2], "i32"), targetLengths: tensor([4, 2], [2], "i32") }
    return { y: ctcLoss(x!.logSoftmax().permute([1, 0, 2]), t!, { ...lengths, reduction }) }
  }

const length = (x: Tensor, epsilon = 0): Tensor => x.mul(x).sum(-1).add(epsilon).sqrt()

await checkGolden("losses", {
  ce_mean: classes(),
  ce_ignore_mean: classes(),
  ce_sum: classes({ reduction: "sum" }),
  ce_ignore_sum: classes({ reduction: "sum" }),
  ce_none: classes({ reduction: "none" }),
  ce_ignore_none: classes({ reduction: "none" }),
  "ce_smooth_0.1": classes({ labelSmoothing: 0.1 }),
  "ce_smooth_ignore_0.1": classes({ labelSmoothing: 0.1 }),
  "ce_smooth_0.3": classes({ labelSmoothing: 0.3 }),
  "ce_smooth_ignore_0.3": classes({ labelSmoothing: 0.3 }),
  ce_weight: classes(),
  ce_weight_smooth: classes({ labelSmoothing: 0.1 }),
  ce_ignore_0: classes({ ignoreIndex: 0 }),
  ce_probabilities: classes(),
  ce_sequence: classes({ axis: 1 }),
  nll: ({ x, t }) => ({ y: negativeLogLikelihood(x!.logSoftmax(), t!) }),
  bce_with_logits: numbers((x, t) => binaryCrossEntropyWithLogits(x, t)),
  bce_with_logits_pos_weight: ({ input, target, w }) => ({
    y: binaryCrossEntropyWithLogits(input!, target!, { positiveWeight: w! }),
  }),
  mse: numbers((x, t) => meanSquaredError(x, t)),
  l1: numbers((x, t) => meanAbsoluteError(x, t)),
  smooth_l1: numbers((x, t) => smoothL1(x, t)),
  huber: numbers((x, t) => huber(x, t, { delta: 0.7 })),
  kl_div: ({ a, b }) => ({ y: klDivergence(a!.logSoftmax(), b!.logSoftmax()) }),
  cosine_embedding: ({ a, b, t }) => {
    const cosine = a!
      .mul(b!)
      .sum(-1)
      .div(length(a!).mul(length(b!)))
    return { y: where(t!.gt(0), cosine.neg().add(1), cosine.sub(0.2).maximum(0)).mean() }
  },
  triplet: ({ a, p, n }) => {
    const distance = (x: Tensor, y: Tensor): Tensor => length(x.sub(y).add(1e-6))
    return { y: distance(a!, p!).sub(distance(a!, n!)).add(1).maximum(0).mean() }
  },
  ctc_mean: ctc("mean"),
  ctc_sum: ctc("sum"),
  ctc_none: ctc("none"),
})
