// A stack of blocks with what stands before and behind them: the encoder or the decoder of the original Transformer (Vaswani et al.
// 2017) and of its descendants, which differ in the parts they are given.

import { ShapeError, type Tensor } from "../tensor/index.ts"
import type { AttentionContext, Memory } from "./attention.ts"
import { type PostNormBlock, type PreNormBlock, throughBlocks } from "./block.ts"
import type { KeyValueCache } from "./cache.ts"
import { Dropout, type Layer } from "./layers.ts"
import { Module } from "./module.ts"
import type { RelativeBias } from "./positions.ts"

/** A residual block, norms before or after. */
export type StackBlock = PreNormBlock | PostNormBlock

/** What a stack is made of. */
export interface StackParts {
  readonly blocks: readonly StackBlock[]
  /** From positions i32 [any] to what is added to the embeddings [any D]. */
  readonly positions?: Layer
  /** Over the sum of embeddings and positions. */
  readonly embeddingNorm?: Layer
  /** Added to the attention scores of every block (T5). */
  readonly relativeBias?: RelativeBias
  /** Behind the last block. */
  readonly norm?: Layer
  /** Rate of dropped embeddings in training; 0 by default. */
  readonly dropout?: number
  /** The same for what comes out; 0 by default. */
  readonly outDropout?: number
}

/** What a call of a stack may use besides its input. */
export interface StackContext extends Pick<AttentionContext, "mask" | "offset"> {
  /** i32 [T] or [B T]; for stacks that add positions. */
  readonly positions?: Tensor
  readonly cache?: KeyValueCache
  /** For stacks with cross-attention: what each block attends to. */
  readonly memory?: readonly Memory[]
  /** bool, broadcastable to [B H T S]: which memory may be seen. */
  readonly memoryMask?: Tensor
}

/** Embedded tokens [B T D] through positions, blocks and norms -> [B T D]. Taps: `hidden.0` … `hidden.L`. */
export class Stack extends Module {
  readonly positions: Layer | null
  readonly embeddingNorm: Layer | null
  readonly dropout: Dropout
  readonly relativeBias: RelativeBias | null
  readonly blocks: readonly StackBlock[]
  readonly norm: Layer | null
  readonly outDropout: Dropout

  constructor(parts: StackParts) {
    super()
    this.positions = parts.positions ?? null
    this.embeddingNorm = parts.embeddingNorm ?? null
    this.dropout = new Dropout(parts.dropout ?? 0)
    this.relativeBias = parts.relativeBias ?? null
    this.blocks = parts.blocks
    this.norm = parts.norm ?? null
    this.outDropout = new Dropout(parts.outDropout ?? 0)
  }

  forward(x: Tensor, context: StackContext = {}): Tensor {
    const { positions, mask, offset, cache, memory, memoryMask } = context
    if (memory && memory.length !== this.blocks.length)
      throw new ShapeError(`memory: expected one for each of ${this.blocks.length} blocks, but got ${memory.length}`)
    const T = x.shape[1]!
    const shared = {
      ...(mask ? { mask } : {}),
      ...(offset ? { offset } : {}),
      ...(memoryMask ? { memoryMask } : {}),
      ...(this.relativeBias ? { bias: this.relativeBias.forward(T, cache?.sizes.capacity ?? T, offset) } : {}),
    }
    const placed = this.positions && positions ? x.add(this.positions.forward(positions)) : x
    const stream = throughBlocks(
      this.dropout.forward(this.embeddingNorm ? this.embeddingNorm.forward(placed) : placed),
      this.blocks,
      (block, x, i) =>
        block.forward(x, {
          ...shared,
          ...(cache ? { cache: cache.layers[i]! } : {}),
          ...(memory ? { memory: memory[i]! } : {}),
        }),
      this.norm ?? undefined,
    )
    return this.outDropout.forward(stream)
  }

  /** Keys and values of a memory [B S M] for each block, made once for a whole generation. */
  remember(memory: Tensor): readonly Memory[] {
    return this.within(() => this.blocks.map(block => block.remember(memory)))
  }
}
