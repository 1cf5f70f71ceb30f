// Positions that are added (learned ones are an Embedding): sinusoids (Vaswani et al. 2017), ALiBi (Press et al. 2022) and the
// relative buckets of T5 (Raffel et al. 2020). Rotary positions are in rope.ts.

import { arange, cast, embedding, fromHost, gather, type Tensor, ValueError } from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Embedding } from "./layers.ts"
import { Buffer, Module } from "./module.ts"

/** Positions offset, offset + 1, … of T tokens, i32 [T]; the offset is an i32 scalar that may be known only when the program runs. */
export function positionsFrom(count: number, offset?: Tensor): Tensor {
  const positions = arange(count)
  return offset ? positions.add(offset.reshape([])) : positions
}

/** Positions that count only tokens, from padding + 1 on; the padding itself has position `padding` (RoBERTa). ids i32 [B T] -> i32 [B T]. */
export function positionsBesidePadding(ids: Tensor, padding: number): Tensor {
  const token = ids.ne(padding).cast("i32")
  return token.cumsum(-1).mul(token).add(padding)
}

/**
 * Layouts of sinusoids in a row: "halves" has sines, then cosines (Marian, Pegasus); "interleaved" alternates them (the original);
 * "stretched" is halves whose slowest wave is exactly 10000 · 2π (Whisper); "reversed" is halves with row i for the distance count - 1 - i (Transformer-XL).
 */
export type SinusoidForm = "halves" | "interleaved" | "stretched" | "reversed"

/** A table is made at once: a hostile configuration must not fill the memory with it. */
const mostSinusoids = 2 ** 28

/** Sinusoids of positions 0 .. count-1, f32 [count width]. Throws ValueError for an odd width. */
export function sinusoids(count: number, width: number, form: SinusoidForm = "interleaved"): Tensor {
  checkInteger("sinusoids", "the count", count, 1)
  checkInteger("sinusoids", "the width", width, 4)
  if (width % 2 !== 0) throw new ValueError(`sinusoids: expected an even width, but got ${width}`)
  if (count * width > mostSinusoids)
    throw new ValueError(
      `sinusoids: expected at most ${mostSinusoids} numbers, but got ${count} positions of width ${width}`,
    )
  if (!["halves", "interleaved", "stretched", "reversed"].includes(form))
    throw new ValueError(`sinusoids: expected halves, interleaved, stretched or reversed, but got ${String(form)}`)
  const half = width / 2
  const slowest = form === "stretched" ? half - 1 : half
  const table = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    const position = form === "reversed" ? count - 1 - row : row
    for (let i = 0; i < half; i++) {
      const angle = position * 10000 ** (-i / slowest)
      const [sine, cosine] = form === "interleaved" ? [2 * i, 2 * i + 1] : [i, half + i]
      table[row * width + sine] = Math.sin(angle)
      table[row * width + cosine] = Math.cos(angle)
    }
  }
  return fromHost(table, [count, width], "f32")
}

/** A fixed row of sinusoids for each position; `saved`: the table stands among the weights. positions i32 [any] -> [any width]. */
export class SinusoidalPositions extends Module {
  /** [count width] */
  readonly table: Buffer

  constructor(
    count: number,
    width: number,
    form: SinusoidForm = "interleaved",
    options: { readonly saved?: boolean } = {},
  ) {
    super()
    this.table = new Buffer(sinusoids(count, width, form), { persistent: options.saved ?? false })
  }

  forward(positions: Tensor): Tensor {
    return embedding(this.table, positions)
  }
}

/** A learned row for each position. The first `skipped` rows of the table belong to none (BART: 2). positions i32 [any] -> [any width]. */
export class LearnedPositions extends Module {
  /** [skipped + count width] */
  readonly rows: Embedding
  readonly #skipped: number

  constructor(
    init: Initializer,
    count: number,
    width: number,
    options: { readonly deviation?: number; readonly skipped?: number } = {},
  ) {
    super()
    const { skipped = 0, deviation = 1 } = options
    this.#skipped = skipped
    this.rows = new Embedding(init, skipped + count, width, { deviation })
  }

