// GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask learners"): pre-norm blocks, learned positions, tied output.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  CrossAttention,
  Dropout,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  LayerNorm,
  type Memory,
  PreNormBlock,
  SelfAttention,
  throughBlocks,
} from "../nn/index.ts"
import { HeedError, type Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type CacheRequest, checkCapacity, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { gptOptions, summaryKeys } from "./parts/gpt-options.ts"
import { type HeadOutput, VocabularyHead } from "./parts/heads.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, memoryMaskOf, positionsOf } from "./parts/inputs.ts"
import { type LanguageHead, languageHead, scoreText } from "./parts/language-head.ts"
import { withOutputs } from "./parts/outputs.ts"
import { activationCodec, checkHeads, kinds } from "./published.ts"

const config = declare(
  {
    ...gptOptions({ vocabulary: 50257, context: 1024 }),
    inner: option(kinds.count.nullable(), "width of feed-forward layers F; 4 D where null", {
      default: null,
      alias: "n_inner",
    }),
    activation: option(kinds.activation, "activation of feed-forward layers", {
      default: "gelu-tanh",
      alias: "activation_function",
    }),
    scaleScores: option(z.boolean(), "divide attention scores by the root of the head width", {
      default: true,
      alias: "scale_attn_weights",
    }),
    scaleByLayer: option(z.boolean(), "divide attention scores by the number of the layer, from 1", {
      default: false,
      alias: "scale_attn_by_inverse_layer_idx",
    }),
    // scores are summed and normalized in fp32 here anyway
    upcastScores: option(z.boolean(), "compute attention scores in fp32 when the rest is shorter", {
      default: false,
      alias: "reorder_and_upcast_attn",
    }),
    crossAttention: option(z.boolean(), "blocks also attend to what an encoder read", {
      default: false,
      alias: "add_cross_attention",
    }),
  },
  "gpt2",
)

/** Options of GPT-2. */
export type GPT2Config = ValuesOf<typeof config>

/** GPT-2 with a head. */
export class GPT2 extends LanguageModel {
  readonly family = "gpt2"
  readonly config: GPT2Config
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly dropout: Dropout
  readonly blocks: readonly PreNormBlock[]
  readonly norm: LayerNorm
  readonly head: LanguageHead

  constructor(config: GPT2Config, init: Initializer) {
    super()
    const { width, deviation, epsilon } = config
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.positions = new Embedding(init, config.context, width, { deviation })
    this.dropout = new Dropout(config.embeddingDropout)
    this.blocks = Array.from({ length: config.layers }, (_, i) => block(config, init, i))
    this.norm = new LayerNorm(init, width, { epsilon })
    this.head = languageHead(init, this.tokens, config)
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.config.layers
  }

  forward(ids: Tensor, options: ForwardOptions = {}): LanguageOutput {
    checkIds("gpt2", ids, this.context)
    checkOptions("gpt2", options, this.config.crossAttention ? crossOptions : decoderOptions)
    const { cache, offset, memory, outputs } = options
    const shared = { ...maskOf(ids, options), ...memoryMaskOf(ids, options), ...(offset ? { offset } : {}) }
    const x = embedded(this.tokens, ids).add(this.positions.forward(positionsOf(ids, options)))
    const hidden = throughBlocks(
      this.dropout.forward(x),
      this.blocks,
      (block, x, i) =>
        block.forward(x, {
          ...shared,
          ...(cache ? { cache: cache.layers[i]! } : {}),
          ...(memory ? { memory: memory[i]! } : {}),
        }),
      this.norm,
    ) // [B T D]
    return withOutputs({ hidden, ...scoreText(this.head, hidden, ids, options) }, outputs, this.depth)
  }

  get #causal(): VocabularyHead {
    if (this.head instanceof VocabularyHead) return this.head
    throw new HeedError("project: expected a causal model, but got a classifier", 'build it with head "causal"')
  }

  project(hidden: Tensor): Tensor {
    return this.#causal.project(hidden)
  }

  /** Logits of hidden states [B T D], and the mean loss where each position has a target [B T] (-100: none). */
  score(hidden: Tensor, targets: Tensor | undefined): HeadOutput {
    return this.#causal.forward(hidden, targets)
  }

  /** Keys and values of what an encoder read [B S D] for each block; for models with cross-attention. */
  remember(memory: Tensor): readonly Memory[] {
    return this.within(() => this.blocks.map(block => block.remember(memory)))
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, width } = this.config
    checkCapacity(capacity, this.context)
    return new KeyValueCache({ layers, batch, groups: heads, capacity, headWidth: width / heads, dtype })
  }
}

