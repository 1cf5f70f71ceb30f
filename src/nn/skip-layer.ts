// Whole layers that are left out at random in training (Fan et al. 2020, "LayerDrop").

import { bernoulli, type Tensor, where } from "../tensor/index.ts"
import type { Module } from "./module.ts"
import { randomOf } from "./random.ts"

/** fn(x); while `module` trains, x itself at a rate. Needs withRandom there. */
export function skipLayer(module: Module, x: Tensor, rate: number, fn: (x: Tensor) => Tensor): Tensor {
  const y = fn(x)
  return module.training && rate > 0 ? where(bernoulli([], randomOf("skipLayer"), { p: rate }), x, y) : y
}
