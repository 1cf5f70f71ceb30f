// Optimizers that scale each element by the history of its squared gradients: Adagrad (Duchi et al. 2011), RMSprop (Hinton 2012),
// Adadelta (Zeiler 2012). Forms and defaults are PyTorch's; weight decay is added to the gradient (L2).

import { full, type Parameter } from "../../tensor/index.ts"
import {
  checkAtLeast,
  checkFraction,
  type DecayOptions,
  decayOf,
  followRule,
  type Optimizer,
  runningMean,
  withL2,
  zerosLike,
} from "../optimizer.ts"

/** Divides by the root of the sum of all squared gradients. `lrDecay` shrinks the rate as 1 / (1 + steps · lrDecay). */
export function adagrad(
  parameters: readonly Parameter[],
  options: DecayOptions & {
    readonly lrDecay?: number
    readonly initialAccumulator?: number
    readonly epsilon?: number
  } = {},
): Optimizer {
  const { lrDecay = 0, initialAccumulator = 0, epsilon = 1e-10 } = options
  checkAtLeast("lrDecay", lrDecay, 0)
  checkAtLeast("initialAccumulator", initialAccumulator, 0)
  checkAtLeast("epsilon", epsilon, 0)
  const decay = decayOf(options)
  return followRule(parameters, {
    state: p => ({ sum: full(p.shape, initialAccumulator) }),
    scalars: (step, learningRate) => ({ stepSize: learningRate / (1 + (step - 1) * lrDecay) }),
    update: (p, gradient, { sum }, { stepSize }) => {
      const g = withL2(gradient, p, decay(p))
      const total = sum.add(g.mul(g))
      return { next: p.sub(g.mul(stepSize).div(total.sqrt().add(epsilon))), state: { sum: total } }
    },
  })
}

/** Divides by a running root mean square; `centered` by the running deviation. */
export function rmsprop(
  parameters: readonly Parameter[],
  options: DecayOptions & {
    readonly alpha?: number
    readonly momentum?: number
    readonly centered?: boolean
    readonly epsilon?: number
  } = {},
): Optimizer {
  const { alpha = 0.99, momentum = 0, centered = false, epsilon = 1e-8 } = options
  checkFraction("alpha", alpha)
  checkFraction("momentum", momentum)
  checkAtLeast("epsilon", epsilon, 0)
  const decay = decayOf(options)
  return followRule(parameters, {
    state: p => ({
      square_avg: zerosLike(p),
      grad_avg: centered ? zerosLike(p) : undefined,
      momentum_buffer: momentum > 0 ? zerosLike(p) : undefined,
    }),
    scalars: (_, learningRate) => ({ learningRate }),
    update: (p, gradient, { square_avg, grad_avg, momentum_buffer }, { learningRate }) => {
      const g = withL2(gradient, p, decay(p))
      const square = runningMean(square_avg, g.mul(g), alpha)
      const mean = grad_avg && runningMean(grad_avg, g, alpha)
      const variance = mean ? square.sub(mean.mul(mean)) : square
      const scaled = g.div(variance.sqrt().add(epsilon))
      const moved = momentum_buffer?.mul(momentum).add(scaled)
      return {
        next: p.sub((moved ?? scaled).mul(learningRate)),
        state: { square_avg: square, grad_avg: mean, momentum_buffer: moved },
      }
    },
  })
}

/** Steps as large as earlier updates were; the learning rate is a factor, 1 in the paper. */
export function adadelta(
  parameters: readonly Parameter[],
  options: DecayOptions & { readonly rho?: number; readonly epsilon?: number } = {},
): Optimizer {
  const { rho = 0.9, epsilon = 1e-6 } = options
  checkFraction("rho", rho)
  checkAtLeast("epsilon", epsilon, 0)
  const decay = decayOf(options)
  return followRule(parameters, {
    state: p => ({ square_avg: zerosLike(p), acc_delta: zerosLike(p) }),
    scalars: (_, learningRate) => ({ learningRate }),
    update: (p, gradient, { square_avg, acc_delta }, { learningRate }) => {
      const g = withL2(gradient, p, decay(p))
      const square = runningMean(square_avg, g.mul(g), rho)
      const delta = acc_delta.add(epsilon).sqrt().div(square.add(epsilon).sqrt()).mul(g)
      return {
        next: p.sub(delta.mul(learningRate)),
        state: { square_avg: square, acc_delta: runningMean(acc_delta, delta.mul(delta), rho) },
      }
    },
  })
}
