// Phi-3 and Phi-4-mini (Abdin et al. 2024): Llama's blocks, published with fused projections; LongRoPE stretches their context, a window
// may bound it, and part of each head may not turn.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { PreNormBlock, type RopeScaling } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import { checkRotary, rotaryArchitectures, rotaryCodecs, rotaryOptions, rotaryWeights } from "./parts/rotary-options.ts"
import { type Codec, kinds, ropeScalingCodec } from "./published.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 32064,
      context: 4096,
      width: 3072,
      layers: 32,
      heads: 32,
      groups: null,
      inner: 8192,
      epsilon: 1e-5,
      tied: false,
    }),
    originalContext: option(kinds.count, "positions it was trained for before the context was stretched", {
      default: 4096,
      alias: "original_max_position_embeddings",
    }),
    turning: option(z.number().positive().max(1), "share of each head that turns with the position", {
      default: 1,
      alias: "partial_rotary_factor",
    }),
    window: option(kinds.count.nullable(), "keys a query sees, itself among them; all before it where null", {
      default: null,
      alias: "sliding_window",
    }),
    residualDropout: option(kinds.rate, "rate of dropped block outputs in training", {
      default: 0,
      alias: "resid_pdrop",
    }),
  },
  "phi3",
)

/** Options of Phi-3. */
export type Phi3Config = ValuesOf<typeof config>

/** Phi-3 with a head. */
export type Phi3 = RotaryDecoder<Phi3Config>

/** The scaling with the original context, which stands beside it. */
function scalingOf({ ropeScaling, originalContext }: Phi3Config): { scaling: RopeScaling | null } {
  if (ropeScaling?.kind !== "longrope") return { scaling: ropeScaling }
  return { scaling: { originalContext, ...ropeScaling } }
}

/** Older files call LongRoPE yarn. */
const scalingCodec: Codec = {
  ...ropeScalingCodec,
  read: published => {
    if (typeof published !== "object" || published === null || !("short_factor" in published))
      return ropeScalingCodec.read(published)
    const { type, ...rest } = published as Record<string, unknown>
    return ropeScalingCodec.read(type === "yarn" ? { ...rest, rope_type: "longrope" } : published)
  },
}

/** The Phi-3 family. */
export const phi3 = defineModel({
  name: "phi3",
  config,
  architectures: rotaryArchitectures("Phi3"),
  build: (config, init): Phi3 => {
    const { window, turning } = config
    return new RotaryDecoder("phi3", config, init, {
      block: () =>
        new PreNormBlock({
          ...rotaryBlock(config, init, window === null ? {} : { window }),
          dropout: config.residualDropout,
        }),
      turning,
      rotary: scalingOf(config),
    })
  },
  codecs: { ...rotaryCodecs, ropeScaling: scalingCodec },
  harmless: ["embd_pdrop"], // never used
  fixed: {
    attention_bias: [false],
    mlp_bias: [false],
    lm_head_bias: [false],
    full_attn_mod: [1],
    interpolate_factor: [1],
  },
  check: config => checkRotary("phi3", config),
  weights: config =>
    rotaryWeights(config, [
      ["model.layers.*.self_attn.qkv_proj.*", "blocks.*.attention.qkv.*"],
      ["model.layers.*.mlp.gate_up_proj.*", "blocks.*.feedForward.gateUp.*"],
    ]),
})
