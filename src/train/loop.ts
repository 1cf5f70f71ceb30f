// The training loop: an async generator of events. The next update starts before the listener gets the event of the last one, so that
// the device does not wait for whoever listens; numbers do not depend on it.

import {
  type Batch,
  BatchSampler,
  checkSameCorpus,
  checkVocabulary,
  evaluationBatches,
  type TokenDataset,
} from "../data/index.ts"
import type { Run } from "../files/index.ts"
import type { Model } from "../models/index.ts"
import { connectRuntime, deviceInfo } from "../runtime/index.ts"
import type { Tokenizer } from "../text/index.ts"
import {
  compareOptions,
  restoreTraining,
  restoreWeights,
  saveTraining,
  snapshot,
  type TrainingState,
} from "./checkpoint.ts"
import { makeOptimizer, scheduleOptions, type TrainingConfig, type TrainingInput, trainingConfig } from "./config.ts"
import { type StepEvent, type StoppedEvent, TrainingError, type TrainingEvent } from "./events.ts"
import { languageMetrics, Pace, type TextSize, textSize } from "./metrics.ts"
import { causalLanguageModelling, type Objective } from "./objective.ts"
import type { Optimizer } from "./optimizer.ts"
import { type ScheduleOptions, scheduleFactor } from "./schedule.ts"
import { type Evaluation, evaluation, type StepResult, type TrainingStep, trainingStep } from "./step.ts"

/** What to train, on what, and how. */
export interface TrainOptions {
  readonly model: Model
  readonly data: { readonly train: TokenDataset; readonly validation?: TokenDataset | undefined }
  /** Saved beside the model; says how much text a token is. */
  readonly tokenizer?: Tokenizer | undefined
  readonly config?: TrainingInput | Readonly<Record<string, unknown>>
  /** Default: causal language modelling. */
  readonly objective?: Objective<Model, Batch>
  /** Where metrics, samples and checkpoints go; without it nothing is kept. */
  readonly run?: Run | undefined
  /** Go on from the newest checkpoint of the run; from the beginning when there is none yet. */
  readonly resume?: boolean
  /** Gives a text that the model writes at a step. */
  readonly sample?: ((step: number) => Promise<string>) | undefined
  /** Stops after the current update, and saves. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Trains a model and tells how it goes. After a step event the next update may already run: look at weights after the other events.
 * Throws ConfigError, DataError, TrainingError, FileError.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  connectRuntime() // weights are read when they are saved
  const training = new Training(options)
  try {
    yield* training.events()
  } finally {
    await training.settle()
  }
}

type StopReason = StoppedEvent["reason"]

/** One run of `train`. */
class Training {
  readonly #options: TrainOptions
  readonly #config: TrainingConfig
  readonly #sampler: BatchSampler
  readonly #steps: number
  readonly #schedule: ScheduleOptions
  readonly #optimizer: Optimizer
  readonly #update: TrainingStep<Batch>
  readonly #evaluation: Evaluation<Batch>
  readonly #pace = new Pace()
  readonly #recentLosses: number[] = []
  /** The update in progress. */
  #running: Promise<StepResult> | null = null
  /** Updates done. */
  #done = 0
  #loss = Number.NaN
  #best: TrainingState["best"] = null
  #restoreBest: (() => void) | null = null
  #evaluationsSinceBest = 0
  #evaluatedStep = -1
  #savedStep = -1
  #folder: string | null = null
  #heldOutSize: TextSize | undefined

  constructor(options: TrainOptions) {
    const config = trainingConfig(options.config)
    checkOptions(options, config)
    const { model, data } = options
    const { batchSize, context, batchOrder, seed } = config
    this.#options = options
    this.#config = config
    this.#sampler = new BatchSampler(data.train, { batchSize, context, order: batchOrder, seed })
    this.#steps = stepsOf(config, this.#sampler)
    this.#schedule = scheduleOptions(config, this.#steps)
    model.adoptNames()
    this.#optimizer = makeOptimizer(model.trainableParameters(), config)
    const objective = options.objective ?? causalLanguageModelling
    this.#update = trainingStep(model, objective, this.#optimizer, config)
    this.#evaluation = evaluation(model, objective, config)
  }

