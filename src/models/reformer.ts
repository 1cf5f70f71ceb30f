// Reformer (Kitaev et al. 2020, "Reformer: the efficient Transformer"): attention among positions of a bucket or of neighbouring chunks,
// reversible residual blocks over two streams, axial positions.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  AxialPositions,
  type ChunkContext,
  ChunkedAttention,
  Dropout,
  Embedding,
  FeedForward,
  type Initializer,
  LayerNorm,
  Linear,
  LSHAttention,
  ReversibleBlock,
  throughReversible,
} from "../nn/index.ts"
import { concat, full, HeedError, linearCrossEntropy, type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { nextTokens } from "./parts/heads.ts"
import { checkIds, checkOptions, embedded, keyMask, positionsOf } from "./parts/inputs.ts"
import { collectOutputs, stackTaps } from "./parts/outputs.ts"
import { activationCodec, kinds, sharedOptions } from "./published.ts"

const chunkCount = z.number().int().min(0)

const config = declare(
  {
    head: option(z.enum(["causal", "masked", "none"]), "what the model answers", { default: "causal" }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 320, alias: "vocab_size" }),
    context: option(kinds.count, "positions seen at once", { default: 4096, alias: "max_position_embeddings" }),
    width: option(kinds.count, "width of each residual stream D", { default: 256, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: 6, alias: "num_hidden_layers" }),
    kinds: option(z.array(z.enum(["local", "lsh"])).min(1), "attention of each block", {
      default: ["local", "lsh", "local", "lsh", "local", "lsh"],
      alias: "attn_layers",
    }),
    heads: option(kinds.count, "attention heads H", { default: 12, alias: "num_attention_heads" }),
    headWidth: option(kinds.count, "head width K", { default: 64, alias: "attention_head_size" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 512, alias: "feed_forward_size" }),
    activation: option(kinds.activation, "activation of feed-forward layers", { default: "relu", alias: "hidden_act" }),
    causal: option(z.boolean(), "positions see no later ones", { default: false, alias: "is_decoder" }),
    axial: option(z.boolean(), "positions of a grid", { default: true, alias: "axial_pos_embds" }),
    axialShape: option(z.array(kinds.count).min(1), "positions of each axis", {
      default: [64, 64],
      alias: "axial_pos_shape",
    }),
    axialWidths: option(z.array(kinds.count).min(1), "columns of each axis", {
      default: [64, 192],
      alias: "axial_pos_embds_dim",
    }),
    axialDeviation: option(z.number().min(0), "their deviation at random", { default: 1, alias: "axial_norm_std" }),
    localChunk: option(kinds.count, "positions of a local chunk", { default: 64, alias: "local_attn_chunk_length" }),
    localBefore: option(chunkCount, "local chunks seen before", { default: 1, alias: "local_num_chunks_before" }),
    localAfter: option(chunkCount, "local chunks seen after", { default: 0, alias: "local_num_chunks_after" }),
    lshChunk: option(kinds.count, "positions of an LSH chunk", { default: 64, alias: "lsh_attn_chunk_length" }),
    lshBefore: option(chunkCount, "LSH chunks seen before", { default: 1, alias: "lsh_num_chunks_before" }),
    lshAfter: option(chunkCount, "LSH chunks seen after", { default: 0, alias: "lsh_num_chunks_after" }),
    buckets: option(z.union([kinds.count, z.array(kinds.count).min(1)]).nullable(), "buckets, or factors of them", {
      default: null,
      alias: "num_buckets",
    }),
    hashes: option(kinds.count, "rounds of hashing R", { default: 1, alias: "num_hashes" }),
    seed: option(z.number().int().min(0).nullable(), "seed of the random rotations; 0 where null", {
      default: null,
      alias: "hash_seed",
    }),
    dropout: option(kinds.rate, "rate of dropped elements in training", {
      default: 0.05,
      alias: "hidden_dropout_prob",
    }),
    localDropout: option(kinds.rate, "the same, local weights", {
      default: 0.05,
      alias: "local_attention_probs_dropout_prob",
    }),
    lshDropout: option(kinds.rate, "the same, LSH weights", { default: 0, alias: "lsh_attention_probs_dropout_prob" }),
    epsilon: option(z.number().positive(), "added to variances", { default: 1e-12, alias: "layer_norm_eps" }),
    ...sharedOptions,
  },
  "reformer",
)

/** Options of Reformer. */
export type ReformerConfig = ValuesOf<typeof config>

/** What a call of Reformer may use besides its ids. */
export interface ReformerOptions extends ForwardOptions {
  /** Random rotations of each block, f32 [H K R N/2], null at local attention; drawn by default. */
  readonly randomRotations?: readonly (Tensor | null)[]
  /** Rounds of hashing, another number than the configuration's. */
  readonly numHashes?: number
}

