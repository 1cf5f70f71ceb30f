// Adafactor (Shazeer and Stern 2018): the running mean of squared gradients of a matrix is kept as its row and column means, so
// that it costs rows + columns instead of rows · columns. Forms and defaults are those of transformers.Adafactor.

import { full, type Parameter, type Tensor } from "../../tensor/index.ts"
import {
  checkAtLeast,
  checkFraction,
  type DecayOptions,
  decayOf,
  followRule,
  type Optimizer,
  runningMean,
  zerosLike,
} from "../optimizer.ts"

/** Options of Adafactor. Weight decay is decoupled. */
export interface AdafactorOptions extends DecayOptions {
  /** Added to squared gradients (1e-30), and the least scale of a parameter (1e-3). */
  readonly epsilons?: readonly [number, number]
  /** Largest root mean square of an update. Default 1. */
  readonly clipThreshold?: number
  /** The mean of squares forgets with 1 - step^decayRate. Default -0.8. */
  readonly decayRate?: number
  /** Keeps a running mean of updates. Default: none. */
  readonly beta1?: number
  /** The rate is relative to the parameter's root mean square. Default true. */
  readonly scaleParameter?: boolean
  /** The rate falls by itself as 1/√step, at most 0.01; the learning rate is then a factor on it. Default true. */
  readonly relativeStep?: boolean
  /** With relativeStep: it grows from 0 as step · 1e-6. Default false. */
  readonly warmupInit?: boolean
}

const rootMeanSquare = (x: Tensor): Tensor => x.mul(x).mean().sqrt()

/** An optimizer with little memory. Throws ValueError. */
export function adafactor(parameters: readonly Parameter[], options: AdafactorOptions = {}): Optimizer {
  const { epsilons = [1e-30, 1e-3], clipThreshold = 1, decayRate = -0.8, beta1 = 0 } = options
  const { scaleParameter = true, relativeStep = true, warmupInit = false } = options
  checkFraction("beta1", beta1)
  checkAtLeast("-decayRate", -decayRate, 0)
  const decay = decayOf(options)
  return followRule(parameters, {
    state: p => ({
      // the last two axes are the matrix
      exp_avg_sq_row: p.rank >= 2 ? full(p.shape.slice(0, -1), 0) : undefined,
      exp_avg_sq_col: p.rank >= 2 ? full([...p.shape.slice(0, -2), p.shape.at(-1)!], 0) : undefined,
      exp_avg_sq: p.rank < 2 ? zerosLike(p) : undefined,
      exp_avg: beta1 > 0 ? zerosLike(p) : undefined,
    }),
    scalars: (step, learningRate) => {
      const most = warmupInit ? 1e-6 * step : 1e-2
      const rate = relativeStep ? learningRate * Math.min(most, 1 / Math.sqrt(step)) : learningRate
      return { rate, forgotten: step ** decayRate }
    },
    update: (p, g, { exp_avg_sq_row, exp_avg_sq_col, exp_avg_sq, exp_avg }, { rate, forgotten }) => {
      const square = g.mul(g).add(epsilons[0])
      const mean = (before: Tensor, now: Tensor): Tensor => before.add(now.sub(before).mul(forgotten))
      const row = exp_avg_sq_row && mean(exp_avg_sq_row, square.mean(-1))
      const column = exp_avg_sq_col && mean(exp_avg_sq_col, square.mean(-2))
      const whole = exp_avg_sq && mean(exp_avg_sq, square)
      const scaled =
        row && column
          ? g
              .mul(
                row
                  .div(row.mean(-1, { keepDims: true }))
                  .rsqrt()
                  .unsqueeze(-1),
              )
              .mul(column.unsqueeze(-2).rsqrt())
          : g.mul(whole!.rsqrt())
      const own = scaleParameter ? rate.mul(rootMeanSquare(p).maximum(epsilons[1])) : rate
      const clipped = scaled.div(rootMeanSquare(scaled).div(clipThreshold).maximum(1)).mul(own)
      const moving = exp_avg && runningMean(exp_avg, clipped, beta1)
      const kept = decay(p) === 0 ? p : p.sub(p.mul(own.mul(decay(p))))
      return {
        next: kept.sub(moving ?? clipped),
        state: { exp_avg_sq_row: row, exp_avg_sq_col: column, exp_avg_sq: whole, exp_avg: moving },
      }
    },
  })
}