  /** The events of the whole run. */
  async *events(): AsyncGenerator<TrainingEvent, void, void> {
    const { model, resume = false } = this.#options
    const began = performance.now()
    const warnings = resume ? await this.#resume() : await this.#begin()
    const device = await deviceInfo()
    if (this.#config.precision === "bf16" && !device.bf16)
      warnings.push("precision bf16: this processor has no bf16 products, so they are computed in fp32")
    yield {
      type: "start",
      parameters: model.parameterCount(),
      trainableParameters: model.parameterCount({ trainable: true }),
      tokensPerStep: this.#tokensPerStep,
      step: this.#done,
      steps: this.#steps,
      device,
    }
    for (const message of warnings) yield { type: "warning", message }

    if (this.#done > 0) yield* this.#evaluate() // a run that was stopped before it could
    let reason = this.#stopReason()
    for (let first = true; this.#done < this.#steps && reason === null; first = false) {
      this.#running ??= this.#start()
      const event = await this.#finish()
      yield event
      if (this.#isBoundary) yield* this.#boundary()
      if (first || this.#isBoundary) this.#pace.restart(this.#done, this.#done * this.#tokensPerStep)
      if (!this.#running) reason = this.#stopReason()
    }
    if (this.#savedStep !== this.#done) yield* this.#save(false)
    if (reason !== null) yield { type: "stopped", reason, step: this.#done, message: this.#stopMessage(reason) }
    if (reason !== "aborted") await this.#loadBest()
    const seconds = (performance.now() - began) / 1000
    yield { type: "end", step: this.#done, loss: this.#loss, best: this.#best, seconds, folder: this.#folder }
  }

  /** Waits for the update in progress; its result is not wanted. */
  async settle(): Promise<void> {
    await this.#running?.catch(() => {})
    this.#running = null
  }

  get #tokensPerStep(): number {
    const { batchSize, context, gradientAccumulationSteps } = this.#config
    return batchSize * context * gradientAccumulationSteps
  }

  /** Whether something other than the next update comes now. */
  get #isBoundary(): boolean {
    const { evalSteps, saveSteps, sampleSteps } = this.#config
    return [evalSteps, saveSteps, sampleSteps].some(every => this.#isDue(every))
  }

  #isDue(every: number): boolean {
    return this.#done === this.#steps || (every > 0 && this.#done % every === 0)
  }

  #stopReason(): StopReason | null {
    const { earlyStoppingPatience = Number.POSITIVE_INFINITY } = this.#config
    if (this.#done >= this.#steps) return null
    if (this.#options.signal?.aborted) return "aborted"
    return this.#evaluationsSinceBest >= earlyStoppingPatience ? "early-stopping" : null
  }

  #stopMessage(reason: StopReason): string {
    const { run } = this.#options
    const at = `after step ${this.#done} of ${this.#steps}`
    if (reason === "aborted")
      return run ? `Stopped ${at} and saved. To go on: heed train --resume ${run.folder}` : `Stopped ${at}`
    const best = this.#best ? `; the best was ${this.#best.loss.toFixed(4)} at step ${this.#best.step}` : ""
    return `Stopped ${at}: no better loss in ${this.#evaluationsSinceBest} evaluations${best}`
  }

  #learningRate(step: number): number {
    const { learningRate, lrSchedulerType } = this.#config
    return learningRate * scheduleFactor(lrSchedulerType, step, this.#schedule)
  }

  /** Begins the next update. */
  #start(): Promise<StepResult> {
    const { gradientAccumulationSteps: count } = this.#config
    const batches = Array.from({ length: count }, (_, i) => this.#sampler.batch(this.#done * count + i))
    return this.#update.run(batches, this.#done, this.#learningRate(this.#done))
  }

  /** Waits for the update in progress, and begins the next unless something else comes first. */
  async #finish(): Promise<StepEvent> {
    const { loss, gradientNorm } = await this.#running!
    this.#running = null
    const learningRate = this.#learningRate(this.#done)
    const step = ++this.#done
    this.#loss = loss
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw this.#divergence(loss, gradientNorm, learningRate)
    this.#recentLosses.push(loss)
    if (this.#recentLosses.length > 5) this.#recentLosses.shift()
    if (!this.#isBoundary && !this.#options.signal?.aborted) {
      this.#running = this.#start()
      this.#running.catch(() => {}) // whoever awaits it next sees the error
    }
    const pace = this.#pace.mark(step, step * this.#tokensPerStep, this.#steps)
    const row = { step, loss, learningRate, gradientNorm, tokensPerSecond: pace.tokensPerSecond }
    if (step % this.#config.loggingSteps === 0) await this.#record(run => run.appendMetrics(row))
    return { type: "step", ...row, secondsLeft: pace.secondsLeft }
  }

  #divergence(loss: number, gradientNorm: number, learningRate: number): TrainingError {
    const what = Number.isFinite(loss) ? `a gradient norm of ${gradientNorm}` : `a loss of ${loss}`
    const before = this.#recentLosses.map(one => one.toPrecision(4)).join(", ") || "none"
    const saved = this.#folder ? `; the checkpoint of step ${this.#savedStep} is untouched: ${this.#folder}` : ""
    return new TrainingError(
      `train: expected finite numbers, but got ${what} at step ${this.#done} (learning rate ${learningRate.toPrecision(3)}, losses before: ${before})${saved}`,
      `lower learningRate (such as ${(this.#config.learningRate / 3).toPrecision(1)}), lengthen warmupSteps, or set maxGradNorm 1`,
    )
  }

  /** What comes between two updates: evaluation, checkpoint, sample. */
  async *#boundary(): AsyncGenerator<TrainingEvent, void, void> {
    const { sample } = this.#options
    const { evalSteps, saveSteps, sampleSteps } = this.#config
    if (this.#isDue(evalSteps)) yield* this.#evaluate()
    if (this.#isDue(saveSteps) && this.#savedStep !== this.#done) yield* this.#save(false)
    if (!sample || !this.#isDue(sampleSteps)) return
    const [step, text] = [this.#done, await sample(this.#done)]
    await this.#record(run => run.appendSample({ step, text }))
    yield { type: "sample", step, text }
  }

  /** The loss on held-out data, unless it is known already; the best is saved. Nothing when the run is being stopped. */
  async *#evaluate(): AsyncGenerator<TrainingEvent, void, void> {
    const { validation } = this.#options.data
    const { signal, tokenizer } = this.#options
    const step = this.#done
    if (!validation || this.#evaluatedStep === step || !this.#isDue(this.#config.evalSteps)) return
    const { batchSize, evalBatchSize = batchSize, evalBatches, context } = this.#config
    const batches = [...evaluationBatches(validation, { batchSize: evalBatchSize, context, batches: evalBatches })]
    const loss = await this.#evaluation(batches, signal)
    if (loss === null) return
    if (!Number.isFinite(loss)) throw this.#divergence(loss, 0, this.#learningRate(step - 1))
    const isBest =
      loss < (this.#best?.loss ?? Number.POSITIVE_INFINITY) - (this.#best ? this.#config.earlyStoppingThreshold : 0)
    if (isBest) this.#best = { step, loss }
    this.#evaluationsSinceBest = isBest ? 0 : this.#evaluationsSinceBest + 1
    this.#evaluatedStep = step
    if (tokenizer)
      this.#heldOutSize ??= textSize(
        tokenizer,
        batches.map(batch => batch.targets),
      )
    const metrics = languageMetrics(loss, this.#heldOutSize)
    await this.#record(run => run.appendMetrics({ step, evaluationLoss: loss, ...metrics, isBest }))
    yield { type: "evaluation", step, loss, best: this.#best!.loss, isBest, ...metrics }
    if (isBest) yield* this.#save(true)
  }

  async *#save(isBest: boolean): AsyncGenerator<TrainingEvent, void, void> {
    const { model, run, tokenizer } = this.#options
    if (isBest && !run && this.#config.loadBestModelAtEnd) this.#restoreBest = await snapshot(model.parameters())
    if (!run || this.#done === 0) return
    const best = isBest ? { metric: "evaluationLoss", value: this.#best!.loss } : undefined
    const { gradientAccumulationSteps } = this.#config
    const state: TrainingState = {
      version: 1,
      step: this.#done,
      loss: this.#loss,
      sampler: { ...this.#sampler.state(), position: this.#done * gradientAccumulationSteps },
      best: this.#best,
      evaluationsSinceBest: this.#evaluationsSinceBest,
      evaluatedStep: this.#evaluatedStep,
      config: this.#config,
    }
    const saved = await this.#onDisk(() =>
      saveTraining(run, { model, tokenizer, optimizer: this.#optimizer, state, best }),
    )
    this.#savedStep = this.#done
    this.#folder = saved.folder
    yield { type: "checkpoint", step: this.#done, folder: saved.folder, isBest }
  }

  /** A new run begins in a folder without checkpoints. */
  async #begin(): Promise<string[]> {
    const { run } = this.#options
    if (await run?.latest())
      throw new TrainingError(
        `train: expected a new run, but ${run!.folder} holds checkpoints`,
        "go on with it: resume: true, or choose another folder",
      )
    return []
  }

  /** Goes on where the newest checkpoint was; gives warnings. */
  async #resume(): Promise<string[]> {
    const { run, model, data } = this.#options
    const newest = await run!.latest()
    const damaged = await run!.damaged()
    if (!newest && damaged.length > 0)
      throw new TrainingError(
        `train: expected a whole checkpoint to resume, but every one is damaged: ${damaged.join(", ")}`,
        "put the lacking files back, or begin a new run in another folder",
      )
    if (!newest) {
      await run!.rewind(0)
      return ["there is no checkpoint to resume yet, so the run begins anew"]
    }
    const state = await restoreTraining(newest.folder, { model, optimizer: this.#optimizer })
    checkSameCorpus(data.train, state.sampler)
    const changed = compareOptions(state.config, this.#config)
    await run!.rewind(state.step)
    this.#done = this.#savedStep = state.step
    this.#loss = state.loss
    this.#best = state.best
    this.#evaluationsSinceBest = state.evaluationsSinceBest
    this.#evaluatedStep = state.evaluatedStep
    this.#folder = newest.folder
    const lost = damaged.map(
      folder => `${folder} is damaged (a file is missing or not of its size), so the run goes on from ${newest.folder}`,
    )
    const others = changed.length === 0 ? [] : [`resumed with other options than it began with: ${changed.join(", ")}`]
    return [...lost, ...others]
  }

  async #loadBest(): Promise<void> {
    const { run, model } = this.#options
    if (!this.#config.loadBestModelAtEnd || this.#best?.step === this.#done) return
    const best = await run?.best()
    if (best) await restoreWeights(model, best.folder)
    else this.#restoreBest?.()
  }

  /** Writes to the run folder where there is one. */
  async #record(write: (run: Run) => Promise<void>): Promise<void> {
    const { run } = this.#options
    if (run) await this.#onDisk(() => write(run))
  }

  /** What goes wrong with files says how the run can go on. */
  async #onDisk<R>(work: () => Promise<R>): Promise<R> {
    try {
      return await work()
    } catch (cause) {
      const saved = this.#folder ? `the checkpoint of step ${this.#savedStep} is whole` : "there is no checkpoint yet"
      throw new TrainingError(
        `train: expected to write step ${this.#done} to the run folder, but ${(cause as Error).message}`,
        `${saved}; when the cause is gone, go on with: heed train --resume ${this.#options.run!.folder}`,
        { cause },
      )
    }
  }
}

/** Updates of the run: as given, or what a number of passes over the data takes. */
function stepsOf({ steps, epochs, gradientAccumulationSteps }: TrainingConfig, sampler: BatchSampler): number {
  if (epochs === undefined) return steps ?? 1000
  return Math.max(1, Math.ceil((epochs * sampler.batchesPerEpoch) / gradientAccumulationSteps))
}

/** Refuses what cannot be trained. Throws TrainingError, DataError. */
function checkOptions(options: TrainOptions, config: TrainingConfig): void {
  const { model, data, run, resume = false, sample } = options
  const refuse = (message: string, hint: string): never => {
    throw new TrainingError(`train: ${message}`, hint)
  }
  if (model.trainableParameters().length === 0)
    refuse("expected weights to train, but all are frozen", "unfreeze some: model.unfreeze()")
  const { vocabulary, context } = model.config
  if (typeof context === "number" && config.context > context)
    refuse(
      `expected a context of at most ${context} tokens, which the model sees at once, but got ${config.context}`,
      `lower context to ${context}, or build a model with a larger one`,
    )
  if (typeof vocabulary === "number")
    for (const part of [data.train, data.validation]) if (part) checkVocabulary(part, vocabulary)
  if (!data.validation)
    for (const key of ["earlyStoppingPatience", "loadBestModelAtEnd"] as const)
      if (config[key]) refuse(`expected held-out data with ${key}, but there is none`, "pass data.validation")
  if (config.sampleSteps > 0 && !sample)
    refuse("expected a function that samples with sampleSteps, but there is none", "pass sample: async step => text")
  if (resume && !run) refuse("expected a run to resume, but got none", "pass run: await openRun(folder)")
}
