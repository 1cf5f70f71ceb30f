// Options that speech models share: what of the sound is hidden from them while they learn.

import { z } from "zod"
import { option } from "../../config/index.ts"
import { maskSpans } from "../../nn/index.ts"
import type { Tensor } from "../../tensor/index.ts"
import { kinds } from "../published.ts"

/** Spans of time and of channels that are hidden in training. */
export const spanOptions = (augment: boolean) => ({
  hideSpans: option(z.boolean(), "hide random spans of the sound in training", {
    default: augment,
    alias: "apply_spec_augment",
  }),
  hiddenTime: option(kinds.rate, "share of positions that hidden spans cover", {
    default: 0.05,
    alias: "mask_time_prob",
  }),
  hiddenTimeLength: option(kinds.count, "positions of one hidden span", { default: 10, alias: "mask_time_length" }),
  hiddenChannels: option(kinds.rate, "share of channels that hidden spans cover", {
    default: 0,
    alias: "mask_feature_prob",
  }),
  hiddenChannelsLength: option(kinds.count, "channels of one hidden span", {
    default: 10,
    alias: "mask_feature_length",
  }),
})

/** Keys that only bound the number of spans from below, which here follows from the rates. */
export const harmlessSpanKeys = ["mask_time_min_masks", "mask_feature_min_masks"] as const

/** What `spanOptions` gives. */
export interface SpanConfig {
  readonly hideSpans: boolean
  readonly hiddenTime: number
  readonly hiddenTimeLength: number
  readonly hiddenChannels: number
  readonly hiddenChannelsLength: number
}

/** x [B T C] in training: spans of time replaced by `inTime`, spans of channels by `inChannels`. */
export function hideSpans(x: Tensor, config: SpanConfig, inTime: Tensor, inChannels: Tensor): Tensor {
  if (!config.hideSpans) return x
  const { hiddenTime, hiddenTimeLength, hiddenChannels, hiddenChannelsLength } = config
  const timed = maskSpans(x, inTime, { rate: hiddenTime, length: hiddenTimeLength, axis: 1 })
  return maskSpans(timed, inChannels, { rate: hiddenChannels, length: hiddenChannelsLength, axis: 2 })
}
