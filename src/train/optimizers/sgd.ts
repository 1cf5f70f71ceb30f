// Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form of Sutskever et al. 2013), as in PyTorch.

import { type Parameter, ValueError } from "../../tensor/index.ts"
import {
  checkFraction,
  type DecayOptions,
  decayOf,
  followRule,
  type Optimizer,
  withL2,
  zerosLike,
} from "../optimizer.ts"

/** Options of stochastic gradient descent. Weight decay is added to the gradient (L2). */
export interface SgdOptions extends DecayOptions {
  readonly momentum?: number
  readonly nesterov?: boolean
  /** Momentum takes in each gradient after the first times 1 - dampening. */
  readonly dampening?: number
}

/** p - η v, with v ← momentum · v + g. Throws ValueError. */
export function sgd(parameters: readonly Parameter[], options: SgdOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false, dampening = 0 } = options
  checkFraction("momentum", momentum)
  checkFraction("dampening", dampening)
  if (momentum === 0 && (nesterov || dampening > 0))
    throw new ValueError(
      `optimizer: expected a momentum above 0 with ${nesterov ? "nesterov" : "dampening"}, but got 0`,
    )
  if (nesterov && dampening > 0)
    throw new ValueError(`optimizer: expected no dampening with nesterov, but got ${dampening}`)
  const decay = decayOf(options)
  return followRule(parameters, {
    state: p => ({ momentum_buffer: momentum > 0 ? zerosLike(p) : undefined }),
    scalars: (step, learningRate) => ({ learningRate, taken: step === 1 ? 1 : 1 - dampening }),
    update: (p, gradient, { momentum_buffer }, { learningRate, taken }) => {
      const g = withL2(gradient, p, decay(p))
      if (!momentum_buffer) return { next: p.sub(g.mul(learningRate)), state: { momentum_buffer } }
      const v = momentum_buffer.mul(momentum).add(dampening === 0 ? g : g.mul(taken))
      const direction = nesterov ? g.add(v.mul(momentum)) : v
      return { next: p.sub(direction.mul(learningRate)), state: { momentum_buffer: v } }
    },
  })
}
