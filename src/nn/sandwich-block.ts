// Residual blocks with a normalization before and behind each part (Ding et al. 2021, "sandwich"; Gemma 2).

import type { Tensor } from "../tensor/index.ts"
import type { AttentionContext, SelfAttention } from "./attention.ts"
import type { Layer } from "./layers.ts"
import { Module } from "./module.ts"

/** What a SandwichNormBlock is made of. */
export interface SandwichParts {
  readonly attentionNorm: Layer
  readonly attention: SelfAttention
  readonly attentionOutNorm: Layer
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  readonly feedForwardOutNorm: Layer
}

/** x + outNorm(f(norm(x))) for attention, then feed-forward. x [B T D] -> [B T D]. Taps: `middle` and `output`, the stream after each. */
export class SandwichNormBlock extends Module {
  readonly attentionNorm: Layer
  readonly attention: SelfAttention
  readonly attentionOutNorm: Layer
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  readonly feedForwardOutNorm: Layer

  constructor(parts: SandwichParts) {
    super()
    this.attentionNorm = parts.attentionNorm
    this.attention = parts.attention
    this.attentionOutNorm = parts.attentionOutNorm
    this.feedForwardNorm = parts.feedForwardNorm
    this.feedForward = parts.feedForward
    this.feedForwardOutNorm = parts.feedForwardOutNorm
  }

  forward(x: Tensor, context: AttentionContext = {}): Tensor {
    const attended = this.attention.forward(this.attentionNorm.forward(x), context)
    const middle = this.tap("middle", x.add(this.attentionOutNorm.forward(attended)))
    const thought = this.feedForward.forward(this.feedForwardNorm.forward(middle))
    return this.tap("output", middle.add(this.feedForwardOutNorm.forward(thought)))
  }
}
