// What BERT-like encoders share (Devlin et al. 2019): embeddings that add up tokens, positions and segments, and post-norm blocks in
// which every position sees every other.

import { full, type Tensor } from "../tensor/index.ts"
import { SelfAttention } from "./attention.ts"
import { PostNormBlock } from "./block.ts"
import { type Activation, FeedForward } from "./feed-forward.ts"
import type { Initializer } from "./initialize.ts"
import { Dropout, Embedding, LayerNorm } from "./layers.ts"
import { Module } from "./module.ts"

/** Sizes of TokenEmbeddings. */
export interface TokenEmbeddingsOptions {
  readonly vocabulary: number
  /** Rows of the table of positions. */
  readonly positions: number
  /** Kinds of segments; none are added where it is left out. */
  readonly segments?: number
  /** The padding token: its look-ups give no gradient. */
  readonly padToken?: number | null
  /** The same for positions (RoBERTa). */
  readonly padPosition?: number
  readonly deviation: number
  readonly epsilon: number
  /** Rate of dropped elements in training. */
  readonly dropout: number
}

/** norm(token + position + segment). ids i32 [B T], or embeddings f32 [B T D] in their place -> [B T D]. */
export class TokenEmbeddings extends Module {
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly segments: Embedding | null
  readonly norm: LayerNorm
  readonly dropout: Dropout

  constructor(init: Initializer, width: number, options: TokenEmbeddingsOptions) {
    super()
    const { deviation, epsilon, padToken, padPosition } = options
    const padding = (index: number | null | undefined) => (typeof index === "number" ? { paddingIndex: index } : {})
    this.tokens = new Embedding(init, options.vocabulary, width, { deviation, ...padding(padToken) })
    this.positions = new Embedding(init, options.positions, width, { deviation, ...padding(padPosition) })
    this.segments = options.segments ? new Embedding(init, options.segments, width, { deviation }) : null
    this.norm = new LayerNorm(init, width, { epsilon })
    this.dropout = new Dropout(options.dropout)
  }

  /** positions i32 [T] or [B T]; segments i32 [B T], 0 by default. */
  forward(ids: Tensor, positions: Tensor, segments?: Tensor): Tensor {
    const tokens = ids.dtype === "i32" ? this.tokens.forward(ids) : ids
    const placed = tokens.add(this.positions.forward(positions))
    const kinds = this.segments?.forward(segments ?? full([1, 1], 0, "i32"))
    return this.dropout.forward(this.norm.forward(kinds ? placed.add(kinds) : placed))
  }
}

/** What an encoder's blocks are shaped by. */
export interface EncoderBlockOptions {
  readonly heads: number
  /** Width of feed-forward layers F. */
  readonly inner: number
  readonly activation: Activation
  readonly epsilon: number
  readonly deviation: number
  /** Rate of dropped elements of what is added to the stream. */
  readonly dropout: number
  readonly attentionDropout: number
}

/** A post-norm block with attention in both directions. */
export function encoderBlock(init: Initializer, width: number, options: EncoderBlockOptions): PostNormBlock {
  const { heads, inner, activation, epsilon, deviation, dropout, attentionDropout } = options
  return new PostNormBlock({
    attention: new SelfAttention(init, width, { heads, causal: false, dropout: attentionDropout, deviation }),
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner, activation, deviation }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    dropout,
  })
}
