// mBART (Liu et al. 2020, "Multilingual denoising pre-training for neural machine translation"): BART with norms before attention and
// feed-forward, one behind each stack, and texts that carry the code of their language.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { type Initializer, LearnedPositions } from "../nn/index.ts"
import { concat, full, maximum, type Tensor, takeAlong, where } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { TextEncoderDecoder, type TextForm } from "./parts/text-encoder-decoder.ts"
import {
  checkText,
  learnedPositionRules,
  sharedTokenRules,
  textDefinition,
  textOptions,
  textRules,
} from "./parts/text-encoder-decoder-config.ts"

const config = declare(
  {
    head: option(z.enum(["generation"]), "what the model answers", { default: "generation" }),
    ...textOptions({
      vocabulary: 50265,
      layers: 12,
      heads: 16,
      inner: 4096,
      activation: "gelu",
      scaleEmbedding: false,
      startToken: null,
      beginToken: 0,
      endToken: 2,
      padToken: 1,
    }),
  },
  "mbart",
)

/** Options of mBART. */
export type MBartConfig = ValuesOf<typeof config>

const form: TextForm = {
  norms: "before",
  embeddingNorm: true,
  // the first two rows of the published table belong to no position
  positions: (init, { context, width, deviation }) =>
    new LearnedPositions(init, context, width, { deviation, skipped: 2 }),
}

/** mBART. */
export class MBart extends TextEncoderDecoder {
  readonly family = "mbart"
  declare readonly config: MBartConfig

  constructor(config: MBartConfig, init: Initializer) {
    super(config, init, form)
  }

  /** The labels one position later, behind their last token: the code of their language. */
  decoderInputs(labels: Tensor): Tensor {
    const { padToken } = this.config
    const T = labels.shape[1]!
    const ids = where(labels.eq(-100), full([], padToken, "i32"), labels)
    const length = ids.ne(padToken).cast("i32").sum(1, { keepDims: true }) // [B 1]
    const code = takeAlong(ids, maximum(length.sub(1), 0), 1)
    return T === 1 ? code : concat([code, ids.slice(1, 0, T - 1)], 1)
  }
}

/** The mBART family. */
export const mbart = defineModel({
  name: "mbart",
  config,
  architectures: { generation: ["MBartForConditionalGeneration", "MBartModel"] },
  build: (config, init) => new MBart(config, init),
  ...textDefinition,
  fixed: {
    ...textDefinition.fixed,
    normalize_before: [true],
    normalize_embedding: [true],
    add_final_layer_norm: [true],
    static_position_embeddings: [false],
    extra_pos_embeddings: [2],
  },
  check: config => checkText("mbart", config),
  weights: {
    prefix: "model.",
    heads: ["final_logits_bias", "lm_head.", "classification_head.", "qa_outputs."],
    rules: [...sharedTokenRules, ...learnedPositionRules, ...textRules],
    skipped: ["model.encoder.version", "model.decoder.version"],
    optional: ["final_logits_bias"],
  },
})
