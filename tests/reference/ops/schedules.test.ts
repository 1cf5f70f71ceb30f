// A hundred steps of each schedule, against transformers' and PyTorch's.
import { describe, expect, test } from "vitest"
import { type ScheduleName, type ScheduleOptions, scheduleFactor } from "../../../src/train/schedule.ts"
import { goldenJson } from "./golden.ts"

interface Golden {
  readonly name: string
  readonly from: string
  readonly base_lr: number
  readonly args: Readonly<Record<string, never>>
  readonly lr: readonly number[]
}

type Ours = readonly [ScheduleName, ScheduleOptions]

/** transformers' arguments by our names; lr_end is a rate there and a factor here. Its get_scheduler forgets to hand timescale on. */
function fromTransformers({ name, args, base_lr }: Golden): Ours {
  const names: Readonly<Record<string, keyof ScheduleOptions>> = {
    num_warmup_steps: "warmupSteps",
    num_training_steps: "totalSteps",
    num_cycles: "cycles",
    min_lr_rate: "minimum",
    min_lr_ratio: "minimum",
    power: "power",
    num_stable_steps: "stableSteps",
    num_decay_steps: "decaySteps",
  }
  const { lr_end = 1e-7, timescale: _, ...rest } = args as { lr_end?: number; timescale?: number }
  const options = Object.fromEntries(Object.entries(rest).map(([key, value]) => [names[key]!, value]))
  return [name as ScheduleName, name === "polynomial" ? { ...options, end: lr_end / base_lr } : options]
}

/** torch's, where each has a name of ours. */
function fromTorch({ name, args, base_lr }: Golden): Ours {
  switch (name) {
    case "ExponentialLR":
      return ["exponential", args]
    case "StepLR":
      return ["step", { stepSize: args.step_size!, gamma: args.gamma! }]
    case "MultiStepLR":
      return ["multistep", { milestones: args.milestones!, gamma: args.gamma! }]
    case "CosineAnnealingLR":
      return ["cosine_annealing", { period: args.T_max!, minimum: args.eta_min! / base_lr }]
    case "CosineAnnealingWarmRestarts": {
      const { T_0: period, T_mult: periodGrowth, eta_min } = args
      return [
        "cosine_annealing_warm_restarts",
        { period: period!, periodGrowth: periodGrowth!, minimum: eta_min! / base_lr },
      ]
    }
    case "LinearLR":
      return ["constant_with_warmup", { warmupSteps: args.total_iters!, warmupStart: args.start_factor! }]
    case "PolynomialLR":
      return ["polynomial", { totalSteps: args.total_iters!, power: args.power! }]
    case "OneCycleLR":
      return ["one_cycle", { totalSteps: args.total_steps! }]
    default:
      throw new Error(`no schedule for ${name}`)
  }
}

describe("schedules", () => {
  for (const golden of goldenJson<{ schedules: Golden[] }>("lr_schedules").schedules)
    test(`${golden.name} ${JSON.stringify(golden.args)}`, () => {
      const [name, options] = golden.from.startsWith("torch") ? fromTorch(golden) : fromTransformers(golden)
      expect(golden.lr).toHaveLength(100)
      for (const [step, rate] of golden.lr.entries())
        expect(Math.abs(golden.base_lr * scheduleFactor(name, step, options) - rate)).toBeLessThan(1e-12)
    })
})