  forward(positions: Tensor): Tensor {
    return this.rows.forward(this.#skipped === 0 ? positions : positions.add(this.#skipped))
  }
}

/** Slopes of ALiBi's heads: powers of 2^(-8 / heads), completed from the next power of two where heads is none. */
export function alibiSlopes(heads: number): Float32Array {
  checkInteger("alibi", "the number of heads", heads, 1)
  const powers = (count: number): number[] => Array.from({ length: count }, (_, i) => 2 ** ((-8 * (i + 1)) / count))
  const whole = 2 ** Math.floor(Math.log2(heads))
  const between = powers(2 * whole).filter((_, i) => i % 2 === 0)
  return Float32Array.from([...powers(whole), ...between.slice(0, heads - whole)])
}

/** Distances key - query of T queries from `offset` on and S keys, i32 [T S]. */
function distances(T: number, S: number, offset?: Tensor): Tensor {
  return arange(S).sub(positionsFrom(T, offset).unsqueeze(1))
}

/** ALiBi's bias -slope · |query - key| for attention, [1 H T S]. */
export function alibiBias(heads: number, T: number, S: number, offset?: Tensor): Tensor {
  const slopes = fromHost(alibiSlopes(heads), [heads, 1, 1], "f32")
  return cast(distances(T, S, offset).abs(), "f32")
    .mul(slopes)
    .neg()
    .unsqueeze(0)
}

/** How T5 sorts distances. */
export interface BucketOptions {
  /** Number of buckets; 32 by default. */
  readonly buckets?: number
  /** Distances from there on share the last bucket; 128 by default. */
  readonly maxDistance?: number
  /** true: later keys have half of the buckets; false: they count as distance 0. Default true. */
  readonly bidirectional?: boolean
}

/** Bucket of every distance 0 .. maxDistance: half of them exact, the others growing logarithmically. */
function bucketTable(buckets: number, maxDistance: number): Int32Array {
  const exact = Math.floor(buckets / 2)
  // in f32, as published: at the border of two buckets rounding decides
  const scale = Math.fround(Math.log(maxDistance / exact))
  return Int32Array.from({ length: maxDistance + 1 }, (_, distance) => {
    if (distance < exact) return distance
    const ratio = Math.fround(Math.fround(Math.log(Math.fround(distance / exact))) / scale)
    return Math.min(exact + Math.trunc(Math.fround(ratio * (buckets - exact))), buckets - 1)
  })
}

/** Bucket of each relative position key - query, i32 of the same shape. Throws ValueError. */
export function relativeBuckets(relative: Tensor, options: BucketOptions = {}): Tensor {
  const { buckets = 32, maxDistance = 128, bidirectional = true } = options
  checkInteger("relative positions", "the number of buckets", buckets, bidirectional ? 4 : 2)
  const own = bidirectional ? Math.floor(buckets / 2) : buckets
  checkInteger("relative positions", "maxDistance", maxDistance, Math.floor(own / 2) + 1)
  const table = fromHost(bucketTable(own, maxDistance), [maxDistance + 1], "i32")
  const distance = bidirectional ? relative.abs() : relative.neg().maximum(0)
  const bucket = gather(table, distance.minimum(maxDistance))
  return bidirectional ? bucket.add(relative.gt(0).cast("i32").mul(own)) : bucket
}

/** A learned bias for each head and bucket of distances. Gives [1 H T S] for T queries from `offset` on and S keys. */
export class RelativeBias extends Module {
  /** [buckets heads] */
  readonly rows: Embedding
  readonly #options: BucketOptions

  constructor(init: Initializer, heads: number, options: BucketOptions & { readonly deviation?: number } = {}) {
    super()
    this.rows = new Embedding(init, options.buckets ?? 32, heads, { deviation: options.deviation ?? 1 })
    this.#options = options
  }

  forward(T: number, S: number, offset?: Tensor): Tensor {
    // a row for each distance that occurs; queries see windows of it that begin one later the earlier they stand: [T S] is never in memory
    const first = offset ? offset.reshape([]).neg() : 0
    const relative = arange(1 - T, S).add(first) // [T+S-1]
    const rows = this.rows.forward(relativeBuckets(relative, this.#options)) // [T+S-1 H]
    return rows.transpose().contiguous().windows(1, S).flip(1).unsqueeze(0)
  }
}
