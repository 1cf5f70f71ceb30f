// Gemma 2 (Gemma Team 2024): Gemma with a norm before and behind each part, every other block looking at a window only, and soft caps
// on scores and logits.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { type Initializer, RMSNorm, SandwichNormBlock } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import {
  checkLayerKinds,
  checkRotary,
  gemmaCodecs,
  layerKinds,
  rotaryArchitectures,
  rotaryOptions,
  rotaryWeights,
} from "./parts/rotary-options.ts"
import { kinds } from "./published.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 256000,
      context: 8192,
      width: 2304,
      layers: 26,
      heads: 8,
      groups: 4,
      headWidth: 256,
      inner: 9216,
      epsilon: 1e-6,
      activation: "gelu-tanh",
      activationName: "hidden_activation",
      tied: true,
    }),
    attentionBias: option(z.boolean(), "biases in attention", { default: false, alias: "attention_bias" }),
    queryScale: option(z.number().positive(), "scores are divided by the root of this", {
      default: 256,
      alias: "query_pre_attn_scalar",
    }),
    scoreCap: option(z.number().positive().nullable(), "scores become cap · tanh(score / cap)", {
      default: 50,
      alias: "attn_logit_softcapping",
    }),
    logitCap: option(z.number().positive().nullable(), "logits become cap · tanh(logit / cap)", {
      default: 30,
      alias: "final_logit_softcapping",
    }),
    window: option(kinds.count.nullable(), "keys a query of local blocks sees, itself among them", {
      default: 4096,
      alias: ["sliding_window", "sliding_window_size"],
    }),
    layerKinds,
  },
  "gemma2",
)

/** Options of Gemma 2. */
export type Gemma2Config = ValuesOf<typeof config>

/** Gemma 2 with a head. */
export type Gemma2 = RotaryDecoder<Gemma2Config>

function block(config: Gemma2Config, init: Initializer, layer: number): SandwichNormBlock {
  const { width, epsilon, window, scoreCap, layerKinds } = config
  const local = layerKinds ? layerKinds[layer] === "sliding_attention" : layer % 2 === 0
  return new SandwichNormBlock({
    ...rotaryBlock(config, init, {
      bias: config.attentionBias,
      scale: config.queryScale ** -0.5,
      normShift: 1,
      ...(scoreCap === null ? {} : { softCap: scoreCap }),
      ...(local && window !== null ? { window } : {}),
    }),
    attentionOutNorm: new RMSNorm(init, width, { epsilon, shift: 1 }),
    feedForwardOutNorm: new RMSNorm(init, width, { epsilon, shift: 1 }),
  })
}

/** The Gemma 2 family. */
export const gemma2 = defineModel({
  name: "gemma2",
  config,
  architectures: rotaryArchitectures("Gemma2"),
  build: (config, init): Gemma2 =>
    new RotaryDecoder("gemma2", config, init, {
      block: layer => block(config, init, layer),
      normShift: 1,
      embeddingScale: Math.sqrt(config.width),
      logitCap: config.logitCap,
    }),
  codecs: gemmaCodecs,
  harmless: ["hidden_act", "cache_implementation"], // hidden_activation counts; how others keep keys
  check: config => {
    checkRotary("gemma2", config)
    checkLayerKinds("gemma2", config)
  },
  weights: config =>
    rotaryWeights(config, [
      ["model.layers.*.post_attention_layernorm.weight", "blocks.*.attentionOutNorm.weight"],
      ["model.layers.*.pre_feedforward_layernorm.weight", "blocks.*.feedForwardNorm.weight"],
      ["model.layers.*.post_feedforward_layernorm.weight", "blocks.*.feedForwardOutNorm.weight"],
    ]),
})
