// The options of a training run. Names mirror transformers' TrainingArguments in camelCase; snake_case and its other names work too.
// An option that would have no effect is refused.
import { z } from "zod"
import { ConfigError, declare, type InputOf, option, type Problem, snakeCase, type ValuesOf } from "../config/index.ts"
import type { HeedError, Parameter } from "../tensor/index.ts"
import type { Optimizer } from "./optimizer.ts"
import { adafactor, adagrad, adam, adamax, adamW, nadam, radam, rmsprop, sgd } from "./optimizers/index.ts"
import { checkSchedule, type ScheduleName, type ScheduleOptions, scheduleKeys, scheduleNames } from "./schedule.ts"

/** Names of the optimizers that a run can use. */
export const optimizerNames = [
  "adamw",
  "adam",
  "amsgrad",
  "adamax",
  "nadam",
  "radam",
  "adafactor",
  "adagrad",
  "rmsprop",
  "sgd",
] as const

/** Name of an optimizer. */
export type OptimizerName = (typeof optimizerNames)[number]

const count = (least: number) => z.int().min(least)
const fraction = z.number().min(0).lt(1)

/** Every option of a training run, declared once. */
export const trainingOptions = declare(
  {
    steps: option(count(1).optional(), "Optimizer updates of the run; 1000 unless epochs says otherwise", {
      alias: ["maxSteps", "maxIters"],
    }),
    epochs: option(
      z.number().gt(0).optional(),
      "Length of the run as passes over the training data, instead of steps",
      {
        alias: "numTrainEpochs",
      },
    ),
    batchSize: option(count(1), "Rows of a batch", {
      default: 16,
      alias: ["perDeviceTrainBatchSize", "trainBatchSize"],
    }),
    context: option(count(1), "Tokens of a row", { default: 128, alias: ["blockSize", "maxLength", "maxSeqLength"] }),
    gradientAccumulationSteps: option(count(1), "Batches whose gradients are summed up for one update", { default: 1 }),
    batchOrder: option(
      z.enum(["random", "shuffled", "sequential"]),
      "Which rows follow: from anywhere, each once an epoch in random order, or from first to last",
      { default: "random" },
    ),
    precision: option(z.enum(["fp32", "bf16"]), "Numbers that products are made of; sums and weights stay fp32", {
      default: "fp32",
    }),
    seed: option(
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
      "Seed of weights, batches and dropout",
      { default: 1 },
    ),

    optimizer: option(z.enum(optimizerNames), "How weights follow gradients", { default: "adamw", alias: "optim" }),
    learningRate: option(z.number().gt(0), "The highest learning rate", { default: 1e-3, alias: "lr" }),
    weightDecay: option(
      z.number().min(0).optional(),
      "Decay of weights (not of norms and biases); 0.1 with adamw, 0 with others unless given",
    ),
    adamBeta1: option(fraction.optional(), "Adam family: how slowly the mean of gradients changes (0.9)", {
      alias: "beta1",
    }),
    adamBeta2: option(fraction.optional(), "Adam family: how slowly the mean of squared gradients changes (0.999)", {
      alias: "beta2",
    }),
    adamEpsilon: option(z.number().min(0).optional(), "Adam family: added to the root of squared gradients (1e-8)"),
    momentum: option(fraction.optional(), "sgd, rmsprop: how much of the last update is kept (0)"),
    maxGradNorm: option(z.number().min(0), "Gradients are scaled down to this common norm; 0 leaves them", {
      default: 1,
      alias: "gradClip",
    }),

    lrSchedulerType: option(z.enum(scheduleNames), "How the learning rate goes on after the warm-up", {
      default: "cosine",
      alias: ["schedule", "lrScheduler"],
    }),
    warmupSteps: option(count(0).optional(), "Updates in which the learning rate grows from 0", {
      alias: "warmupIters",
    }),
    warmupRatio: option(
      z.number().min(0).max(1).optional(),
      "The same as a share of the run; 0.05 unless warmupSteps is given",
    ),
    minLearningRate: option(z.number().min(0).optional(), "Schedules with a floor: the learning rate at the end", {
      alias: ["minLr", "lrEnd"],
    }),
    lrSchedulerKwargs: option(
      z.record(z.string(), z.union([z.number(), z.array(z.number())])),
      'More settings of the schedule, such as {"num_cycles": 2}, {"gamma": 0.999}',
      { default: {} },
    ),

    evalSteps: option(count(0), "Updates between evaluations on held-out data; 0 evaluates at the end only", {
      default: 200,
      alias: "evalInterval",
    }),
    evalBatches: option(count(1), "Batches of an evaluation, spread evenly over the held-out data", {
      default: 20,
      alias: "evalIters",
    }),
    evalBatchSize: option(count(1).optional(), "Rows of an evaluation batch; those of a training batch unless given", {
      alias: "perDeviceEvalBatchSize",
    }),
    earlyStoppingPatience: option(count(1).optional(), "Stops after this many evaluations without a better loss"),
    earlyStoppingThreshold: option(z.number().min(0), "How much lower a loss must be to count as better", {
      default: 0,
    }),
    loadBestModelAtEnd: option(z.boolean(), "Ends with the weights of the best evaluation", { default: false }),

    saveSteps: option(count(0), "Updates between checkpoints; 0 saves at the end only. The best is always saved", {
      default: 200,
    }),
    saveTotalLimit: option(count(1), "How many newest checkpoints are kept beside the best", { default: 2 }),
    sampleSteps: option(count(0), "Updates between samples; 0 samples at the end only", { default: 0 }),
    loggingSteps: option(count(1), "Updates between rows of metrics.jsonl", { default: 1, alias: "logInterval" }),
  },
  "training",
)

