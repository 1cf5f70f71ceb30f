// Cross-entropy of logits, also fused with the projection that makes them: then the [N V] logits never exist. Records give one
// loss per row; means and sums are made outside. Definitions need no saved statistics, so they can be differentiated again.

import { apply, applyOne, type OpRecord } from "../op.ts"
import type { Shape } from "../shape.ts"
import type { Signature, Tensor } from "../tensor.ts"
import { arange } from "./create.ts"
import { gather, takeAlong } from "./gather.ts"
import { type Compute, linear, matmul } from "./matmul.ts"
import { reshape, transpose, unsqueeze } from "./move.ts"
import { add, cast, eq, mul, ne, neg, sub, where } from "./pointwise.ts"
import { logsumexp, sum } from "./reduce.ts"
import { logSoftmax, softmax } from "./softmax.ts"

interface RowAttributes {
  /** Rows with this target give 0. */
  readonly ignored: number
  /** Share of the target distribution that is spread over all classes (label smoothing). */
  readonly smoothing: number
  /** Whether there are class weights. */
  readonly weights: boolean
}

const lossOutputs = (rows: number): Signature[] => [
  { shape: [rows], dtype: "f32" },
  { shape: [rows], dtype: "f32" },
]

/** The target of each row with 0 for ignored ones, and what its loss is multiplied by. */
function rowTargets(targets: Tensor, weights: Tensor | undefined, ignored: number): { target: Tensor; factor: Tensor } {
  const valid = ne(targets, ignored)
  const target = where(valid, targets, 0)
  return { target, factor: weights ? where(valid, gather(weights, target), 0) : cast(valid, "f32") }
}

/** What each row counts in a mean: 0 where ignored, else the weight of its class. */
export function rowWeights(targets: Tensor, weights: Tensor | undefined, ignored: number): Tensor {
  return rowTargets(targets, weights, ignored).factor
}

/** Loss of each row from log-probabilities [N V]. */
export function rowLosses(
  logp: Tensor,
  targets: Tensor,
  weights: Tensor | undefined,
  { ignored, smoothing }: RowAttributes,
): Tensor {
  const { target, factor } = rowTargets(targets, weights, ignored)
  const picked = reshape(takeAlong(logp, unsqueeze(target, 1), 1), targets.shape)
  const hard = mul(neg(picked), factor)
  if (smoothing === 0) return hard
  const spread = neg(sum(weights ? mul(logp, weights) : logp, 1))
  const valid = cast(ne(targets, ignored), "f32")
  return add(mul(hard, 1 - smoothing), mul(mul(spread, valid), smoothing / logp.shape[1]!))
}

/** d loss / d logits of each row [N V], for upstream dloss [N]. */
function logitGradients(
  logits: Tensor,
  targets: Tensor,
  weights: Tensor | undefined,
  dloss: Tensor,
  { ignored, smoothing }: RowAttributes,
): Tensor {
  const classes = logits.shape[1]!
  const { target, factor } = rowTargets(targets, weights, ignored)
  const p = softmax(logits, 1)
  const hit = cast(eq(arange(classes), unsqueeze(target, 1)), "f32")
  const hard = mul(sub(p, hit), unsqueeze(factor, 1))
  if (smoothing === 0) return mul(hard, unsqueeze(dloss, 1))
  // Σ w (p - w / Σ w) over the classes, or p · V - 1 without weights
  const spread = weights ? sub(mul(p, sum(weights)), weights) : sub(mul(p, classes), 1)
  const valid = unsqueeze(cast(ne(targets, ignored), "f32"), 1)
  const soft = mul(mul(spread, valid), smoothing / classes)
  return mul(add(mul(hard, 1 - smoothing), soft), unsqueeze(dloss, 1))
}

// inputs logits [N V], targets [N], weights? [V]; outputs loss [N], logsumexp [N]
export const crossEntropyRecord: OpRecord<RowAttributes> = {
  name: "crossEntropy",
  shape: ([logits]) => lossOutputs(logits!.shape[0]!),
  compose: ([logits, targets, weights], attributes) => [
    rowLosses(logSoftmax(logits!, 1), targets!, weights, attributes),
    logsumexp(logits!, 1),
  ],
  kernel: ([logits], { ignored, smoothing, weights }) => ({
    uses: ["cross_entropy"],
    calls: () => [
      {
        name: "cross_entropy",
        fields: {
          logits: { input: 0 },
          targets: { input: 1 },
          weights: weights ? { input: 2 } : null,
          loss: { output: 0 },
          logsumexp: { output: 1 },
          rows: logits!.shape[0]!,
          size: logits!.shape[1]!,
          ignored,
          smoothing,
        },
      },
    ],
  }),
  grad: ([dloss], [logits, targets, weights], [, statistics], attributes) => [
    applyOne(
      crossEntropyBackwardRecord,
      [logits!, targets!, statistics!, dloss!, ...(weights ? [weights] : [])],
      attributes,
    ),
    null,
    null,
  ],
}

