// Feed-forward layers: two projections with an activation between them (Vaswani et al. 2017), or gated (Shazeer 2020, "GLU variants").

import { gelu, relu, sigmoid, silu, type Tensor, tanh, ValueError } from "../tensor/index.ts"
import type { Initializer } from "./initialize.ts"
import { Dropout, Linear } from "./layers.ts"
import { Module } from "./module.ts"

const activations = {
  relu,
  gelu: (x: Tensor) => gelu(x, "erf"),
  "gelu-tanh": (x: Tensor) => gelu(x, "tanh"),
  "gelu-quick": (x: Tensor) => gelu(x, "quick"),
  silu,
  sigmoid,
  tanh,
} as const

/** Activations by name: "gelu" is exact, "gelu-tanh" its approximation (GPT-2), "gelu-quick" x · sigmoid(1.702 x) (CLIP). */
export type Activation = keyof typeof activations

/** Names of all activations. */
export const activationNames = Object.keys(activations) as readonly Activation[]

/** The activation of that name. Throws ValueError. */
export function activation(name: Activation): (x: Tensor) => Tensor {
  if (!Object.hasOwn(activations, name))
    throw new ValueError(`activation: expected one of ${activationNames.join(", ")}, but got ${String(name)}`)
  return activations[name]
}

/** Options of FeedForward. */
export interface FeedForwardOptions {
  /** Width of the inner layer F. */
  readonly inner: number
  readonly activation: Activation
  /** true: activation(gate(x)) · up(x), with "silu" SwiGLU, with a gelu GeGLU. Default false. */
  readonly gated?: boolean
  /** Default true. */
  readonly bias?: boolean
  /** Rate of dropped outputs of the inner layer in training; 0 by default. */
  readonly dropout?: number
  /** Standard deviation of weights; see Linear. */
  readonly deviation?: number
  /** The same for the projection back to the residual stream. */
  readonly outDeviation?: number
}

/** down(activation(up(x))), or gated: down(activation(gate(x)) · up(x)). x [… D] -> [… D]; tap `inner` [… F]. */
export class FeedForward extends Module {
  readonly up: Linear | null
  /** Gate and inner layer in one product [2 F D], the gate first. */
  readonly gateUp: Linear | null
  readonly down: Linear
  readonly dropout: Dropout
  readonly #activation: (x: Tensor) => Tensor

  constructor(init: Initializer, width: number, options: FeedForwardOptions) {
    super()
    const { inner, gated = false, bias = true, dropout = 0, deviation } = options
    const projection = { bias, ...(deviation === undefined ? {} : { deviation }) }
    const outDeviation = options.outDeviation ?? deviation
    this.#activation = activation(options.activation)
    this.up = gated ? null : new Linear(init, width, inner, projection)
    this.gateUp = gated ? new Linear(init, width, 2 * inner, projection) : null
    this.down = new Linear(init, inner, width, {
      bias,
      ...(outDeviation === undefined ? {} : { deviation: outDeviation }),
    })
    this.dropout = new Dropout(dropout)
  }

  forward(x: Tensor): Tensor {
    const inner = this.tap(
      "inner",
      this.gateUp ? this.#gated(this.gateUp.forward(x)) : this.#activation(this.up!.forward(x)),
    )
    return this.down.forward(this.dropout.forward(inner))
  }

  #gated(both: Tensor): Tensor {
    const [gate, up] = both.split(both.shape.at(-1)! / 2, -1) as [Tensor, Tensor]
    return this.#activation(gate).mul(up)
  }
}
