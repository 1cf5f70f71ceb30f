// Qwen 2 and 2.5 (Yang et al. 2024): Llama's blocks with biases in the query, key and value projections; the upper blocks may see a
// window only.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { PreNormBlock } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import {
  checkLayerKinds,
  checkRotary,
  layerKinds,
  rotaryArchitectures,
  rotaryCodecs,
  rotaryOptions,
  rotaryWeights,
} from "./parts/rotary-options.ts"
import { kinds } from "./published.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 151936,
      context: 32768,
      width: 4096,
      layers: 32,
      heads: 32,
      groups: 32,
      inner: 22016,
      epsilon: 1e-6,
      tied: false,
    }),
    windowed: option(z.boolean(), "whether the upper blocks see a window only", {
      default: false,
      alias: "use_sliding_window",
    }),
    window: option(kinds.count.nullable(), "keys a query of those blocks sees, itself among them", {
      default: 4096,
      alias: "sliding_window",
    }),
    fullLayers: option(z.number().int().min(0), "blocks, from the first one, that see everything", {
      default: 28,
      alias: "max_window_layers",
    }),
    layerKinds,
  },
  "qwen2",
)

/** Options of Qwen 2. */
export type Qwen2Config = ValuesOf<typeof config>

/** Qwen 2 with a head. */
export type Qwen2 = RotaryDecoder<Qwen2Config>

/** The window of a block. */
function windowOf(config: Qwen2Config, layer: number): { window?: number } {
  const { windowed, window, fullLayers, layerKinds } = config
  const local = layerKinds ? layerKinds[layer] === "sliding_attention" : layer >= fullLayers
  return windowed && window !== null && local ? { window } : {}
}

/** The Qwen 2 family. */
export const qwen2 = defineModel({
  name: "qwen2",
  config,
  architectures: rotaryArchitectures("Qwen2"),
  build: (config, init): Qwen2 =>
    new RotaryDecoder("qwen2", config, init, {
      block: layer =>
        new PreNormBlock(rotaryBlock(config, init, { bias: true, outBias: false, ...windowOf(config, layer) })),
    }),
  codecs: rotaryCodecs,
  fixed: { use_mrope: [false], is_causal: [true] },
  check: config => {
    checkRotary("qwen2", config)
    checkLayerKinds("qwen2", config)
  },
  weights: config => rotaryWeights(config),
})
