// Learning-rate schedules: functions from the optimizer step (0, 1, …) to the factor on the base rate. Names and formulas follow
// transformers.get_scheduler and, where it has none, torch.optim.lr_scheduler.

import { ValueError } from "../tensor/index.ts"

/** Names of the schedules: what happens after the warm-up. */
export const scheduleNames = [
  "constant",
  "constant_with_warmup",
  "linear",
  "cosine",
  "cosine_with_restarts",
  "cosine_with_min_lr",
  "cosine_annealing",
  "cosine_annealing_warm_restarts",
  "polynomial",
  "exponential",
  "step",
  "multistep",
  "inverse_sqrt",
  "warmup_stable_decay",
  "one_cycle",
] as const

/** Name of a schedule. */
export type ScheduleName = (typeof scheduleNames)[number]

/** Options of a schedule. Steps count optimizer updates; rates are relative to the base rate. */
export interface ScheduleOptions {
  /** Steps of linear growth. Default 0. */
  readonly warmupSteps?: number
  /** Factor at the first step of the warm-up. Default 0. */
  readonly warmupStart?: number
  /** Steps of the whole run: linear, cosine…, polynomial and one_cycle end there. */
  readonly totalSteps?: number
  /** cosine, cosine_with_min_lr: waves (0.5, half a wave down); cosine_with_restarts: descents (1). */
  readonly cycles?: number
  /** cosine_with_min_lr, cosine_annealing…, warmup_stable_decay: the least factor. Default 0. */
  readonly minimum?: number
  /** polynomial: exponent. Default 1. */
  readonly power?: number
  /** polynomial: the last factor. Default 0. */
  readonly end?: number
  /** exponential: factor of each step; step, multistep: factor at each drop. */
  readonly gamma?: number
  /** step: steps between drops. */
  readonly stepSize?: number
  /** multistep: the steps of the drops. */
  readonly milestones?: readonly number[]
  /** inverse_sqrt: the rate falls as 1/√ of (steps / timescale). Default: the warm-up, or 10000. */
  readonly timescale?: number
  /** warmup_stable_decay: steps at the full rate. */
  readonly stableSteps?: number
  /** warmup_stable_decay: steps of decay. */
  readonly decaySteps?: number
  /** cosine_annealing: steps of a descent; …_warm_restarts: steps until the first restart. */
  readonly period?: number
  /** cosine_annealing_warm_restarts: each period is this many times the one before. Default 1. */
  readonly periodGrowth?: number
  /** one_cycle: share of the run in which the rate grows. Default 0.3. */
  readonly peak?: number
  /** one_cycle: first factor is 1 / this. Default 25. */
  readonly startDivisor?: number
  /** one_cycle: last factor is the first / this. Default 10000. */
  readonly endDivisor?: number
}

type Key = Exclude<keyof ScheduleOptions, "warmupSteps" | "warmupStart">
type Needed<K extends Key> = ScheduleOptions & { readonly [N in K]-?: NonNullable<ScheduleOptions[N]> }

interface Schedule {
  readonly needs: readonly Key[]
  readonly takes: readonly Key[]
  readonly factor: (since: number, options: ScheduleOptions, length: number) => number
}

/** A schedule after its warm-up: `since` counts steps from its end, `length` is the number of steps that remain then. */
function schedule<K extends Key = never>(
  needs: readonly K[],
  takes: readonly Key[],
  factor: (since: number, options: Needed<K>, length: number) => number,
): Schedule {
  return { needs, takes, factor: factor as Schedule["factor"] }
}

/** From 1 at 0 down to 0 at 1, half a cosine wave. */
const descent = (x: number): number => 0.5 * (1 + Math.cos(Math.PI * x))
const between = (low: number, x: number): number => low + (1 - low) * x

