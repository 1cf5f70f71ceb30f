// Reversible residual blocks (Gomez et al. 2017, "The reversible residual network"; Kitaev et al. 2020): two streams, each changed by a
// function of the other, so that a block's input can be computed from its output and training need not keep it.

import { concat, reversible, type Tensor, tap } from "../tensor/index.ts"
import { Dropout, type Layer } from "./layers.ts"
import { Module } from "./module.ts"

/** What a reversible block is made of; C: what its attention may use besides its input. */
export interface ReversibleParts<C> {
  readonly attentionNorm: Layer
  readonly attention: Module & { forward(x: Tensor, context?: C): Tensor }
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  /** Rate of dropped elements of what is added; 0 by default. */
  readonly dropout?: number
}

/** y₁ = x₁ + attention(norm(x₂)), y₂ = x₂ + feedForward(norm(y₁)). */
export class ReversibleBlock<C = object> extends Module {
  readonly attentionNorm: Layer
  readonly attention: Module & { forward(x: Tensor, context?: C): Tensor }
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  readonly dropout: Dropout

  constructor(parts: ReversibleParts<C>) {
    super()
    this.attentionNorm = parts.attentionNorm
    this.attention = parts.attention
    this.feedForwardNorm = parts.feedForwardNorm
    this.feedForward = parts.feedForward
    this.dropout = new Dropout(parts.dropout ?? 0)
  }

  forward(x1: Tensor, x2: Tensor, context?: C): [y1: Tensor, y2: Tensor] {
    const y1 = x1.add(this.#attend(x2, context))
    return [y1, x2.add(this.#compute(y1))]
  }

  /** What attention adds to the first stream. */
  attend(x2: Tensor, context?: C): Tensor {
    return this.within(() => this.#attend(x2, context))
  }

  /** What the feed-forward layer adds to the second. */
  compute(y1: Tensor): Tensor {
    return this.within(() => this.#compute(y1))
  }

  #attend(x2: Tensor, context?: C): Tensor {
    return this.dropout.forward(this.attention.forward(this.attentionNorm.forward(x2), context))
  }

  #compute(y1: Tensor): Tensor {
    return this.dropout.forward(this.feedForward.forward(this.feedForwardNorm.forward(y1)))
  }
}

/**
 * x [B T D] as both streams through reversible blocks -> both [B T 2D], the first stream first. Taps of the running module: `hidden.0` … `hidden.L`, the
 * second stream before, between and after the blocks. In training, nothing in between is kept for the backward pass.
 */
export function throughReversible<C>(
  x: Tensor,
  blocks: readonly ReversibleBlock<C>[],
  contextOf: (block: number) => C,
): Tensor {
  let [x1, x2] = [x, tap("hidden.0", x)]
  if (blocks.some(block => block.training)) {
    const steps = blocks.map((block, i) => ({
      first: (y: Tensor): Tensor => block.attend(y, contextOf(i)),
      second: (y: Tensor): Tensor => block.compute(y),
    }))
    ;[x1, x2] = reversible(x1, x2, steps)
    return concat([x1, tap(`hidden.${blocks.length}`, x2)], -1)
  }
  for (const [i, block] of blocks.entries()) {
    ;[x1, x2] = block.forward(x1, x2, contextOf(i))
    x2 = tap(`hidden.${i + 1}`, x2)
  }
  return concat([x1, x2], -1)
}
