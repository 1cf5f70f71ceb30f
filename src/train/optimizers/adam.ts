// Adam (Kingma and Ba 2015) and its kin. m and v are running means of the gradient and of its square. The forms and defaults are
// PyTorch's, but weight decay leaves norms and biases alone unless `decays` says otherwise.

import type { Parameter } from "../../tensor/index.ts"
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

/** Options of the Adam family. Default betas [0.9, 0.999], epsilon 1e-8. */
export interface AdamOptions extends DecayOptions {
  readonly betas?: readonly [number, number]
  /** Added to the root of v. */
  readonly epsilon?: number
}

/** The options with their defaults, checked. */
function settings(options: AdamOptions, defaults: { epsilon?: number; weightDecay?: number } = {}) {
  const { betas = [0.9, 0.999], epsilon = defaults.epsilon ?? 1e-8 } = options
  checkFraction("beta1", betas[0])
  checkFraction("beta2", betas[1])
  checkAtLeast("epsilon", epsilon, 0)
  const weightDecay = options.weightDecay ?? defaults.weightDecay ?? 0
  return { beta1: betas[0], beta2: betas[1], epsilon, decay: decayOf({ ...options, weightDecay }) }
}

const moments = (p: Parameter) => ({ exp_avg: zerosLike(p), exp_avg_sq: zerosLike(p) })

/** Adam; weight decay is added to the gradient (L2). `amsgrad` divides by the largest v so far (Reddi et al. 2018). */
export function adam(
  parameters: readonly Parameter[],
  options: AdamOptions & { readonly amsgrad?: boolean } = {},
): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options)
  const { amsgrad = false } = options
  return followRule(parameters, {
    state: p => ({ ...moments(p), max_exp_avg_sq: amsgrad ? zerosLike(p) : undefined }),
    scalars: (step, learningRate) => ({
      stepSize: learningRate / (1 - beta1 ** step),
      unbias: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update: (p, gradient, { exp_avg, exp_avg_sq, max_exp_avg_sq }, { stepSize, unbias }) => {
      const g = withL2(gradient, p, decay(p))
      const m = runningMean(exp_avg, g, beta1)
      const v = runningMean(exp_avg_sq, g.mul(g), beta2)
      const largest = max_exp_avg_sq?.maximum(v)
      const next = p.sub(m.mul(stepSize).div((largest ?? v).sqrt().mul(unbias).add(epsilon)))
      return { next, state: { exp_avg: m, exp_avg_sq: v, max_exp_avg_sq: largest } }
    },
  })
}

/** Adam with decoupled weight decay, 0.01 by default (Loshchilov and Hutter 2019). */
export function adamW(parameters: readonly Parameter[], options: AdamOptions = {}): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options, { weightDecay: 0.01 })
  return followRule(parameters, {
    state: moments,
    scalars: (step, learningRate) => ({
      learningRate,
      stepSize: learningRate / (1 - beta1 ** step),
      unbias: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update: (p, g, { exp_avg, exp_avg_sq }, { learningRate, stepSize, unbias }) => {
      const m = runningMean(exp_avg, g, beta1)
      const v = runningMean(exp_avg_sq, g.mul(g), beta2)
      const kept = decay(p) === 0 ? p : p.sub(p.mul(learningRate.mul(decay(p))))
      const next = kept.sub(m.mul(stepSize).div(v.sqrt().mul(unbias).add(epsilon)))
      return { next, state: { exp_avg: m, exp_avg_sq: v } }
    },
  })
}

/**
 * AdamW as the BERT code and transformers.AdamW had it: epsilon 1e-6 stands beside the root before bias correction, the decay comes after
 * the update, and the correction can be left out.
 */
export function adamWBert(
  parameters: readonly Parameter[],
  options: AdamOptions & { readonly correctBias?: boolean } = {},
): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options, { epsilon: 1e-6 })
  const { correctBias = true } = options
  return followRule(parameters, {
    state: moments,
    scalars: (step, learningRate) => ({
      learningRate,
      stepSize: correctBias ? (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step) : learningRate,
    }),
    update: (p, g, { exp_avg, exp_avg_sq }, { learningRate, stepSize }) => {
      const m = runningMean(exp_avg, g, beta1)
      const v = runningMean(exp_avg_sq, g.mul(g), beta2)
      const moved = p.sub(m.mul(stepSize).div(v.sqrt().add(epsilon)))
      const next = decay(p) === 0 ? moved : moved.sub(moved.mul(learningRate.mul(decay(p))))
      return { next, state: { exp_avg: m, exp_avg_sq: v } }
    },
  })
}

