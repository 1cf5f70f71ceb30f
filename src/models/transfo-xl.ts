// Transformer-XL (Dai et al. 2019): attention by distances that reaches back into memories of earlier segments, over a vocabulary of
// adaptive embeddings and softmax. A text begins behind memories of zeros, which are seen like real ones.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  AdaptiveEmbedding,
  AdaptiveSoftmax,
  DistanceBiases,
  DistanceSinusoids,
  Dropout,
  type Initializer,
  KeyValueCache,
  sectionsOf,
  TransformerXLBlock,
  throughBlocks,
} from "../nn/index.ts"
import { arange, concat, full, HeedError, readSlice, ShapeError, type Tensor, ValueError } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import { defineModel } from "./definition.ts"
import { type CacheRequest, LanguageModel, type LanguageOutput } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { ClassificationHead, nextTokens } from "./parts/heads.ts"
import { checkIds, checkOptions, decoderOptions, keyMask } from "./parts/inputs.ts"
import { withOutputs } from "./parts/outputs.ts"
import { classifierOptions, kinds, sharedOptions } from "./published.ts"

const config = declare(
  {
    head: option(z.enum(["causal", "classification"]), "what the model answers", { default: "causal" }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 267735, alias: ["vocab_size", "n_token"] }),
    cutoffs: option(z.array(kinds.count), "first ids of the rarer sections of the vocabulary", {
      default: [20000, 40000, 200000],
    }),
    width: option(kinds.count, "width of the residual stream D", { default: 1024, alias: "d_model" }),
    embeddingWidth: option(kinds.count, "width of embeddings of the first section", {
      default: 1024,
      alias: "d_embed",
    }),
    shrink: option(kinds.count, "times each section's embeddings are narrower than those before", {
      default: 4,
      alias: "div_val",
    }),
    layers: option(kinds.count, "number of blocks L", { default: 18, alias: "n_layer" }),
    heads: option(kinds.count, "attention heads H", { default: 16, alias: "n_head" }),
    headWidth: option(kinds.count, "width of a head K", { default: 64, alias: "d_head" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 4096, alias: "d_inner" }),
    memory: option(z.number().int().min(0), "positions remembered of earlier segments M", {
      default: 1600,
      alias: "mem_len",
    }),
    farthest: option(z.number().int(), "distances from there on are the same; none where 0 or less", {
      default: 1000,
      alias: "clamp_len",
    }),
    sameLength: option(z.boolean(), "every query sees as many keys as there are memories", {
      default: true,
      alias: "same_length",
    }),
    normFirst: option(z.boolean(), "norms before the parts of a block", { default: false, alias: "pre_lnorm" }),
    ownBiases: option(z.boolean(), "each block has vectors u and v of its own", { default: true, alias: "untie_r" }),
    tieProjections: option(
      z.array(z.boolean()).nullable(),
      "for each section, whether its embedding's projection serves in the output too; all but the first where null",
      {
        default: null,
        alias: "tie_projs",
      },
    ),
    tieEmbeddings: option(z.boolean(), "use the token embeddings as output weights", {
      default: true,
      alias: ["tie_word_embeddings", "tie_weight"],
    }),
    dropout: option(kinds.rate, "rate of dropped elements in training", { default: 0.1 }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0,
      alias: "dropatt",
    }),
    epsilon: option(z.number().positive(), "added to the variance in normalizations", {
      default: 1e-5,
      alias: "layer_norm_epsilon",
    }),
    ...classifierOptions,
    ...sharedOptions,
    deviation: option(z.number().min(0), "standard deviation of random weights", { default: 0.02, alias: "init_std" }),
    projectionDeviation: option(z.number().min(0), "the same of projections of embeddings", {
      default: 0.01,
      alias: "proj_init_std",
    }),
  },
  "transfo-xl",
)

/** Options of Transformer-XL. */
export type TransformerXLConfig = ValuesOf<typeof config>

/** What a call may use besides its ids. */
export interface TransformerXLOptions extends ForwardOptions {
  /** [M B D] for each block: what the segment before left (`mems` of its output). */
  readonly mems?: readonly Tensor[]
}

/** What Transformer-XL gives; its logits are log-probabilities. */
export interface TransformerXLOutput extends LanguageOutput {
  /** [M B D] for each block, for the next segment; absent with a cache. */
  readonly mems?: readonly Tensor[]
  /** Loss of each position that has a label, 0 elsewhere: [B T], or [B T-1] of labels. */
  readonly losses?: Tensor
}

type Sizes = readonly [B: number, T: number, S: number, M: number]

/** Transformer-XL with a head. */
export class TransformerXL extends LanguageModel {
  readonly family = "transfo-xl"
  readonly config: TransformerXLConfig
  /** A text has no end. */
  readonly context: number = Number.POSITIVE_INFINITY
  readonly tokens: AdaptiveEmbedding
  readonly distances: DistanceSinusoids
  readonly biases: DistanceBiases | null
  readonly dropout: Dropout
  readonly blocks: readonly TransformerXLBlock[]
  readonly head: AdaptiveSoftmax | ClassificationHead

