// Key/value caches: keys and values of past positions in parameters that programs update in place, at a position that is known only
// when the program runs. So every decoding step is the same program. Where a query sees only a window, a ring of its size is enough.

import {
  type AttentionOptions,
  arange,
  clamp,
  floor,
  full,
  gather,
  HeedError,
  logicalAnd,
  Parameter,
  ShapeError,
  type Tensor,
  where,
  writeSlice,
} from "../tensor/index.ts"
import { checkInteger, formatShape } from "../tensor/shape.ts"
import type { WeightType } from "./initialize.ts"

/** Sizes of a cache. */
export interface CacheSizes {
  readonly layers: number
  readonly batch: number
  /** Key/value heads G. */
  readonly groups: number
  /** Positions it is for S. */
  readonly capacity: number
  /** Head width K. */
  readonly headWidth: number
  /** Type of what is kept; "f32" by default. */
  readonly dtype?: WeightType
  /** For each layer: keys a query sees, itself among them, or null for all; all by default. A layer with a window keeps no more than it needs. */
  readonly windows?: readonly (number | null)[]
  /** Positions that are read at once at most, by layers with a window; 512 by default. */
  readonly chunk?: number
}

/** What a query may see of the keys, as attention takes it. */
export type Sight = Pick<AttentionOptions, "causal" | "window" | "mask" | "offset">

/** Keys and values of one layer. */
export interface LayerCache {
  /** [B G S K], S the positions it keeps */
  readonly keys: Parameter
  /** [B G S K] */
  readonly values: Parameter
  /** Writes keys and values [B G T K] at positions offset, offset + 1, … and gives all that are kept [B G S K]. Throws ShapeError. */
  extend(k: Tensor, v: Tensor, offset: Tensor): [keys: Tensor, values: Tensor]
  /** What T queries from the offset on see of the kept keys, where they would see `sight` of all. */
  see(sight: Sight, T: number): Sight
}

function emptyPart(name: string, shape: readonly number[], dtype: WeightType): Parameter {
  return new Parameter(full(shape, 0).cast(dtype), { name, trainable: false })
}

function checkFits(cache: Parameter, x: Tensor, most: number): void {
  const fits = x.rank === 4 && cache.shape.every((n, i) => (i === 2 ? x.shape[2]! <= most : x.shape[i] === n))
  if (!fits)
    throw new ShapeError(
      `cache: expected [B G T K] that fits ${formatShape(cache.shape)} with T up to ${most}, but got ${formatShape(x.shape)}`,
      x.shape[2]! > most ? "make a cache of more positions" : "make a cache for this batch and model",
    )
}

/** Keys and values of one layer at all positions. */
export class FullLayerCache implements LayerCache {
  readonly keys: Parameter
  readonly values: Parameter

  constructor({ batch, groups, capacity, headWidth, dtype = "f32" }: CacheSizes, name: string) {
    const shape = [batch, groups, capacity, headWidth]
    this.keys = emptyPart(`${name}.keys`, shape, dtype)
    this.values = emptyPart(`${name}.values`, shape, dtype)
  }

  extend(k: Tensor, v: Tensor, offset: Tensor): [keys: Tensor, values: Tensor] {
    const write = (cache: Parameter, x: Tensor): Tensor => {
      checkFits(cache, x, cache.shape[2]!)
      const next = writeSlice(cache, x.cast(cache.dtype), offset, 2)
      cache.assign(next)
      return next
    }
    return [write(this.keys, k), write(this.values, v)]
  }

  see(sight: Sight): Sight {
    return sight
  }
}

/** x modulo a whole number, from 0 on; x i32 below 2²³ in size. */
function modulo(x: Tensor, divisor: number): Tensor {
  const times = floor(x.cast("f32").add(0.5).div(divisor)).cast("i32")
  return x.sub(times.mul(divisor))
}

/**
 * Keys and values of one layer whose queries see only the last `window` positions: position p stands in slot p modulo the number of
 * slots. There are `chunk` slots more than the window has, so that what fills up a chunk behind its text never takes the place of a
 * position that is still seen.
 */
