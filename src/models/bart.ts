// BART (Lewis et al. 2020, "BART: denoising sequence-to-sequence pre-training"): a bidirectional encoder and a left-to-right decoder,
// post-norm, with learned positions; the pattern of this house's encoder-decoders.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Dropout,
  type Embedding,
  type Initializer,
  LearnedPositions,
  Linear,
  type Memory,
  Module,
  type Stack,
} from "../nn/index.ts"
import { arange, argmax, gather, type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import {
  type DecodeOptions,
  type Encoded,
  encoderDecoderOptions,
  type StacksOutput,
  shiftRight,
  throughStacks,
} from "./encoder-decoder.ts"
import { type ForwardOptions, Model } from "./model.ts"
import { type EncoderOptions, type EncoderScores, SpanHead } from "./parts/encoder-heads.ts"
import { type ClassificationKind, classificationLoss, type HeadOutput } from "./parts/heads.ts"
import { checkOptions } from "./parts/inputs.ts"
import {
  decodeText,
  encodeText,
  TextEncoderDecoder,
  type TextForm,
  type TextParts,
  textParts,
} from "./parts/text-encoder-decoder.ts"
import {
  checkText,
  learnedPositionRules,
  sharedTokenRules,
  textDefinition,
  textOptions,
  textRules,
} from "./parts/text-encoder-decoder-config.ts"
import { kinds } from "./published.ts"

const config = declare(
  {
    head: option(z.enum(["generation", "classification", "questionAnswering"]), "what the model answers", {
      default: "generation",
    }),
    ...textOptions({
      vocabulary: 50265,
      layers: 12,
      heads: 16,
      inner: 4096,
      activation: "gelu",
      scaleEmbedding: false,
      startToken: 2,
      beginToken: 0,
      endToken: 2,
      padToken: 1,
    }),
    classifierDropout: option(kinds.rate, "rate of dropped inputs of a classifier's layers in training", {
      default: 0,
      alias: "classifier_dropout",
    }),
    labels: option(z.array(z.string()).min(1), "names of the classes of a classifier", {
      default: ["LABEL_0", "LABEL_1", "LABEL_2"],
    }),
    problem: option(
      z.enum(["regression", "single_label_classification", "multi_label_classification"]).nullable(),
      "loss of a classifier; found from the labels where null",
      { default: null, alias: "problem_type" },
    ),
  },
  "bart",
)

/** Options of BART. */
export type BartConfig = ValuesOf<typeof config>

const form: TextForm = {
  norms: "after",
  embeddingNorm: true,
  // the first two rows of the published table belong to no position
  positions: (init, { context, width, deviation }) =>
    new LearnedPositions(init, context, width, { deviation, skipped: 2 }),
}

/** BART that writes. */
export class Bart extends TextEncoderDecoder {
  readonly family = "bart"
  declare readonly config: BartConfig

  constructor(config: BartConfig, init: Initializer) {
    super(config, init, form)
  }

  decoderInputs(labels: Tensor): Tensor {
    return decoderIds(this.config, labels)
  }
}

function decoderIds({ startToken, padToken }: BartConfig, ids: Tensor): Tensor {
  return shiftRight(ids, startToken ?? padToken, padToken)
}

/** What BART gives that answers about a text. */
export type BartAnswer = StacksOutput & Omit<EncoderScores, "nextSentenceLogits">

/** BART that answers about a text: of which class it is, or where in it an answer stands. The decoder reads the same text, shifted. */
export class BartReader extends Model implements TextParts {
  readonly family = "bart"
  readonly config: BartConfig
  readonly tokens: Embedding
  readonly decoderTokens = null
  readonly encoder: Stack
  readonly decoder: Stack
  readonly head: SentenceHead | SpanHead

  constructor(config: BartConfig, init: Initializer) {
    super()
    const { width, deviation } = config
    const { tokens, encoder, decoder } = textParts(config, init, form)
    this.config = config
    this.tokens = tokens
    this.encoder = encoder
    this.decoder = decoder
    this.head =
      config.head === "questionAnswering" ? new SpanHead(init, width, { deviation }) : new SentenceHead(init, config)
  }

  get depth(): number {
    return this.config.decoderLayers
  }

  get encoderDepth(): number {
    return this.config.encoderLayers
  }

  encode(ids: Tensor, options: Pick<ForwardOptions, "attentionMask"> = {}): Encoded {
    return this.within(() => encodeText(this, ids, options))
  }

  remember(hidden: Tensor): readonly Memory[] {
    return this.within(() => this.decoder.remember(hidden))
  }

  decode(ids: Tensor, options: DecodeOptions): Tensor {
    return this.within(() => decodeText(this, ids, options))
  }

  /** Ids i32 [B T]; a classifier needs an end token in each row. Labels are those of classifiers, or startPositions and endPositions. */
  forward(ids: Tensor, options: EncoderOptions = {}): BartAnswer {
    const { head } = this
    const others = encoderDecoderOptions.filter(name => name !== "labels")
    checkOptions<EncoderOptions>("bart", options, [...others, ...head.takes])
    const read = options.decoderInputIds ?? decoderIds(this.config, ids)
    return throughStacks(
      this,
      ids,
      read,
      options,
      (hidden): Omit<EncoderScores, "nextSentenceLogits"> =>
        head instanceof SpanHead ? head.forward({ hidden, pooled: null }, options) : head.forward(hidden, ids, options),
    )
  }
}

/** Classes of a text: hidden [B T D] at the last end token -> [B N]. */
class SentenceHead extends Module {
  readonly takes = ["labels"] as const
  readonly dense: Linear
  readonly out: Linear
  readonly dropout: Dropout
  readonly #end: number
  readonly #kind: ClassificationKind | null

  constructor(init: Initializer, { width, deviation, labels, classifierDropout, endToken, problem }: BartConfig) {
    super()
    this.dense = new Linear(init, width, width, { deviation })
    this.out = new Linear(init, width, labels.length, { deviation })
    this.dropout = new Dropout(classifierDropout)
    this.#end = endToken as number
    this.#kind = problem
  }

  forward(hidden: Tensor, ids: Tensor, { labels }: ForwardOptions): HeadOutput {
    const [B, T, D] = hidden.shape as [number, number, number]
    const last = argmax(
      ids
        .eq(this.#end)
        .cast("i32")
        .mul(arange(1, T + 1)),
      1,
    ) // [B]
    const x = gather(hidden.reshape([B * T, D]), last.add(arange(0, B * T, T)))
    const inner = this.dense.forward(this.dropout.forward(x)).tanh()
    const logits = this.out.forward(this.dropout.forward(inner))
    return labels ? { logits, loss: classificationLoss(logits, labels, this.#kind) } : { logits }
  }
}

/** The BART family. */
export const bart = defineModel({
  name: "bart",
  config,
  architectures: {
    generation: ["BartForConditionalGeneration", "BartModel"],
    classification: "BartForSequenceClassification",
    questionAnswering: "BartForQuestionAnswering",
  },
  build: (config, init): Bart | BartReader =>
    config.head === "generation" ? new Bart(config, init) : new BartReader(config, init),
  ...textDefinition,
  fixed: {
    ...textDefinition.fixed,
    normalize_before: [false],
    normalize_embedding: [true],
    add_final_layer_norm: [false],
    static_position_embeddings: [false],
    extra_pos_embeddings: [2],
  },
  check: config => {
    checkText("bart", config)
    if (config.head === "classification" && typeof config.endToken !== "number")
      throw new ValueError(
        `bart: expected one end token for a classifier, which reads its answer there, but got ${JSON.stringify(config.endToken)}`,
        "set endToken",
      )
  },
  weights: {
    prefix: "model.",
    heads: ["final_logits_bias", "lm_head.", "classification_head.", "qa_outputs."],
    rules: [
      ...sharedTokenRules,
      ...learnedPositionRules,
      ...textRules,
      ["classification_head.dense.*", "head.dense.*"],
      ["classification_head.out_proj.*", "head.out.*"],
      ["qa_outputs.*", "head.score.*"],
    ],
    skipped: ["model.encoder.version", "model.decoder.version"],
    optional: ["final_logits_bias"],
  },
})
