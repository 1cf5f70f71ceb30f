// GPT (Radford et al. 2018, "Improving language understanding by generative pre-training"): the decoder of the original Transformer with
// norms behind its parts, learned positions and tied output.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Dropout,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  LayerNorm,
  PostNormBlock,
  SelfAttention,
  throughBlocks,
} from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type CacheRequest, checkCapacity, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { gptOptions, summaryKeys } from "./parts/gpt-options.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, positionsOf } from "./parts/inputs.ts"
import { type LanguageHead, languageHead, projectText, scoreText } from "./parts/language-head.ts"
import { withOutputs } from "./parts/outputs.ts"
import { type Codec, checkHeads } from "./published.ts"

const config = declare(
  {
    ...gptOptions({ vocabulary: 40478, context: 512 }),
    activation: option(z.enum(["gelu-tanh", "relu", "silu"]), "activation of feed-forward layers", {
      default: "gelu-tanh",
      alias: "afn",
    }),
  },
  "openai-gpt",
)

/** Options of GPT. */
export type OpenAIGPTConfig = ValuesOf<typeof config>

/** GPT with a head. */
export class OpenAIGPT extends LanguageModel {
  readonly family = "openai-gpt"
  readonly config: OpenAIGPTConfig
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly dropout: Dropout
  readonly blocks: readonly PostNormBlock[]
  readonly head: LanguageHead

  constructor(config: OpenAIGPTConfig, init: Initializer) {
    super()
    const { width, deviation } = config
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.positions = new Embedding(init, config.context, width, { deviation })
    this.dropout = new Dropout(config.embeddingDropout)
    this.blocks = Array.from({ length: config.layers }, () => block(config, init))
    this.head = languageHead(init, this.tokens, config)
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.config.layers
  }

  forward(ids: Tensor, options: ForwardOptions = {}): LanguageOutput {
    checkIds("openai-gpt", ids, this.context)
    checkOptions("openai-gpt", options, decoderOptions)
    const { cache, offset, outputs } = options
    const shared = { ...maskOf(ids, options), ...(offset ? { offset } : {}) }
    const x = embedded(this.tokens, ids).add(this.positions.forward(positionsOf(ids, options)))
    const hidden = throughBlocks(this.dropout.forward(x), this.blocks, (block, x, i) =>
      block.forward(x, cache ? { ...shared, cache: cache.layers[i]! } : shared),
    ) // [B T D]
    return withOutputs({ hidden, ...scoreText(this.head, hidden, ids, options) }, outputs, this.depth)
  }

  project(hidden: Tensor): Tensor {
    return projectText(this.head, hidden)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, width } = this.config
    checkCapacity(capacity, this.context)
    return new KeyValueCache({ layers, batch, groups: heads, capacity, headWidth: width / heads, dtype })
  }
}

function block(config: OpenAIGPTConfig, init: Initializer): PostNormBlock {
  const { width, heads, activation, deviation, epsilon } = config
  return new PostNormBlock({
    attention: new SelfAttention(init, width, { heads, dropout: config.attentionDropout, deviation }),
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner: 4 * width, activation, deviation }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    dropout: config.residualDropout,
  })
}

const activations = { gelu: "gelu-tanh", swish: "silu" } as const

/** What is called gelu here is its tanh approximation. */
const activationCodec: Codec = {
  read: published => activations[published as keyof typeof activations] ?? published,
  write: own => (own === "gelu-tanh" ? "gelu" : own),
}

/** The GPT family. */
export const openaiGpt = defineModel({
  name: "openai-gpt",
  config,
  architectures: {
    causal: ["OpenAIGPTLMHeadModel", "OpenAIGPTModel"],
    classification: "OpenAIGPTForSequenceClassification",
  },
  build: (config, init) => new OpenAIGPT(config, init),
  codecs: { activation: activationCodec },
  // special tokens count among the vocabulary today; the rest is of a head that is not built here
  harmless: ["n_special", "predict_special_tokens", ...summaryKeys],
  check: config => checkHeads("openai-gpt", config),
  weights: {
    prefix: "transformer.",
    heads: ["lm_head.", "score.", "multiple_choice_head."],
    rules: [
      ["transformer.tokens_embed.weight", "tokens.weight"],
      ["transformer.positions_embed.weight", "positions.weight"],
      ["transformer.h.*.attn.c_attn.weight", "blocks.*.attention.qkv.weight", "transposed"],
      ["transformer.h.*.attn.c_attn.bias", "blocks.*.attention.qkv.bias"],
      ["transformer.h.*.attn.c_proj.weight", "blocks.*.attention.out.weight", "transposed"],
      ["transformer.h.*.attn.c_proj.bias", "blocks.*.attention.out.bias"],
      ["transformer.h.*.ln_1.*", "blocks.*.attentionNorm.*"],
      ["transformer.h.*.mlp.c_fc.weight", "blocks.*.feedForward.up.weight", "transposed"],
      ["transformer.h.*.mlp.c_fc.bias", "blocks.*.feedForward.up.bias"],
      ["transformer.h.*.mlp.c_proj.weight", "blocks.*.feedForward.down.weight", "transposed"],
      ["transformer.h.*.mlp.c_proj.bias", "blocks.*.feedForward.down.bias"],
      ["transformer.h.*.ln_2.*", "blocks.*.feedForwardNorm.*"],
      ["lm_head.weight", "head.weight", "tied"],
      ["score.weight", "head.score.weight"],
    ],
    skipped: ["transformer.h.*.attn.bias", "transformer.position_ids"],
  },
})
