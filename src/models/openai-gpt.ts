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
import { HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { ClassificationHead, type HeadOutput, nextTokens, VocabularyHead } from "./heads.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, positionsOf } from "./inputs.ts"
import { type CacheRequest, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { withOutputs } from "./outputs.ts"
import { type Codec, classifierOptions, kinds, sharedOptions } from "./published.ts"

const config = declare(
  {
    head: option(z.enum(["causal", "classification"]), "what the model answers", { default: "causal" }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 40478, alias: "vocab_size" }),
    context: option(kinds.count, "positions seen at once", { default: 512, alias: ["n_positions", "n_ctx"] }),
    width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "n_embd" }),
    layers: option(kinds.count, "number of blocks L", { default: 12, alias: "n_layer" }),
    heads: option(kinds.count, "attention heads H", { default: 12, alias: "n_head" }),
    activation: option(z.enum(["gelu-tanh", "relu", "silu"]), "activation of feed-forward layers", {
      default: "gelu-tanh",
      alias: "afn",
    }),
    embeddingDropout: option(kinds.rate, "rate of dropped embeddings in training", {
      default: 0.1,
      alias: "embd_pdrop",
    }),
    residualDropout: option(kinds.rate, "rate of dropped block outputs in training", {
      default: 0.1,
      alias: "resid_pdrop",
    }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0.1,
      alias: "attn_pdrop",
    }),
    epsilon: option(z.number().positive(), "added to the variance in normalizations", {
      default: 1e-5,
      alias: "layer_norm_epsilon",
    }),
    tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
      default: true,
      alias: "tie_word_embeddings",
    }),
    ...classifierOptions,
    ...sharedOptions,
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
  readonly head: VocabularyHead | ClassificationHead

  constructor(config: OpenAIGPTConfig, init: Initializer) {
    super()
    const { width, deviation, labels, problem, padToken } = config
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.positions = new Embedding(init, config.context, width, { deviation })
    this.dropout = new Dropout(config.embeddingDropout)
    this.blocks = Array.from({ length: config.layers }, () => block(config, init))
    this.head =
      config.head === "causal"
        ? new VocabularyHead(init, this.tokens, { tied: config.tieEmbeddings, deviation })
        : new ClassificationHead(init, width, { classes: labels.length, deviation, kind: problem, padToken })
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
    return withOutputs({ hidden, ...this.#score(hidden, ids, options) }, outputs, this.depth)
  }

  #score(hidden: Tensor, ids: Tensor, options: ForwardOptions): HeadOutput {
    const { head } = this
    if (head instanceof VocabularyHead) return head.forward(hidden, nextTokens(ids, options))
    return head.forward(hidden, ids, options)
  }

  project(hidden: Tensor): Tensor {
    const { head } = this
    if (head instanceof VocabularyHead) return head.project(hidden)
    throw new HeedError("project: expected a causal model, but got a classifier", 'build it with head "causal"')
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, width } = this.config
    if (capacity > this.context)
      throw new ValueError(`cache: expected a capacity up to the context ${this.context}, but got ${capacity}`)
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
  harmless: [
    "n_special",
    "predict_special_tokens",
    "summary_type",
    "summary_use_proj",
    "summary_activation",
    "summary_proj_to_labels",
    "summary_first_dropout",
  ],
  check: ({ width, heads }) => {
    if (width % heads !== 0)
      throw new ValueError(
        `openai-gpt: expected a width that ${heads} heads share evenly, but got ${width}`,
        `the nearest is ${Math.max(1, Math.round(width / heads)) * heads}`,
      )
  },
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
