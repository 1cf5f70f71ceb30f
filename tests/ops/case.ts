// What a case of the op list is: a name, a function of tensors, and what its inputs look like.

import type { DType, Tensor } from "../../src/tensor/index.ts"
import { sizeOf } from "../../src/tensor/shape.ts"

/** An input: its shape, type and how its numbers are drawn. */
export interface Input {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly draw: (random: () => number, i: number, n: number) => number
}

/** How a case is checked. */
export interface CaseOptions {
  /** false: no gradient (or a gradient of zero everywhere) is expected. */
  readonly gradient?: boolean
  /** Gradients of gradients are checked too. */
  readonly second?: boolean
  /** Largest error of a device against the reference, relative to 1 + |value|. */
  readonly tolerance?: number
}

export interface Case {
  readonly name: string
  readonly run: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  readonly inputs: readonly Input[]
  readonly options: CaseOptions
}

const isInput = (input: readonly number[] | Input): input is Input => "draw" in input

/** One case. Inputs given as a bare shape hold f32 numbers around 0. */
export function op(
  name: string,
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly (readonly number[] | Input)[],
  options: CaseOptions = {},
): Case {
  return { name, run, inputs: inputs.map(input => (isInput(input) ? input : numbers(input))), options }
}

/** f32 numbers in low .. high. */
export function numbers(shape: readonly number[], low = -2, high = 2): Input {
  return { shape, dtype: "f32", draw: random => low + (high - low) * random() }
}

/** f32 numbers in 0.5 .. 2. */
export const positive = (shape: readonly number[]): Input => numbers(shape, 0.5, 2)

/** Different f32 numbers, shuffled, at least 0.1 apart: no ties, no sign changes nearby. */
export function distinct(shape: readonly number[]): Input {
  let order: number[] = []
  return {
    shape,
    dtype: "f32",
    draw: (random, i, n) => {
      if (i === 0) {
        order = Array.from({ length: n }, (_, k) => k)
        for (let k = n - 1; k > 0; k--) {
          const j = Math.floor(random() * (k + 1))
          ;[order[k], order[j]] = [order[j]!, order[k]!]
        }
      }
      return (order[i]! - n / 2 + 0.5) * 0.13
    },
  }
}

/** Given numbers. */
export function given(shape: readonly number[], values: readonly number[], dtype: DType = "f32"): Input {
  if (values.length !== sizeOf(shape)) throw new Error(`case: ${values.length} values for [${shape}]`)
  return { shape, dtype, draw: (_, i) => values[i]! }
}

/** i32 numbers in low .. high - 1. */
export const whole = (shape: readonly number[], high: number, low = 0): Input => ({
  shape,
  dtype: "i32",
  draw: random => low + Math.floor(random() * (high - low)),
})

/** Truth values, most of them true. */
export const truths = (shape: readonly number[]): Input => ({
  shape,
  dtype: "bool",
  draw: random => Number(random() < 0.7),
})

/** A random key. */
export const key: Input = given([2], [7, 11], "i32")
