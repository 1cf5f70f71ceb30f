// Vision transformer (Dosovitskiy et al. 2021, "An image is worth 16x16 words: transformers for image recognition at scale"): patches
// behind a class token, pre-norm blocks that see in both directions, classes from the class token.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  Dropout,
  FeedForward,
  type Initializer,
  LayerNorm,
  PatchEmbeddings,
  PreNormBlock,
  SelfAttention,
  throughBlocks,
} from "../nn/index.ts"
import { type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel } from "./definition.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { Pooler, SequenceHead } from "./parts/encoder-heads.ts"
import { checkOptions } from "./parts/inputs.ts"
import { withOutputs } from "./parts/outputs.ts"
import { activationCodec, checkHeads, classifierOptions, kinds, sharedOptions } from "./published.ts"

import { stacked, type WeightRule } from "./weight-names.ts"

const architectures = { classification: "ViTForImageClassification", pooled: "ViTModel", none: "ViTEncoder" } as const

const config = declare(
  {
    head: option(
      z.enum(["classification", "pooled", "none"]),
      "what the model answers; pooled: vectors and one of the whole image",
      {
        default: "classification",
      },
    ),
    image: option(kinds.count, "width and height of images in pixels", { default: 224, alias: "image_size" }),
    patch: option(kinds.count, "width and height of patches in pixels", { default: 16, alias: "patch_size" }),
    channels: option(kinds.count, "channels of images", { default: 3, alias: "num_channels" }),
    width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: 12, alias: "num_hidden_layers" }),
    heads: option(kinds.count, "attention heads H", { default: 12, alias: "num_attention_heads" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 3072, alias: "intermediate_size" }),
    activation: option(kinds.activation, "activation of feed-forward layers", { default: "gelu", alias: "hidden_act" }),
    dropout: option(kinds.rate, "rate of dropped elements in training", { default: 0, alias: "hidden_dropout_prob" }),
    attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
      default: 0,
      alias: "attention_probs_dropout_prob",
    }),
    attentionBias: option(z.boolean(), "biases of queries, keys and values", { default: true, alias: "qkv_bias" }),
    epsilon: option(z.number().positive(), "added to the variance in normalizations", {
      default: 1e-12,
      alias: "layer_norm_eps",
    }),
    pooledWidth: option(kinds.count.nullable(), "width of the vector of the whole image; D where null", {
      default: null,
      alias: "pooler_output_size",
    }),
    pooledActivation: option(kinds.activation, "activation of the vector of the whole image", {
      default: "tanh",
      alias: "pooler_act",
    }),
    deviation: sharedOptions.deviation,
    ...classifierOptions,
  },
  "vit",
)

/** Options of the vision transformer. */
export type ViTConfig = ValuesOf<typeof config>

/** A vision transformer with a head. */
export class ViT extends Model {
  readonly family = "vit"
  readonly config: ViTConfig
  readonly embeddings: PatchEmbeddings
  readonly dropout: Dropout
  readonly blocks: readonly PreNormBlock[]
  readonly norm: LayerNorm
  readonly pooler: Pooler | null
  readonly head: SequenceHead | null

  constructor(config: ViTConfig, init: Initializer) {
    super()
    const { head, width, deviation, epsilon, labels, problem } = config
    this.config = config
    this.embeddings = new PatchEmbeddings(init, width, { ...config, bias: true, leadingAxes: true })
    this.dropout = new Dropout(config.dropout)
    this.blocks = Array.from({ length: config.layers }, () => block(config, init))
    this.norm = new LayerNorm(init, width, { epsilon })
    const pooling = { deviation, activation: config.pooledActivation, size: config.pooledWidth ?? width }
    this.pooler = head === "pooled" ? new Pooler(init, width, pooling) : null
    const classes = { classes: labels.length, deviation, kind: problem }
    this.head = head === "classification" ? new SequenceHead(init, width, classes) : null
  }

  get depth(): number {
    return this.config.layers
  }

  /** Pixels f32 [B C H W] -> the stream [B P+1 D], scores of classes, and what else was asked for. */
  forward(pixels: Tensor, options: ForwardOptions = {}): ModelOutput {
    checkOptions("vit", options, this.head ? ["labels", "outputs"] : ["outputs"])
    const x = this.dropout.forward(this.embeddings.forward(pixels))
    // as published, hidden states are those before the last norm
    const hidden = this.norm.forward(throughBlocks(x, this.blocks, (block, x) => block.forward(x)))
    const pooled = this.pooler?.forward(hidden)
    const scores = this.head?.forward({ hidden, pooled: hidden.select(1, 0) }, options) ?? {}
    return withOutputs({ hidden, ...(pooled ? { pooled } : {}), ...scores }, options.outputs, this.depth)
  }
}

function block(config: ViTConfig, init: Initializer): PreNormBlock {
  const { width, heads, inner, activation, deviation, epsilon, dropout, attentionDropout, attentionBias } = config
  return new PreNormBlock({
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    attention: new SelfAttention(init, width, {
      heads,
      causal: false,
      bias: attentionBias,
      outBias: true,
      dropout: attentionDropout,
      deviation,
    }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner, activation, deviation }),
    dropout,
  })
}

function layerNames(): WeightRule<ViTConfig>[] {
  const layer = "vit.encoder.layer.*"
  const projections = (kind: string): WeightRule<ViTConfig>[] =>
    stacked(
      ["query", "key", "value"].map(name => `${layer}.attention.attention.${name}.${kind}`),
      `blocks.*.attention.qkv.${kind}`,
      ({ width }) => [width, width, width],
    )
  return [
    ...projections("weight"),
    ...projections("bias"),
    [`${layer}.attention.output.dense.*`, "blocks.*.attention.out.*"],
    [`${layer}.layernorm_before.*`, "blocks.*.attentionNorm.*"],
    [`${layer}.layernorm_after.*`, "blocks.*.feedForwardNorm.*"],
    [`${layer}.intermediate.dense.*`, "blocks.*.feedForward.up.*"],
    [`${layer}.output.dense.*`, "blocks.*.feedForward.down.*"],
  ]
}

/** The ViT family. */
export const vit = defineModel({
  name: "vit",
  config,
  architectures,
  build: (config, init) => new ViT(config, init),
  codecs: { activation: activationCodec, pooledActivation: activationCodec },
  harmless: ["encoder_stride"], // of a head that is not built here
  check: config => {
    checkHeads("vit", config)
    if (config.patch > config.image)
      throw new ValueError(
        `vit: expected patches within images of ${config.image} × ${config.image} pixels, but got ${config.patch} × ${config.patch}`,
      )
  },
  weights: ({ head }) => ({
    prefix: "vit.",
    bare: head !== "classification",
    heads: ["classifier.", "vit.pooler.", "pooler."],
    rules: [
      ["vit.embeddings.cls_token", "embeddings.classToken"],
      ["vit.embeddings.position_embeddings", "embeddings.positions"],
      ["vit.embeddings.patch_embeddings.projection.*", "embeddings.*"],
      ...layerNames(),
      ["vit.layernorm.*", "norm.*"],
      ["vit.pooler.dense.*", "pooler.dense.*"],
      ["classifier.*", "head.score.*"],
    ],
  }),
})