export class SlidingLayerCache implements LayerCache {
  readonly keys: Parameter
  readonly values: Parameter
  readonly #slots: number
  readonly #window: number
  readonly #chunk: number

  constructor(
    { batch, groups, headWidth, dtype = "f32" }: CacheSizes,
    { window, chunk }: { readonly window: number; readonly chunk: number },
    name: string,
  ) {
    this.#slots = window + chunk
    this.#window = window
    this.#chunk = chunk
    const shape = [batch, groups, this.#slots, headWidth]
    this.keys = emptyPart(`${name}.keys`, shape, dtype)
    this.values = emptyPart(`${name}.values`, shape, dtype)
  }

  extend(k: Tensor, v: Tensor, offset: Tensor): [keys: Tensor, values: Tensor] {
    const T = k.shape[2]!
    const at = T === 1 ? modulo(offset.reshape([]), this.#slots) : null
    const places = this.#positions(T, offset).sub(offset.reshape([])) // [R], place in the chunk
    const write = (cache: Parameter, x: Tensor): Tensor => {
      checkFits(cache, x, this.#chunk)
      const given = x.cast(cache.dtype)
      const next = at
        ? writeSlice(cache, given, at, 2)
        : where(places.ge(0).reshape([1, 1, this.#slots, 1]), gather(given, clamp(places, 0, T - 1), 2), cache).cast(
            cache.dtype,
          )
      cache.assign(next)
      return next
    }
    return [write(this.keys, k), write(this.values, v)]
  }

  see({ causal = false, window, mask, offset }: Sight, T: number): Sight {
    if (!causal || !offset || window === undefined || window > this.#window)
      throw new HeedError(
        `cache: expected causal attention with a window of at most ${this.#window}, but got ${causal ? `a window of ${window ?? "all keys"}` : "attention to later keys"}`,
        "make the cache for this layer's window",
      )
    const slots = this.#positions(T, offset) // [R]
    const queries = arange(T).add(offset.reshape([])).unsqueeze(1) // [T 1]
    const near = logicalAnd(slots.le(queries), slots.gt(queries.sub(window)))
    const seen = logicalAnd(near, slots.ge(0)).reshape([1, 1, T, this.#slots])
    if (!mask) return { mask: seen }
    const last = mask.shape.at(-1)! - 1
    return { mask: logicalAnd(seen, gather(mask, clamp(slots, 0, last), mask.rank - 1)) }
  }

  /** The newest position up to offset + T - 1 that each slot is for, i32 [R]; below 0 where there is none yet. */
  #positions(T: number, offset: Tensor): Tensor {
    const end = offset.reshape([]).add(T - 1)
    return end.sub(modulo(end.sub(arange(this.#slots)), this.#slots))
  }
}

/** Keys and values of all layers of a decoder. */
export class KeyValueCache {
  readonly layers: readonly LayerCache[]
  readonly sizes: CacheSizes

  constructor(sizes: CacheSizes) {
    for (const name of ["layers", "batch", "groups", "capacity", "headWidth"] as const)
      checkInteger("cache", name, sizes[name], 1)
    const { capacity, windows, chunk = 512 } = sizes
    if (windows && windows.length !== sizes.layers)
      throw new ShapeError(`cache: expected windows of ${sizes.layers} layers, but got ${windows.length}`)
    this.sizes = sizes
    this.layers = Array.from({ length: sizes.layers }, (_, i): LayerCache => {
      const window = windows?.[i] ?? null
      // a ring as large as everything has no use
      if (window === null || window + chunk >= capacity) return new FullLayerCache(sizes, `cache.${i}`)
      return new SlidingLayerCache(sizes, { window, chunk }, `cache.${i}`)
    })
  }

  /** Puts the rows of the batch in another order, some perhaps more than once (beams). rows: i32 [B]. */
  reorder(rows: Tensor): void {
    for (const layer of this.layers)
      for (const cache of [layer.keys, layer.values]) cache.assign(gather(cache, rows, 0))
  }

  /** Every parameter of the cache, for freeing and checks. */
  parameters(): Parameter[] {
    return this.layers.flatMap(layer => [layer.keys, layer.values])
  }
}
