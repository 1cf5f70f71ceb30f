// Learning-rate schedules: functions from the optimizer step (0, 1, …) to the factor on the base rate. Names and formulas follow
// transformers.get_scheduler and torch.optim.lr_scheduler.

import { ValueError } from "../tensor/errors.ts"

/** Names of the schedules. */
export const scheduleNames = [
  "constant",
  "linear",
  "cosine",
  "cosine_with_restarts",
  "cosine_with_min_lr",
  "polynomial",
  "exponential",
  "inverse_sqrt",
  "warmup_stable_decay",
] as const

/** Name of a schedule: what happens after the warm-up. */
export type ScheduleName = (typeof scheduleNames)[number]

/** Options of a schedule. Steps count optimizer updates. */
export interface ScheduleOptions {
  /** Steps of linear growth from 0. Default 0. */
  readonly warmupSteps?: number
  /** Steps of the whole run; linear, cosine and polynomial end there. */
  readonly totalSteps?: number
  /** cosine: waves (0.5 ends at zero), cosine_with_restarts: restarts (1). */
  readonly cycles?: number
  /** cosine_with_min_lr, warmup_stable_decay: the least factor. Default 0. */
  readonly minimum?: number
  /** polynomial: exponent (1) and the last factor (0). */
  readonly power?: number
  readonly end?: number
  /** exponential: factor of each step. */
  readonly gamma?: number
  /** inverse_sqrt: steps after which the rate has fallen to 1/√2. Default: the warm-up, or 10000. */
  readonly timescale?: number
  /** warmup_stable_decay: steps at the full rate, and steps of decay. */
  readonly stableSteps?: number
  readonly decaySteps?: number
}

type After = (step: number, options: ScheduleOptions & { warmupSteps: number }) => number

/** How far a run is after its warm-up, 0..1 and beyond. */
function progress(
  step: number,
  name: string,
  { warmupSteps, totalSteps }: ScheduleOptions & { warmupSteps: number },
): number {
  if (totalSteps === undefined)
    throw new ValueError(`schedule ${name}: expected totalSteps, the length of the run, but it is missing`)
  return (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
}

const wave = (x: number): number => 0.5 * (1 + Math.cos(Math.PI * x))

const after: Readonly<Record<ScheduleName, After>> = {
  constant: () => 1,
  linear: (step, o) => Math.max(0, 1 - progress(step, "linear", o)),
  cosine: (step, o) => Math.max(0, wave(2 * (o.cycles ?? 0.5) * progress(step, "cosine", o))),
  cosine_with_restarts: (step, o) => {
    const x = progress(step, "cosine_with_restarts", o)
    return x >= 1 ? 0 : Math.max(0, wave(((o.cycles ?? 1) * x) % 1))
  },
  cosine_with_min_lr: (step, o) => {
    const least = o.minimum ?? 0
    return Math.max(0, wave(2 * (o.cycles ?? 0.5) * progress(step, "cosine_with_min_lr", o)) * (1 - least) + least)
  },
  polynomial: (step, o) => {
    const end = o.end ?? 2e-4
    const x = progress(step, "polynomial", o)
    return x >= 1 ? end : (1 - end) * (1 - x) ** (o.power ?? 1) + end
  },
  exponential: (step, { gamma = 0.999, warmupSteps }) => gamma ** (step - warmupSteps),
  inverse_sqrt: (step, { warmupSteps, timescale }) => {
    const scale = timescale ?? (warmupSteps || 10_000)
    return 1 / Math.sqrt((step + scale - warmupSteps) / scale)
  },
  warmup_stable_decay: (step, { warmupSteps, stableSteps = 0, decaySteps = 0, minimum = 0 }) => {
    const since = step - warmupSteps
    if (since < stableSteps) return 1
    if (since >= stableSteps + decaySteps) return minimum
    return Math.max(0, wave((since - stableSteps) / Math.max(1, decaySteps)) * (1 - minimum) + minimum)
  },
}

/** The factor on the base learning rate at a step (0 is the first update). Throws ValueError for an unknown name or missing options. */
export function scheduleFactor(name: ScheduleName, step: number, options: ScheduleOptions = {}): number {
  const rule = after[name]
  if (!rule) throw new ValueError(`schedule: expected one of ${scheduleNames.join(", ")}, but got ${String(name)}`)
  const warmupSteps = options.warmupSteps ?? 0
  if (step < warmupSteps) return step / Math.max(1, warmupSteps)
  return rule(step, { ...options, warmupSteps })
}
