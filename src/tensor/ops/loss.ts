// Losses. Each compares a prediction with a target and gives a scalar mean by default, as PyTorch defines them.

import { checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { apply } from "../op.ts"
import { checkInteger, formatShape, normalizeAxis, type Shape, sameShape } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { crossEntropyRecord, linearCrossEntropyRecord, rowLosses, rowWeights } from "./cross-entropy.ts"
import { linear } from "./matmul.ts"
import { permute, reshape } from "./move.ts"
import { abs, add, div, exp, lt, mul, neg, softplus, sub, where } from "./pointwise.ts"
import { mean, sum } from "./reduce.ts"
import { logSoftmax } from "./softmax.ts"
import { floating, wholeNumbers } from "./types.ts"

/** How losses of elements become one: their mean (default), their sum, or left as they are. */
export type LossReduction = "mean" | "sum" | "none"

function reduceLoss(what: string, losses: Tensor, reduction: LossReduction = "mean"): Tensor {
  if (reduction === "mean") return mean(losses)
  if (reduction === "sum") return sum(losses)
  if (reduction === "none") return losses
  throw new ValueError(`${what}: expected reduction mean, sum or none, but got ${String(reduction)}`)
}

/** Options of losses over classes. */
export interface CrossEntropyOptions {
  /** Rows with this target count nothing; -100 by default. */
  readonly ignoreIndex?: number
  /** Share of the target distribution that is spread over all classes; 0 by default. */
  readonly labelSmoothing?: number
  /** f32 [V]: weight of each class, in the loss and in the mean's divisor. */
  readonly weights?: Tensor
  readonly reduction?: LossReduction
  /** Axis of the classes; the last by default (PyTorch's sequences have it at 1). */
  readonly axis?: number
}

interface ClassRows {
  readonly rows: Tensor
  readonly targets: Tensor
  /** The shape of the targets as given. */
  readonly shape: Shape
  readonly weights: Tensor | undefined
  readonly ignored: number
  readonly smoothing: number
}

/** logits with classes last as [N V], targets as [N], options checked. */
function classRows(what: string, logits: Tensor, targets: Tensor, options: CrossEntropyOptions): ClassRows {
  const at = normalizeAxis(what, options.axis ?? -1, logits.rank)
  const rest = logits.shape.map((_, i) => i).filter(i => i !== at)
  const shape = rest.map(i => logits.shape[i]!)
  const classes = logits.shape[at]!
  if (!sameShape(shape, targets.shape))
    throw new ShapeError(
      `${what}: expected targets ${formatShape(shape)} for logits ${formatShape(logits.shape)} with classes on axis ${at}, but got ${formatShape(targets.shape)}`,
    )
  if (classes === 0) throw new ShapeError(`${what}: expected at least one class, but got ${formatShape(logits.shape)}`)
  const { weights, ignoreIndex = -100, labelSmoothing = 0 } = options
  checkWeighting(what, weights, labelSmoothing)
  if (weights && !sameShape(weights.shape, [classes]))
    throw new ShapeError(`${what}: expected weights [${classes}], but got ${formatShape(weights.shape)}`)
  checkInteger(what, "ignoreIndex", ignoreIndex, -(2 ** 31), 2 ** 31 - 1)
  return {
    rows: reshape(permute(floating(what, logits), [...rest, at]), [-1, classes]),
    targets: reshape(wholeNumbers(`${what} targets`, targets), [-1]),
    shape,
    weights: weights ? floating(what, weights) : undefined,
    ignored: ignoreIndex,
    smoothing: labelSmoothing,
  }
}

function checkWeighting(what: string, weights: Tensor | undefined, labelSmoothing: number): void {
  checkTensors(what, {}, { weights })
  if (typeof labelSmoothing !== "number" || !(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ValueError(`${what}: expected labelSmoothing in 0 .. 1, but got ${labelSmoothing}`)
}

/** Losses of rows as the caller wants them; a mean divides by the weights of the rows that count. */
function reduceRows(
  what: string,
  losses: Tensor,
  from: Omit<ClassRows, "rows">,
  reduction: LossReduction = "mean",
): Tensor {
  if (reduction === "none") return reshape(losses, from.shape)
  if (reduction !== "mean") return reduceLoss(what, losses, reduction)
  return div(sum(losses), sum(rowWeights(from.targets, from.weights, from.ignored)))
}

/**
 * -log softmax(logits)[target]. logits [… V] (or classes on another `axis`), targets i32 [… without V] or a distribution f32 of the logits' shape.
 * Throws ShapeError, TypeMismatchError, ValueError; HeedError at run time for a target outside 0..V-1 that is not ignored.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkTensors("crossEntropy", { logits, targets })
  checkOptions("crossEntropy", { options }, ["ignoreIndex", "labelSmoothing", "weights", "reduction", "axis"])
  if (targets.dtype === "f32" && sameShape(targets.shape, logits.shape))
    return distributionLoss(logits, targets, options)
  const from = classRows("crossEntropy", logits, targets, options)
  const { weights, ignored, smoothing } = from
  const inputs = [from.rows, from.targets, ...(weights ? [weights] : [])]
  const [losses] = apply(crossEntropyRecord, inputs, { ignored, smoothing, weights: !!weights })
  return reduceRows("crossEntropy", losses!, from, options.reduction)
}

/** Cross-entropy with a target distribution over the classes; a mean divides by the number of rows. */
function distributionLoss(logits: Tensor, targets: Tensor, options: CrossEntropyOptions): Tensor {
  const at = normalizeAxis("crossEntropy", options.axis ?? -1, logits.rank)
  const classes = logits.shape[at]!
  const { labelSmoothing = 0, weights, reduction = "mean" } = options
  checkWeighting("crossEntropy", weights, labelSmoothing)
  if (options.ignoreIndex !== undefined)
    throw new ValueError(
      "crossEntropy: expected no ignoreIndex with a target distribution",
      "give rows to ignore a distribution of zeros",
    )
  if (weights && !sameShape(weights.shape, [classes]))
    throw new ShapeError(`crossEntropy: expected weights [${classes}], but got ${formatShape(weights.shape)}`)
  const wanted = labelSmoothing > 0 ? add(mul(targets, 1 - labelSmoothing), labelSmoothing / classes) : targets
  const along = logits.shape.map((_, i) => (i === at ? classes : 1))
  const logp = logSoftmax(logits, at)
  const losses = neg(sum(mul(wanted, weights ? mul(logp, reshape(weights, along)) : logp), at))
  return reduceLoss("crossEntropy", losses, reduction)
}

/** Negative log likelihood: as crossEntropy, but the input already holds log-probabilities. */
export function negativeLogLikelihood(
  logProbabilities: Tensor,
  targets: Tensor,
  options: Omit<CrossEntropyOptions, "labelSmoothing"> = {},
): Tensor {
  checkTensors("negativeLogLikelihood", { logProbabilities, targets })
  checkOptions("negativeLogLikelihood", { options }, ["ignoreIndex", "weights", "reduction", "axis"])
  const from = classRows("negativeLogLikelihood", logProbabilities, targets, options)
  const { ignored, smoothing, weights } = from
  const losses = rowLosses(from.rows, from.targets, weights, { ignored, smoothing, weights: !!weights })
  return reduceRows("negativeLogLikelihood", losses, from, options.reduction)
}

/**
 * crossEntropy(linear(x, weight, bias), targets) without the logits in memory: x [… D], weight [V D], bias [V], targets i32 [… without D].
 * Throws ShapeError, TypeMismatchError, ValueError; HeedError at run time for a target out of range.
 */
export function linearCrossEntropy(
  x: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: Omit<CrossEntropyOptions, "axis"> & { readonly bias?: Tensor } = {},
): Tensor {
  checkTensors("linearCrossEntropy", { x, weight, targets })
  checkOptions("linearCrossEntropy", { options }, ["ignoreIndex", "labelSmoothing", "weights", "reduction", "bias"])
  const what = "linearCrossEntropy"
  const { bias, reduction, ...rest } = options
  if (
    weight.rank !== 2 ||
    x.rank < 1 ||
    x.shape.at(-1) !== weight.shape[1] ||
    (bias && !sameShape(bias.shape, [weight.shape[0]!]))
  )
    throw new ShapeError(
      `${what}: expected x [… D], weight [V D] and bias [V], but got ${formatShape(x.shape)}, ${formatShape(weight.shape)} and ${bias ? formatShape(bias.shape) : "no bias"}`,
    )
  // the kernel knows no class weights
  if (rest.weights) return crossEntropy(linear(x, weight, bias), targets, options)
  const checked = classRows(what, x, targets, rest)
  const { rows, ignored, smoothing } = checked
  const inputs = [rows, floating(what, weight), checked.targets, ...(bias ? [floating(what, bias)] : [])]
  const [losses] = apply(linearCrossEntropyRecord, inputs, { ignored, smoothing, bias: !!bias, compute: "f32" })
  return reduceRows(what, losses!, checked, reduction)
}

/** Options of losses over numbers. */
export interface LossOptions {
  readonly reduction?: LossReduction
}

function difference(what: string, prediction: Tensor, target: Tensor): Tensor {
  if (!sameShape(prediction.shape, target.shape))
    throw new ShapeError(
      `${what}: expected prediction and target of one shape, but got ${formatShape(prediction.shape)} and ${formatShape(target.shape)}`,
    )
  return sub(floating(what, prediction), floating(what, target))
}

/** Mean squared error. */
export function meanSquaredError(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkTensors("meanSquaredError", { prediction, target })
  checkOptions("meanSquaredError", { options }, ["reduction"])
  const d = difference("meanSquaredError", prediction, target)
  return reduceLoss("meanSquaredError", mul(d, d), options.reduction)
}

/** Mean absolute error. */
export function meanAbsoluteError(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkTensors("meanAbsoluteError", { prediction, target })
  checkOptions("meanAbsoluteError", { options }, ["reduction"])
  return reduceLoss("meanAbsoluteError", abs(difference("meanAbsoluteError", prediction, target)), options.reduction)
}

/** Quadratic within `beta` of the target and linear outside, with slope 1 there: d² / (2 beta) or |d| - beta / 2. beta: 1. */
export function smoothL1(prediction: Tensor, target: Tensor, options: LossOptions & { beta?: number } = {}): Tensor {
  checkTensors("smoothL1", { prediction, target })
  checkOptions("smoothL1", { options }, ["reduction", "beta"])
  const { beta = 1, reduction } = options
  if (!(beta > 0))
    throw new ValueError(`smoothL1: expected beta > 0, but got ${beta}`, "for beta 0 use meanAbsoluteError")
  const d = difference("smoothL1", prediction, target)
  const a = abs(d)
  return reduceLoss("smoothL1", where(lt(a, beta), mul(mul(d, d), 0.5 / beta), sub(a, beta / 2)), reduction)
}

/** Huber's loss: smoothL1 · delta, so the quadratic part is d² / 2. delta: 1. */
export function huber(prediction: Tensor, target: Tensor, options: LossOptions & { delta?: number } = {}): Tensor {
  checkTensors("huber", { prediction, target })
  checkOptions("huber", { options }, ["reduction", "delta"])
  const { delta = 1, reduction } = options
  if (!(delta > 0 && Number.isFinite(delta))) throw new ValueError(`huber: expected delta > 0, but got ${delta}`)
  return mul(smoothL1(prediction, target, { beta: delta, ...(reduction ? { reduction } : {}) }), delta)
}

/**
 * Cross-entropy of independent yes-or-no answers from their logits; target f32 of the logits' shape, in 0 .. 1.
 * positiveWeight (broadcastable) multiplies the loss of the answer yes.
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  options: LossOptions & { positiveWeight?: Tensor } = {},
): Tensor {
  checkTensors("binaryCrossEntropyWithLogits", { logits, target })
  checkOptions("binaryCrossEntropyWithLogits", { options }, ["reduction", "positiveWeight"])
  const what = "binaryCrossEntropyWithLogits"
  if (!sameShape(logits.shape, target.shape)) difference(what, logits, target)
  const [x, t] = [floating(what, logits), floating(what, target)]
  const no = softplus(neg(x)) // -log sigmoid(x)
  const { positiveWeight, reduction } = options
  const factor = positiveWeight ? add(mul(sub(positiveWeight, 1), t), 1) : null
  const losses = add(mul(sub(1, t), x), factor ? mul(factor, no) : no)
  return reduceLoss(what, losses, reduction)
}

/** Options of the Kullback-Leibler divergence: "batchmean" divides the sum by the size of the first axis. */
export interface DivergenceOptions {
  readonly reduction?: LossReduction | "batchmean"
}

/** Σ target · (log target - log prediction), both given as log-probabilities. reduction: "batchmean". */
export function klDivergence(logPrediction: Tensor, logTarget: Tensor, options: DivergenceOptions = {}): Tensor {
  checkTensors("klDivergence", { logPrediction, logTarget })
  checkOptions("klDivergence", { options }, ["reduction"])
  const d = difference("klDivergence", logTarget, logPrediction)
  const losses = mul(exp(floating("klDivergence", logTarget)), d)
  const { reduction = "batchmean" } = options
  if (reduction !== "batchmean") return reduceLoss("klDivergence", losses, reduction)
  return div(sum(losses), Math.max(1, losses.shape[0] ?? 1))
}
