// Llama (Touvron et al. 2023; Dubey et al. 2024) and its relatives, such as SmolLM2: pre-norm blocks with RMSNorm, rotary positions,
// grouped heads and SwiGLU.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  PreNormBlock,
  RMSNorm,
  rotationOf,
  SelfAttention,
  throughBlocks,
} from "../nn/index.ts"
import { type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { nextTokens, VocabularyHead } from "./heads.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, positionsOf } from "./inputs.ts"
import { type CacheRequest, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { withOutputs } from "./outputs.ts"
import { activationCodec, kinds, ropeScalingCodec, sharedOptions } from "./published.ts"
import { stacked } from "./weights.ts"

const config = declare(
  {
    head: option(z.enum(["causal"]), "what the model answers", { default: "causal" }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 32000, alias: "vocab_size" }),
    context: option(kinds.count, "positions seen at once", { default: 2048, alias: "max_position_embeddings" }),
    width: option(kinds.count, "width of the residual stream D", { default: 4096, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: 32, alias: "num_hidden_layers" }),
    heads: option(kinds.count, "query heads H", { default: 32, alias: "num_attention_heads" }),
    groups: option(kinds.count.nullable(), "key/value heads G; as many as query heads where null", {
      default: null,
      alias: "num_key_value_heads",
    }),
    headWidth: option(kinds.count.nullable(), "width of a head K; D / H where null", {
      default: null,
      alias: "head_dim",
    }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 11008, alias: "intermediate_size" }),
    activation: option(kinds.activation, "activation of the gate", { default: "silu", alias: "hidden_act" }),
    epsilon: option(z.number().positive(), "added to the mean square in normalizations", {
      default: 1e-6,
      alias: "rms_norm_eps",
    }),
    theta: option(z.number().gt(1), "base of the rotary wave lengths", { default: 10000, alias: "rope_theta" }),
    ropeScaling: option(kinds.ropeScaling, "how rotary positions are stretched", {
      default: null,
      alias: "rope_scaling",
    }),
    attentionBias: option(z.boolean(), "biases in attention", { default: false, alias: "attention_bias" }),
    feedForwardBias: option(z.boolean(), "biases in feed-forward layers", { default: false, alias: "mlp_bias" }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0,
      alias: "attention_dropout",
    }),
    tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
      default: false,
      alias: "tie_word_embeddings",
    }),
    ...sharedOptions,
  },
  "llama",
)

/** Options of Llama. */
export type LlamaConfig = ValuesOf<typeof config>

const headWidthOf = ({ headWidth, width, heads }: LlamaConfig): number => headWidth ?? width / heads

/** Llama with its next-token head. */
export class Llama extends LanguageModel {
  readonly family = "llama"
  readonly config: LlamaConfig
  readonly tokens: Embedding
  readonly blocks: readonly PreNormBlock[]
  readonly norm: RMSNorm
  readonly head: VocabularyHead

  constructor(config: LlamaConfig, init: Initializer) {
    super()
    const { width, deviation, epsilon } = config
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.blocks = Array.from({ length: config.layers }, () => block(config, init))
    this.norm = new RMSNorm(init, width, { epsilon })
    this.head = new VocabularyHead(init, this.tokens, { tied: config.tieEmbeddings, deviation })
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.config.layers
  }

