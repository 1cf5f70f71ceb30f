import { describe, expect, test } from "vitest"
import { ConfigError, flagsOf } from "../../src/config/index.ts"
import { full, Parameter } from "../../src/tensor/index.ts"
import {
  makeOptimizer,
  optimizerNames,
  type ScheduleOptions,
  scheduleFactor,
  scheduleNames,
  scheduleOptions,
  type TrainingInput,
  trainingConfig,
  trainingOptions,
} from "../../src/train/index.ts"

const problemsOf = (input: TrainingInput | Record<string, unknown>) => {
  try {
    trainingConfig(input)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).problems.map(({ option, message, hint }) => `${option}: ${message} (${hint})`)
  }
}

describe("training options", () => {
  test("TrainingArguments' names are understood", () => {
    const config = trainingConfig({
      learning_rate: 5e-4,
      lr_scheduler_type: "linear",
      warmup_steps: 10,
      weight_decay: 0.01,
      max_grad_norm: 0.5,
      gradient_accumulation_steps: 4,
      per_device_train_batch_size: 2,
      max_steps: 50,
      eval_steps: 7,
      save_steps: 8,
      save_total_limit: 3,
      load_best_model_at_end: true,
      adam_beta2: 0.95,
      seed: 42,
    })
    expect(config).toMatchObject({
      learningRate: 5e-4,
      lrSchedulerType: "linear",
      warmupSteps: 10,
      weightDecay: 0.01,
      maxGradNorm: 0.5,
      gradientAccumulationSteps: 4,
      batchSize: 2,
      steps: 50,
      evalSteps: 7,
      saveSteps: 8,
      saveTotalLimit: 3,
      loadBestModelAtEnd: true,
      adamBeta2: 0.95,
      seed: 42,
    })
    expect(trainingConfig(config)).toEqual(config)
  })

  test("options that would have no effect are refused", () => {
    expect(problemsOf({ steps: 5, epochs: 1 })).toEqual([
      "epochs: expected steps or epochs, but got both (keep one of them)",
    ])
    expect(problemsOf({ optimizer: "sgd", adamBeta1: 0.9, momentum: 0.9 })).toHaveLength(1)
    expect(problemsOf({ momentum: 0.9 })[0]).toMatch(/^momentum: expected the optimizer sgd or rmsprop, but got adamw/)
    expect(problemsOf({ warmupSteps: 5, warmupRatio: 0.1 })).toHaveLength(1)
    expect(problemsOf({ minLearningRate: 1e-5 })[0]).toMatch(
      /^minLearningRate: expected a schedule with a floor, but got cosine \(use cosine_with_min_lr/,
    )
    expect(problemsOf({ lrSchedulerKwargs: { gamma: 2 } })[0]).toMatch(/^lrSchedulerKwargs: .*expected no gamma/)
    expect(problemsOf({ lrSchedulerType: "step" })[0]).toMatch(/expected gamma, but it is missing/)
    expect(problemsOf({ lrSchedulerType: "exponential", lrSchedulerKwargs: { gamma: 0.9 }, minLr: 1e-4 })).toHaveLength(
      1,
    )
    expect(problemsOf({ lerning_rate: 1 })[0]).toMatch(/did you mean learningRate/)
    expect(problemsOf({ batchSize: 0, precision: "fp16" })).toHaveLength(2)
  })

  test("every option has a flag", () => {
    const flags = flagsOf(trainingOptions).filter(({ hidden }) => !hidden)
    expect(flags).toHaveLength(Object.keys(trainingOptions.options).length)
    expect(flags.map(({ flag }) => flag)).toContain("--learning-rate <number>")
  })
})

describe("schedules of a run", () => {
  test("settings of transformers and PyTorch are understood", () => {
    const floor = (input: TrainingInput) => {
      const config = trainingConfig({ warmupSteps: 0, learningRate: 1e-3, ...input })
      return 1e-3 * scheduleFactor(config.lrSchedulerType, 100, scheduleOptions(config, 100))
    }
    expect(floor({ lrSchedulerType: "cosine_with_min_lr", minLearningRate: 1e-4 })).toBeCloseTo(1e-4, 12)
    expect(floor({ lrSchedulerType: "cosine_with_min_lr", lrSchedulerKwargs: { min_lr: 1e-4 } })).toBeCloseTo(1e-4, 12)
    expect(floor({ lrSchedulerType: "cosine_with_min_lr", lrSchedulerKwargs: { min_lr_rate: 0.1 } })).toBeCloseTo(
      1e-4,
      12,
    )
    expect(floor({ lrSchedulerType: "polynomial", lrSchedulerKwargs: { lr_end: 1e-5, power: 2 } })).toBeCloseTo(
      1e-5,
      12,
    )
    expect(
      floor({ lrSchedulerType: "cosine_annealing", lrSchedulerKwargs: { T_max: 100, eta_min: 2e-4 } }),
    ).toBeCloseTo(2e-4, 12)
    expect(
      floor({ lrSchedulerType: "multistep", lrSchedulerKwargs: { milestones: [10, 20], gamma: 0.1 } }),
    ).toBeCloseTo(1e-5, 12)
  })

  test("the length of a run fills in what is not given", () => {
    const at = (step: number, input: TrainingInput) => {
      const config = trainingConfig({ warmupSteps: 20, ...input })
      return scheduleFactor(config.lrSchedulerType, step, scheduleOptions(config, 120))
    }
    expect(at(120, { lrSchedulerType: "exponential" })).toBeCloseTo(0.01, 12)
    expect(at(120, { lrSchedulerType: "exponential", minLearningRate: 5e-4 })).toBeCloseTo(0.5, 12)
    expect(at(120, { lrSchedulerType: "exponential", lrSchedulerKwargs: { gamma: 0.9 } })).toBeCloseTo(0.9 ** 100, 12)
    const plateau = { lrSchedulerType: "warmup_stable_decay", minLearningRate: 1e-4 } as const
    expect([99, 100, 110, 120].map(step => at(step, plateau))).toEqual([
      1,
      1,
      expect.closeTo(0.55),
      expect.closeTo(0.1),
    ])
    expect(at(60, { ...plateau, lrSchedulerKwargs: { num_stable_steps: 20 } })).toBeCloseTo(0.1 + 0.9 * 0.853553, 5)
  })

  test("the warm-up is a twentieth of the run unless it is given", () => {
    expect(scheduleOptions(trainingConfig(), 400).warmupSteps).toBe(20)
    expect(scheduleOptions(trainingConfig({ warmupRatio: 0.5 }), 400).warmupSteps).toBe(200)
    expect(scheduleOptions(trainingConfig({ warmupSteps: 0 }), 400).warmupSteps).toBe(0)
  })

  test("bad options are refused", () => {
    expect(() => scheduleFactor("cosine" as never, 0)).toThrow(/schedule cosine: expected totalSteps/)
    expect(() => scheduleFactor("cosin" as never, 0)).toThrow(/expected one of constant, /)
    expect(() => scheduleFactor("constant", 0, { warmupSteps: -1 })).toThrow(/expected warmupSteps of 0 or more/)
    expect(() => scheduleFactor("step", 0, { gamma: 0.5, stepSize: 0 })).toThrow(/expected stepSize above 0/)
    expect(() => scheduleFactor("constant", 0, { gamma: 0.5 })).toThrow(/expected no gamma/)
  })

  test("every schedule stays within 0 … 1 in its run", () => {
    const given: Readonly<Record<string, ScheduleOptions>> = {
      exponential: { gamma: 0.9 },
      step: { gamma: 0.5, stepSize: 10 },
      multistep: { gamma: 0.5, milestones: [20, 50] },
      cosine_annealing: { period: 30 },
      cosine_annealing_warm_restarts: { period: 10, periodGrowth: 2 },
      warmup_stable_decay: { stableSteps: 20, decaySteps: 60 },
    }
    for (const name of scheduleNames)
      for (let step = 0; step <= 100; step++) {
        const factor = scheduleFactor(name, step, { totalSteps: 100, warmupSteps: 10, ...given[name] })
        expect(factor).toBeGreaterThanOrEqual(0)
        expect(factor).toBeLessThanOrEqual(1)
      }
  })
})

describe("optimizers of a run", () => {
  test("each name makes one", () => {
    const weight = () => new Parameter(full([2, 2], 1), { name: "w" })
    for (const optimizer of optimizerNames) {
      const made = makeOptimizer([weight()], trainingConfig({ optimizer }))
      expect(made.parameters).toHaveLength(1)
      for (const value of Object.values(made.scalars(1, 1e-3))) expect(Number.isFinite(value)).toBe(true)
    }
  })
})
