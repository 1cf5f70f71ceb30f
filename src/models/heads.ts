// What stands on top of a stack of blocks: the next token's logits, or the classes of a sequence.

import { type Embedding, type Initializer, Linear, Module } from "../nn/index.ts"
import {
  arange,
  argmax,
  binaryCrossEntropyWithLogits,
  concat,
  crossEntropy,
  full,
  gather,
  HeedError,
  linear,
  linearCrossEntropy,
  meanSquaredError,
  type Parameter,
  ShapeError,
  type Tensor,
  ValueError,
} from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import type { ForwardOptions } from "./model.ts"

/** Logits and loss of a head. */
export interface HeadOutput {
  readonly logits: Tensor
  readonly loss?: Tensor
}

/** Next-token logits: hidden [B T D] -> [B T V], with weights of its own or those of the token embedding. */
export class CausalHead extends Module {
  readonly output: Linear | null
  readonly #tied: Embedding | null

  constructor(init: Initializer, tokens: Embedding, options: { readonly tied: boolean; readonly deviation: number }) {
    super()
    const [V, D] = tokens.weight.shape as [number, number]
    this.#tied = options.tied ? tokens : null
    this.output = options.tied ? null : new Linear(init, D, V, { bias: false, deviation: options.deviation })
  }

  get #weight(): Parameter {
    return (this.#tied ?? this.output!).weight
  }

  /** Logits [… V] of hidden [… D]. */
  project(hidden: Tensor): Tensor {
    return linear(hidden, this.#weight)
  }

  forward(hidden: Tensor, ids: Tensor, { labels, targets }: ForwardOptions): HeadOutput {
    if (labels && targets)
      throw new ValueError(
        "forward: expected labels or targets, but got both",
        "targets are labels that are shifted already",
      )
    const logits = this.project(hidden)
    const next = targets ?? (labels ? shifted(labels, ids) : null)
    if (!next) return { logits }
    if (formatShape(next.shape) !== formatShape(ids.shape))
      throw new ShapeError(`targets: expected ${formatShape(ids.shape)} as ids, but got ${formatShape(next.shape)}`)
    // not from the logits: where only the loss is asked for, they never exist
    return { logits, loss: linearCrossEntropy(hidden, this.#weight, next) }
  }
}

/** Each position's target is the label behind it; the last has none. */
function shifted(labels: Tensor, ids: Tensor): Tensor {
  if (formatShape(labels.shape) !== formatShape(ids.shape))
    throw new ShapeError(`labels: expected ${formatShape(ids.shape)} as ids, but got ${formatShape(labels.shape)}`)
  const [B] = labels.shape as [number]
  return concat([labels.slice(1, 1), full([B, 1], -100, "i32")], 1)
}

/** What a classifier answers: a number, one of several classes, or any of several. */
export type ClassificationKind = "regression" | "single_label_classification" | "multi_label_classification"

/** Options of a sequence classifier. */
export interface ClassificationOptions {
  readonly classes: number
  readonly deviation: number
  /** Found from the labels by default. */
  readonly kind?: ClassificationKind | null
  /** Padding token: a row's answer is read at the last token before the first padding. */
  readonly padToken?: number | null
}

/** Classes of a sequence from its last token: hidden [B T D] -> [B N]. */
export class ClassificationHead extends Module {
  readonly score: Linear
  readonly #options: ClassificationOptions

  constructor(init: Initializer, width: number, options: ClassificationOptions) {
    super()
    this.score = new Linear(init, width, options.classes, { bias: false, deviation: options.deviation })
    this.#options = options
  }

  forward(hidden: Tensor, ids: Tensor, { labels, targets }: ForwardOptions): HeadOutput {
    if (targets) throw new ValueError("forward: expected labels for a classifier, but got targets", "pass { labels }")
    const [B, T, D] = hidden.shape as [number, number, number]
    const rows = hidden.reshape([B * T, D])
    const logits = this.score.forward(gather(rows, this.#last(ids).add(arange(0, B * T, T))))
    return labels ? { logits, loss: this.#loss(logits, labels) } : { logits }
  }

  /** Position of each row's last token, i32 [B]. */
  #last(ids: Tensor): Tensor {
    const [B, T] = ids.shape as [number, number]
    const { padToken } = this.#options
    if (padToken === undefined || padToken === null) {
      if (B > 1)
        throw new HeedError(
          "classification: expected a padding token in the configuration to find the end of each row, but there is none",
          "set padToken, or classify one text at a time",
        )
      return full([B], T - 1, "i32")
    }
    const first = argmax(ids.eq(padToken).cast("i32"), 1) // 0 where there is none, or the row is padded on the left
    return first.add(T - 1).sub(first.gt(0).cast("i32").mul(T))
  }

  #loss(logits: Tensor, labels: Tensor): Tensor {
    const { classes } = this.#options
    const derived =
      classes === 1
        ? "regression"
        : labels.dtype === "f32"
          ? "multi_label_classification"
          : "single_label_classification"
    switch (this.#options.kind ?? derived) {
      case "regression": {
        const wanted = labels.cast("f32")
        return classes === 1
          ? meanSquaredError(logits.reshape([-1]), wanted.reshape([-1]))
          : meanSquaredError(logits, wanted)
      }
      case "multi_label_classification":
        return binaryCrossEntropyWithLogits(logits, labels.cast("f32"))
      case "single_label_classification":
        return crossEntropy(logits, labels)
    }
  }
}
