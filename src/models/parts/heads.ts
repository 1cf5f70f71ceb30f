// What stands on top of a stack of blocks: the next token's logits, or the classes of a sequence.

import { Buffer, type Embedding, type Initializer, Linear, Module } from "../../nn/index.ts"
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
} from "../../tensor/index.ts"
import { formatShape } from "../../tensor/shape.ts"
import type { ForwardOptions } from "../model.ts"

/** Logits and loss of a head; of tokens [… V], of classes [B N]. */
export interface HeadOutput {
  readonly logits: Tensor
  readonly loss?: Tensor
}

/** Options of VocabularyHead. */
export interface VocabularyOptions {
  /** true: the rows of the token embedding are the output weights. */
  readonly tied: boolean
  readonly deviation: number
  /** Whether a bias is added: true: a weight [V]; "fixed": a buffer [1 V] that training leaves alone (BART). False by default. */
  readonly bias?: boolean | "fixed"
}

/** Logits of tokens: hidden [… D] -> [… V], with weights of its own or those of the token embedding. */
export class VocabularyHead extends Module {
  /** [V D]; null where the embedding's rows serve. */
  readonly weight: Parameter | null
  /** [V], or [1 V] of a fixed one. */
  readonly bias: Parameter | null
  readonly #tied: Embedding | null

  constructor(init: Initializer, tokens: Embedding, { tied, deviation, bias = false }: VocabularyOptions) {
    super()
    const [V, D] = tokens.weight.shape as [number, number]
    this.#tied = tied ? tokens : null
    this.weight = tied ? null : init.normal([V, D], deviation)
    this.bias = bias === "fixed" ? new Buffer(full([1, V], 0)) : bias ? init.constant([V], 0) : null
  }

  get #rows(): Parameter {
    return this.weight ?? this.#tied!.weight
  }

  /** Logits [… V] of hidden [… D]. */
  project(hidden: Tensor): Tensor {
    return linear(hidden, this.#rows, this.bias?.reshape([-1]))
  }

  /** Logits, and the mean loss where each position [B T] has a target (-100: none). Throws ShapeError. */
  forward(hidden: Tensor, targets?: Tensor | null): HeadOutput {
    const logits = this.project(hidden)
    if (!targets) return { logits }
    const positions = hidden.shape.slice(0, -1)
    if (formatShape(targets.shape) !== formatShape(positions))
      throw new ShapeError(`targets: expected ${formatShape(positions)} as ids, but got ${formatShape(targets.shape)}`)
    // not from the logits: where only the loss is asked for, they never exist
    return {
      logits,
      loss: linearCrossEntropy(hidden, this.#rows, targets, this.bias ? { bias: this.bias.reshape([-1]) } : {}),
    }
  }
}

/** What each position of ids [B T] shall predict: the targets, or the labels behind it; the last has none. Null without either. */
export function nextTokens(ids: Tensor, { labels, targets }: ForwardOptions): Tensor | null {
  if (labels && targets)
    throw new ValueError(
      "forward: expected labels or targets, but got both",
      "targets are labels that are shifted already",
    )
  if (!labels) return targets ?? null
  const [B, T] = ids.shape as [number, number]
  if (formatShape(labels.shape) !== formatShape([B, T]))
    throw new ShapeError(`labels: expected ${formatShape([B, T])} as ids, but got ${formatShape(labels.shape)}`)
  const last = full([B, 1], -100, "i32")
  return T === 1 ? last : concat([labels.slice(1, 1), last], 1)
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
    return labels ? { logits, loss: classificationLoss(logits, labels, this.#options.kind) } : { logits }
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
}

/**
 * Mean loss of a classifier's logits [B N]: squared error for numbers f32 [B] or [B N], cross-entropy for classes i32 [B], binary
 * cross-entropy for sets of classes f32 [B N]. Without a kind, one class means numbers and labels in f32 sets.
 */
export function classificationLoss(logits: Tensor, labels: Tensor, kind?: ClassificationKind | null): Tensor {
  const classes = logits.shape.at(-1)!
  const derived =
    classes === 1 ? "regression" : labels.dtype === "f32" ? "multi_label_classification" : "single_label_classification"
  switch (kind ?? derived) {
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
