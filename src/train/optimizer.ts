// Optimizers as graph transforms: `update` records how parameters and states change, so that forward, backward, clipping and
// update are one program. What depends on the step is computed in double precision outside and comes in as run-time scalars.

import { add, full, Parameter, type Tensor, ValueError } from "../tensor/index.ts"

/** Run-time scalars of one update, by name. */
export type UpdateScalars = Readonly<Record<string, number>>

/** Records updates of a fixed list of parameters. */
export interface Optimizer {
  readonly parameters: readonly Parameter[]
  /** State to be saved beside the parameters, by name: the parameter's and the state's. */
  readonly state: ReadonlyMap<string, Parameter>
  /** The scalars of update number `step` (1 is the first) at a learning rate. */
  scalars(step: number, learningRate: number): UpdateScalars
  /** Records the update from gradients, one for each parameter. */
  update(gradients: readonly Tensor[], scalars: Readonly<Record<string, Tensor>>): void
}

/** What all optimizers may be told. */
export interface DecayOptions {
  /** Weight decay; each optimizer says how it acts. */
  readonly weightDecay?: number
  /** Which parameters decay. Default: matrices and larger, so neither norms nor biases. */
  readonly decays?: (parameter: Parameter) => boolean
}

type States = Readonly<Record<string, Tensor | undefined>>

/** The rule of an optimizer that treats each parameter by itself. S: its states, N: the names of its run-time scalars. */
export interface UpdateRule<S extends States, N extends string> {
  /** States of a parameter before the first update. */
  readonly state: (parameter: Parameter) => S
  readonly scalars: (step: number, learningRate: number) => Readonly<Record<N, number>>
  /** The parameter and its states after an update. */
  readonly update: (
    parameter: Parameter,
    gradient: Tensor,
    state: S,
    scalars: Readonly<Record<N, Tensor>>,
  ) => { readonly next: Tensor; readonly state: S }
}

/** An optimizer that follows a rule. Throws ValueError when two parameters share a name and there is state to save. */
export function followRule<S extends States, N extends string>(
  parameters: readonly Parameter[],
  rule: UpdateRule<S, N>,
): Optimizer {
  const saved = new Map<string, Parameter>()
  const states = parameters.map(parameter => {
    const own: Record<string, Parameter> = {}
    for (const [key, initial] of Object.entries(rule.state(parameter))) {
      if (!initial) continue
      const name = `${parameter.name}.${key}`
      if (saved.has(name))
        throw new ValueError(
          `optimizer: expected parameters with names of their own, but got two called ${JSON.stringify(parameter.name)}`,
          "name them: new Parameter(value, { name })",
        )
      own[key] = new Parameter(initial, { name, trainable: false })
      saved.set(name, own[key])
    }
    return own
  })
  return {
    parameters,
    state: saved,
    scalars: rule.scalars,
    update: (gradients, scalars) => {
      if (gradients.length !== parameters.length)
        throw new ValueError(
          `optimizer: expected ${parameters.length} gradients, one for each parameter, but got ${gradients.length}`,
        )
      for (const [i, parameter] of parameters.entries()) {
        const state = states[i]!
        const after = rule.update(parameter, gradients[i]!, state as States as S, scalars as Record<N, Tensor>)
        parameter.assign(after.next)
        for (const [key, next] of Object.entries(after.state)) if (next) state[key]!.assign(next)
      }
    },
  }
}

/** Zeros of a parameter's shape: how most states begin. */
export function zerosLike(parameter: Parameter): Tensor {
  return full(parameter.shape, 0)
}

/** A running mean: x · rate + next · (1 - rate). */
export function runningMean(x: Tensor, next: Tensor, rate: number): Tensor {
  return x.mul(rate).add(next.mul(1 - rate))
}

/** The weight decay of one parameter: 0 where it does not decay. Throws ValueError for a negative one. */
export function decayOf({
  weightDecay = 0,
  decays = p => p.rank >= 2,
}: DecayOptions): (parameter: Parameter) => number {
  checkAtLeast("a weight decay", weightDecay, 0)
  return parameter => (decays(parameter) ? weightDecay : 0)
}

/** The gradient of the loss with ½ · decay · ‖p‖² added (L2 regularization). */
export function withL2(gradient: Tensor, parameter: Parameter, decay: number): Tensor {
  return decay === 0 ? gradient : gradient.add(parameter.mul(decay))
}

/** Throws ValueError for a number outside 0 <= x < 1. */
export function checkFraction(what: string, value: number): void {
  if (!(value >= 0 && value < 1))
    throw new ValueError(`optimizer: expected ${what} from 0 to below 1, but got ${value}`)
}

/** Throws ValueError for a number below a bound. */
export function checkAtLeast(what: string, value: number, least: number): void {
  if (!(value >= least)) throw new ValueError(`optimizer: expected ${what} of ${least} or more, but got ${value}`)
}

/** √ Σ ‖g‖², the norm of all gradients together. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  return gradients
    .map(g => g.mul(g).sum())
    .reduce(add)
    .sqrt()
}

/** Gradients scaled so that their common norm is at most `limit` (Pascanu et al. 2013), and the norm before. */
export function clipByGlobalNorm(gradients: readonly Tensor[], limit: number): { gradients: Tensor[]; norm: Tensor } {
  if (!(limit > 0)) throw new ValueError(`clip: expected a norm above 0, but got ${limit}`)
  const norm = globalNorm(gradients)
  const factor = full([], limit).div(norm.add(1e-6)).minimum(1)
  return { gradients: gradients.map(g => g.mul(factor)), norm }
}
