// Attention to a window around each position and to a few global ones (Beltagy et al. 2020, "Longformer: the long-document Transformer"): global
// positions see everything and are seen by all, and ask with projections of their own. Time and memory grow with T · (window + globals).

import {
  attention,
  concat,
  fromHost,
  gather,
  globalWindow,
  slidingWindow,
  type Tensor,
  takeAlong,
  where,
} from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { checkRate, Linear } from "./layers.ts"
import { Module } from "./module.ts"
import { randomOf } from "./random.ts"

/** Which positions are global. */
export interface GlobalPositions {
  /** bool [B T]. */
  readonly marks: Tensor
  /** i32 [B g]: the places of up to g of them in each row, in order; rows with fewer are filled with others. */
  readonly places: Tensor
}

/** The global positions of marks bool [B T], of which there are at most `most` in a row. */
export function globalPositions(marks: Tensor, most: number): GlobalPositions {
  return { marks, places: marks.not().cast("i32").argsort(-1).slice(1, 0, most) }
}

/** What attention with a window and global positions is shaped by. */
export interface GlobalWindowShape {
  readonly heads: number
  /** Positions seen on each side. */
  readonly reach: number
  /** Rate of dropped attention weights in training; 0 by default. */
  readonly dropout?: number
  readonly deviation?: number
}

const intoHeads = (x: Tensor, heads: number): Tensor => x.rearrange("B T (H K) -> B H T K", { H: heads })

const projection = (init: Initializer, width: number, deviation: number | undefined): Linear =>
  new Linear(init, width, width, deviation === undefined ? {} : { deviation })

/** Full attention of the positions `places` i32 [B g], x [B T D] -> [B H g K]. Tap: `pattern` [B H g T]. */
export class GlobalRows extends Module {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly #shape: GlobalWindowShape

  constructor(init: Initializer, width: number, shape: GlobalWindowShape) {
    super()
    this.#shape = shape
    this.query = projection(init, width, shape.deviation)
    this.key = projection(init, width, shape.deviation)
    this.value = projection(init, width, shape.deviation)
  }

  forward(x: Tensor, places: Tensor, mask?: Tensor): Tensor {
    const { heads } = this.#shape
    const rows = takeAlong(x, places.unsqueeze(2), 1) // [B g D]
    const [q, k, v] = [this.query.forward(rows), this.key.forward(x), this.value.forward(x)].map(y =>
      intoHeads(y, heads),
    )
    return attention(q!, k!, v!, { ...(mask ? { mask } : {}), ...dropped(this, this.#shape) })
  }
}

function dropped(module: Module, { dropout = 0 }: GlobalWindowShape) {
  return module.training && dropout > 0 ? { dropout, key: randomOf("attention") } : {}
}

/**
 * softmax(q·k / √K) v over a window and the global positions; at global positions, over everything, with other projections. x [B T D] -> [B T D]; positions that
 * the mask [B 1 1 T] hides give 0. Taps: `pattern` [B H T T] (rows of global positions are not used), `global.pattern` [B H g T], `z` [B H T K].
 */
export class GlobalWindowAttention extends Module {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly global: GlobalRows
  readonly out: Linear
  readonly #shape: GlobalWindowShape

  constructor(init: Initializer, width: number, shape: GlobalWindowShape) {
    super()
    checkInteger("GlobalWindowAttention", "the reach", shape.reach, 0)
    checkRate("GlobalWindowAttention", shape.dropout ?? 0)
    this.#shape = shape
    this.query = projection(init, width, shape.deviation)
    this.key = projection(init, width, shape.deviation)
    this.value = projection(init, width, shape.deviation)
    this.global = new GlobalRows(init, width, shape)
    this.out = projection(init, width, shape.deviation)
  }

  forward(x: Tensor, { mask, globals }: { readonly mask?: Tensor; readonly globals?: GlobalPositions } = {}): Tensor {
    const { heads, reach } = this.#shape
    const [B, T] = x.shape as [number, number]
    const [q, k, v] = [this.query, this.key, this.value].map(layer => intoHeads(layer.forward(x), heads))
    let z = attention(q!, k!, v!, {
      pattern: globals ? globalWindow(reach + 1, globals.marks) : slidingWindow(reach + 1),
      ...(mask ? { mask } : {}),
      ...dropped(this, this.#shape),
    })
    if (mask) z = where(mask.reshape([B, 1, T, 1]), z, 0)
    if (globals) {
      const { marks, places } = globals
      const rows = this.global.forward(x, places, mask) // [B H g K]
      const slot = marks.cast("i32").cumsum(-1).sub(1).maximum(0).reshape([B, 1, T, 1])
      z = where(marks.reshape([B, 1, T, 1]), takeAlong(rows, slot.minimum(places.shape[1]! - 1), 2), z)
    }
    return this.out.forward(this.tap("z", z).rearrange("B H T K -> B T (H K)"))
  }
}

/**
 * The weights of GlobalWindowAttention as they are published: pattern [B H T T] -> [B H T g + 2·reach + 1], first the columns of the global positions, then the
 * window from i - reach to i + reach without them; rows of global and of hidden positions are 0. seen: bool [B T].
 */
export function publishedWindow(pattern: Tensor, reach: number, globals?: GlobalPositions, seen?: Tensor): Tensor {
  const [B, H, T] = pattern.shape as [number, number, number]
  const width = 2 * reach + 1
  const place = Int32Array.from({ length: T * width }, (_, i) => Math.floor(i / width) + (i % width) - reach)
  const inside = fromHost(
    place.map(j => Number(j >= 0 && j < T)),
    [1, 1, T, width],
    "i32",
  )
  const column = fromHost(
    place.map(j => Math.max(0, Math.min(T - 1, j))),
    [1, 1, T, width],
    "i32",
  )
  const taken = takeAlong(pattern, column.broadcastTo([B, H, T, width]), -1)
  const rows = seen ? [seen.reshape([B, 1, T, 1])] : []
  if (!globals) return rows.reduce((x, row) => where(row, x, 0), where(inside.ne(0), taken, 0))
  const { marks, places } = globals
  const g = places.shape[1]!
  const marked = gather(marks.cast("i32").transpose(), column.reshape([T * width])) // [T·width B]
  const own = marked.transpose().reshape([B, 1, T, width]).eq(0).and(inside.ne(0))
  const real = takeAlong(marks.cast("i32"), places, 1).reshape([B, 1, 1, g]).ne(0)
  const far = where(real, takeAlong(pattern, places.reshape([B, 1, 1, g]).broadcastTo([B, H, T, g]), -1), 0)
  const both = concat([far, where(own, taken, 0)], -1)
  return [...rows, marks.not().reshape([B, 1, T, 1])].reduce((x, row) => where(row, x, 0), both)
}
