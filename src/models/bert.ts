// BERT (Devlin et al. 2019, "BERT: pre-training of deep bidirectional Transformers for language understanding"): tokens, positions and
// segments, post-norm blocks, a pooler over the first token, and a head for each task.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { encoderBlock, type Initializer, type PostNormBlock, TokenEmbeddings } from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import {
  type EncoderHead,
  MaskedHead,
  Pooler,
  PretrainingHead,
  SequenceHead,
  SpanHead,
  TokenHead,
} from "./parts/encoder-heads.ts"
import {
  bertNames,
  bertOptions,
  checkPadding,
  countedPositions,
  oldNormNames,
  TextEncoder,
} from "./parts/text-encoder.ts"
import { activationCodec, checkHeads, kinds } from "./published.ts"

const architectures = {
  masked: "BertForMaskedLM",
  pretraining: "BertForPreTraining",
  nextSentence: "BertForNextSentencePrediction",
  classification: "BertForSequenceClassification",
  tokenClassification: "BertForTokenClassification",
  questionAnswering: "BertForQuestionAnswering",
  pooled: "BertModel",
  none: "BertEncoder",
} as const

const heads = Object.keys(architectures) as [keyof typeof architectures]

const config = declare(
  {
    head: option(
      z.enum(heads),
      "what the model answers; pooled: vectors and one of the whole text, none: vectors alone",
      {
        default: "masked",
      },
    ),
    vocabulary: option(kinds.count, "number of tokens V", { default: 30522, alias: "vocab_size" }),
    context: option(kinds.count, "tokens read at once", { default: 512, alias: "max_position_embeddings" }),
    segments: option(kinds.count, "kinds of segments", { default: 2, alias: "type_vocab_size" }),
    ...bertOptions,
    padToken: option(kinds.token, "id of the token that fills short rows", { default: 0, alias: "pad_token_id" }),
  },
  "bert",
)

/** Options of BERT. */
export type BertConfig = ValuesOf<typeof config>

/** BERT with a head. */
export class Bert extends TextEncoder {
  readonly family = "bert"
  readonly config: BertConfig
  readonly embeddings: TokenEmbeddings
  readonly blocks: readonly PostNormBlock[]
  readonly pooler: Pooler | null
  readonly head: EncoderHead | null

  constructor(config: BertConfig, init: Initializer) {
    super()
    const { width, deviation } = config
    const pooled: readonly BertConfig["head"][] = ["pooled", "pretraining", "nextSentence", "classification"]
    this.config = config
    this.embeddings = new TokenEmbeddings(init, width, { ...config, positions: config.context })
    this.blocks = Array.from({ length: config.layers }, () => encoderBlock(init, width, config))
    this.pooler = pooled.includes(config.head) ? new Pooler(init, width, { deviation }) : null
    this.head = this.#head(init)
  }

  get context(): number {
    return this.config.context
  }

  protected positions(ids: Tensor): Tensor {
    return countedPositions(ids)
  }

  #head(init: Initializer): EncoderHead | null {
    const { width, deviation, labels, problem } = this.config
    const dropout = this.config.classifierDropout ?? this.config.dropout
    const masked = (): MaskedHead =>
      new MaskedHead(init, this.embeddings.tokens, { ...this.config, tied: this.config.tieEmbeddings })
    const nextSentence = (): SequenceHead => new SequenceHead(init, width, { classes: 2, deviation })
    switch (this.config.head) {
      case "masked":
        return masked()
      case "pretraining":
        return new PretrainingHead(masked(), nextSentence())
      case "nextSentence":
        return nextSentence()
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

/** The BERT family. */
export const bert = defineModel({
  name: "bert",
  config,
  architectures,
  build: (config, init) => new Bert(config, init),
  codecs: { activation: activationCodec },
  fixed: { is_decoder: [false], position_embedding_type: ["absolute"] },
  // of TensorFlow checkpoints, and what some training scripts leave behind
  harmless: [
    "directionality",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "output_past",
    "language",
    "name",
  ],
  check: config => {
    checkHeads("bert", config)
    checkPadding("bert", config)
  },
  weights: ({ head }) => {
    const predictions = head === "pretraining" ? "head.predictions" : "head"
    const answers = head === "pretraining" ? "head.relationship.score" : "head.score"
    const outputs = {
      nextSentence: "cls.seq_relationship",
      pretraining: "cls.seq_relationship",
      questionAnswering: "qa_outputs",
    }
    return {
      prefix: "bert.",
      bare: head === "pooled" || head === "none",
      heads: ["cls.", "classifier.", "qa_outputs.", "bert.pooler.", "pooler."],
      rules: [
        ...bertNames("bert."),
        ["bert.pooler.dense.*", "pooler.dense.*"],
        ["cls.predictions.transform.dense.*", `${predictions}.transform.*`],
        ["cls.predictions.transform.LayerNorm.*", `${predictions}.norm.*`],
        ["cls.predictions.decoder.weight", `${predictions}.output.weight`, "tied"],
        ["cls.predictions.bias", `${predictions}.output.bias`],
        [`${head in outputs ? outputs[head as keyof typeof outputs] : "classifier"}.*`, `${answers}.*`],
      ],
      renamed: [...oldNormNames, ["cls.predictions.decoder.bias", "cls.predictions.bias"]],
      skipped: ["bert.embeddings.position_ids"],
    }
  },
})
