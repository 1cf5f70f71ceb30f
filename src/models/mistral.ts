// Mistral 7B (Jiang et al. 2023) and its relatives: Llama's blocks, in which a query sees only the last `window` keys.

import { declare, option, type ValuesOf } from "../config/index.ts"
import { PreNormBlock } from "../nn/index.ts"
import { defineModel } from "./definition.ts"
import { RotaryDecoder, rotaryBlock } from "./parts/rotary-decoder.ts"
import { checkRotary, rotaryArchitectures, rotaryCodecs, rotaryOptions, rotaryWeights } from "./parts/rotary-options.ts"
import { kinds } from "./published.ts"

const config = declare(
  {
    ...rotaryOptions({
      vocabulary: 32000,
      context: 131072,
      width: 4096,
      layers: 32,
      heads: 32,
      groups: 8,
      inner: 14336,
      epsilon: 1e-6,
      tied: false,
    }),
    window: option(kinds.count.nullable(), "keys a query sees, itself among them; all before it where null", {
      default: 4096,
      alias: "sliding_window",
    }),
  },
  "mistral",
)

/** Options of Mistral. */
export type MistralConfig = ValuesOf<typeof config>

/** Mistral with a head. */
export type Mistral = RotaryDecoder<MistralConfig>

/** The Mistral family. */
export const mistral = defineModel({
  name: "mistral",
  config,
  architectures: rotaryArchitectures("Mistral"),
  build: (config, init): Mistral => {
    const { window } = config
    return new RotaryDecoder("mistral", config, init, {
      block: () => new PreNormBlock(rotaryBlock(config, init, window === null ? {} : { window })),
    })
  },
  codecs: rotaryCodecs,
  check: config => checkRotary("mistral", config),
  weights: config => rotaryWeights(config),
})
