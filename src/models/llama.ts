// Llama (Touvron et al. 2023; Dubey et al. 2024) and its relatives, such as SmolLM2 and TinyLlama: pre-norm blocks with RMSNorm, rotary
// positions, grouped heads and SwiGLU.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { PreNormBlock } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import { checkRotary, rotaryArchitectures, rotaryCodecs, rotaryOptions, rotaryWeights } from "./parts/rotary-options.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 32000,
      context: 2048,
      width: 4096,
      layers: 32,
      heads: 32,
      groups: null,
      inner: 11008,
      epsilon: 1e-6,
      tied: false,
    }),
    attentionBias: option(z.boolean(), "biases in attention", { default: false, alias: "attention_bias" }),
    feedForwardBias: option(z.boolean(), "biases in feed-forward layers", { default: false, alias: "mlp_bias" }),
  },
  "llama",
)

/** Options of Llama. */
export type LlamaConfig = ValuesOf<typeof config>

/** Llama with a head. */
export type Llama = RotaryDecoder<LlamaConfig>

/** The Llama family. */
export const llama = defineModel({
  name: "llama",
  config,
  architectures: rotaryArchitectures("Llama"),
  build: (config, init): Llama =>
    new RotaryDecoder("llama", config, init, {
      block: () =>
        new PreNormBlock(
          rotaryBlock(config, init, { bias: config.attentionBias, feedForwardBias: config.feedForwardBias }),
        ),
    }),
  codecs: rotaryCodecs,
  harmless: ["max_sequence_length"], // what fine-tuners say of their texts
  check: config => checkRotary("llama", config),
  weights: config => rotaryWeights(config),
})
