// trainOn: a few updates of any model on a few lessons. What is large, is measured on held-out data, or must survive a power cut is for train().

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import type { Model } from "../models/index.ts"
import { makeOptimizer, scheduleOptions, trainingConfig, trainingOptions } from "./config.ts"
import { TrainingError } from "./events.ts"
import { type Lesson, lessonTensors, modelLoss } from "./lesson.ts"
import { scheduleFactor } from "./schedule.ts"
import { trainingStep } from "./step.ts"

const { optimizer, learningRate, weightDecay, maxGradNorm, precision, seed } = trainingOptions.options
const { lrSchedulerType, lrSchedulerKwargs, warmupSteps, warmupRatio, minLearningRate } = trainingOptions.options
const { adamBeta1, adamBeta2, adamEpsilon, momentum } = trainingOptions.options

/** Options of trainOn; they mean what they mean in training. */
export const trainOnOptions = declare(
  {
    steps: option(z.int().min(1), "Optimizer updates; lessons come in turn, again and again", {
      default: 100,
      alias: ["maxSteps"],
    }),
    ...{ learningRate, optimizer, weightDecay, adamBeta1, adamBeta2, adamEpsilon, momentum, maxGradNorm },
    ...{ lrSchedulerType, warmupSteps, warmupRatio, minLearningRate, lrSchedulerKwargs, precision, seed },
  },
  "trainOn",
)

/** How to train on lessons. */
export type TrainOnOptions = InputOf<typeof trainOnOptions> & {
  /** Ends after the update in progress. */
  readonly signal?: AbortSignal
  readonly [name: string]: unknown
}

/** An update was done, or the last one was. */
export interface TrainOnEvent {
  readonly type: "step" | "end"
  /** Updates done so far. */
  readonly step: number
  /** Of the newest lesson, before its update. */
  readonly loss: number
}

/**
 * Updates a model's weights on lessons, in turn. Yields an event for each update and one at the end; the model then is in evaluation
 * mode. Throws TrainingError for a model without a loss or weights, and for numbers that are not finite; ConfigError for options.
 */
export async function* trainOn(
  model: Model,
  lessons: Lesson | readonly Lesson[],
  options: TrainOnOptions = {},
): AsyncGenerator<TrainOnEvent, void, void> {
  const { signal, ...given } = options
  const { steps, ...rest } = trainOnOptions.parse(given)
  const config = trainingConfig({ ...rest, steps })
  const batches = (Array.isArray(lessons) ? (lessons as readonly Lesson[]) : [lessons as Lesson]).map(lesson =>
    lessonTensors(lesson, model),
  )
  const parameters = model.trainableParameters()
  if (batches.length === 0 || parameters.length === 0)
    throw new TrainingError(
      `trainOn: expected ${batches.length === 0 ? "at least one lesson" : "weights to train"}, but there are none`,
      batches.length === 0 ? "a lesson is { input, labels }" : "unfreeze some: model.unfreeze()",
    )
  const update = trainingStep(model, modelLoss, makeOptimizer(parameters, config), config)
  const schedule = scheduleOptions(config, steps)
  let [step, loss] = [0, Number.NaN]
  while (step < steps && !signal?.aborted) {
    const rate = config.learningRate * scheduleFactor(config.lrSchedulerType, step, schedule)
    loss = (await update.run([batches[step % batches.length]!], step, rate)).loss
    step++
    if (!Number.isFinite(loss))
      throw new TrainingError(
        `trainOn: expected finite numbers, but got a loss of ${loss} at step ${step} (learning rate ${rate.toPrecision(3)})`,
        `lower learningRate, such as ${(config.learningRate / 3).toPrecision(1)}`,
      )
    yield { type: "step", step, loss }
  }
  model.eval()
  yield { type: "end", step, loss }
}
