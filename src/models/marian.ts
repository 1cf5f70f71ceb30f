// Marian (Junczys-Dowmunt et al. 2018, "Marian: fast neural machine translation in C++"): the original Transformer of Vaswani et al.
// 2017, post-norm with sinusoidal positions, as its translators are published (opus-mt).

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { type Initializer, SinusoidalPositions } from "../nn/index.ts"
import { type Tensor, ValueError } from "../tensor/index.ts"
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
import { activationCodec } from "./published.ts"
import type { WeightTable } from "./weight-names.ts"

const config = declare(
  {
    head: option(z.enum(["generation"]), "what the model answers", { default: "generation" }),
    ...textOptions({
      vocabulary: 58101,
      layers: 12,
      heads: 16,
      inner: 4096,
      activation: "gelu",
      scaleEmbedding: false,
      startToken: 58100,
      beginToken: null,
      endToken: 0,
      padToken: 58100,
    }),
    shareTokens: option(z.boolean(), "encoder and decoder have one vocabulary and its embedding", {
      default: true,
      alias: "share_encoder_decoder_embeddings",
    }),
    decoderVocabulary: option(z.number().int().min(1).nullable(), "number of tokens of the decoder; V where null", {
      default: null,
      alias: "decoder_vocab_size",
    }),
  },
  "marian",
)

/** Options of Marian. */
export type MarianConfig = ValuesOf<typeof config>

const form = ({ shareTokens, vocabulary, decoderVocabulary }: MarianConfig): TextForm => ({
  norms: "after",
  embeddingNorm: false,
  positions: (_, { context, width }) => new SinusoidalPositions(context, width, "halves"),
  ...(shareTokens ? {} : { decoderVocabulary: decoderVocabulary ?? vocabulary }),
})

/** Marian. */
export class Marian extends TextEncoderDecoder {
  readonly family = "marian"
  declare readonly config: MarianConfig

  constructor(config: MarianConfig, init: Initializer) {
    super(config, init, form(config))
  }

  decoderInputs(labels: Tensor): Tensor {
    const { startToken, padToken } = this.config
    return shiftRight(labels, startToken ?? padToken, padToken)
  }
}

const separateTokens: WeightTable["rules"] = [
  ["model.encoder.embed_tokens.weight", "tokens.weight"],
  ["model.decoder.embed_tokens.weight", "decoderTokens.weight"],
]

/** The Marian family. */
export const marian = defineModel({
  name: "marian",
  config,
  architectures: { generation: ["MarianMTModel", "MarianModel"] },
  build: (config, init) => new Marian(config, init),
  ...textDefinition,
  codecs: {
    activation: {
      read: activationCodec.read,
      write: own => (own === "silu" ? "swish" : activationCodec.write(own)), // the name it has there
    },
  },
  fixed: {
    ...textDefinition.fixed,
    normalize_before: [false],
    normalize_embedding: [false],
    add_final_layer_norm: [false],
    static_position_embeddings: [true],
  },
  harmless: [...textDefinition.harmless, "extra_pos_embeddings"], // of learned positions
  check: config => {
    checkText("marian", config)
    const { shareTokens, vocabulary, decoderVocabulary, padToken } = config
    if (shareTokens && decoderVocabulary !== null && decoderVocabulary !== vocabulary)
      throw new ValueError(
        `marian: expected as many tokens of the decoder as of the encoder, which share them, but got ${decoderVocabulary} and ${vocabulary}`,
        "set shareTokens to false",
      )
    if (decoderVocabulary !== null && padToken >= decoderVocabulary)
      throw new ValueError(
        `marian: expected a padding token below the decoder's vocabulary ${decoderVocabulary}, but got ${padToken}`,
      )
  },
  weights: ({ shareTokens }) => ({
    prefix: "model.",
    heads: ["final_logits_bias", "lm_head."],
    rules: [...(shareTokens ? sharedTokenRules : separateTokens), ...textRules],
    // sinusoids, which old files hold
    skipped: ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"],
    optional: ["final_logits_bias"],
  }),
})