/** What Reformer gives. */
export interface ReformerOutput extends ModelOutput {
  /** Where inner values were asked for: i32 [B H R·T] of each block, null where nothing was hashed. */
  readonly buckets?: readonly (Tensor | null)[]
}

/** Reformer with a head. Taps besides those of its blocks: `hidden.0` … `hidden.L`, the second stream. */
export class Reformer extends Model {
  readonly family = "reformer"
  readonly config: ReformerConfig
  readonly tokens: Embedding
  readonly positions: AxialPositions | Embedding
  readonly dropout: Dropout
  readonly blocks: readonly ReversibleBlock<ChunkContext>[]
  readonly norm: LayerNorm
  readonly head: Linear | null

  constructor(config: ReformerConfig, init: Initializer) {
    super()
    const { width, deviation, axialShape, axialWidths } = config
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.positions = config.axial
      ? new AxialPositions(init, axialShape, axialWidths, config.axialDeviation)
      : new Embedding(init, config.context, width, { deviation })
    this.dropout = new Dropout(config.dropout)
    this.blocks = config.kinds.map(kind => block(config, init, kind))
    this.norm = new LayerNorm(init, 2 * width, { epsilon: config.epsilon })
    this.head = config.head === "none" ? null : new Linear(init, 2 * width, config.vocabulary, { deviation })
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.blocks.length
  }

  /** Token ids i32 [B T], or embeddings f32 [B T D] -> the two streams [B T 2D], logits, loss and what else was asked for. */
  forward(ids: Tensor, options: ReformerOptions = {}): ReformerOutput {
    const { B, T } = checkIds("reformer", ids, this.context)
    const answers = this.head ? (["labels"] as const) : []
    checkOptions("reformer", options, [
      "attentionMask",
      "positionIds",
      "randomRotations",
      "numHashes",
      "outputs",
      ...answers,
    ])
    const { attentionMask, randomRotations, numHashes } = options
    const whole = this.#padded(T) // chunks are full: the rest is padding that nobody sees
    if (whole > this.context)
      throw new HeedError(
        `reformer: expected at most ${this.context} positions, but got ${whole} with padding to whole chunks`,
      )
    const given = attentionMask ? keyMask("attentionMask", attentionMask, B, T).reshape([B, T]) : null
    const mask = whole === T ? given : concat([given ?? full([B, T], 1, "bool"), full([B, whole - T], 0, "bool")], 1)
    const hidden = throughReversible(this.#embed(ids, options, whole), this.blocks, i => ({
      ...(mask ? { mask } : {}),
      ...(randomRotations?.[i] ? { rotations: randomRotations[i]! } : {}),
      ...(numHashes === undefined ? {} : { hashes: numHashes }),
    }))
    const streams = this.dropout.forward(this.norm.forward(hidden)).slice(1, 0, T) // [B T 2D]
    return this.#withInner({ hidden: streams, ...this.#score(streams, ids, options) }, options, whole)
  }

  #padded(T: number): number {
    const { localChunk, lshChunk } = this.config
    const used = this.config.kinds
    const chunks = [...(used.includes("local") ? [localChunk] : []), ...(used.includes("lsh") ? [lshChunk] : [])]
    const common = chunks.reduce((a, b) => (a * b) / divisor(a, b))
    return T > Math.min(...chunks) ? Math.ceil(T / common) * common : T
  }

  #embed(ids: Tensor, options: ForwardOptions, whole: number): Tensor {
    const [B, T] = ids.shape as [number, number]
    const filler = this.tokens.forward(full([B, whole - T], this.config.padToken ?? 0, "i32"))
    const x = embedded(this.tokens, ids)
    const positions = options.positionIds
      ? concat([positionsOf(ids, options).add(full([B, T], 0, "i32")), full([B, whole - T], 0, "i32")], 1)
      : positionsOf(full([B, whole], 0, "i32"), {})
    const tokens = this.dropout.forward(whole === T ? x : concat([x, filler], 1))
    return tokens.add(this.dropout.forward(this.positions.forward(positions)))
  }

  #score(streams: Tensor, ids: Tensor, options: ForwardOptions): Pick<ModelOutput, "logits" | "loss"> {
    if (!this.head) return {}
    const logits = this.head.forward(streams)
    const targets = this.config.head === "causal" ? nextTokens(ids, options) : options.labels
    if (!targets) return { logits }
    return { logits, loss: linearCrossEntropy(streams, this.head.weight, targets, { bias: this.head.bias! }) }
  }

  #withInner(output: ModelOutput, { outputs }: ForwardOptions, whole: number): ReformerOutput {
    if (!outputs?.hiddenStates && !outputs?.attentions) return output
    const hashed = this.config.kinds.map(kind => kind === "lsh" && whole > this.config.lshChunk)
    const names = hashed.flatMap((yes, i) => (yes ? [`blocks.${i}.attention.buckets`] : []))
    const found = collectOutputs<ModelOutput & { buckets?: readonly Tensor[] }>(output, {
      ...(outputs.hiddenStates ? { hiddenStates: stackTaps.hidden(this.depth) } : {}),
      ...(outputs.attentions ? { attentions: stackTaps.attention(this.depth) } : {}),
      buckets: names,
    })
    let next = 0
    return { ...found, buckets: hashed.map(yes => (yes ? found.buckets![next++]! : null)) }
  }
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