const schedules: Readonly<Record<ScheduleName, Schedule>> = {
  constant: schedule([], [], () => 1),
  constant_with_warmup: schedule([], [], () => 1),
  linear: schedule(["totalSteps"], [], (since, _, length) => Math.max(0, 1 - since / length)),
  cosine: schedule(["totalSteps"], ["cycles"], (since, { cycles = 0.5 }, length) =>
    Math.max(0, descent((2 * cycles * since) / length)),
  ),
  cosine_with_restarts: schedule(["totalSteps"], ["cycles"], (since, { cycles = 1 }, length) =>
    since >= length ? 0 : Math.max(0, descent(((cycles * since) / length) % 1)),
  ),
  cosine_with_min_lr: schedule(["totalSteps"], ["cycles", "minimum"], (since, { cycles = 0.5, minimum = 0 }, length) =>
    Math.max(0, between(minimum, descent((2 * cycles * since) / length))),
  ),
  cosine_annealing: schedule(["period"], ["minimum"], (since, { period, minimum = 0 }) =>
    between(minimum, descent(since / period)),
  ),
  cosine_annealing_warm_restarts: schedule(
    ["period"],
    ["periodGrowth", "minimum"],
    (since, { period, periodGrowth = 1, minimum = 0 }) => {
      let [left, length] = [since, period]
      for (; left >= length; length *= periodGrowth) left -= length
      return between(minimum, descent(left / length))
    },
  ),
  polynomial: schedule(["totalSteps"], ["power", "end"], (since, { power = 1, end = 0 }, length) =>
    since >= length ? end : between(end, (1 - since / length) ** power),
  ),
  exponential: schedule(["gamma"], [], (since, { gamma }) => gamma ** since),
  step: schedule(["gamma", "stepSize"], [], (since, { gamma, stepSize }) => gamma ** Math.floor(since / stepSize)),
  multistep: schedule(
    ["gamma", "milestones"],
    [],
    (since, { gamma, milestones }) => gamma ** milestones.filter(milestone => milestone <= since).length,
  ),
  inverse_sqrt: schedule([], ["timescale"], (since, { timescale, warmupSteps = 0 }) => {
    const scale = timescale ?? (warmupSteps || 10_000)
    return 1 / Math.sqrt((since + scale) / scale)
  }),
  warmup_stable_decay: schedule(
    ["stableSteps", "decaySteps"],
    ["minimum"],
    (since, { stableSteps, decaySteps, minimum = 0 }) => {
      if (since < stableSteps) return 1
      if (since >= stableSteps + decaySteps) return minimum
      return between(minimum, descent((since - stableSteps) / Math.max(1, decaySteps)))
    },
  ),
  one_cycle: schedule(
    ["totalSteps"],
    ["peak", "startDivisor", "endDivisor"],
    (since, { peak = 0.3, startDivisor = 25, endDivisor = 1e4 }, length) => {
      const top = peak * length - 1
      const [first, last] = [1 / startDivisor, 1 / (startDivisor * endDivisor)]
      if (since <= top) return between(first, descent(1 - since / top))
      return between(last, descent(Math.min(1, (since - top) / (length - 1 - top))))
    },
  ),
}

/** The options of each schedule beside the warm-up: which it needs and which it may be given. */
export function scheduleKeys(name: ScheduleName): { readonly needs: readonly Key[]; readonly takes: readonly Key[] } {
  return schedules[name]
}

/** Checks a schedule's options. Throws ValueError for an unknown name, a missing option, or one that this schedule does not have. */
export function checkSchedule(name: ScheduleName, options: ScheduleOptions): void {
  const known = Object.hasOwn(schedules, name) ? schedules[name] : undefined
  if (!known) throw new ValueError(`schedule: expected one of ${scheduleNames.join(", ")}, but got ${String(name)}`)
  for (const key of known.needs)
    if (options[key] === undefined) throw new ValueError(`schedule ${name}: expected ${key}, but it is missing`)
  const allowed = ["warmupSteps", "warmupStart", "totalSteps", ...known.needs, ...known.takes]
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!allowed.includes(key))
      throw new ValueError(
        `schedule ${name}: expected no ${key}, which it does not use`,
        known.needs.length + known.takes.length === 0
          ? "leave it out"
          : `it takes ${[...known.needs, ...known.takes].join(", ")}`,
      )
    for (const number of Array.isArray(value) ? value : [value])
      if (!(number >= 0 && Number.isFinite(number)))
        throw new ValueError(`schedule ${name}: expected ${key} of 0 or more, but got ${number}`)
  }
  for (const key of ["period", "periodGrowth", "stepSize", "startDivisor", "endDivisor"] as const) {
    const value = options[key]
    const least = key === "period" || key === "stepSize" ? Number.MIN_VALUE : 1
    if (value !== undefined && value < least)
      throw new ValueError(
        `schedule ${name}: expected ${key} ${least === 1 ? "of 1 or more" : "above 0"}, but got ${value}`,
      )
  }
}

/** The factor on the base learning rate at a step (0 is the first update). Throws ValueError. */
export function scheduleFactor(name: ScheduleName, step: number, options: ScheduleOptions = {}): number {
  checkSchedule(name, options)
  const { warmupSteps = 0, warmupStart = 0, totalSteps = 0 } = options
  if (step < warmupSteps) return between(warmupStart, step / Math.max(1, warmupSteps))
  return schedules[name].factor(step - warmupSteps, options, Math.max(1, totalSteps - warmupSteps))
}
