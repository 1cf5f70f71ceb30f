// Optimizers as graph transforms: `update` records how parameters and states change, so that forward, backward, clipping and
// update are one program. What depends on the step is computed in double precision outside and comes in as run-time scalars.

import { ValueError } from "../tensor/errors.ts"
import { add, div, full, minimum, mul, sqrt, sub, sum, type Tensor } from "../tensor/index.ts"
import { Parameter } from "../tensor/tensor.ts"

/** Run-time scalars of one update, by name. */
export type UpdateScalars = Readonly<Record<string, number>>

/** Records updates of a fixed list of parameters. */
export interface Optimizer {
  readonly parameters: readonly Parameter[]
  /** State to be saved beside the parameters, by name. */
  readonly state: ReadonlyMap<string, Parameter>
  /** The scalars of update number `step` (1 is the first) at a learning rate. */
  scalars(step: number, learningRate: number): UpdateScalars
  /** Records the update from gradients, one for each parameter. */
  update(gradients: readonly Tensor[], scalars: Readonly<Record<string, Tensor>>): void
}

/** Options of AdamW. Defaults as in PyTorch. */
export interface AdamWOptions {
  readonly betas?: readonly [number, number]
  readonly epsilon?: number
  readonly weightDecay?: number
  /** Which parameters decay; default: matrices and larger, so neither norms nor biases. */
  readonly decays?: (parameter: Parameter) => boolean
}

function checkFraction(what: string, value: number): void {
  if (!(value >= 0 && value < 1))
    throw new ValueError(`optimizer: expected ${what} in 0..1 (1 excluded), but got ${value}`)
}

function zerosLike(parameter: Parameter, suffix: string): Parameter {
  return new Parameter(full(parameter.shape, 0), { name: `${parameter.name}.${suffix}`, trainable: false })
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019). */
export function adamW(parameters: readonly Parameter[], options: AdamWOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01, decays = p => p.rank >= 2 } = options
  checkFraction("beta1", betas[0])
  checkFraction("beta2", betas[1])
  if (!(weightDecay >= 0)) throw new ValueError(`optimizer: expected a weight decay >= 0, but got ${weightDecay}`)
  const first = parameters.map(p => zerosLike(p, "exp_avg"))
  const second = parameters.map(p => zerosLike(p, "exp_avg_sq"))
  return {
    parameters,
    state: new Map([...first, ...second].map(p => [p.name, p])),
    scalars: (step, learningRate) => ({
      stepSize: learningRate / (1 - betas[0] ** step),
      root: 1 / Math.sqrt(1 - betas[1] ** step),
      keep: 1 - learningRate * weightDecay,
    }),
    update: (gradients, { stepSize, root, keep }) => {
      for (const [i, p] of parameters.entries()) {
        const g = gradients[i]!
        const m = add(mul(first[i]!, betas[0]), mul(g, 1 - betas[0]))
        const v = add(mul(second[i]!, betas[1]), mul(mul(g, g), 1 - betas[1]))
        const denominator = add(mul(sqrt(v), root!), epsilon)
        const decayed = decays(p) ? mul(p, keep!) : p
        p.assign(sub(decayed, div(mul(m, stepSize!), denominator)))
        first[i]!.assign(m)
        second[i]!.assign(v)
      }
    },
  }
}

/** Options of stochastic gradient descent. */
export interface SgdOptions {
  readonly momentum?: number
  readonly nesterov?: boolean
  /** Added to the gradient (L2), as in PyTorch. */
  readonly weightDecay?: number
}

/** Stochastic gradient descent with optional momentum (Sutskever et al. 2013). */
export function sgd(
  parameters: readonly Parameter[],
  { momentum = 0, nesterov = false, weightDecay = 0 }: SgdOptions = {},
): Optimizer {
  checkFraction("momentum", momentum)
  if (nesterov && momentum === 0) throw new ValueError("optimizer: expected a momentum > 0 with nesterov, but got 0")
  const velocity = momentum === 0 ? [] : parameters.map(p => zerosLike(p, "momentum_buffer"))
  return {
    parameters,
    state: new Map(velocity.map(p => [p.name, p])),
    scalars: (step, learningRate) => ({ learningRate, first: step === 1 ? 1 : 0 }),
    update: (gradients, { learningRate }) => {
      for (const [i, p] of parameters.entries()) {
        const g = weightDecay === 0 ? gradients[i]! : add(gradients[i]!, mul(p, weightDecay))
        const v = velocity[i]
        if (!v) {
          p.assign(sub(p, mul(g, learningRate!)))
          continue
        }
        const next = add(mul(v, momentum), g)
        p.assign(sub(p, mul(nesterov ? add(g, mul(next, momentum)) : next, learningRate!)))
        v.assign(next)
      }
    },
  }
}

/** √ Σ ‖g‖², the norm of all gradients together. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  const squares = gradients.map(g => sum(mul(g, g)))
  return sqrt(squares.reduce((a, b) => add(a, b)))
}

/** Gradients scaled so that their common norm is at most `limit` (Pascanu et al. 2013), and the norm before. */
export function clipByGlobalNorm(gradients: readonly Tensor[], limit: number): { gradients: Tensor[]; norm: Tensor } {
  if (!(limit > 0)) throw new ValueError(`clip: expected a norm > 0, but got ${limit}`)
  const norm = globalNorm(gradients)
  const factor = minimum(div(limit, add(norm, 1e-6)), 1)
  return { gradients: gradients.map(g => mul(g, factor)), norm }
}