  forward(ids: Tensor, options: ForwardOptions = {}): LanguageOutput {
    checkIds("llama", ids, this.#reach)
    checkOptions("llama", options, decoderOptions)
    const { cache, offset, outputs } = options
    const { theta, context, ropeScaling: scaling } = this.config
    const rotation = rotationOf(positionsOf(ids, options), { width: headWidthOf(this.config), theta, context, scaling })
    const shared = { rotation, ...maskOf(ids, options), ...(offset ? { offset } : {}) }
    const hidden = throughBlocks(
      embedded(this.tokens, ids),
      this.blocks,
      (block, x, i) => block.forward(x, cache ? { ...shared, cache: cache.layers[i]! } : shared),
      this.norm,
    ) // [B T D]
    return withOutputs({ hidden, ...this.head.forward(hidden, nextTokens(ids, options)) }, outputs, this.depth)
  }

  project(hidden: Tensor): Tensor {
    return this.head.project(hidden)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, groups } = this.config
    if (capacity > this.#reach)
      throw new ValueError(`cache: expected a capacity up to the context ${this.context}, but got ${capacity}`)
    return new KeyValueCache({
      layers,
      batch,
      groups: groups ?? heads,
      capacity,
      headWidth: headWidthOf(this.config),
      dtype,
    })
  }

  /** Dynamic scaling goes beyond the trained context. */
  get #reach(): number {
    return this.config.ropeScaling?.kind === "dynamic" ? Infinity : this.context
  }
}

function block(config: LlamaConfig, init: Initializer): PreNormBlock {
  const { width, heads, groups, deviation, epsilon } = config
  return new PreNormBlock({
    attentionNorm: new RMSNorm(init, width, { epsilon }),
    attention: new SelfAttention(init, width, {
      heads,
      groups: groups ?? heads,
      headWidth: headWidthOf(config),
      bias: config.attentionBias,
      dropout: config.attentionDropout,
      deviation,
    }),
    feedForwardNorm: new RMSNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, {
      inner: config.inner,
      activation: config.activation,
      gated: true,
      bias: config.feedForwardBias,
      deviation,
    }),
  })
}

/** The Llama family. */
export const llama = defineModel({
  name: "llama",
  config,
  architectures: { causal: "LlamaForCausalLM" },
  build: (config, init) => new Llama(config, init),
  codecs: { activation: activationCodec, ropeScaling: ropeScalingCodec },
  check: config => {
    const { width, heads, groups, headWidth } = config
    if (headWidth === null && width % heads !== 0)
      throw new ValueError(
        `llama: expected a width that ${heads} heads share evenly, but got ${width}`,
        `the nearest is ${Math.max(1, Math.round(width / heads)) * heads}, or give headWidth`,
      )
    if (groups !== null && heads % groups !== 0)
      throw new ValueError(`llama: expected heads that are a multiple of groups, but got ${heads} and ${groups}`)
    if (headWidthOf(config) % 2 !== 0)
      throw new ValueError(`llama: expected an even head width for rotary positions, but got ${headWidthOf(config)}`)
  },
  weights: {
    prefix: "model.",
    heads: ["lm_head."],
    rules: [
      ["model.embed_tokens.weight", "tokens.weight"],
      ["model.layers.*.input_layernorm.weight", "blocks.*.attentionNorm.weight"],
      ...stacked(
        ["model.layers.*.self_attn.q_proj.*", "model.layers.*.self_attn.k_proj.*", "model.layers.*.self_attn.v_proj.*"],
        "blocks.*.attention.qkv.*",
        (c: LlamaConfig) => [c.heads, c.groups ?? c.heads, c.groups ?? c.heads].map(n => n * headWidthOf(c)),
      ),
      ["model.layers.*.self_attn.o_proj.*", "blocks.*.attention.out.*"],
      ["model.layers.*.post_attention_layernorm.weight", "blocks.*.feedForwardNorm.weight"],
      ...stacked(
        ["model.layers.*.mlp.gate_proj.*", "model.layers.*.mlp.up_proj.*"],
        "blocks.*.feedForward.gateUp.*",
        (c: LlamaConfig) => [c.inner, c.inner],
      ),
      ["model.layers.*.mlp.down_proj.*", "blocks.*.feedForward.down.*"],
      ["model.norm.weight", "norm.weight"],
      ["lm_head.weight", "head.weight", "tied"],
    ],
    skipped: ["model.layers.*.self_attn.rotary_emb.inv_freq"],
  },
})
