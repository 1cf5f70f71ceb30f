// The two towers of CLIP (Radford et al. 2021, "Learning transferable visual models from natural language supervision"): a causal text
// encoder read at its end token, and a vision transformer read at its class token, each with a projection into the shared space.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Embedding,
  FeedForward,
  type Initializer,
  LayerNorm,
  Linear,
  PatchEmbeddings,
  PreNormBlock,
  SelfAttention,
  throughBlocks,
} from "../nn/index.ts"
import { arange, argmax, gather, type Tensor, TypeMismatchError } from "../tensor/index.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { checkIds, checkOptions, maskOf, positionsOf } from "./parts/inputs.ts"
import { withOutputs } from "./parts/outputs.ts"
import { kinds, sharedOptions } from "./published.ts"
import { stacked, type WeightRule } from "./weight-names.ts"

/** What a tower gives. */
export interface ClipTowerOutput extends ModelOutput {
  /** [B D], the stream where the tower is read, normalized. */
  readonly pooled: Tensor
  /** [B E], the pooled vector in the space that texts and images share, not normalized; of towers with a projection. */
  readonly projected?: Tensor
}

const towerOptions = (sizes: { width: number; inner: number; heads: number }) => ({
  head: option(
    z.enum(["pooled", "projected"]),
    "pooled: one vector of the input; projected: also in the shared space",
    {
      default: "pooled",
    },
  ),
  width: option(kinds.count, "width of the residual stream D", { default: sizes.width, alias: "hidden_size" }),
  layers: option(kinds.count, "number of blocks L", { default: 12, alias: "num_hidden_layers" }),
  heads: option(kinds.count, "attention heads H", { default: sizes.heads, alias: "num_attention_heads" }),
  inner: option(kinds.count, "width of feed-forward layers F", { default: sizes.inner, alias: "intermediate_size" }),
  activation: option(kinds.activation, "activation of feed-forward layers", {
    default: "gelu-quick",
    alias: "hidden_act",
  }),
  attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
    default: 0,
    alias: "attention_dropout",
  }),
  epsilon: option(z.number().positive(), "added to the variance in normalizations", {
    default: 1e-5,
    alias: "layer_norm_eps",
  }),
  projection: option(kinds.count, "width of the shared space E", { default: 512, alias: "projection_dim" }),
  deviation: sharedOptions.deviation,
  factor: option(z.number().min(0), "factor of the deviations of random weights", {
    default: 1,
    alias: "initializer_factor",
  }),
})

/** Options of the text tower. */
export const clipTextOptions = declare(
  {
    ...towerOptions({ width: 512, inner: 2048, heads: 8 }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 49408, alias: "vocab_size" }),
    context: option(kinds.count, "tokens read at once", { default: 77, alias: "max_position_embeddings" }),
    beginToken: option(kinds.token, "id of the token a text begins with", { default: 49406, alias: "bos_token_id" }),
    endToken: option(z.number().int().min(0), "id of the token that is read", {
      default: 49407,
      alias: "eos_token_id",
    }),
    padToken: option(kinds.token, "id of the token that fills short rows", { default: 1, alias: "pad_token_id" }),
  },
  "clip_text_model",
)

/** Options of the image tower. */
export const clipVisionOptions = declare(
  {
    ...towerOptions({ width: 768, inner: 3072, heads: 12 }),
    image: option(kinds.count, "width and height of images in pixels", { default: 224, alias: "image_size" }),
    patch: option(kinds.count, "width and height of patches in pixels", { default: 32, alias: "patch_size" }),
    channels: option(kinds.count, "channels of images", { default: 3, alias: "num_channels" }),
  },
  "clip_vision_model",
)

/** Options of the text tower. */
export type ClipTextConfig = ValuesOf<typeof clipTextOptions>

/** Options of the image tower. */
export type ClipVisionConfig = ValuesOf<typeof clipVisionOptions>

function towerBlock(init: Initializer, config: ClipTextConfig | ClipVisionConfig, causal: boolean): PreNormBlock {
  const { width, heads, inner, layers, activation, epsilon, factor, attentionDropout } = config
  // what is added to the stream adds up over 2 L of them: it begins smaller
  const inward = factor * (2 * layers * width) ** -0.5
  return new PreNormBlock({
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    attention: new SelfAttention(init, width, {
      heads,
      causal,
      dropout: attentionDropout,
      deviation: inward,
      outDeviation: factor * width ** -0.5,
    }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, {
      inner,
      activation,
      deviation: factor * (2 * width) ** -0.5,
      outDeviation: inward,
    }),
  })
}

const projectionOf = (init: Initializer, { head, width, projection, factor }: ClipTextConfig | ClipVisionConfig) =>
  head === "projected" ? new Linear(init, width, projection, { bias: false, deviation: factor * width ** -0.5 }) : null

/** The text tower. Taps: `hidden.0` … `hidden.L`, before the last norm. */
export class ClipText extends Model {
  readonly family = "clip_text_model"
  readonly config: ClipTextConfig
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly blocks: readonly PreNormBlock[]
  readonly norm: LayerNorm
  readonly projection: Linear | null