function block(config: ReformerConfig, init: Initializer, kind: "local" | "lsh"): ReversibleBlock<ChunkContext> {
  const { width, heads, headWidth, causal, deviation, epsilon, dropout } = config
  const shape = { heads, headWidth, causal, deviation }
  const attention =
    kind === "local"
      ? new ChunkedAttention(init, width, {
          ...shape,
          chunk: config.localChunk,
          before: config.localBefore,
          after: config.localAfter,
          dropout: config.localDropout,
        })
      : new LSHAttention(init, width, {
          ...shape,
          chunk: config.lshChunk,
          before: config.lshBefore,
          after: config.lshAfter,
          dropout: config.lshDropout,
          hashes: config.hashes,
          buckets: config.buckets,
          seed: config.seed ?? 0,
        })
  return new ReversibleBlock<ChunkContext>({
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    attention,
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, {
      inner: config.inner,
      activation: config.activation,
      dropout,
      deviation,
    }),
    dropout,
  })
}

/** The Reformer family. */
export const reformer = defineModel({
  name: "reformer",
  config,
  architectures: { causal: "ReformerModelWithLMHead", masked: "ReformerForMaskedLM", none: "ReformerModel" },
  build: (config, init) => new Reformer(config, init),
  codecs: { activation: activationCodec },
  fixed: { tie_word_embeddings: [false] },
  // the last row: what google/reformer-crime-and-punishment names and nothing reads
  harmless: `chunk_size_lm_head classifier_dropout sinusoidal_pos_embds
    attention_probs_dropout_prob intermediate_size num_chunks_after num_chunks_before output_past`.split(/\s+/),
  check: ({ head, causal, kinds, layers, axial, axialShape, axialWidths, context, width, localAfter, lshAfter }) => {
    const after = (kinds.includes("local") ? localAfter : 0) + (kinds.includes("lsh") ? lshAfter : 0)
    const wrong =
      kinds.length !== layers
        ? `attn_layers for each of ${layers} blocks, but got ${kinds.length}`
        : head === "causal" && (!causal || after > 0)
          ? "is_decoder and no chunks after for a causal model, but got another"
          : head === "masked" && causal
            ? "no is_decoder for a masked model, but got true"
            : axial && axialWidths.reduce((a, b) => a + b, 0) !== width
              ? `axial_pos_embds_dim that add up to the width ${width}, but got ${axialWidths.join(" and ")}`
              : axial && axialShape.reduce((a, b) => a * b, 1) < context
                ? `an axial_pos_shape of at least ${context} positions, but got ${axialShape.join(" · ")}`
                : null
    if (wrong) throw new ValueError(`reformer: expected ${wrong}`)
  },
  weights: {
    prefix: "reformer.",
    heads: ["lm_head."],
    rules: [
      ["reformer.embeddings.word_embeddings.weight", "tokens.weight"],
      ["reformer.embeddings.position_embeddings.weights.*", "positions.weights.*"],
      ["reformer.embeddings.position_embeddings.embedding.weight", "positions.weight"],
      ["reformer.encoder.layers.*.attention.layer_norm.*", "blocks.*.attentionNorm.*"],
      ["reformer.encoder.layers.*.attention.self_attention.query_key.weight", "blocks.*.attention.queryKey.weight"],
      ["reformer.encoder.layers.*.attention.self_attention.query.weight", "blocks.*.attention.query.weight"],
      ["reformer.encoder.layers.*.attention.self_attention.key.weight", "blocks.*.attention.key.weight"],
      ["reformer.encoder.layers.*.attention.self_attention.value.weight", "blocks.*.attention.value.weight"],
      ["reformer.encoder.layers.*.attention.output.dense.weight", "blocks.*.attention.out.weight"],
      ["reformer.encoder.layers.*.feed_forward.layer_norm.*", "blocks.*.feedForwardNorm.*"],
      ["reformer.encoder.layers.*.feed_forward.dense.dense.*", "blocks.*.feedForward.up.*"],
      ["reformer.encoder.layers.*.feed_forward.output.dense.*", "blocks.*.feedForward.down.*"],
      ["reformer.encoder.layer_norm.*", "norm.*"],
      ["lm_head.decoder.weight", "head.weight"],
      ["lm_head.bias", "head.bias"],
    ],
    renamed: [["lm_head.decoder.bias", "lm_head.bias"]],
  },
})