/** The options of a run, checked and filled in. */
export type TrainingConfig = ValuesOf<typeof trainingOptions>

/** What a caller may give. */
export type TrainingInput = InputOf<typeof trainingOptions>

/** Reads options, under any of their names. Throws ConfigError listing every problem. */
export function trainingConfig(input: TrainingInput | Readonly<Record<string, unknown>> = {}): TrainingConfig {
  const config = trainingOptions.parse(input)
  checkTraining(config)
  return config
}

const adamFamily: readonly OptimizerName[] = ["adamw", "adam", "amsgrad", "adamax", "nadam", "radam"]

/** Refuses options that would have no effect together. Throws ConfigError listing every problem. */
export function checkTraining(config: TrainingConfig): void {
  const problems: Problem[] = []
  const refuse = (key: keyof TrainingConfig, message: string, hint: string): void => {
    problems.push({ option: key, message, hint })
  }
  const { optimizer, lrSchedulerType } = config
  if (config.steps !== undefined && config.epochs !== undefined)
    refuse("epochs", "expected steps or epochs, but got both", "keep one of them")
  if (config.warmupSteps !== undefined && config.warmupRatio !== undefined)
    refuse("warmupRatio", "expected warmupSteps or warmupRatio, but got both", "keep one of them")
  for (const key of ["adamBeta1", "adamBeta2", "adamEpsilon"] as const)
    if (config[key] !== undefined && !adamFamily.includes(optimizer))
      refuse(key, `expected an optimizer of the Adam family, but got ${optimizer}`, `${optimizer} has no such option`)
  if (config.momentum !== undefined && optimizer !== "sgd" && optimizer !== "rmsprop")
    refuse("momentum", `expected the optimizer sgd or rmsprop, but got ${optimizer}`, "use adamBeta1 with Adam")
  if (config.minLearningRate !== undefined && !hasFloor(config))
    refuse(
      "minLearningRate",
      `expected a schedule with a floor, but got ${lrSchedulerType}`,
      `use ${scheduleNames.filter(name => hasFloor({ lrSchedulerType: name, lrSchedulerKwargs: {} })).join(", ")}`,
    )
  else
    try {
      checkSchedule(lrSchedulerType, scheduleOptions(config, 1000))
    } catch (error) {
      const { message, hint } = error as HeedError
      refuse("lrSchedulerKwargs", message.split("\n")[0]!, hint ?? "give it there")
    }
  if (problems.length > 0) throw new ConfigError("training", problems)
}

/** Names of schedule settings as transformers and PyTorch have them; the others only differ in case. */
const scheduleNamesElsewhere: Readonly<Record<string, keyof ScheduleOptions>> = {
  num_cycles: "cycles",
  min_lr_rate: "minimum",
  min_lr_ratio: "minimum",
  num_stable_steps: "stableSteps",
  num_decay_steps: "decaySteps",
  T_max: "period",
  T_0: "period",
  T_mult: "periodGrowth",
  pct_start: "peak",
  div_factor: "startDivisor",
  final_div_factor: "endDivisor",
}