  constructor(config: TransformerXLConfig, init: Initializer) {
    super()
    const { width, heads, headWidth, deviation, ownBiases, sameLength, labels, problem, padToken } = config
    this.config = config
    this.tokens = new AdaptiveEmbedding(init, config, config)
    this.distances = new DistanceSinusoids(width, config.farthest)
    this.biases = ownBiases ? null : new DistanceBiases(init, heads, headWidth, deviation)
    this.dropout = new Dropout(config.dropout)
    const shared = { ...(this.biases ? { biases: this.biases } : {}), window: sameLength ? config.memory : null }
    this.blocks = Array.from(
      { length: config.layers },
      () => new TransformerXLBlock(init, width, { ...config, ...shared }),
    )
    this.head =
      config.head === "causal"
        ? new AdaptiveSoftmax(init, this.tokens, {
            ...config,
            tied: config.tieEmbeddings,
            tiedProjections: config.tieProjections ?? [false, ...config.cutoffs.map(() => true)],
          })
        : new ClassificationHead(init, width, { classes: labels.length, deviation, kind: problem, padToken })
  }

  get depth(): number {
    return this.config.layers
  }

  forward(ids: Tensor, options: TransformerXLOptions = {}): TransformerXLOutput {
    const { B, T } = checkIds("transfo-xl", ids, this.context)
    checkOptions("transfo-xl", options, [...decoderOptions, "mems"]) // positions: only distances count
    const { cache, offset, outputs } = options
    const memories = cache ? null : this.#memories(B, options.mems)
    const M = memories ? (memories[0]?.shape[1] ?? 0) : this.config.memory
    const S = cache ? cache.sizes.capacity : M + T
    const first = offset ? offset.reshape([]).add(M) : full([], M, "i32") // place of the first query among the keys
    const { mask, tokens } = this.#padding([B, T, S, M], options)
    const distances = this.dropout.forward(this.distances.forward(first.add(T - 1).sub(arange(S)))) // [S D]
    const inputs: Tensor[] = []
    const x = ids.dtype === "i32" ? this.tokens.forward(ids) : ids
    const hidden = throughBlocks(
      this.dropout.forward(x),
      this.blocks,
      (block, x, i) => {
        const input = tokens ? x.mul(tokens) : x
        inputs.push(input)
        return block.forward(input, {
          distances,
          ...(mask ? { mask } : {}),
          ...(cache ? { cache: cache.layers[i]!, offset: first } : M > 0 ? { memory: memories![i]! } : {}),
        })
      },
      this.dropout,
    ) // [B T D]
    const output = withOutputs({ hidden, ...this.#score(hidden, ids, options) }, outputs, this.depth)
    return memories ? { ...output, mems: inputs.map((input, i) => this.#remembered(memories[i], input)) } : output
  }

  /** The memories [B M D] of each block. */
  #memories(B: number, mems: readonly Tensor[] | undefined): readonly Tensor[] {
    const { layers, memory, width } = this.config
    if (!mems) return memory > 0 ? this.blocks.map(() => full([B, memory, width], 0)) : []
    const [shape] = mems.map(one => one.shape)
    const fits =
      mems.length === layers && mems.every(one => formatShape(one.shape) === formatShape([shape![0]!, B, width]))
    if (!fits)
      throw new ShapeError(
        `mems: expected [M ${B} ${width}] for each of ${layers} blocks, but got ${mems.map(one => formatShape(one.shape)).join(", ") || "none"}`,
      )
    return mems.map(one => one.permute([1, 0, 2]))
  }

  /** The last M positions of memories [B M D] and a block's input [B T D], for the next segment: [M B D]. */
  #remembered(memory: Tensor | undefined, input: Tensor): Tensor {
    const all = memory ? concat([memory, input], 1) : input
    return all
      .slice(1, Math.max(0, all.shape[1]! - this.config.memory))
      .permute([1, 0, 2])
      .detach()
  }

  /** Padding on the left counts as memories of zeros: `tokens` [B T 1] is 0 there. Where queries see all memories, `mask` hides what is too many. */
  #padding([B, T, S, M]: Sizes, options: TransformerXLOptions): { mask?: Tensor; tokens?: Tensor } {
    const { attentionMask, cache, offset, mems } = options
    if (cache && (!offset || mems || cache.sizes.batch !== B))
      throw new HeedError(
        `transfo-xl: expected a cache for ${B} rows with an offset and without mems, but got one for ${cache.sizes.batch} rows${offset ? "" : ", no offset"}${mems ? " and mems" : ""}`,
        "a cache begins with the memories of zeros",
      )
    if (!attentionMask) return {}
    if (mems)
      throw new HeedError("transfo-xl: expected no attentionMask with mems, but got one", "give the rows one by one")
    const seen = keyMask("attentionMask", attentionMask, B, S - M).reshape([B, S - M])
    const now = offset && cache ? readSlice(seen, offset.reshape([]), T, 1) : seen
    const tokens = now.cast("f32").unsqueeze(-1)
    if (this.config.sameLength) return { tokens }
    const padding = seen.cast("i32").cumsum(-1).eq(0).cast("i32").sum(-1, { keepDims: true }) // [B 1]
    return { tokens, mask: arange(S).ge(padding).reshape([B, 1, 1, S]) }
  }

  #score(hidden: Tensor, ids: Tensor, options: ForwardOptions): Omit<TransformerXLOutput, "hidden"> {
    const { head } = this
    if (head instanceof ClassificationHead) return head.forward(hidden, ids, options)
    const logits = head.forward(hidden)
    const targets = nextTokens(ids, options)
    if (!targets) return { logits }
    const losses = head.losses(hidden, targets)
    const count = targets.ge(0).cast("f32").sum()
    return { logits, loss: losses.sum().div(count), losses: options.labels ? losses.slice(1, 0, -1) : losses }
  }

