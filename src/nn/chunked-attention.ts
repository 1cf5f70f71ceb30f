// Attention inside chunks of neighbouring positions and those beside them (Kitaev et al. 2020, "Reformer", local attention): time and
// memory grow with length times chunk. The first chunk's neighbour before it is the last one.

import {
  arange,
  concat,
  dropout,
  exp,
  logsumexp,
  matmul,
  roll,
  ShapeError,
  type Tensor,
  where,
} from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { checkRate, Linear } from "./layers.ts"
import { Module } from "./module.ts"
import { randomOf } from "./random.ts"

/** What attention in chunks is shaped by. */
export interface ChunkShape {
  readonly heads: number
  /** Head width K. */
  readonly headWidth: number
  /** Positions of a chunk. */
  readonly chunk: number
  /** Chunks before and after the query's own that are seen; 1 and 0 by default. */
  readonly before?: number
  readonly after?: number
  /** Queries see no later keys. */
  readonly causal: boolean
  /** Rate of dropped attention weights in training; 0 by default. */
  readonly dropout?: number
  readonly deviation?: number
}

/** What a call of attention in chunks may use besides its input. */
export interface ChunkContext {
  /** bool [B T]: true may be seen. */
  readonly mask?: Tensor
  /** LSH: f32 [H K R N/2], the random rotations of R rounds; drawn by default. */
  readonly rotations?: Tensor | null
  /** LSH: rounds of hashing R, another number than the layer's own. */
  readonly hashes?: number
}

/** x [B H N C …], chunks, each with `before` and `after` others behind each other -> [B H N (before + 1 + after)·C …]. */
export function withNeighbours(x: Tensor, before: number, after: number): Tensor {
  if (before + after === 0) return x
  const parts = Array.from({ length: before + 1 + after }, (_, i) => roll(x, before - i, 2))
  return concat(parts, 3)
}

/** Checks the shape of an attention in chunks. Throws ValueError. */
export function checkChunks(
  what: string,
  { heads, headWidth, chunk, before = 1, after = 0, dropout = 0 }: ChunkShape,
): void {
  checkInteger(what, "the number of heads", heads, 1)
  checkInteger(what, "the head width", headWidth, 1)
  checkInteger(what, "the chunk", chunk, 1)
  checkInteger(what, "the number of chunks before", before, 0)
  checkInteger(what, "the number of chunks after", after, 0)
  checkRate(what, dropout)
}

/** Number of chunks of T positions. Throws ShapeError where they do not fill the last one. */
export function chunksOf(what: string, T: number, chunk: number): number {
  if (T % chunk !== 0)
    throw new ShapeError(
      `${what}: expected a multiple of the chunk of ${chunk} positions, but got ${T}`,
      "pad the input",
    )
  return T / chunk
}

/** Scores [… C S] -> weights exp(score - logsumexp) and the logsumexp [… C 1]. */
export function softened(scores: Tensor): { weights: Tensor; total: Tensor } {
  const total = logsumexp(scores, -1, { keepDims: true })
  return { weights: exp(scores.sub(total)), total }
}

/** Hidden scores have a large negative value rather than -Infinity: a query that sees nothing sees everything alike. */
export const hidden = -1e9

/** weights · values, weights dropped in training. */
export function weighted(module: Module, weights: Tensor, values: Tensor, rate: number): Tensor {
  return matmul(module.training && rate > 0 ? dropout(weights, rate, randomOf("attention")) : weights, values)
}

/** [B T H·K] -> [B H T K]. */
export const intoHeads = (x: Tensor, headWidth: number): Tensor => x.rearrange("B T (H K) -> B H T K", { K: headWidth })
/** [B H T K] -> [B T H·K]. */
export const outOfHeads = (z: Tensor): Tensor => z.rearrange("B H T K -> B T (H K)")

/**
 * softmax(q·k / √K) v where a query sees the keys of its own chunk of C positions and of the chunks beside it. x [B T D] -> [B T D]. Taps: `pattern`
 * [B H T/C C (before + 1 + after)·C], or [B H T T] for inputs no longer than a chunk; `z` [B H T K].
 */
export class ChunkedAttention extends Module {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly out: Linear
  readonly #shape: ChunkShape

  constructor(init: Initializer, width: number, shape: ChunkShape) {
    super()
    checkChunks("ChunkedAttention", shape)
    const { heads, headWidth, deviation } = shape
    const options = { bias: false, ...(deviation === undefined ? {} : { deviation }) }
    this.#shape = shape
    this.query = new Linear(init, width, heads * headWidth, options)
    this.key = new Linear(init, width, heads * headWidth, options)
    this.value = new Linear(init, width, heads * headWidth, options)
    this.out = new Linear(init, heads * headWidth, width, options)
  }

  forward(x: Tensor, { mask }: ChunkContext = {}): Tensor {
    const { headWidth, chunk, before = 1, after = 0, causal, dropout: rate = 0 } = this.#shape
    const [B, T] = x.shape as [number, number]
    const C = Math.min(chunk, T)
    const N = chunksOf("ChunkedAttention", T, C)
    const heads = (layer: Linear): Tensor =>
      intoHeads(layer.forward(x), headWidth).rearrange("B H (N C) K -> B H N C K", { N })
    const near = (y: Tensor): Tensor => (T <= chunk ? y : withNeighbours(y, before, after))
    const positions = arange(T).reshape([1, 1, N, C])
    const scores = matmul(heads(this.query), near(heads(this.key)).transpose()).mul(headWidth ** -0.5) // [B H N C S]
    let seen: Tensor | null = mask ? near(mask.reshape([B, 1, N, C])).unsqueeze(3) : null
    if (causal) {
      const order = positions.unsqueeze(4).ge(near(positions).unsqueeze(3))
      seen = seen ? seen.and(order) : order
    }
    const weights = softened(seen ? where(seen, scores, hidden) : scores).weights
    const pattern = this.tap("pattern", T <= chunk ? weights.squeeze(2) : weights)
    const z = weighted(this, T <= chunk ? pattern.unsqueeze(2) : pattern, near(heads(this.value)), rate)
    return this.out.forward(outOfHeads(this.tap("z", z.rearrange("B H N C K -> B H (N C) K"))))
  }
}
