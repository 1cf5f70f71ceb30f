// One update as one program: forward, backward, clipping, optimizer and loss. With gradient accumulation the earlier micro-batches
// run a second program that only adds to gradients kept on the device; the last one updates.

import { type Module, withRandom } from "../nn/index.ts"
import { compile, read } from "../runtime/index.ts"
import { fromHost, full, grad, Parameter, type Tensor } from "../tensor/index.ts"
import type { TrainingConfig } from "./config.ts"
import type { Objective } from "./objective.ts"
import { clipByGlobalNorm, globalNorm, type Optimizer } from "./optimizer.ts"

/** What an update gave. */
export interface StepResult {
  /** Mean over all terms of its micro-batches. */
  readonly loss: number
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number
}

/** Runs updates. */
export interface TrainingStep<B> {
  /** Update number `step` (0 is the first) on the micro-batches. */
  run(batches: readonly B[], step: number, learningRate: number): Promise<StepResult>
}

type Tensors = Readonly<Record<string, Tensor>>

const numberOf = async (scalar: Tensor): Promise<number> => (await read(scalar))[0]!

/** The key of dropout: it depends on the seed and on which micro-batch of the run this is. */
function randomKeyOf(seed: number, microBatch: number): Tensor {
  return fromHost(Int32Array.of(seed | 0, microBatch | 0), [2], "i32")
}

/** Programs that train `optimizer.parameters` of a model. */
export function trainingStep<M extends Module, B>(
  model: M,
  objective: Objective<M, B>,
  optimizer: Optimizer,
  config: Pick<TrainingConfig, "maxGradNorm" | "precision" | "seed" | "gradientAccumulationSteps">,
): TrainingStep<B> {
  const { maxGradNorm, precision, seed, gradientAccumulationSteps } = config
  const { parameters } = optimizer
  const sums =
    gradientAccumulationSteps === 1
      ? null
      : parameters.map(p => new Parameter(full(p.shape, 0), { name: `${p.name}.gradient`, trainable: false }))

  /** The share of this micro-batch in the update's loss, and its gradients added to those before. */
  const differentiate = (batch: Tensors, key: Tensor, weight: Tensor): { loss: Tensor; gradients: Tensor[] } => {
    const loss = model.inTraining(() => withRandom(key, () => objective.total(model, batch))).mul(weight)
    const gradients = grad(loss, parameters)
    return { loss, gradients: sums ? gradients.map((g, i) => g.add(sums[i]!)) : gradients }
  }

  const accumulate = compile(
    (batch: Tensors, key: Tensor, weight: Tensor) => {
      const { loss, gradients } = differentiate(batch, key, weight)
      for (const [i, sum] of sums!.entries()) sum.assign(gradients[i]!)
      return loss
    },
    { precision },
  )

  const update = compile(
    (batch: Tensors, key: Tensor, weight: Tensor, scalars: Tensors) => {
      const { loss, gradients } = differentiate(batch, key, weight)
      const clipped =
        maxGradNorm > 0 ? clipByGlobalNorm(gradients, maxGradNorm) : { gradients, norm: globalNorm(gradients) }
      optimizer.update(clipped.gradients, scalars)
      for (const sum of sums ?? []) sum.assign(full(sum.shape, 0))
      return { loss, norm: clipped.norm }
    },
    { precision },
  )

  return {
    run: async (batches, step, learningRate) => {
      const terms = batches.reduce((total, batch) => total + objective.terms(batch), 0)
      const weight = 1 / Math.max(1, terms)
      const first = step * gradientAccumulationSteps
      let loss = 0
      for (const [i, batch] of batches.entries()) {
        const tensors = objective.tensors(batch)
        const key = randomKeyOf(seed, first + i)
        if (i < batches.length - 1) {
          loss += await numberOf(await accumulate(tensors, key, weight))
          continue
        }
        const result = await update(tensors, key, weight, optimizer.scalars(step + 1, learningRate))
        return { loss: loss + (await numberOf(result.loss)), gradientNorm: await numberOf(result.norm) }
      }
      throw new RangeError("update: expected at least one batch, but got none")
    },
  }
}

/** The mean loss over held-out batches; null when `signal` aborts before the last. */
export type Evaluation<B> = (batches: Iterable<B>, signal?: AbortSignal) => Promise<number | null>

/** Measures a model's loss with dropout off. */
export function evaluation<M extends Module, B>(
  model: M,
  objective: Objective<M, B>,
  config: Pick<TrainingConfig, "precision">,
): Evaluation<B> {
  const total = compile((batch: Tensors) => model.inEvaluation(() => objective.total(model, batch)), {
    precision: config.precision,
  })
  return async (batches, signal) => {
    let [sum, terms] = [0, 0]
    for (const batch of batches) {
      if (signal?.aborted) return null
      sum += await numberOf(await total(objective.tensors(batch)))
      terms += objective.terms(batch)
    }
    return sum / Math.max(1, terms)
  }
}