  project(hidden: Tensor): Tensor {
    const { head } = this
    if (head instanceof AdaptiveSoftmax) return head.forward(hidden)
    throw new HeedError("project: expected a causal model, but got a classifier", 'build it with head "causal"')
  }

  /** The cache holds memories of zeros and then positions from 0 on: its sizes count both. */
  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { layers, heads, headWidth, memory, width } = this.config
    const cache = new KeyValueCache({ layers, batch, groups: heads, capacity: memory + capacity, headWidth, dtype })
    if (memory > 0) for (const [i, block] of this.blocks.entries()) block.fill(cache.layers[i]!, memory, width)
    return cache
  }
}

/** The Transformer-XL family. */
export const transfoXl = defineModel({
  name: "transfo-xl",
  config,
  architectures: { causal: "TransfoXLLMHeadModel", classification: "TransfoXLForSequenceClassification" },
  build: (config, init) => new TransformerXL(config, init),
  // how weights begin and how the original was trained
  harmless: ["init", "init_range", "ext_len", "tgt_len", "trainer_compatible"],
  fixed: { attn_type: [0], sample_softmax: [-1, 0], adaptive: [true], proj_share_all_but_first: [true] },
  check: config => {
    const sections = sectionsOf(config).length
    const { tieProjections, sameLength, memory } = config
    if (tieProjections && tieProjections.length !== sections)
      throw new ValueError(
        `transfo-xl: expected tieProjections for ${sections} sections, but got ${tieProjections.length}`,
      )
    if (sameLength && memory === 0)
      throw new ValueError(
        "transfo-xl: expected memories where all queries see as many keys, but got memory 0",
        "set sameLength to false",
      )
  },
  weights: {
    prefix: "transformer.",
    heads: ["crit.", "score."],
    rules: [
      ["transformer.word_emb.emb_layers.*.weight", "tokens.tables.*.weight"],
      ["transformer.word_emb.emb_projs.*", "tokens.projections.*.weight"],
      ["transformer.pos_emb.inv_freq", "distances.frequencies"],
      ["transformer.r_w_bias", "biases.content"],
      ["transformer.r_r_bias", "biases.distance"],
      ["transformer.layers.*.dec_attn.qkv_net.weight", "blocks.*.attention.qkv.weight"],
      ["transformer.layers.*.dec_attn.r_net.weight", "blocks.*.attention.distance.weight"],
      ["transformer.layers.*.dec_attn.o_net.weight", "blocks.*.attention.out.weight"],
      ["transformer.layers.*.dec_attn.r_w_bias", "blocks.*.attention.biases.content", "tied"],
      ["transformer.layers.*.dec_attn.r_r_bias", "blocks.*.attention.biases.distance", "tied"],
      ["transformer.layers.*.dec_attn.layer_norm.*", "blocks.*.attentionNorm.*"],
      ["transformer.layers.*.pos_ff.CoreNet.0.*", "blocks.*.feedForward.up.*"],
      ["transformer.layers.*.pos_ff.CoreNet.3.*", "blocks.*.feedForward.down.*"],
      ["transformer.layers.*.pos_ff.layer_norm.*", "blocks.*.feedForwardNorm.*"],
      ["crit.cluster_weight", "head.clusterWeight"],
      ["crit.cluster_bias", "head.clusterBias"],
      ["crit.out_layers.*.bias", "head.biases.*"],
      ["crit.out_layers.*.weight", "head.tables.*", "tied"],
      ["crit.out_projs.*", "head.projections.*", "tied"],
      ["score.weight", "head.score.weight"],
    ],
  },
})
