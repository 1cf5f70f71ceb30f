// Gemma (Gemma Team 2024): Llama's blocks with GeGLU and heads of a width of their own; embeddings are scaled by the root of the width,
// and norms multiply by 1 + weight.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { PreNormBlock } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import { checkRotary, gemmaCodecs, rotaryArchitectures, rotaryOptions, rotaryWeights } from "./parts/rotary-options.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 256000,
      context: 8192,
      width: 3072,
      layers: 28,
      heads: 16,
      groups: 16,
      headWidth: 256,
      inner: 24576,
      epsilon: 1e-6,
      activation: "gelu-tanh",
      activationName: "hidden_activation",
      tied: true,
    }),
    attentionBias: option(z.boolean(), "biases in attention", { default: false, alias: "attention_bias" }),
  },
  "gemma",
)

/** Options of Gemma. */
export type GemmaConfig = ValuesOf<typeof config>

/** Gemma with a head. */
export type Gemma = RotaryDecoder<GemmaConfig>

/** The Gemma family. */
export const gemma = defineModel({
  name: "gemma",
  config,
  architectures: rotaryArchitectures("Gemma"),
  build: (config, init): Gemma =>
    new RotaryDecoder("gemma", config, init, {
      block: () => new PreNormBlock(rotaryBlock(config, init, { bias: config.attentionBias, normShift: 1 })),
      normShift: 1,
      embeddingScale: Math.sqrt(config.width),
    }),
  codecs: gemmaCodecs,
  harmless: ["hidden_act"], // hidden_activation counts
  check: config => checkRotary("gemma", config),
  weights: config => rotaryWeights(config),
})
