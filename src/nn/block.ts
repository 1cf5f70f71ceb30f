// Residual blocks: what is attended to and computed is added to a stream, with normalization before (GPT-2, Llama) or after (the
// original Transformer, BERT).

import { HeedError, type Tensor, tap } from "../tensor/index.ts"
import type { AttentionContext, CrossAttention, Memory, SelfAttention } from "./attention.ts"
import type { GlobalPositions, GlobalWindowAttention } from "./global-window-attention.ts"
import { Dropout, type Layer } from "./layers.ts"
import { Module } from "./module.ts"

/** What a block is made of. */
export interface BlockParts<A = SelfAttention> {
  readonly attentionNorm: Layer
  readonly attention: A
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  /** Attention to an encoder's output, between the two others. */
  readonly cross?: { readonly norm: Layer; readonly attention: CrossAttention }
  /** Rate of dropped elements of what is added; 0 by default. */
  readonly dropout?: number
}

/** What a call of a block may use besides its input. */
export interface BlockContext extends AttentionContext {
  /** [B S M] or its keys and values; for blocks with cross-attention. */
  readonly memory?: Tensor | Memory
  /** bool, broadcastable to [B H T S]: which memory may be seen. */
  readonly memoryMask?: Tensor
  /** For blocks whose attention has a window and global positions. */
  readonly globals?: GlobalPositions
}

/** x + f(norm(x)) for attention, then feed-forward. x [B T D] -> [B T D]. Taps: `middle` and `output`, the stream after each. */
export class PreNormBlock extends Module {
  readonly attentionNorm: Layer
  readonly attention: SelfAttention
  readonly crossNorm: Layer | null
  readonly cross: CrossAttention | null
  readonly feedForwardNorm: Layer
  readonly feedForward: Layer
  readonly dropout: Dropout

  constructor(parts: BlockParts) {
    super()
    this.attentionNorm = parts.attentionNorm
    this.attention = parts.attention
    this.crossNorm = parts.cross?.norm ?? null
    this.cross = parts.cross?.attention ?? null
    this.feedForwardNorm = parts.feedForwardNorm
    this.feedForward = parts.feedForward
    this.dropout = new Dropout(parts.dropout ?? 0)
  }

  /** Keys and values of a memory [B S M] for the block's cross-attention. Throws HeedError for a block without. */
  remember(memory: Tensor): Memory {
    return this.within(() => remembered(this.cross, memory))
  }

  forward(x: Tensor, context: BlockContext = {}): Tensor {
    const drop = (y: Tensor): Tensor => this.dropout.forward(y)
    let stream = x.add(drop(this.attention.forward(this.attentionNorm.forward(x), context)))
    if (this.cross && context.memory) {
      const seen = this.crossNorm!.forward(stream)
      stream = stream.add(drop(this.cross.forward(seen, context.memory, memoryContext(context))))
    }
    stream = this.tap("middle", stream)
    return this.tap("output", stream.add(drop(this.feedForward.forward(this.feedForwardNorm.forward(stream)))))
  }
}

/** norm(x + f(x)) for attention, then feed-forward. x [B T D] -> [B T D]. Taps: `middle` and `output`, the stream after each. */
export class PostNormBlock extends Module {
  readonly attention: SelfAttention | GlobalWindowAttention
  readonly attentionNorm: Layer
  readonly cross: CrossAttention | null
  readonly crossNorm: Layer | null
  readonly feedForward: Layer
  readonly feedForwardNorm: Layer
  readonly dropout: Dropout

  constructor(parts: BlockParts<SelfAttention | GlobalWindowAttention>) {
    super()
    this.attention = parts.attention
    this.attentionNorm = parts.attentionNorm
    this.cross = parts.cross?.attention ?? null
    this.crossNorm = parts.cross?.norm ?? null
    this.feedForward = parts.feedForward
    this.feedForwardNorm = parts.feedForwardNorm
    this.dropout = new Dropout(parts.dropout ?? 0)
  }

  /** Keys and values of a memory [B S M] for the block's cross-attention. Throws HeedError for a block without. */
  remember(memory: Tensor): Memory {
    return this.within(() => remembered(this.cross, memory))
  }

  forward(x: Tensor, context: BlockContext = {}): Tensor {
    const drop = (y: Tensor): Tensor => this.dropout.forward(y)
    let stream = this.attentionNorm.forward(x.add(drop(this.attention.forward(x, context))))
    if (this.cross && context.memory) {
      const seen = drop(this.cross.forward(stream, context.memory, memoryContext(context)))
      stream = this.crossNorm!.forward(stream.add(seen))
    }
    stream = this.tap("middle", stream)
    return this.tap("output", this.feedForwardNorm.forward(stream.add(drop(this.feedForward.forward(stream)))))
  }
}

function remembered(cross: CrossAttention | null, memory: Tensor): Memory {
  if (cross) return cross.remember(memory)
  throw new HeedError("remember: expected a block with cross-attention, but got one without", "give it { cross }")
}

function memoryContext({ memoryMask }: BlockContext): AttentionContext {
  return memoryMask ? { mask: memoryMask } : {}
}

/**
 * A stream x [B T D] through blocks, and through `norm` where the stack ends in one. Taps of the running module: `hidden.0`, what comes in,
 * and `hidden.1` … `hidden.L` after each block; the last of them is after the norm.
 */
export function throughBlocks<B>(
  x: Tensor,
  blocks: readonly B[],
  step: (block: B, x: Tensor, layer: number) => Tensor,
  norm?: Layer,
): Tensor {
  let stream = tap("hidden.0", x)
  for (const [i, block] of blocks.entries()) {
    stream = step(block, stream, i)
    if (i < blocks.length - 1) stream = tap(`hidden.${i + 1}`, stream)
  }
  return tap(`hidden.${blocks.length}`, norm ? norm.forward(stream) : stream)
}