// inputs logits, targets, logsumexp, dloss, weights?; output dlogits
const crossEntropyBackwardRecord: OpRecord<RowAttributes> = {
  name: "crossEntropy_backward",
  shape: ([logits]) => ({ shape: logits!.shape, dtype: "f32" }),
  compose: ([logits, targets, , dloss, weights], attributes) =>
    logitGradients(logits!, targets!, weights, dloss!, attributes),
  kernel: ([logits], { ignored, smoothing, weights }) => ({
    uses: ["cross_entropy_backward"],
    calls: () => [
      {
        name: "cross_entropy_backward",
        fields: {
          logits: { input: 0 },
          targets: { input: 1 },
          logsumexp: { input: 2 },
          dloss: { input: 3 },
          weights: weights ? { input: 4 } : null,
          dlogits: { output: 0 },
          rows: logits!.shape[0]!,
          size: logits!.shape[1]!,
          ignored,
          smoothing,
        },
      },
    ],
  }),
}

interface ProjectedAttributes {
  readonly ignored: number
  readonly smoothing: number
  readonly bias: boolean
  readonly compute: Compute
}

const rowsAttributes = ({ ignored, smoothing }: ProjectedAttributes): RowAttributes => ({
  ignored,
  smoothing,
  weights: false,
})

function projectedFields(x: Shape, w: Shape, { ignored, smoothing, compute }: ProjectedAttributes) {
  return { rows: x[0]!, width: x[1]!, size: w[0]!, ignored, smoothing, compute: compute === "bf16" ? 1 : 0 }
}

// inputs x [N D], w [V D], targets [N], bias? [V]; outputs loss [N], logsumexp [N]
export const linearCrossEntropyRecord: OpRecord<ProjectedAttributes> = {
  name: "linearCrossEntropy",
  contraction: true,
  shape: ([x]) => lossOutputs(x!.shape[0]!),
  compose: ([x, w, targets, bias], attributes) =>
    apply(crossEntropyRecord, [linear(x!, w!, bias), targets!], rowsAttributes(attributes)),
  kernel: ([x, w], attributes) =>
    x!.dtype !== "f32" || w!.dtype !== "f32"
      ? null
      : {
          uses: ["linear_cross_entropy"],
          calls: () => [
            {
              name: "linear_cross_entropy",
              fields: {
                x: { input: 0 },
                w: { input: 1 },
                targets: { input: 2 },
                bias: attributes.bias ? { input: 3 } : null,
                loss: { output: 0 },
                logsumexp: { output: 1 },
                ...projectedFields(x!.shape, w!.shape, attributes),
              },
            },
          ],
        },
  grad: ([dloss], [x, w, targets, bias], [, statistics], attributes) => {
    const inputs = [x!, w!, targets!, statistics!, dloss!, ...(bias ? [bias] : [])]
    const [dx, dw, dbias] = apply(linearCrossEntropyBackwardRecord, inputs, attributes)
    return [dx!, dw!, null, ...(bias ? [dbias!] : [])]
  },
}

// inputs x, w, targets, logsumexp, dloss, bias?; outputs dx, dw, dbias?
const linearCrossEntropyBackwardRecord: OpRecord<ProjectedAttributes> = {
  name: "linearCrossEntropy_backward",
  contraction: true,
  shape: ([x, w], { bias }) => [
    { shape: x!.shape, dtype: "f32" },
    { shape: w!.shape, dtype: "f32" },
    ...(bias ? [{ shape: [w!.shape[0]!], dtype: "f32" } as const] : []),
  ],
  compose: ([x, w, targets, , dloss, bias], attributes) => {
    const dlogits = logitGradients(linear(x!, w!, bias), targets!, undefined, dloss!, rowsAttributes(attributes))
    return [matmul(dlogits, w!), matmul(transpose(dlogits), x!), ...(bias ? [sum(dlogits, 0)] : [])]
  },
  kernel: ([x, w], attributes) =>
    x!.dtype !== "f32" || w!.dtype !== "f32"
      ? null
      : {
          uses: ["linear_cross_entropy_backward"],
          calls: () => [
            {
              name: "linear_cross_entropy_backward",
              fields: {
                x: { input: 0 },
                w: { input: 1 },
                targets: { input: 2 },
                logsumexp: { input: 3 },
                dloss: { input: 4 },
                bias: attributes.bias ? { input: 5 } : null,
                dx: { output: 0 },
                dw: { output: 1 },
                dbias: attributes.bias ? { output: 2 } : null,
                ...projectedFields(x!.shape, w!.shape, attributes),
              },
            },
          ],
        },
}
