// What a run minimizes. An objective gives the sum of losses over its terms; the loop divides by the number of terms of all
// micro-batches of an update, so that accumulated gradients are those of one large batch, whatever the targets leave out.

import type { Batch } from "../data/index.ts"
import type { Model } from "../models/index.ts"
import type { Module } from "../nn/index.ts"
import { fromHost, HeedError, type Tensor } from "../tensor/index.ts"

/** Records the loss of a batch. M: the model, B: a batch on the host. */
export interface Objective<M extends Module, B> {
  /** What the loss is, in words. */
  readonly name: string
  /** The batch as arguments of a program. */
  readonly tensors: (batch: B) => Readonly<Record<string, Tensor>>
  /** How many terms the loss of the batch is the mean of. */
  readonly terms: (batch: B) => number
  /** Σ of the losses of all terms, a scalar. */
  readonly total: (model: M, tensors: Readonly<Record<string, Tensor>>) => Tensor
}

/** The target that counts nothing. */
export const ignoredTarget = -100

/**
 * Predicting each next token: batches hold ids [B T] and targets [B T], which are already one token ahead. The logits never exist: the
 * model computes its loss together with its output projection.
 */
export const causalLanguageModelling: Objective<Model, Batch> = {
  name: "cross-entropy per token, nats",
  tensors: ({ inputs, targets, shape }) => ({
    ids: fromHost(inputs, shape, "i32"),
    targets: fromHost(targets, shape, "i32"),
  }),
  terms: ({ targets }) => targets.reduce((count, target) => (target === ignoredTarget ? count : count + 1), 0),
  total: (model, { ids, targets }) => {
    const { loss } = model.forward(ids!, { targets: targets! })
    if (!loss) throw new HeedError("train: expected a model that predicts tokens, but it gives no loss for targets")
    return loss.mul(targets!.ne(ignoredTarget).cast("f32").sum()) // the model's loss is a mean
  },
}
