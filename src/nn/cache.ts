// Key/value cache: keys and values of past positions in parameters that programs update in place, at a position that is known only
// when the program runs. So every decoding step is the same program.

import { full, gather, Parameter, ShapeError, type Tensor, writeSlice } from "../tensor/index.ts"
import { checkInteger, formatShape } from "../tensor/shape.ts"
import type { WeightType } from "./initialize.ts"

/** Sizes of a cache. */
export interface CacheSizes {
  readonly layers: number
  readonly batch: number
  /** Key/value heads G. */
  readonly groups: number
  /** Positions it holds S. */
  readonly capacity: number
  /** Head width K. */
  readonly headWidth: number
  /** Type of what is kept; "f32" by default. */
  readonly dtype?: WeightType
}

/** Keys and values of one layer. */
export class LayerCache {
  /** [B G S K] */
  readonly keys: Parameter
  /** [B G S K] */
  readonly values: Parameter

  constructor({ batch, groups, capacity, headWidth, dtype = "f32" }: CacheSizes, name: string) {
    const empty = (part: string): Parameter =>
      new Parameter(full([batch, groups, capacity, headWidth], 0).cast(dtype), {
        name: `${name}.${part}`,
        trainable: false,
      })
    this.keys = empty("keys")
    this.values = empty("values")
  }

  /** Writes keys and values [B G T K] at positions offset, offset + 1, … and gives all of them [B G S K]. Throws ShapeError. */
  extend(k: Tensor, v: Tensor, offset: Tensor): [keys: Tensor, values: Tensor] {
    const write = (cache: Parameter, x: Tensor): Tensor => {
      const fits = x.rank === 4 && cache.shape.every((n, i) => (i === 2 ? x.shape[2]! <= n : x.shape[i] === n))
      if (!fits)
        throw new ShapeError(
          `cache: expected [B G T K] that fits ${formatShape(cache.shape)}, but got ${formatShape(x.shape)}`,
          x.shape[2]! > cache.shape[2]! ? "make a cache of more positions" : "make a cache for this batch and model",
        )
      const next = writeSlice(cache, x.cast(cache.dtype), offset, 2)
      cache.assign(next)
      return next
    }
    return [write(this.keys, k), write(this.values, v)]
  }
}

/** Keys and values of all layers of a decoder. */
export class KeyValueCache {
  readonly layers: readonly LayerCache[]
  readonly sizes: CacheSizes

  constructor(sizes: CacheSizes) {
    for (const name of ["layers", "batch", "groups", "capacity", "headWidth"] as const)
      checkInteger("cache", name, sizes[name], 1)
    this.sizes = sizes
    this.layers = Array.from({ length: sizes.layers }, (_, i) => new LayerCache(sizes, `cache.${i}`))
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
