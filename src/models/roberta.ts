// RoBERTa (Liu et al. 2019, "RoBERTa: a robustly optimized BERT pretraining approach"): BERT whose positions are counted beside padding;
// XLM-RoBERTa (Conneau et al. 2020) and CamemBERT (Martin et al. 2020) are the same model on other text.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  encoderBlock,
  type Initializer,
  type PostNormBlock,
  positionsBesidePadding,
  positionsFrom,
  TokenEmbeddings,
} from "../nn/index.ts"
import { type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel, type ModelFamily } from "./definition.ts"
import { type EncoderHead, MaskedHead, Pooler, SequenceHead, SpanHead, TokenHead } from "./parts/encoder-heads.ts"
import { bertNames, bertOptions, checkPadding, oldNormNames, TextEncoder } from "./parts/text-encoder.ts"
import { activationCodec, checkHeads, kinds } from "./published.ts"

const architectures = (name: string) => ({
  masked: `${name}ForMaskedLM`,
  classification: `${name}ForSequenceClassification`,
  tokenClassification: `${name}ForTokenClassification`,
  questionAnswering: `${name}ForQuestionAnswering`,
  pooled: `${name}Model`,
  none: `${name}Encoder`,
})

const heads = ["masked", "classification", "tokenClassification", "questionAnswering", "pooled", "none"] as const

const token = (help: string, id: number, alias: string) => option(z.number().int().min(0), help, { default: id, alias })

const config = declare(
  {
    head: option(
      z.enum(heads),
      "what the model answers; pooled: vectors and one of the whole text, none: vectors alone",
      {
        default: "masked",
      },
    ),
    vocabulary: option(kinds.count, "number of tokens V", { default: 50265, alias: "vocab_size" }),
    positions: option(kinds.count, "rows of the table of positions; the first ones, up to padToken, belong to none", {
      default: 514,
      alias: "max_position_embeddings",
    }),
    segments: option(kinds.count, "kinds of segments", { default: 1, alias: "type_vocab_size" }),
    ...bertOptions,
    beginToken: token("id of the token a text begins with", 0, "bos_token_id"),
    padToken: token("id of the token that fills short rows; positions are counted from there", 1, "pad_token_id"),
    endToken: token("id of the token a text ends with", 2, "eos_token_id"),
  },
  "roberta",
)

/** Options of RoBERTa. */
export type RobertaConfig = ValuesOf<typeof config>

/** RoBERTa with a head. */
export class Roberta extends TextEncoder {
  readonly family: string
  readonly config: RobertaConfig
  readonly embeddings: TokenEmbeddings
  readonly blocks: readonly PostNormBlock[]
  readonly pooler: Pooler | null
  readonly head: EncoderHead | null

  constructor(family: string, config: RobertaConfig, init: Initializer) {
    super()
    const { width, deviation, padToken } = config
    this.family = family
    this.config = config
    this.embeddings = new TokenEmbeddings(init, width, { ...config, padPosition: padToken })
    this.blocks = Array.from({ length: config.layers }, () => encoderBlock(init, width, config))
    // the classifier has a dense layer of its own where BERT has the pooler
    const dropout = config.head === "classification" ? this.#classifierDropout : 0
    const pooled = config.head === "pooled" || config.head === "classification"
    this.pooler = pooled ? new Pooler(init, width, { deviation, dropout }) : null
    this.head = this.#head(init)
  }

  get #classifierDropout(): number {
    return this.config.classifierDropout ?? this.config.dropout
  }

  get context(): number {
    return this.config.positions - this.config.padToken - 1
  }

  protected positions(ids: Tensor): Tensor {
    const { padToken } = this.config
    return ids.dtype === "i32" ? positionsBesidePadding(ids, padToken) : positionsFrom(ids.shape[1]!).add(padToken + 1)
  }

  #head(init: Initializer): EncoderHead | null {
    const { width, epsilon, deviation, labels, problem, tieEmbeddings } = this.config
    const dropout = this.#classifierDropout
    switch (this.config.head) {
      case "masked":
        // gelu whatever the blocks use
        return new MaskedHead(init, this.embeddings.tokens, {
          activation: "gelu",
          epsilon,
          deviation,
          tied: tieEmbeddings,
        })
      case "classification":
        return new SequenceHead(init, width, { classes: labels.length, deviation, dropout, kind: problem })
      case "tokenClassification":
        return new TokenHead(init, width, { classes: labels.length, deviation, dropout })
      case "questionAnswering":
        return new SpanHead(init, width, { deviation })
      default:
        return null
    }
  }
}

const family = (name: string, published: string): ModelFamily<RobertaConfig, Roberta> =>
  defineModel({
    name,
    config,
    architectures: architectures(published),
    build: (config, init) => new Roberta(name, config, init),
    codecs: { activation: activationCodec },
    fixed: { is_decoder: [false], position_embedding_type: ["absolute"] },
    harmless: ["output_past", "language", "name"], // what some training scripts leave behind
    check: config => {
      checkHeads(name, config)
      checkPadding(name, config)
      if (config.positions < config.padToken + 2)
        throw new ValueError(
          `${name}: expected at least ${config.padToken + 2} positions, but got ${config.positions}`,
          "those up to the padding token belong to no token",
        )
    },
    weights: ({ head }) => ({
      prefix: "roberta.",
      bare: head === "pooled" || head === "none",
      heads: ["lm_head.", "classifier.", "qa_outputs.", "roberta.pooler.", "pooler."],
      rules: [
        ...bertNames("roberta."),
        [head === "classification" ? "classifier.dense.*" : "roberta.pooler.dense.*", "pooler.dense.*"],
        ["lm_head.dense.*", "head.transform.*"],
        ["lm_head.layer_norm.*", "head.norm.*"],
        ["lm_head.decoder.weight", "head.output.weight", "tied"],
        ["lm_head.bias", "head.output.bias"],
        [
          head === "classification"
            ? "classifier.out_proj.*"
            : head === "questionAnswering"
              ? "qa_outputs.*"
              : "classifier.*",
          "head.score.*",
        ],
      ],
      renamed: [...oldNormNames, ["lm_head.decoder.bias", "lm_head.bias"]],
      skipped: ["roberta.embeddings.position_ids"],
    }),
  })

/** The RoBERTa family. */
export const roberta = family("roberta", "Roberta")

/** RoBERTa on a hundred languages. */
export const xlmRoberta = family("xlm-roberta", "XLMRoberta")

/** RoBERTa on French. */
export const camembert = family("camembert", "Camembert")
