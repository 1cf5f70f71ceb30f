// Options and published names of T5; see t5.ts.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { ValueError } from "../tensor/index.ts"
import type { PublishedConfig } from "./definition.ts"
import { activationCodec, kinds, sharedOptions } from "./published.ts"
import { stacked, type WeightRule, type WeightTable } from "./weight-names.ts"

/** The options. */
export const t5Options = declare(
  {
    head: option(z.enum(["generation", "encoder"]), "what is built: all of it, or the encoder alone", {
      default: "generation",
    }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 32128, alias: "vocab_size" }),
    width: option(kinds.count, "width of the residual stream D", { default: 512, alias: "d_model" }),
    headWidth: option(kinds.count, "width of a head K", { default: 64, alias: "d_kv" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 2048, alias: "d_ff" }),
    layers: option(kinds.count, "blocks of the encoder", { default: 6, alias: "num_layers" }),
    decoderLayers: option(kinds.count.max(10_000).nullable(), "blocks of the decoder; as many where null", {
      default: null,
      alias: "num_decoder_layers",
    }),
    heads: option(kinds.count, "attention heads H", { default: 8, alias: "num_heads" }),
    buckets: option(z.number().int().min(4), "kinds of distances", {
      default: 32,
      alias: "relative_attention_num_buckets",
    }),
    maxDistance: option(kinds.count, "distances from there on share a bucket", {
      default: 128,
      alias: "relative_attention_max_distance",
    }),
    dropout: option(kinds.rate, "rate of all dropped elements in training", { default: 0.1, alias: "dropout_rate" }),
    epsilon: option(z.number().positive(), "added to the mean square in normalizations", {
      default: 1e-6,
      alias: "layer_norm_epsilon",
    }),
    activation: option(kinds.activation, "activation of feed-forward layers", {
      default: "relu",
      alias: "dense_act_fn",
    }),
    gated: option(z.boolean(), "feed-forward layers have a gate (1.1)", { default: false, alias: "is_gated_act" }),
    tieEmbeddings: option(z.boolean(), "use the token embedding as output weights (1.0)", {
      default: true,
      alias: "tie_word_embeddings",
    }),
    spread: option(z.number().positive(), "factor of the deviations of random weights", {
      default: 1,
      alias: "initializer_factor",
    }),
    startToken: option(kinds.token, "id of the token the decoder begins with", {
      default: 0,
      alias: "decoder_start_token_id",
    }),
    beginToken: sharedOptions.beginToken,
    endToken: option(sharedOptions.endToken.schema, sharedOptions.endToken.help, { default: 1, alias: "eos_token_id" }),
    padToken: option(z.number().int().min(0), sharedOptions.padToken.help, { default: 0, alias: "pad_token_id" }),
  },
  "t5",
)

/** Options of T5. */
export type T5Config = ValuesOf<typeof t5Options>

const weightRules = (["encoder", "decoder"] as const).flatMap((stack): WeightRule<T5Config>[] => {
  const [published, own] = [`${stack}.block.*.layer`, `${stack}.blocks.*`]
  const feedForward = `${published}.${stack === "encoder" ? 1 : 2}`
  return [
    [`${stack}.embed_tokens.weight`, "tokens.weight", "tied"],
    ...stacked(
      ["q", "k", "v"].map(part => `${published}.0.SelfAttention.${part}.weight`),
      `${own}.attention.qkv.weight`,
      ({ heads, headWidth }: T5Config) => [heads * headWidth, heads * headWidth, heads * headWidth],
    ),
    [`${published}.0.SelfAttention.o.weight`, `${own}.attention.out.weight`],
    [`${published}.0.layer_norm.weight`, `${own}.attentionNorm.weight`],
    [`${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`, `${stack}.relativeBias.rows.weight`],
    [`${published}.1.EncDecAttention.q.weight`, `${own}.cross.query.weight`],
    [`${published}.1.EncDecAttention.k.weight`, `${own}.cross.key.weight`],
    [`${published}.1.EncDecAttention.v.weight`, `${own}.cross.value.weight`],
    [`${published}.1.EncDecAttention.o.weight`, `${own}.cross.out.weight`],
    [`${published}.1.layer_norm.weight`, `${own}.crossNorm.weight`],
    [`${feedForward}.DenseReluDense.wi.weight`, `${own}.feedForward.up.weight`],
    ...stacked(
      ["wi_0", "wi_1"].map(part => `${feedForward}.DenseReluDense.${part}.weight`),
      `${own}.feedForward.gateUp.weight`,
      ({ inner }: T5Config) => [inner, inner],
    ),
    [`${feedForward}.DenseReluDense.wo.weight`, `${own}.feedForward.down.weight`],
    [`${feedForward}.layer_norm.weight`, `${own}.feedForwardNorm.weight`],
    [`${stack}.final_layer_norm.weight`, `${stack}.norm.weight`],
  ]
})

/** Published names of the weights. */
export function t5Weights({ head }: T5Config): WeightTable<T5Config> {
  return {
    // a folder of the whole model may be opened as its encoder alone
    heads: ["lm_head.", ...(head === "encoder" ? ["decoder."] : [])],
    rules: [["shared.weight", "tokens.weight"], ...weightRules, ["lm_head.weight", "head.weight", "tied"]],
    // old files hold a bias of cross-attention that nothing used
    skipped: ["decoder.block.*.layer.1.EncDecAttention.relative_attention_bias.weight"],
  }
}

/** Old configurations name activation and gate in one word: `feed_forward_proj`. Throws ValueError for one it does not know. */
export function spelledOut(published: PublishedConfig, source = "config.json"): PublishedConfig {
  const { feed_forward_proj: word, ...rest } = published
  if (word === undefined || word === null) return rest
  const parts = String(word).split("-")
  if (parts.length > 2 || (parts.length === 2 && parts[0] !== "gated"))
    throw new ValueError(
      `${source}: expected feed_forward_proj to be an activation or gated-<activation>, but got ${JSON.stringify(word)}`,
    )
  const usual = word === "gated-gelu" ? "gelu_new" : parts.at(-1)
  return { dense_act_fn: usual, is_gated_act: parts.length === 2, ...rest }
}

/** The word for them. */
export function feedForwardWord({ activation, gated }: T5Config): string {
  const name = gated && activation === "gelu-tanh" ? "gelu" : activationCodec.write(activation)
  return gated ? `gated-${name}` : `${name}`
}
