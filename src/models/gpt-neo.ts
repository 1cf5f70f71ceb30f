// GPT-Neo (Black et al. 2021): GPT-3's decoder (Brown et al. 2020), whose blocks take turns between dense and local attention; scores are
// not scaled.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Dropout,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  LayerNorm,
  PreNormBlock,
  SelfAttention,
  throughBlocks,
  windowsOf,
} from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type CacheRequest, checkCapacity, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { gptHeadOptions, summaryKeys } from "./parts/gpt-options.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, positionsOf } from "./parts/inputs.ts"
import { type LanguageHead, languageHead, projectText, scoreText } from "./parts/language-head.ts"
import { withOutputs } from "./parts/outputs.ts"
import { activationCodec, type Codec, checkHeads, kinds } from "./published.ts"
import { stacked } from "./weight-names.ts"

const config = declare(
  {
    head: option(z.enum(["causal", "classification"]), "what the model answers", { default: "causal" }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 50257, alias: "vocab_size" }),
    context: option(kinds.count, "positions seen at once", { default: 2048, alias: "max_position_embeddings" }),
    width: option(kinds.count, "width of the residual stream D", { default: 2048, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: 24, alias: "num_layers" }),
    heads: option(kinds.count, "attention heads H", { default: 16, alias: "num_heads" }),
    attention: option(z.array(z.enum(["global", "local"])).min(1), "what the blocks attend to, in turns", {
      default: ["global", "local"],
      alias: ["attention_types", "attention_layers"],
    }),
    window: option(kinds.count, "keys a query of local blocks sees, itself among them", {
      default: 256,
      alias: "window_size",
    }),
    inner: option(kinds.count.nullable(), "width of feed-forward layers F; 4 D where null", {
      default: null,
      alias: "intermediate_size",
    }),
    activation: option(kinds.activation, "activation of feed-forward layers", {
      default: "gelu-tanh",
      alias: "activation_function",
    }),
    embeddingDropout: option(kinds.rate, "rate of dropped embeddings in training", {
      default: 0,
      alias: "embed_dropout",
    }),
    residualDropout: option(kinds.rate, "rate of dropped block outputs in training", {
      default: 0,
      alias: "resid_dropout",
    }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0,
      alias: "attention_dropout",
    }),
    ...gptHeadOptions,
  },
  "gpt_neo",
)

/** Options of GPT-Neo. */
export type GPTNeoConfig = ValuesOf<typeof config>

/** GPT-Neo with a head. */
export class GPTNeo extends LanguageModel {
  readonly family = "gpt_neo"
  readonly config: GPTNeoConfig
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly dropout: Dropout
  readonly blocks: readonly PreNormBlock[]
  readonly norm: LayerNorm
  readonly head: LanguageHead

  constructor(config: GPTNeoConfig, init: Initializer) {
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
    checkIds("gpt_neo", ids, this.context)
    checkOptions("gpt_neo", options, decoderOptions)
    const { cache, offset, outputs } = options
    const shared = { ...maskOf(ids, options), ...(offset ? { offset } : {}) }
    const x = embedded(this.tokens, ids).add(this.positions.forward(positionsOf(ids, options)))
    const hidden = throughBlocks(
      this.dropout.forward(x),
      this.blocks,
      (block, x, i) => block.forward(x, cache ? { ...shared, cache: cache.layers[i]! } : shared),
      this.norm,
    ) // [B T D]
    return withOutputs({ hidden, ...scoreText(this.head, hidden, ids, options) }, outputs, this.depth)
  }

  project(hidden: Tensor): Tensor {
    return projectText(this.head, hidden)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, width } = this.config
    checkCapacity(capacity, this.context)
    return new KeyValueCache({
      layers,
      batch,
      groups: heads,
      capacity,
      headWidth: width / heads,
      dtype,
      windows: windowsOf(this.blocks),
    })
  }
}

function block(config: GPTNeoConfig, init: Initializer, layer: number): PreNormBlock {
  const { width, heads, attention, window, activation, deviation, epsilon } = config
  return new PreNormBlock({
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    attention: new SelfAttention(init, width, {
      heads,
      scale: 1,
      bias: false,
      outBias: true,
      ...(attention[layer % attention.length] === "local" ? { window } : {}),
      dropout: config.attentionDropout,
      deviation,
    }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner: config.inner ?? 4 * width, activation, deviation }),
    dropout: config.residualDropout,
  })
}

/** The shortest list that, repeated, gives this one. */
function period<A>(list: readonly A[]): readonly A[] {
  for (let size = 1; size < list.length; size++)
    if (list.length % size === 0 && list.every((one, i) => one === list[i % size])) return list.slice(0, size)
  return list
}

/** Published as [[kinds, times], …], or for each block. */
const attentionCodec: Codec = {
  read: published => {
    if (!Array.isArray(published)) return published
    const all = published.flatMap(part => {
      if (!Array.isArray(part)) return [part]
      const [kinds, times] = part
      return Array.isArray(kinds) && Number.isInteger(times) && times > 0 && times <= 10_000
        ? Array.from({ length: times }, () => kinds).flat()
        : [part]
    })
    return period(all)
  },
  write: (own, config) => {
    const kinds = own as readonly string[]
    const layers = (config as GPTNeoConfig | undefined)?.layers ?? kinds.length
    if (layers % kinds.length === 0) return [[kinds, layers / kinds.length]]
    return [[Array.from({ length: layers }, (_, i) => kinds[i % kinds.length]), 1]]
  },
}

const projections = ["q", "k", "v"].map(name => `transformer.h.*.attn.attention.${name}_proj.weight`)

/** The GPT-Neo family. */
export const gptNeo = defineModel({
  name: "gpt_neo",
  config,
  architectures: { causal: ["GPTNeoForCausalLM", "GPTNeoModel"], classification: "GPTNeoForSequenceClassification" },
  build: (config, init) => new GPTNeo(config, init),
  codecs: { activation: activationCodec, attention: attentionCodec },
  // of heads that are not built here
  harmless: ["classifier_dropout", ...summaryKeys],
  check: config => checkHeads("gpt_neo", config),
  weights: {
    prefix: "transformer.",
    heads: ["lm_head.", "score.", "classifier.", "qa_outputs."],
    rules: [
      ["transformer.wte.weight", "tokens.weight"],
      ["transformer.wpe.weight", "positions.weight"],
      ["transformer.h.*.ln_1.*", "blocks.*.attentionNorm.*"],
      ...stacked(projections, "blocks.*.attention.qkv.weight", ({ width }: GPTNeoConfig) => [width, width, width]),
      ["transformer.h.*.attn.attention.out_proj.*", "blocks.*.attention.out.*"],
      ["transformer.h.*.ln_2.*", "blocks.*.feedForwardNorm.*"],
      ["transformer.h.*.mlp.c_fc.*", "blocks.*.feedForward.up.*"],
      ["transformer.h.*.mlp.c_proj.*", "blocks.*.feedForward.down.*"],
      ["transformer.ln_f.*", "norm.*"],
      ["lm_head.weight", "head.weight", "tied"],
      ["score.weight", "head.score.weight"],
    ],
    skipped: ["transformer.h.*.attn.attention.bias", "transformer.h.*.attn.attention.masked_bias"],
  },
})