/** Adam with the largest gradient in place of the root of v (Kingma and Ba 2015, section 7.1). */
export function adamax(parameters: readonly Parameter[], options: AdamOptions = {}): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options)
  return followRule(parameters, {
    state: p => ({ exp_avg: zerosLike(p), exp_inf: zerosLike(p) }),
    scalars: (step, learningRate) => ({ stepSize: learningRate / (1 - beta1 ** step) }),
    update: (p, gradient, { exp_avg, exp_inf }, { stepSize }) => {
      const g = withL2(gradient, p, decay(p))
      const m = runningMean(exp_avg, g, beta1)
      const u = exp_inf.mul(beta2).maximum(g.abs().add(epsilon))
      return { next: p.sub(m.mul(stepSize).div(u)), state: { exp_avg: m, exp_inf: u } }
    },
  })
}

/** Adam with Nesterov's momentum (Dozat 2016), whose rate grows by `momentumDecay`. */
export function nadam(
  parameters: readonly Parameter[],
  options: AdamOptions & { readonly momentumDecay?: number } = {},
): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options)
  const { momentumDecay = 0.004 } = options
  const rate = (step: number): number => beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay))
  const known = { step: 0, product: 1 }
  /** The product of the rates of steps 1 … step; it is 0 in double precision before it is long. */
  const product = (step: number): number => {
    if (step < known.step) Object.assign(known, { step: 0, product: 1 })
    while (known.step < step && known.product > 0) known.product *= rate(++known.step)
    return known.step <= step ? known.product : 0
  }
  return followRule(parameters, {
    state: moments,
    scalars: (step, learningRate) => ({
      ofGradient: (learningRate * (1 - rate(step))) / (1 - product(step)),
      ofMean: (learningRate * rate(step + 1)) / (1 - product(step) * rate(step + 1)),
      unbias: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update: (p, gradient, { exp_avg, exp_avg_sq }, { ofGradient, ofMean, unbias }) => {
      const g = withL2(gradient, p, decay(p))
      const m = runningMean(exp_avg, g, beta1)
      const v = runningMean(exp_avg_sq, g.mul(g), beta2)
      const direction = g.mul(ofGradient).add(m.mul(ofMean))
      return { next: p.sub(direction.div(v.sqrt().mul(unbias).add(epsilon))), state: { exp_avg: m, exp_avg_sq: v } }
    },
  })
}

/** Adam that is plain momentum until the variance of v is known well enough (Liu et al. 2020). */
export function radam(parameters: readonly Parameter[], options: AdamOptions = {}): Optimizer {
  const { beta1, beta2, epsilon, decay } = settings(options)
  const longest = 2 / (1 - beta2) - 1
  return followRule(parameters, {
    state: moments,
    scalars: (step, learningRate) => {
      const stepSize = learningRate / (1 - beta1 ** step)
      const correction = 1 - beta2 ** step
      const length = longest - (2 * step * beta2 ** step) / correction
      if (length <= 5) return { plain: stepSize, adaptive: 0 }
      const rectified = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length)
      return { plain: 0, adaptive: stepSize * Math.sqrt(rectified * correction) }
    },
    update: (p, gradient, { exp_avg, exp_avg_sq }, { plain, adaptive }) => {
      const g = withL2(gradient, p, decay(p))
      const m = runningMean(exp_avg, g, beta1)
      const v = runningMean(exp_avg_sq, g.mul(g), beta2)
      const factor = plain.add(adaptive.div(v.sqrt().add(epsilon)))
      return { next: p.sub(m.mul(factor)), state: { exp_avg: m, exp_avg_sq: v } }
    },
  })
}
