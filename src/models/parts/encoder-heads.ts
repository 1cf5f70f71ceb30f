// Heads of encoders (Devlin et al. 2019): hidden tokens, the next sentence, the class of a whole input or of each token, the span that
// answers a question.

import {
  type Activation,
  activation,
  Dropout,
  type Embedding,
  type Initializer,
  LayerNorm,
  Linear,
  Module,
} from "../../nn/index.ts"
import { crossEntropy, HeedError, ShapeError, type Tensor } from "../../tensor/index.ts"
import { formatShape } from "../../tensor/shape.ts"
import type { ForwardOptions, ModelOutput } from "../model.ts"
import { type ClassificationKind, classificationLoss, type HeadOutput, VocabularyHead } from "./heads.ts"

/** What a call of a text encoder may use besides its ids. */
export interface EncoderOptions extends ForwardOptions {
  /** i32 [B], models trained to tell next sentences: 0 where the second text follows the first, 1 where it does not. */
  readonly nextSentenceLabel?: Tensor
  /** i32 [B], models that answer questions: the first token of the answer; positions beyond the row ask nothing. */
  readonly startPositions?: Tensor
  /** i32 [B]: the last token of the answer. */
  readonly endPositions?: Tensor
}

/** What a text encoder gives. */
export interface EncoderOutput extends ModelOutput {
  /** [B 2], whether the second text follows the first (class 0) or not. */
  readonly nextSentenceLogits?: Tensor
  /** [B T], how well each token begins the answer. */
  readonly startLogits?: Tensor
  /** [B T], how well each token ends it. */
  readonly endLogits?: Tensor
}

/** What a head gives. */
export type EncoderScores = Pick<EncoderOutput, "logits" | "loss" | "nextSentenceLogits" | "startLogits" | "endLogits">

/** What a head reads: the stream [B T D], and one vector a row [B D] where the model has a pooler. */
export interface EncoderStates {
  readonly hidden: Tensor
  readonly pooled: Tensor | null
}

/** Something that scores what an encoder has read. */
export interface EncoderHead extends Module {
  /** The options of a call that it uses. */
  readonly takes: readonly (keyof EncoderOptions)[]
  forward(states: EncoderStates, options: EncoderOptions): EncoderScores
}

/** One vector for a whole input, from its first position: hidden [B T D] -> [B D]. */
export class Pooler extends Module {
  readonly dense: Linear
  readonly dropout: Dropout
  readonly #activation: (x: Tensor) => Tensor

  /** dropout: rate of dropped elements of the first position in training. size: D by default. */
  constructor(
    init: Initializer,
    width: number,
    options: {
      readonly deviation: number
      readonly activation?: Activation
      readonly dropout?: number
      readonly size?: number
    },
  ) {
    super()
    this.dense = new Linear(init, width, options.size ?? width, { deviation: options.deviation })
    this.dropout = new Dropout(options.dropout ?? 0)
    this.#activation = activation(options.activation ?? "tanh")
  }

  forward(hidden: Tensor): Tensor {
    return this.#activation(this.dense.forward(this.dropout.forward(hidden.select(1, 0))))
  }
}

function checkLabels(labels: Tensor, shape: readonly number[], meaning: string): void {
  if (formatShape(labels.shape) !== formatShape(shape))
    throw new ShapeError(`labels: expected ${formatShape(shape)}, ${meaning}, but got ${formatShape(labels.shape)}`)
}

/** Options of MaskedHead. */
export interface MaskedHeadOptions {
  readonly activation: Activation
  readonly epsilon: number
  readonly deviation: number
  /** true: the rows of the token embedding are the output weights. */
  readonly tied: boolean
}

/** The tokens behind masks: a dense layer with a norm, then the logits of all tokens [B T V]. Labels i32 [B T], -100 where nothing is asked. */
export class MaskedHead extends Module implements EncoderHead {
  readonly takes = ["labels"] as const
  readonly transform: Linear
  readonly norm: LayerNorm
  readonly output: VocabularyHead
  readonly #activation: (x: Tensor) => Tensor

  constructor(init: Initializer, tokens: Embedding, { activation: name, epsilon, deviation, tied }: MaskedHeadOptions) {
    super()
    const width = tokens.weight.shape[1]!
    this.transform = new Linear(init, width, width, { deviation })
    this.norm = new LayerNorm(init, width, { epsilon })
    this.output = new VocabularyHead(init, tokens, { tied, deviation, bias: true })
    this.#activation = activation(name)
  }

