// Pegasus (Zhang et al. 2020, "PEGASUS: pre-training with extracted gap-sentences"): summaries by an encoder-decoder with norms before
// attention and feed-forward, one behind each stack, and sinusoidal positions.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { type Initializer, SinusoidalPositions } from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { shiftRight } from "./encoder-decoder.ts"
import { TextEncoderDecoder, type TextForm } from "./parts/text-encoder-decoder.ts"
import {
  checkText,
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
      startToken: 0,
      beginToken: null,
      endToken: 1,
      padToken: 0,
    }),
  },
  "pegasus",
)

/** Options of Pegasus. */
export type PegasusConfig = ValuesOf<typeof config>

const form: TextForm = {
  norms: "before",
  embeddingNorm: false,
  // its files hold the table, so what is saved holds it too
  positions: (_, { context, width }) => new SinusoidalPositions(context, width, "halves", { saved: true }),
}

/** Pegasus. */
export class Pegasus extends TextEncoderDecoder {
  readonly family = "pegasus"
  declare readonly config: PegasusConfig

  constructor(config: PegasusConfig, init: Initializer) {
    super(config, init, form)
  }

  decoderInputs(labels: Tensor): Tensor {
    const { startToken, padToken } = this.config
    return shiftRight(labels, startToken ?? padToken, padToken)
  }
}

/** The Pegasus family. */
export const pegasus = defineModel({
  name: "pegasus",
  config,
  architectures: { generation: ["PegasusForConditionalGeneration", "PegasusModel"] },
  build: (config, init) => new Pegasus(config, init),
  ...textDefinition,
  fixed: {
    ...textDefinition.fixed,
    normalize_before: [true],
    normalize_embedding: [false],
    add_final_layer_norm: [true],
    static_position_embeddings: [true],
  },
  harmless: [...textDefinition.harmless, "extra_pos_embeddings"], // of learned positions
  check: config => checkText("pegasus", config),
  weights: {
    prefix: "model.",
    heads: ["final_logits_bias", "lm_head."],
    rules: [
      ...sharedTokenRules,
      ["model.encoder.embed_positions.weight", "encoder.positions.table"],
      ["model.decoder.embed_positions.weight", "decoder.positions.table"],
      ...textRules,
    ],
    optional: ["final_logits_bias", "model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"],
  },
})
