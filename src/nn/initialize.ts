// Where weights begin: lazy random numbers of one seed, so that building a model costs nothing and repeats bit for bit.

import { cast, full, normal, Parameter, randomKey, type Tensor, uniform, ValueError } from "../tensor/index.ts"
import type { Shape } from "../tensor/shape.ts"

/** Element types weights can be kept in. */
export type WeightType = "f32" | "bf16"

/** How a model's weights begin. */
export interface InitializerOptions {
  /** Seed of all random weights; 0 by default. */
  readonly seed?: number
  /** Type of the weights of linear and embedding layers; "bf16" halves their memory and is for inference only. Default "f32". */
  readonly dtype?: WeightType
}

/** Makes the parameters of a model. Each random one draws from its own stream of the seed, in the order they are made. */
export class Initializer {
  readonly dtype: WeightType
  readonly #key: Tensor
  #streams = 0

  constructor(options: InitializerOptions = {}) {
    const { seed = 0, dtype = "f32" } = options
    if (dtype !== "f32" && dtype !== "bf16")
      throw new ValueError(`initialize: expected weights of type f32 or bf16, but got ${String(dtype)}`)
    this.dtype = dtype
    this.#key = randomKey(seed)
  }

  /** Normal weights around 0. */
  normal(shape: Shape, deviation: number): Parameter {
    return this.#matrix(normal(shape, this.#key, { deviation, stream: this.#streams++ }))
  }

  /** Uniform weights in -bound .. bound. */
  uniform(shape: Shape, bound: number): Parameter {
    return this.#matrix(uniform(shape, this.#key, { low: -bound, high: bound, stream: this.#streams++ }))
  }

  /** Uniform numbers in -bound .. bound that stay in f32 (biases). */
  uniformVector(size: number, bound: number): Parameter {
    return new Parameter(uniform([size], this.#key, { low: -bound, high: bound, stream: this.#streams++ }))
  }

  /** The same number everywhere, f32. */
  constant(shape: Shape, value: number): Parameter {
    return new Parameter(full(shape, value))
  }

  #matrix(values: Tensor): Parameter {
    return this.dtype === "f32" ? new Parameter(values) : new Parameter(cast(values, this.dtype), { trainable: false })
  }
}
