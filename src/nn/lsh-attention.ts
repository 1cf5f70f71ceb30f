// Attention among positions that fall into the same bucket (Kitaev et al. 2020, "Reformer: the efficient Transformer"): vectors that
// lie near each other are hashed alike (Andoni et al. 2015), sorted by bucket and cut into chunks; several rounds of hashing are
// joined by their logsumexp. Time and memory grow with T log T.

import {
  arange,
  argmax,
  argsort,
  cast,
  concat,
  exp,
  gather,
  HeedError,
  logsumexp,
  matmul,
  normal,
  randomKey,
  rmsNorm,
  stopGradient,
  sum,
  type Tensor,
  ValueError,
  where,
} from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import {
  type ChunkContext,
  type ChunkShape,
  checkChunks,
  chunksOf,
  hidden,
  intoHeads,
  outOfHeads,
  softened,
  weighted,
  withNeighbours,
} from "./chunked-attention.ts"
import type { Initializer } from "./initialize.ts"
import { Linear } from "./layers.ts"
import { Module } from "./module.ts"

/** What LSH attention is shaped by. */
export interface LSHShape extends ChunkShape {
  /** Rounds of hashing R. */
  readonly hashes: number
  /** Buckets of a round: an even number, or even factors of it; null: two for each chunk, as the paper proposes. */
  readonly buckets: number | readonly number[] | null
  /** Seed of the rotations that are drawn where none are given. */
  readonly seed: number
}

/** Scores of a query with its own key: seen only by those who see nothing else. */
const own = -1e5

/** The factors of the number of buckets for T positions. Throws ValueError for odd ones. */
export function bucketFactors(buckets: LSHShape["buckets"], T: number, chunk: number): readonly number[] {
  const factors = buckets === null ? proposed(T, chunk) : typeof buckets === "number" ? [buckets] : buckets
  for (const one of factors)
    if (!Number.isInteger(one) || one < 2 || one % 2 !== 0)
      throw new ValueError(`LSH attention: expected even numbers of buckets, but got ${factors.join(" · ")}`)
  return factors
}

/** A power of two near 2 T / chunk, in two factors where it is large. */
function proposed(T: number, chunk: number): readonly number[] {
  const power = Math.max(1, Math.floor(Math.log2(2 * Math.floor(T / chunk))))
  const most = 2 * Math.max(Math.floor(Math.sqrt(T / chunk)), chunk)
  const half = Math.floor(power / 2)
  return 2 ** power > most && half > 0 ? [2 ** half, 2 ** (power - half)] : [2 ** power]
}

/**
 * The bucket of each vector in each round: argmax of [x·rotation, -x·rotation]. x [B H T K], rotations [H K R N/2] with N the sum of the factors ->
 * i32 [B H R T], 0 … product of the factors - 1.
 */
export function bucketsOf(x: Tensor, rotations: Tensor, factors: readonly number[]): Tensor {
  const R = rotations.shape[2]!
  const turned = matmul(stopGradient(x), rotations.rearrange("H K R N -> H K (R N)")) // [B H T (R N)]
  const rounds = turned.rearrange("B H T (R N) -> B H R T N", { R })
  let bucket: Tensor | null = null
  let [from, product] = [0, 1]
  for (const factor of factors) {
    const part = rounds.slice(-1, from, from + factor / 2)
    const digit = argmax(concat([part, part.neg()], -1), -1).mul(product)
    bucket = bucket ? bucket.add(digit) : digit
    from += factor / 2
    product *= factor
  }
  return bucket!
}

/**
 * Attention with one projection for queries and keys (keys of length √K) among positions that share a bucket. x [B T D] -> [B T D]. Inputs no longer than a
 * chunk C see all of each other. Taps: `buckets` i32 [B H R·T], each round's above those before it; `pattern` in sorted order
 * [B H R·T/C C (before + 1 + after)·C], or [B H T T] of short inputs; `z` [B H T K].
 */
export class LSHAttention extends Module {
  readonly queryKey: Linear
  readonly value: Linear
  readonly out: Linear
  readonly #shape: LSHShape

  constructor(init: Initializer, width: number, shape: LSHShape) {
    super()
    checkChunks("LSHAttention", shape)
    checkInteger("LSHAttention", "the number of hashes", shape.hashes, 1)
    if (shape.buckets !== null) bucketFactors(shape.buckets, shape.chunk, shape.chunk)
    const { heads, headWidth, deviation } = shape
    const options = { bias: false, ...(deviation === undefined ? {} : { deviation }) }
    this.#shape = shape
    this.queryKey = new Linear(init, width, heads * headWidth, options)
    this.value = new Linear(init, width, heads * headWidth, options)
    this.out = new Linear(init, heads * headWidth, width, options)
  }

  forward(x: Tensor, context: ChunkContext = {}): Tensor {
    const { headWidth, chunk } = this.#shape
    const q = intoHeads(this.queryKey.forward(x), headWidth)
    const v = intoHeads(this.value.forward(x), headWidth)
    const z = x.shape[1]! <= chunk ? this.#short(q, v, context) : this.#hashed(q, v, context)
    return this.out.forward(outOfHeads(this.tap("z", z)))
  }

