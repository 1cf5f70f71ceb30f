// What a run minimizes. An objective gives the sum of losses over its terms; the loop divides by the number of terms of all
// micro-batches of an update, so that accumulated gradients are those of one large batch, whatever the targets leave out.

import type { Batch } from "../data/index.ts"
import type { Module } from "../nn/index.ts"
import { fromHost, linearCrossEntropy, type Tensor } from "../tensor/index.ts"

/** Records the loss of a batch. M: the model, B: a batch on the host. */
export interface Objective<M extends Module, B> {
  /** What the loss is, in words. */
  readonly name: string
  /** The batch as arguments of a program. */
  readonly tensors: (batch: B) => Readonly<Record<string, Tensor>>
  /** How many terms the loss of the batch is the mean of. */
  readonly terms: (batch: B) => number
  /** Tokens that go through the model. */
  readonly tokens: (batch: B) => number
  /** Σ of the losses of all terms, a scalar. */
  readonly total: (model: M, tensors: Readonly<Record<string, Tensor>>) => Tensor
}

/** A model that says what comes next: states, and the projection to a score for each token of the vocabulary. */
export interface LanguageModel extends Module {
  /** ids i32 [B T] -> states before the projection [B T D]. */
  hidden(ids: Tensor): Tensor
  /** weight [V D], bias [V]. */
  projection(): { readonly weight: Tensor; readonly bias?: Tensor | null }
}

/** The target that counts nothing. */
export const ignoredTarget = -100

/** Predicting each next token: batches hold ids [B T] and targets [B T], which are already one token ahead. */
export function causalLanguageModelling(options: { labelSmoothing?: number } = {}): Objective<LanguageModel, Batch> {
  const { labelSmoothing = 0 } = options
  return {
    name: "cross-entropy per token, nats",
    tensors: ({ inputs, targets, shape }) => ({
      ids: fromHost(inputs, shape, "i32"),
      targets: fromHost(targets, shape, "i32"),
    }),
    terms: ({ targets }) => targets.reduce((count, target) => (target === ignoredTarget ? count : count + 1), 0),
    tokens: ({ inputs }) => inputs.length,
    total: (model, { ids, targets }) => {
      const { weight, bias } = model.projection()
      return linearCrossEntropy(model.hidden(ids!), weight, targets!, {
        labelSmoothing,
        ignoreIndex: ignoredTarget,
        reduction: "sum",
        ...(bias ? { bias } : {}),
      })
    },
  }
}
