// Axial positions (Kitaev et al. 2020, "Reformer", after Ho et al. 2019): position p of a grid stands at p's digits along each axis, and the vectors
// of these digits lie behind each other; so N positions need rows for the sum of the axes only.

import { arange, concat, gather, type Parameter, type Tensor, ValueError } from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Module } from "./module.ts"

/** A vector for each position of a grid. positions i32 [any] -> [any width], the widths of the axes together. */
export class AxialPositions extends Module {
  /** Of axis i: [1 … n … 1 width]. */
  readonly weights: readonly Parameter[]
  readonly #sizes: readonly number[]

  /** sizes: positions along each axis; widths: columns that each axis gives. Throws ValueError where their numbers differ. */
  constructor(init: Initializer, sizes: readonly number[], widths: readonly number[], deviation = 1) {
    super()
    for (const n of [...sizes, ...widths]) checkInteger("AxialPositions", "a size", n, 1)
    if (sizes.length === 0 || sizes.length !== widths.length)
      throw new ValueError(
        `AxialPositions: expected a width for each of ${sizes.length} axes, but got ${widths.length}`,
      )
    this.#sizes = sizes
    this.weights = sizes.map((n, i) => init.normal([...sizes.map((_, j) => (j === i ? n : 1)), widths[i]!], deviation))
  }

  forward(positions: Tensor): Tensor {
    const count = this.#sizes.reduce((a, b) => a * b, 1)
    let inner = count
    const parts = this.weights.map((weight, i) => {
      inner /= this.#sizes[i]!
      // the digit of every position of the grid, once: whole numbers have no division here
      const digits = arange(this.#sizes[i]!).reshape([1, -1, 1])
      const grid = digits.broadcastTo([count / inner / this.#sizes[i]!, this.#sizes[i]!, inner]).reshape([count])
      return gather(weight.reshape([this.#sizes[i]!, -1]), gather(grid, positions))
    })
    return concat(parts, -1)
  }
}
