// The small layers: Linear, Embedding, LayerNorm, RMSNorm, Dropout.

import {
  dropout,
  embedding,
  layerNorm,
  linear,
  type Parameter,
  rmsNorm,
  type Tensor,
  ValueError,
} from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Module } from "./module.ts"
import { randomOf } from "./random.ts"

/** A module from one tensor to one tensor. */
export interface Layer extends Module {
  forward(x: Tensor): Tensor
}

/** Options of Linear. */
export interface LinearOptions {
  /** Whether a bias is added; true by default. */
  readonly bias?: boolean
  /** Standard deviation of normal weights, with a bias of 0. Default: uniform in ±1/√width, weights and bias. */
  readonly deviation?: number
}

/** x · weightᵀ + bias. x [… width] -> [… size]. */
export class Linear extends Module {
  /** [size width] */
  readonly weight: Parameter
  /** [size] */
  readonly bias: Parameter | null

  constructor(init: Initializer, width: number, size: number, options: LinearOptions = {}) {
    super()
    checkInteger("Linear", "the width", width, 1)
    checkInteger("Linear", "the size", size, 1)
    const { bias = true, deviation } = options
    const bound = 1 / Math.sqrt(width)
    this.weight = deviation === undefined ? init.uniform([size, width], bound) : init.normal([size, width], deviation)
    this.bias = !bias ? null : deviation === undefined ? init.uniformVector(size, bound) : init.constant([size], 0)
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias ?? undefined)
  }
}

/** Rows of a table. ids i32 [any] -> [any width]. */
export class Embedding extends Module {
  /** [count width] */
  readonly weight: Parameter
  readonly #paddingIndex: number | undefined

  constructor(
    init: Initializer,
    count: number,
    width: number,
    options: { readonly deviation?: number; readonly paddingIndex?: number } = {},
  ) {
    super()
    checkInteger("Embedding", "the count", count, 1)
    checkInteger("Embedding", "the width", width, 1)
    this.weight = init.normal([count, width], options.deviation ?? 1)
    this.#paddingIndex = options.paddingIndex
  }

  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.#paddingIndex === undefined ? {} : { paddingIndex: this.#paddingIndex })
  }
}

/** Layer normalization over the last axis, with weight and (unless `bias` is false) bias. */
export class LayerNorm extends Module {
  /** [width] */
  readonly weight: Parameter
  /** [width] */
  readonly bias: Parameter | null
  readonly #epsilon: number

  constructor(init: Initializer, width: number, options: { readonly epsilon?: number; readonly bias?: boolean } = {}) {
    super()
    checkInteger("LayerNorm", "the width", width, 1)
    this.weight = init.constant([width], 1)
    this.bias = options.bias === false ? null : init.constant([width], 0)
    this.#epsilon = options.epsilon ?? 1e-5
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, { epsilon: this.#epsilon })
  }
}

/** Root-mean-square normalization over the last axis. `shift` is added to the weight (1 for Gemma, whose weights begin at 0). */
export class RMSNorm extends Module {
  /** [width] */
  readonly weight: Parameter
  readonly #epsilon: number
  readonly #shift: number

  constructor(init: Initializer, width: number, options: { readonly epsilon?: number; readonly shift?: number } = {}) {
    super()
    checkInteger("RMSNorm", "the width", width, 1)
    this.#epsilon = options.epsilon ?? 1e-6
    this.#shift = options.shift ?? 0
    this.weight = init.constant([width], 1 - this.#shift)
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, { epsilon: this.#epsilon, shift: this.#shift })
  }
}

/** Checks a rate of dropped elements. Throws ValueError. */
export function checkRate(what: string, rate: number): number {
  if (!(rate >= 0 && rate < 1)) throw new ValueError(`${what}: expected a rate in 0 .. 1 (without 1), but got ${rate}`)
  return rate
}

/** In training, sets elements to 0 at a rate and scales the others by 1 / (1 - rate); needs withRandom there. */
export class Dropout extends Module {
  readonly rate: number

  constructor(rate: number) {
    super()
    this.rate = checkRate("Dropout", rate)
  }

  forward(x: Tensor): Tensor {
    return this.training && this.rate > 0 ? dropout(x, this.rate, randomOf("Dropout")) : x
  }
}