  #short(q: Tensor, v: Tensor, { mask }: ChunkContext): Tensor {
    const [B, , T] = q.shape as [number, number, number]
    const positions = arange(T)
    const seen = mask ? mask.reshape([B, 1, 1, T]) : null
    const scores = this.#scores(q, q, positions.unsqueeze(1), positions, seen)
    return weighted(this, this.tap("pattern", softened(scores).weights), v, this.#shape.dropout ?? 0)
  }

  #hashed(q: Tensor, v: Tensor, context: ChunkContext): Tensor {
    const { chunk: C, before = 1, after = 0, dropout = 0 } = this.#shape
    const [B, H, T, K] = q.shape as [number, number, number, number]
    const { rotations, factors, R } = this.#rotations(T, context)
    const N = chunksOf("LSHAttention", T, C) * R
    const buckets = this.#buckets(q, rotations, factors, context.mask)
    const order = argsort(buckets.reshape([B, H, R, T]), -1) // [B H R T], positions
    const row = arange(B * H)
      .reshape([B, H, 1, 1])
      .mul(T)
    const sorted = (y: Tensor): Tensor => gather(y.reshape([B * H * T, K]), order.add(row)).reshape([B, H, N, C, K])
    const near = (y: Tensor): Tensor => withNeighbours(y, before, after)
    const positions = order.reshape([B, H, N, C])
    const keys = near(positions)
    const seen = context.mask
      ? gather(cast(context.mask, "i32").reshape([B * T]), keys.add(arange(B).reshape([B, 1, 1, 1]).mul(T)))
          .ne(0)
          .unsqueeze(3)
      : null
    const queries = sorted(q)
    const scores = this.#scores(queries, near(queries), positions.unsqueeze(4), keys.unsqueeze(3), seen)
    const { weights, total } = softened(scores) // [B H N C S], [B H N C 1]
    const z = weighted(this, this.tap("pattern", weights), near(sorted(v)), dropout) // [B H N C K]
    // back to the order of positions, then the rounds by their weight
    const place = argsort(order, -1).add(
      arange(B * H * R)
        .reshape([B, H, R, 1])
        .mul(T),
    )
    const back = (y: Tensor, width: number): Tensor =>
      gather(y.reshape([B * H * R * T, width]), place.reshape([-1])).reshape([B, H, R, T, width])
    if (R === 1) return back(z, K).squeeze(2)
    const totals = back(total, 1)
    return sum(back(z, K).mul(exp(totals.sub(logsumexp(totals, 2, { keepDims: true })))), 2)
  }

  /** q·k / √K with keys of length √K; `query` and `key` are positions that broadcast to the scores. */
  #scores(q: Tensor, k: Tensor, query: Tensor, key: Tensor, seen: Tensor | null): Tensor {
    const { headWidth, causal } = this.#shape
    const one = rmsNorm(k, null, { epsilon: 1e-6 }).mul(headWidth ** -0.5)
    const raw = matmul(q, one.transpose())
    const order = causal ? query.ge(key) : null
    const allowed = seen && order ? seen.and(order) : (seen ?? order)
    return where(query.ne(key), allowed ? where(allowed, raw, hidden) : raw, own)
  }

  #rotations(
    T: number,
    { rotations, hashes }: ChunkContext,
  ): { rotations: Tensor; factors: readonly number[]; R: number } {
    const { heads, headWidth, chunk, buckets, seed } = this.#shape
    const R = hashes ?? this.#shape.hashes
    checkInteger("LSHAttention", "the number of hashes", R, 1)
    const factors = bucketFactors(buckets, T, chunk)
    const half = factors.reduce((total, n) => total + n / 2, 0)
    const shape = [heads, headWidth, R, half]
    if (rotations && rotations.shape.join() !== shape.join())
      throw new HeedError(
        `LSHAttention: expected rotations [H K R N/2] = [${shape.join(" ")}], but got [${rotations.shape.join(" ")}]`,
      )
    return { rotations: rotations ?? normal(shape, randomKey(seed), { stream: 0 }), factors, R }
  }

  /** i32 [B H R·T]; padding has a bucket of its own, the last. */
  #buckets(q: Tensor, rotations: Tensor, factors: readonly number[], mask: Tensor | undefined): Tensor {
    const [B, , T] = q.shape as [number, number, number]
    const R = rotations.shape[2]!
    const product = factors.reduce((a, b) => a * b, 1)
    const rounds = arange(R).reshape([1, 1, R, 1])
    let bucket = bucketsOf(q, rotations, factors)
    if (mask) {
      const padded = cast(mask, "i32").min().eq(0).cast("i32") // 1 where there is padding at all
      bucket = where(mask.reshape([B, 1, 1, T]), bucket, product).add(rounds.mul(padded.add(product)))
    } else bucket = bucket.add(rounds.mul(product))
    return this.tap("buckets", bucket.rearrange("B H R T -> B H (R T)"))
  }
}