/** Settings whose values are learning rates elsewhere and factors here. */
const ratesElsewhere: Readonly<Record<string, keyof ScheduleOptions>> = {
  min_lr: "minimum",
  eta_min: "minimum",
  lr_end: "end",
}

/** The schedule of a run of `steps` updates. */
export function scheduleOptions(config: TrainingConfig, steps: number): ScheduleOptions {
  const { lrSchedulerType, lrSchedulerKwargs, learningRate, minLearningRate, warmupSteps, warmupRatio } = config
  const settings: Record<string, number | readonly number[]> = {}
  for (const [name, value] of Object.entries(lrSchedulerKwargs)) {
    const rate = ratesElsewhere[name] ?? ratesElsewhere[snakeCase(name)]
    const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const key = rate ?? scheduleNamesElsewhere[name] ?? scheduleNamesElsewhere[snakeCase(name)] ?? camel
    settings[key] = rate && typeof value === "number" ? value / learningRate : value
  }
  const warmup = warmupSteps ?? Math.round(steps * (warmupRatio ?? 0.05))
  const floor = minLearningRate === undefined ? undefined : minLearningRate / learningRate
  const fills = fillSchedule[lrSchedulerType]
  if (fills) Object.assign(settings, { ...fills(settings, Math.max(1, steps - warmup), floor), ...settings })
  else if (floor !== undefined)
    settings[scheduleKeys(lrSchedulerType).takes.includes("end") ? "end" : "minimum"] = floor
  return { ...settings, totalSteps: steps, warmupSteps: warmup }
}

/** Whether `minLearningRate` means something to the schedule of these options. */
function hasFloor({
  lrSchedulerType,
  lrSchedulerKwargs,
}: Pick<TrainingConfig, "lrSchedulerType" | "lrSchedulerKwargs">) {
  if (lrSchedulerType === "exponential") return lrSchedulerKwargs.gamma === undefined
  return scheduleKeys(lrSchedulerType).takes.some(key => key === "minimum" || key === "end")
}

type Fill = (given: ScheduleOptions, length: number, floor: number | undefined) => ScheduleOptions

/** What schedules need that the length of a run can tell; `length` counts the steps after the warm-up. */
const fillSchedule: Readonly<Partial<Record<ScheduleName, Fill>>> = {
  // a hundredth is left at the end unless there is a floor
  exponential: (_, length, floor = 0.01) => ({ gamma: Math.max(floor, 1e-8) ** (1 / length) }),
  // the last fifth decays
  warmup_stable_decay: ({ stableSteps, decaySteps }, length, floor = 0) => {
    const decay = decaySteps ?? (stableSteps === undefined ? Math.ceil(length / 5) : Math.max(1, length - stableSteps))
    return { decaySteps: decay, stableSteps: stableSteps ?? Math.max(0, length - decay), minimum: floor }
  },
}

/** The optimizer that the options ask for. */
export function makeOptimizer(parameters: readonly Parameter[], config: TrainingConfig): Optimizer {
  const { optimizer, adamBeta1 = 0.9, adamBeta2 = 0.999, adamEpsilon, momentum } = config
  const weightDecay = config.weightDecay ?? (optimizer === "adamw" ? 0.1 : 0)
  const epsilon = adamEpsilon === undefined ? {} : { epsilon: adamEpsilon }
  const ofAdam = { betas: [adamBeta1, adamBeta2] as const, ...epsilon, weightDecay }
  const moving = { weightDecay, ...(momentum === undefined ? {} : { momentum }) }
  const make: Readonly<Record<OptimizerName, () => Optimizer>> = {
    adamw: () => adamW(parameters, ofAdam),
    adam: () => adam(parameters, ofAdam),
    amsgrad: () => adam(parameters, { ...ofAdam, amsgrad: true }),
    adamax: () => adamax(parameters, ofAdam),
    nadam: () => nadam(parameters, ofAdam),
    radam: () => radam(parameters, ofAdam),
    // the schedule says how the rate goes, as with the others
    adafactor: () => adafactor(parameters, { weightDecay, relativeStep: false, scaleParameter: false }),
    adagrad: () => adagrad(parameters, { weightDecay }),
    rmsprop: () => rmsprop(parameters, moving),
    sgd: () => sgd(parameters, moving),
  }
  return make[optimizer]()
}