  constructor(config: ClipTextConfig, init: Initializer) {
    super()
    const { width, epsilon } = config
    const deviation = 0.02 * config.factor
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation })
    this.positions = new Embedding(init, config.context, width, { deviation })
    this.blocks = Array.from({ length: config.layers }, () => towerBlock(init, config, true))
    this.norm = new LayerNorm(init, width, { epsilon })
    this.projection = projectionOf(init, config)
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.config.layers
  }

  /** Token ids i32 [B T] -> the stream [B T D], and the vectors at the end tokens. */
  forward(ids: Tensor, options: ForwardOptions = {}): ClipTowerOutput {
    checkIds(this.family, ids, this.context)
    checkOptions(this.family, options, ["attentionMask", "positionIds", "outputs"])
    if (ids.dtype !== "i32")
      throw new TypeMismatchError(
        `${this.family}: expected token ids i32 [B T], but got embeddings`,
        "the end token is found by its id",
      )
    const mask = maskOf(ids, options)
    const x = this.tokens.forward(ids).add(this.positions.forward(positionsOf(ids, options)))
    const hidden = this.norm.forward(throughBlocks(x, this.blocks, (block, x) => block.forward(x, mask))) // [B T D]
    const [B, T, D] = hidden.shape as [number, number, number]
    const pooled = gather(hidden.reshape([B * T, D]), this.#ends(ids).add(arange(0, B * T, T)))
    const projected = this.projection?.forward(pooled)
    return withOutputs({ hidden, pooled, ...(projected ? { projected } : {}) }, options.outputs, this.depth)
  }

  /** Position of each row's first end token, i32 [B]; the first configurations published a wrong id, 2: there it is the largest id. */
  #ends(ids: Tensor): Tensor {
    const { endToken } = this.config
    return argmax(endToken === 2 ? ids : ids.eq(endToken).cast("i32"), 1)
  }
}

/** The image tower. Taps: `hidden.0` … `hidden.L`, before the last norm. */
export class ClipVision extends Model {
  readonly family = "clip_vision_model"
  readonly config: ClipVisionConfig
  readonly embeddings: PatchEmbeddings
  readonly firstNorm: LayerNorm
  readonly blocks: readonly PreNormBlock[]
  readonly norm: LayerNorm
  readonly projection: Linear | null

  constructor(config: ClipVisionConfig, init: Initializer) {
    super()
    const { width, epsilon, factor } = config
    this.config = config
    this.embeddings = new PatchEmbeddings(init, width, {
      ...config,
      bias: false,
      deviation: config.deviation * factor,
      classDeviation: factor * width ** -0.5,
      leadingAxes: false,
    })
    this.firstNorm = new LayerNorm(init, width, { epsilon })
    this.blocks = Array.from({ length: config.layers }, () => towerBlock(init, config, false))
    this.norm = new LayerNorm(init, width, { epsilon })
    this.projection = projectionOf(init, config)
  }

  get depth(): number {
    return this.config.layers
  }

  /** Pixels f32 [B C H W] -> the stream [B P+1 D], and the vectors at the class tokens. */
  forward(pixels: Tensor, options: ForwardOptions = {}): ClipTowerOutput {
    checkOptions(this.family, options, ["outputs"])
    const x = this.firstNorm.forward(this.embeddings.forward(pixels))
    const hidden = throughBlocks(x, this.blocks, (block, x) => block.forward(x)) // [B P+1 D]
    const pooled = this.norm.forward(hidden.select(1, 0))
    const projected = this.projection?.forward(pooled)
    return withOutputs({ hidden, pooled, ...(projected ? { projected } : {}) }, options.outputs, this.depth)
  }
}

function blockNames<C>(published: string, own: string, widthOf: (config: C) => number): WeightRule<C>[] {
  const [layer, block] = [`${published}.encoder.layers.*`, `${own}blocks.*`]
  const thirds = (config: C): number[] => new Array<number>(3).fill(widthOf(config))
  const projections = (kind: string): WeightRule<C>[] =>
    stacked(
      ["q_proj", "k_proj", "v_proj"].map(name => `${layer}.self_attn.${name}.${kind}`),
      `${block}.attention.qkv.${kind}`,
      thirds,
    )
  return [
    ...projections("weight"),
    ...projections("bias"),
    [`${layer}.self_attn.out_proj.*`, `${block}.attention.out.*`],
    [`${layer}.layer_norm1.*`, `${block}.attentionNorm.*`],
    [`${layer}.layer_norm2.*`, `${block}.feedForwardNorm.*`],
    [`${layer}.mlp.fc1.*`, `${block}.feedForward.up.*`],
    [`${layer}.mlp.fc2.*`, `${block}.feedForward.down.*`],
  ]
}

/** Published names of the text tower, which lies at `own` in the model ("" or "text."). */
export function clipTextNames<C>(own: string, widthOf: (config: C) => number): WeightRule<C>[] {
  return [
    ["text_model.embeddings.token_embedding.weight", `${own}tokens.weight`],
    ["text_model.embeddings.position_embedding.weight", `${own}positions.weight`],
    ...blockNames("text_model", own, widthOf),
    ["text_model.final_layer_norm.*", `${own}norm.*`],
    ["text_projection.weight", `${own}projection.weight`],
  ]
}

/** Published names of the image tower, which lies at `own` in the model ("" or "vision."). */
export function clipVisionNames<C>(own: string, widthOf: (config: C) => number): WeightRule<C>[] {
  return [
    ["vision_model.embeddings.class_embedding", `${own}embeddings.classToken`],
    ["vision_model.embeddings.patch_embedding.weight", `${own}embeddings.weight`],
    ["vision_model.embeddings.position_embedding.weight", `${own}embeddings.positions`],
    ["vision_model.pre_layrnorm.*", `${own}firstNorm.*`],
    ...blockNames("vision_model", own, widthOf),
    ["vision_model.post_layernorm.*", `${own}norm.*`],
    ["visual_projection.weight", `${own}projection.weight`],
  ]
}
