// What Llama and its descendants have in common as they are published: options, how their values are written, names of weights.

import { z } from "zod"
import { option, type ValuesOf } from "../../config/index.ts"
import type { Activation } from "../../nn/index.ts"
import { ValueError } from "../../tensor/index.ts"
import { activationCodec, type Codec, classifierOptions, kinds, ropeScalingCodec, sharedOptions } from "../published.ts"
import { stacked, type WeightTable } from "../weight-names.ts"

/** Values of options that are left out, as a family publishes them. */
export interface RotaryDefaults {
  readonly vocabulary: number
  readonly context: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** null: as many as heads. */
  readonly groups: number | null
  /** null: width / heads. */
  readonly headWidth?: number
  readonly inner: number
  readonly epsilon: number
  /** "silu" by default. */
  readonly activation?: Activation
  /** Its published name; "hidden_act" by default. */
  readonly activationName?: string
  /** Whether the token embedding serves as output weights. */
  readonly tied: boolean
}

/** The options that all of these families have. */
export function rotaryOptions(defaults: RotaryDefaults) {
  return {
    head: option(z.enum(["causal", "classification", "none"]), "what the model answers; none: the stream alone", {
      default: "causal",
    }),
    vocabulary: option(kinds.count, "number of tokens V", { default: defaults.vocabulary, alias: "vocab_size" }),
    context: option(kinds.count, "positions seen at once", {
      default: defaults.context,
      alias: "max_position_embeddings",
    }),
    width: option(kinds.count, "width of the residual stream D", { default: defaults.width, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: defaults.layers, alias: "num_hidden_layers" }),
    heads: option(kinds.count, "query heads H", { default: defaults.heads, alias: "num_attention_heads" }),
    groups: option(kinds.count.nullable(), "key/value heads G; as many as query heads where null", {
      default: defaults.groups,
      alias: "num_key_value_heads",
    }),
    headWidth: option(kinds.count.nullable(), "width of a head K; D / H where null", {
      default: defaults.headWidth ?? null,
      alias: "head_dim",
    }),
    inner: option(kinds.count, "width of feed-forward layers F", {
      default: defaults.inner,
      alias: "intermediate_size",
    }),
    activation: option(kinds.activation, "activation of the gate", {
      default: defaults.activation ?? "silu",
      alias: defaults.activationName ?? "hidden_act",
    }),
    epsilon: option(z.number().positive(), "added to the mean square in normalizations", {
      default: defaults.epsilon,
      alias: "rms_norm_eps",
    }),
    theta: option(z.number().gt(1), "base of the rotary wave lengths", { default: 10000, alias: "rope_theta" }),
    ropeScaling: option(kinds.ropeScaling, "how rotary positions are stretched", {
      default: null,
      alias: "rope_scaling",
    }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0,
      alias: "attention_dropout",
    }),
    tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
      default: defaults.tied,
      alias: "tie_word_embeddings",
    }),
    ...classifierOptions,
    ...sharedOptions,
  }
}

/** Options of all of these families. */
export type RotaryConfig = ValuesOf<ReturnType<typeof rotaryOptions>>

/** How their values are published. */
export const rotaryCodecs: Readonly<Record<string, Codec>> = {
  activation: activationCodec,
  ropeScaling: ropeScalingCodec,
  // old files say -1 for none
  padToken: { read: published => (published === -1 ? null : published), write: own => own },
}

/** The same for Gemma: its first files name no activation, and its GELU goes by another name. */
export const gemmaCodecs: Readonly<Record<string, Codec>> = {
  ...rotaryCodecs,
  activation: {
    read: published => activationCodec.read(published ?? "gelu_pytorch_tanh"),
    write: own => (own === "gelu-tanh" ? "gelu_pytorch_tanh" : activationCodec.write(own)),
  },
}

/** Published names of the heads of a family: "Llama" -> LlamaForCausalLM, … */
export const rotaryArchitectures = (name: string) => ({
  causal: `${name}ForCausalLM`,
  classification: `${name}ForSequenceClassification`,
  none: `${name}Model`,
})

/** Width of a head K. */
export const headWidthOf = ({ headWidth, width, heads }: RotaryConfig): number => headWidth ?? width / heads
/** Number of key/value heads G. */
export const groupsOf = ({ groups, heads }: RotaryConfig): number => groups ?? heads

/** Checks sizes of attention against each other. Throws ValueError. */
export function checkRotary(family: string, config: RotaryConfig): void {
  const { width, heads, groups, headWidth } = config
  if (headWidth === null && width % heads !== 0)
    throw new ValueError(
      `${family}: expected a width that ${heads} heads share evenly, but got ${width}`,
      `the nearest is ${Math.max(1, Math.round(width / heads)) * heads}, or give headWidth`,
    )
  if (groups !== null && heads % groups !== 0)
    throw new ValueError(`${family}: expected heads that are a multiple of groups, but got ${heads} and ${groups}`)
  if (headWidthOf(config) % 2 !== 0)
    throw new ValueError(`${family}: expected an even head width for rotary positions, but got ${headWidthOf(config)}`)
}

/** Published names of the weights. `first`: rules that go before these. */
export function rotaryWeights<C extends RotaryConfig>(
  { head }: C,
  first: WeightTable<C>["rules"] = [],
): WeightTable<C> {
  return {
    prefix: "model.",
    bare: head === "none",
    heads: ["lm_head.", "score."],
    rules: [
      ...first,
      ["model.embed_tokens.weight", "tokens.weight"],
      ["model.layers.*.input_layernorm.weight", "blocks.*.attentionNorm.weight"],
      ...stacked(
        ["model.layers.*.self_attn.q_proj.*", "model.layers.*.self_attn.k_proj.*", "model.layers.*.self_attn.v_proj.*"],
        "blocks.*.attention.qkv.*",
        (c: C) => [c.heads, groupsOf(c), groupsOf(c)].map(n => n * headWidthOf(c)),
      ),
      ["model.layers.*.self_attn.o_proj.*", "blocks.*.attention.out.*"],
      ["model.layers.*.post_attention_layernorm.weight", "blocks.*.feedForwardNorm.weight"],
      ...stacked(
        ["model.layers.*.mlp.gate_proj.*", "model.layers.*.mlp.up_proj.*"],
        "blocks.*.feedForward.gateUp.*",
        (c: C) => [c.inner, c.inner],
      ),
      ["model.layers.*.mlp.down_proj.*", "blocks.*.feedForward.down.*"],
      ["model.norm.weight", "norm.weight"],
      ["lm_head.weight", "head.weight", "tied"],
      ["score.weight", "head.score.weight"],
    ],
    skipped: ["model.layers.*.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"],
  }
}

/** The option `layerKinds`. */
export const layerKinds = option(
  z.array(z.enum(["full_attention", "sliding_attention"])).nullable(),
  "what each block sees; as the family says where null",
  { default: null, alias: "layer_types" },
)

/** Checks that each block has a kind. Throws ValueError. */
export function checkLayerKinds(
  family: string,
  { layers, layerKinds }: { readonly layers: number; readonly layerKinds: readonly string[] | null },
): void {
  if (layerKinds && layerKinds.length !== layers)
    throw new ValueError(`${family}: expected a kind for each of ${layers} layers, but got ${layerKinds.length}`)
}
