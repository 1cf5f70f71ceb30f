// Convolutions along time over rows of channels [B T C], as speech models begin with; also with weights given by direction and
// length (Salimans and Kingma 2016, "Weight normalization").

import { convolve1d, type Parameter, type Tensor } from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Module } from "./module.ts"

/** Options of a convolution along time. */
export interface Convolution1dOptions {
  /** Positions a window covers K. */
  readonly kernel: number
  /** Positions between windows; 1 by default. */
  readonly stride?: number
  /** Zeros before and behind; 0 by default. */
  readonly padding?: number
  /** Groups of channels that do not see each other; 1 by default. */
  readonly groups?: number
  /** Whether a bias is added; true by default. */
  readonly bias?: boolean
  /** Standard deviation of normal weights. Default: uniform in ±1/√(channels of a group · K), weights and bias. */
  readonly deviation?: number
}

function makeWeights(
  what: string,
  init: Initializer,
  channels: number,
  outputs: number,
  { kernel, groups = 1, bias = true, deviation }: Convolution1dOptions,
): { weight: Parameter; bias: Parameter | null } {
  for (const [name, n] of Object.entries({ channels, outputs, kernel, groups })) checkInteger(what, name, n, 1)
  const shape = [outputs, channels / groups, kernel]
  const bound = 1 / Math.sqrt((channels / groups) * kernel)
  return {
    weight: deviation === undefined ? init.uniform(shape, bound) : init.normal(shape, deviation),
    bias: bias ? (deviation === undefined ? init.uniformVector(outputs, bound) : init.constant([outputs], 0)) : null,
  }
}

function along(x: Tensor, weight: Tensor, bias: Parameter | null, options: Convolution1dOptions): Tensor {
  const { stride = 1, padding = 0, groups = 1 } = options
  return convolve1d(x.permute([0, 2, 1]), weight, bias, { stride, padding, groups }).permute([0, 2, 1])
}

/** x [B T C] -> [B T' outputs]. */
export class Convolution1d extends Module {
  /** [outputs C/groups K] */
  readonly weight: Parameter
  /** [outputs] */
  readonly bias: Parameter | null
  readonly #options: Convolution1dOptions

  constructor(init: Initializer, channels: number, outputs: number, options: Convolution1dOptions) {
    super()
    const { weight, bias } = makeWeights("Convolution1d", init, channels, outputs, options)
    this.weight = weight
    this.bias = bias
    this.#options = options
  }

  forward(x: Tensor): Tensor {
    return along(x, this.weight, this.bias, this.#options)
  }
}

/** A convolution with the weights scale · direction / ‖direction‖, a norm for each place of the window. x [B T C] -> [B T' outputs]. */
export class NormedConvolution1d extends Module {
  /** [1 1 K] */
  readonly scale: Parameter
  /** [outputs C/groups K] */
  readonly direction: Parameter
  /** [outputs] */
  readonly bias: Parameter | null
  readonly #options: Convolution1dOptions

  constructor(init: Initializer, channels: number, outputs: number, options: Convolution1dOptions) {
    super()
    const { weight, bias } = makeWeights("NormedConvolution1d", init, channels, outputs, options)
    this.scale = init.constant([1, 1, options.kernel], 1)
    this.direction = weight
    this.bias = bias
    this.#options = options
  }

  forward(x: Tensor): Tensor {
    const { direction } = this
    const length = direction.mul(direction).sum([0, 1], { keepDims: true }).sqrt()
    return along(x, direction.mul(this.scale.div(length)), this.bias, this.#options)
  }
}

/** Each channel over time to mean 0 and variance 1, with weight and bias (a group norm of one channel a group). x [B T C] -> [B T C]. */
export class TimeNorm extends Module {
  /** [C] */
  readonly weight: Parameter
  /** [C] */
  readonly bias: Parameter
  readonly #epsilon: number

  constructor(init: Initializer, channels: number, options: { readonly epsilon?: number } = {}) {
    super()
    checkInteger("TimeNorm", "the number of channels", channels, 1)
    this.weight = init.constant([channels], 1)
    this.bias = init.constant([channels], 0)
    this.#epsilon = options.epsilon ?? 1e-5
  }

  forward(x: Tensor): Tensor {
    const centred = x.sub(x.mean(1, { keepDims: true }))
    const variance = centred.mul(centred).mean(1, { keepDims: true })
    return centred.mul(variance.add(this.#epsilon).rsqrt().mul(this.weight)).add(this.bias)
  }
}