const crossOptions = [...decoderOptions, "memory", "memoryMask"] as const

function block(config: GPT2Config, init: Initializer, layer: number): PreNormBlock {
  const { width, heads, deviation, epsilon } = config
  // outputs into the stream add up over 2 L of them: they begin smaller
  const outDeviation = deviation / Math.sqrt(2 * config.layers)
  const scale = (config.scaleScores ? (width / heads) ** -0.5 : 1) / (config.scaleByLayer ? layer + 1 : 1)
  const attention = { heads, scale, dropout: config.attentionDropout, deviation, outDeviation }
  return new PreNormBlock({
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    attention: new SelfAttention(init, width, attention),
    ...(config.crossAttention
      ? {
          cross: {
            norm: new LayerNorm(init, width, { epsilon }),
            attention: new CrossAttention(init, width, { ...attention, fused: true }),
          },
        }
      : {}),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, {
      inner: config.inner ?? 4 * width,
      activation: config.activation,
      deviation,
      outDeviation,
    }),
    dropout: config.residualDropout,
  })
}

/** The GPT-2 family. */
export const gpt2 = defineModel({
  name: "gpt2",
  config,
  architectures: { causal: ["GPT2LMHeadModel", "GPT2Model"], classification: "GPT2ForSequenceClassification" },
  build: (config, init) => new GPT2(config, init),
  codecs: { activation: activationCodec },
  harmless: [...summaryKeys], // of a head that is not built here
  check: config => checkHeads("gpt2", config),
  weights: {
    prefix: "transformer.",
    heads: ["lm_head.", "score."],
    rules: [
      ["transformer.wte.weight", "tokens.weight"],
      ["transformer.wpe.weight", "positions.weight"],
      ["transformer.h.*.ln_1.*", "blocks.*.attentionNorm.*"],
      ["transformer.h.*.attn.c_attn.weight", "blocks.*.attention.qkv.weight", "transposed"],
      ["transformer.h.*.attn.c_attn.bias", "blocks.*.attention.qkv.bias"],
      ["transformer.h.*.attn.c_proj.weight", "blocks.*.attention.out.weight", "transposed"],
      ["transformer.h.*.attn.c_proj.bias", "blocks.*.attention.out.bias"],
      ["transformer.h.*.ln_cross_attn.*", "blocks.*.crossNorm.*"],
      ["transformer.h.*.crossattention.q_attn.weight", "blocks.*.cross.query.weight", "transposed"],
      ["transformer.h.*.crossattention.q_attn.bias", "blocks.*.cross.query.bias"],
      ["transformer.h.*.crossattention.c_attn.weight", "blocks.*.cross.keyValue.weight", "transposed"],
      ["transformer.h.*.crossattention.c_attn.bias", "blocks.*.cross.keyValue.bias"],
      ["transformer.h.*.crossattention.c_proj.weight", "blocks.*.cross.out.weight", "transposed"],
      ["transformer.h.*.crossattention.c_proj.bias", "blocks.*.cross.out.bias"],
      ["transformer.h.*.ln_2.*", "blocks.*.feedForwardNorm.*"],
      ["transformer.h.*.mlp.c_fc.weight", "blocks.*.feedForward.up.weight", "transposed"],
      ["transformer.h.*.mlp.c_fc.bias", "blocks.*.feedForward.up.bias"],
      ["transformer.h.*.mlp.c_proj.weight", "blocks.*.feedForward.down.weight", "transposed"],
      ["transformer.h.*.mlp.c_proj.bias", "blocks.*.feedForward.down.bias"],
      ["transformer.ln_f.*", "norm.*"],
      ["lm_head.weight", "head.weight", "tied"],
      ["score.weight", "head.score.weight"],
    ],
    skipped: [
      "transformer.h.*.attn.bias",
      "transformer.h.*.attn.masked_bias",
      "transformer.h.*.crossattention.bias",
      "transformer.h.*.crossattention.masked_bias",
    ],
  },
})