  forward({ hidden }: EncoderStates, { labels }: EncoderOptions): HeadOutput {
    if (labels) checkLabels(labels, hidden.shape.slice(0, 2), "an id for each token or -100")
    const transformed = this.norm.forward(this.#activation(this.transform.forward(hidden)))
    return this.output.forward(transformed, labels ?? null)
  }
}

/** Scores of the pooled vector: the class of a whole input [B N], or, as `next sentence`, [B 2]. */
export class SequenceHead extends Module implements EncoderHead {
  readonly takes = ["labels"] as const
  readonly dropout: Dropout
  readonly score: Linear
  readonly #kind: ClassificationKind | null

  constructor(
    init: Initializer,
    width: number,
    options: {
      readonly classes: number
      readonly deviation: number
      readonly dropout?: number
      readonly kind?: ClassificationKind | null
    },
  ) {
    super()
    this.dropout = new Dropout(options.dropout ?? 0)
    this.score = new Linear(init, width, options.classes, { deviation: options.deviation })
    this.#kind = options.kind ?? null
  }

  forward({ pooled }: EncoderStates, { labels }: EncoderOptions): HeadOutput {
    const logits = this.score.forward(this.dropout.forward(pooled!))
    return labels ? { logits, loss: classificationLoss(logits, labels, this.#kind) } : { logits }
  }
}

/** Masked tokens and next sentences at once, as BERT was trained; the loss is the sum of those that are asked for. */
export class PretrainingHead extends Module implements EncoderHead {
  readonly takes = ["labels", "nextSentenceLabel"] as const
  readonly predictions: MaskedHead
  readonly relationship: SequenceHead

  constructor(predictions: MaskedHead, relationship: SequenceHead) {
    super()
    this.predictions = predictions
    this.relationship = relationship
  }

  forward(states: EncoderStates, { labels, nextSentenceLabel }: EncoderOptions): EncoderScores {
    const tokens = this.predictions.forward(states, labels ? { labels } : {})
    const sentences = this.relationship.forward(states, nextSentenceLabel ? { labels: nextSentenceLabel } : {})
    const losses = [tokens.loss, sentences.loss].filter(loss => loss !== undefined)
    const loss = losses.length === 2 ? losses[0]!.add(losses[1]!) : losses[0]
    return { logits: tokens.logits, nextSentenceLogits: sentences.logits, ...(loss ? { loss } : {}) }
  }
}

/** The class of each token [B T N]. Labels i32 [B T], -100 where nothing is asked. */
export class TokenHead extends Module implements EncoderHead {
  readonly takes = ["labels"] as const
  readonly dropout: Dropout
  readonly score: Linear

  constructor(
    init: Initializer,
    width: number,
    options: { readonly classes: number; readonly deviation: number; readonly dropout?: number },
  ) {
    super()
    this.dropout = new Dropout(options.dropout ?? 0)
    this.score = new Linear(init, width, options.classes, { deviation: options.deviation })
  }

  forward({ hidden }: EncoderStates, { labels }: EncoderOptions): HeadOutput {
    if (labels) checkLabels(labels, hidden.shape.slice(0, 2), "a class for each token or -100")
    const logits = this.score.forward(this.dropout.forward(hidden))
    return labels ? { logits, loss: crossEntropy(logits, labels) } : { logits }
  }
}

/** Where the answer of a question begins and ends, [B T] each. */
export class SpanHead extends Module implements EncoderHead {
  readonly takes = ["startPositions", "endPositions"] as const
  readonly dropout: Dropout
  readonly score: Linear

  constructor(init: Initializer, width: number, options: { readonly deviation: number; readonly dropout?: number }) {
    super()
    this.dropout = new Dropout(options.dropout ?? 0)
    this.score = new Linear(init, width, 2, { deviation: options.deviation })
  }

  forward({ hidden }: EncoderStates, { startPositions, endPositions }: EncoderOptions): EncoderScores {
    const scores = this.score.forward(this.dropout.forward(hidden)) // [B T 2]
    const [startLogits, endLogits] = [scores.select(2, 0), scores.select(2, 1)]
    if (!startPositions && !endPositions) return { startLogits, endLogits }
    if (!startPositions || !endPositions)
      throw new HeedError(
        `loss: expected startPositions and endPositions, but got only ${startPositions ? "startPositions" : "endPositions"}`,
        "an answer has a first and a last token",
      )
    const T = hidden.shape[1]!
    // answers that were cut off with the end of their text ask nothing
    const lossOf = (logits: Tensor, positions: Tensor): Tensor =>
      crossEntropy(logits, positions.reshape([-1]).maximum(0).minimum(T), { ignoreIndex: T })
    return {
      startLogits,
      endLogits,
      loss: lossOf(startLogits, startPositions).add(lossOf(endLogits, endPositions)).div(2),
    }
  }
}
