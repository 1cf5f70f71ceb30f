// DistilBERT (Sanh et al. 2019, "DistilBERT, a distilled version of BERT"): BERT without segments and without a pooler.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { encoderBlock, type Initializer, type PostNormBlock, sinusoids, TokenEmbeddings } from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type EncoderHead, MaskedHead, Pooler, SequenceHead, SpanHead, TokenHead } from "./parts/encoder-heads.ts"
import { checkPadding, countedPositions, oldNormNames, TextEncoder } from "./parts/text-encoder.ts"
import { activationCodec, checkHeads, classifierOptions, kinds, sharedOptions } from "./published.ts"
import { stacked, type WeightRule } from "./weight-names.ts"

const epsilon = 1e-12

const architectures = {
  masked: "DistilBertForMaskedLM",
  classification: "DistilBertForSequenceClassification",
  tokenClassification: "DistilBertForTokenClassification",
  questionAnswering: "DistilBertForQuestionAnswering",
  none: "DistilBertModel",
} as const

const config = declare(
  {
    head: option(z.enum(Object.keys(architectures) as [keyof typeof architectures]), "what the model answers", {
      default: "masked",
    }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 30522, alias: "vocab_size" }),
    context: option(kinds.count, "tokens read at once", { default: 512, alias: "max_position_embeddings" }),
    width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "dim" }),
    layers: option(kinds.count, "number of blocks L", { default: 6, alias: "n_layers" }),
    heads: option(kinds.count, "attention heads H", { default: 12, alias: "n_heads" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 3072, alias: "hidden_dim" }),
    activation: option(kinds.activation, "activation of feed-forward layers", { default: "gelu" }),
    dropout: option(kinds.rate, "rate of dropped elements in training", { default: 0.1 }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", { default: 0.1 }),
    classifierDropout: option(kinds.rate, "rate of dropped inputs of a classifier in training", {
      default: 0.2,
      alias: "seq_classif_dropout",
    }),
    answerDropout: option(kinds.rate, "rate of dropped inputs of the question answerer in training", {
      default: 0.1,
      alias: "qa_dropout",
    }),
    sinusoidalPositions: option(z.boolean(), "positions begin as sinusoids and are not trained", {
      default: false,
      alias: "sinusoidal_pos_embds",
    }),
    tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
      default: true,
      alias: "tie_word_embeddings",
    }),
    ...classifierOptions,
    ...sharedOptions,
    padToken: option(kinds.token, "id of the token that fills short rows", { default: 0, alias: "pad_token_id" }),
  },
  "distilbert",
)

/** Options of DistilBERT. */
export type DistilBertConfig = ValuesOf<typeof config>

/** DistilBERT with a head. */
export class DistilBert extends TextEncoder {
  readonly family = "distilbert"
  readonly config: DistilBertConfig
  readonly embeddings: TokenEmbeddings
  readonly blocks: readonly PostNormBlock[]
  readonly pooler: Pooler | null
  readonly head: EncoderHead | null

  constructor(config: DistilBertConfig, init: Initializer) {
    super()
    const { width, context, deviation } = config
    this.config = config
    this.embeddings = new TokenEmbeddings(init, width, { ...config, epsilon, positions: context })
    if (config.sinusoidalPositions) {
      const { weight } = this.embeddings.positions
      weight.assign(sinusoids(context, width).cast(weight.dtype))
      weight.trainable = false
    }
    this.blocks = Array.from({ length: config.layers }, () => encoderBlock(init, width, { ...config, epsilon }))
    this.pooler = config.head === "classification" ? new Pooler(init, width, { deviation, activation: "relu" }) : null
    this.head = this.#head(init)
  }

  get context(): number {
    return this.config.context
  }

  protected positions(ids: Tensor): Tensor {
    return countedPositions(ids)
  }

  #head(init: Initializer): EncoderHead | null {
    const { width, activation, deviation, labels, problem, dropout, classifierDropout, answerDropout } = this.config
    switch (this.config.head) {
      case "masked": {
        const tied = this.config.tieEmbeddings
        return new MaskedHead(init, this.embeddings.tokens, { activation, epsilon, deviation, tied })
      }
      case "classification":
        return new SequenceHead(init, width, {
          classes: labels.length,
          deviation,
          dropout: classifierDropout,
          kind: problem,
        })
      case "tokenClassification":
        return new TokenHead(init, width, { classes: labels.length, deviation, dropout })
      case "questionAnswering":
        return new SpanHead(init, width, { deviation, dropout: answerDropout })
      default:
        return null
    }
  }
}

function layerNames(): WeightRule<DistilBertConfig>[] {
  const layer = "distilbert.transformer.layer.*"
  const projections = (kind: string): WeightRule<DistilBertConfig>[] =>
    stacked(
      ["q_lin", "k_lin", "v_lin"].map(name => `${layer}.attention.${name}.${kind}`),
      `blocks.*.attention.qkv.${kind}`,
      ({ width }) => [width, width, width],
    )
  return [
    ...projections("weight"),
    ...projections("bias"),
    [`${layer}.attention.out_lin.*`, "blocks.*.attention.out.*"],
    [`${layer}.sa_layer_norm.*`, "blocks.*.attentionNorm.*"],
    [`${layer}.ffn.lin1.*`, "blocks.*.feedForward.up.*"],
    [`${layer}.ffn.lin2.*`, "blocks.*.feedForward.down.*"],
    [`${layer}.output_layer_norm.*`, "blocks.*.feedForwardNorm.*"],
  ]
}

/** The DistilBERT family. */
export const distilbert = defineModel({
  name: "distilbert",
  config,
  architectures,
  build: (config, init) => new DistilBert(config, init),
  codecs: { activation: activationCodec },
  harmless: ["tie_weights_", "output_past"],
  check: config => {
    checkHeads("distilbert", config)
    checkPadding("distilbert", config)
  },
  weights: ({ head }) => ({
    prefix: "distilbert.",
    bare: head === "none",
    heads: [
      "vocab_transform.",
      "vocab_layer_norm.",
      "vocab_projector.",
      "pre_classifier.",
      "classifier.",
      "qa_outputs.",
    ],
    rules: [
      ["distilbert.embeddings.word_embeddings.weight", "embeddings.tokens.weight"],
      ["distilbert.embeddings.position_embeddings.weight", "embeddings.positions.weight"],
      ["distilbert.embeddings.LayerNorm.*", "embeddings.norm.*"],
      ...layerNames(),
      ["pre_classifier.*", "pooler.dense.*"],
      ["vocab_transform.*", "head.transform.*"],
      ["vocab_layer_norm.*", "head.norm.*"],
      ["vocab_projector.weight", "head.output.weight", "tied"],
      ["vocab_projector.bias", "head.output.bias"],
      [head === "questionAnswering" ? "qa_outputs.*" : "classifier.*", "head.score.*"],
    ],
    renamed: oldNormNames,
    skipped: ["distilbert.embeddings.position_ids"],
  }),
})
