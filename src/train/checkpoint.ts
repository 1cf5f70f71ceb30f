// Checkpoints of a run: the model as a Hugging Face folder, the optimizer's state, and state.json with what else is needed to go on
// bit for bit: step, place in the data, best loss, options. Node's files are imported when used, so that the rest runs in a browser.

import type { BatchState } from "../data/index.ts"
import type { BestMark, Checkpoint, FileWriter, HostTensor, LazyTensor, Run } from "../files/index.ts"
import { safetensorsContent, toFloat32 } from "../files/pure.ts"
import { familyOf, loadWeights, type Model, modelFiles } from "../models/index.ts"
import { read } from "../runtime/index.ts"
import { fromHost, type HostArray, type Parameter } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import type { TrainingConfig } from "./config.ts"
import { TrainingError } from "./events.ts"
import type { Optimizer } from "./optimizer.ts"

/** The content of state.json. */
export interface TrainingState {
  readonly version: 1
  /** Updates done. */
  readonly step: number
  /** Training loss of the last update. */
  readonly loss: number
  readonly sampler: BatchState
  readonly best: { readonly step: number; readonly loss: number } | null
  readonly evaluationsSinceBest: number
  /** The step of the last evaluation, or -1. */
  readonly evaluatedStep: number
  readonly config: TrainingConfig
}

/** Writes a checkpoint; either all of it is there afterwards or nothing. Throws FileError. */
export async function saveTraining(
  run: Run,
  content: {
    readonly model: Model
    readonly tokenizer?: Tokenizer | undefined
    readonly optimizer: Optimizer
    readonly state: TrainingState
    readonly best?: BestMark | undefined
  },
): Promise<Checkpoint> {
  const { model, tokenizer, optimizer, state, best } = content
  const files: Record<string, FileWriter> = {
    ...modelFiles(model),
    "state.json": `${JSON.stringify(state, null, 2)}\n`,
  }
  if (optimizer.state.size > 0) files["optimizer.safetensors"] = () => safetensorsContent(lazyTensors(optimizer.state))
  if (tokenizer) {
    files["tokenizer.json"] = () => JSON.stringify(tokenizer.toJSON())
    files["tokenizer_config.json"] = () => `${JSON.stringify(tokenizer.configuration(), null, 2)}\n`
  }
  const { saveTotalLimit } = state.config
  return run.saveCheckpoint(state.step, files, { saveTotalLimit, ...(best ? { best } : {}) })
}

/** Takes weights and optimizer state of a checkpoint over and gives its state.json. Throws FileError, TrainingError. */
export async function restoreTraining(
  folder: string,
  content: { readonly model: Model; readonly optimizer: Optimizer },
): Promise<TrainingState> {
  const { model, optimizer } = content
  const { openSafetensors, readJsonFile } = await import("../files/index.ts")
  const state = checkState(await readJsonFile(`${folder}/state.json`), folder)
  await restoreWeights(model, folder)
  if (optimizer.state.size > 0) {
    const file = await openSafetensors(`${folder}/optimizer.safetensors`)
    try {
      const missing = [...optimizer.state.keys()].filter(name => !file.names.includes(name))
      const unknown = file.names.filter(name => !optimizer.state.has(name))
      if (missing.length > 0 || unknown.length > 0)
        throw new TrainingError(
          `${file.path}: expected the state of this run's optimizer, but ${missing.length > 0 ? `${missing[0]} is missing` : `${unknown[0]} belongs to another`}`,
          "resume with the model, the optimizer and the frozen weights that the run began with",
        )
      for (const [name, parameter] of optimizer.state)
        takeOver(parameter, await file.read(name), `${file.path}: ${name}`)
    } finally {
      await file.close()
    }
  }
  return state
}

/** Takes the weights of a checkpoint over. Throws FileError, HeedError. */
export async function restoreWeights(model: Model, folder: string): Promise<void> {
  const { openWeights } = await import("../files/index.ts")
  const source = await openWeights(folder)
  try {
    await loadWeights(model, familyOf(model), source)
  } finally {
    await source.close()
  }
}

/** Gives a parameter the numbers of a file. Throws TrainingError for another shape. */
function takeOver(parameter: Parameter, tensor: HostTensor, what: string): void {
  if (tensor.shape.join() !== parameter.shape.join())
    throw new TrainingError(
      `${what}: expected shape [${parameter.shape.join(" ")}], but got [${tensor.shape.join(" ")}]`,
      "the checkpoint is of a model of another size",
    )
  parameter.assign(fromHost(toFloat32(tensor, what), parameter.shape, "f32"))
}

/** Tensors that are read from the device when their turn to be written comes. */
function lazyTensors(parameters: ReadonlyMap<string, Parameter>): Record<string, LazyTensor> {
  const entries = [...parameters].map(([name, parameter]) => {
    const { dtype, shape } = parameter
    const load = async () => ({ dtype, shape, data: await read(parameter) }) as HostTensor
    return [name, { dtype, shape, load }] as const
  })
  return Object.fromEntries(entries)
}

/** The numbers of parameters now, to put back later. */
export async function snapshot(parameters: readonly Parameter[]): Promise<() => void> {
  const kept: [Parameter, HostArray][] = []
  for (const parameter of parameters) kept.push([parameter, await read(parameter)])
  return () => {
    for (const [parameter, data] of kept) parameter.assign(fromHost(data, parameter.shape, parameter.dtype))
  }
}

function checkState(value: unknown, folder: string): TrainingState {
  const state = value as Partial<TrainingState> | null
  const whole =
    typeof state === "object" &&
    state !== null &&
    state.version === 1 &&
    Number.isSafeInteger(state.step) &&
    typeof state.sampler === "object" &&
    typeof state.config === "object"
  if (!whole)
    throw new TrainingError(
      `${folder}/state.json: expected the state of a training run, but it is something else`,
      "resume from a checkpoint that heed saved, or begin a new run",
    )
  return state as TrainingState
}

/** Options that decide the numbers of a run: a resumed run with others is another run. */
const decisive = [
  "batchSize",
  "context",
  "batchOrder",
  "gradientAccumulationSteps",
  "seed",
  "optimizer",
] as const satisfies readonly (keyof TrainingConfig)[]

/** Options that a resumed run may change without changing what it computes. */
const harmless = ["saveSteps", "saveTotalLimit", "sampleSteps", "loggingSteps", "loadBestModelAtEnd"] as const

/**
 * Compares the options of a resumed run with those it began with: throws TrainingError where they cannot go together, and gives the names
 * of options that make it go on differently than it would have.
 */
export function compareOptions(before: TrainingConfig, now: TrainingConfig): string[] {
  for (const key of decisive)
    if (before[key] !== now[key])
      throw new TrainingError(
        `resume: expected ${key} ${String(before[key])}, with which the run began, but got ${String(now[key])}`,
        `resume with the same ${key}, or begin a new run`,
      )
  const keys = new Set([...Object.keys(before), ...Object.keys(now)] as (keyof TrainingConfig)[])
  for (const key of harmless) keys.delete(key)
  return [...keys].filter(key => JSON.stringify(before[key]) !== JSON.stringify(now[key]))
}
