// What a task is: one record of its names, options and inputs, and the function that answers. pipeline() and `heed run` read these records.

import type { Declaration } from "../config/index.ts"
import type { Model } from "../models/index.ts"
import { describeModel } from "../models/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"

/** A JSON object of a model's folder. */
export type FolderFile = Readonly<Record<string, unknown>>

/** How models run. */
export interface RunOptions {
  /** Default: the chosen device. */
  readonly device?: "native" | "wasm"
  /** "bf16" makes products of short numbers; default "fp32". */
  readonly precision?: "fp32" | "bf16"
}

/** A model and what belongs to it, as a task gets it. */
export interface Opened {
  readonly model: Model
  /** Null for models that read no text. */
  readonly tokenizer: Tokenizer | null
  /** tokenizer_config.json; empty where there is none. */
  readonly tokenizerConfig: FolderFile
  /** preprocessor_config.json (sound and pictures); null where there is none. */
  readonly preprocessor: FolderFile | null
  /** generation_config.json; empty where there is none. */
  readonly generation: FolderFile
  /** config.json's task_specific_params and prefix, and what else a task may ask of it. */
  readonly published: FolderFile
  readonly run: RunOptions
  /** The name the task was asked for by ("translation_en_to_de"). */
  readonly task?: string
}

/** An argument of a task on the command line. */
export interface TaskArgument {
  readonly name: string
  readonly help: string
  /** true: it takes all words that are left, each an input of its own. */
  readonly many?: boolean
}

/** What answers: inputs, then options under any of their names. */
export type Answer = (...inputs: never[]) => Promise<unknown>

/** A task. `F` is what its pipeline is called as. */
export interface Task<F extends Answer = Answer> {
  readonly name: string
  readonly aliases: readonly string[]
  /** One line for help and docs. */
  readonly summary: string
  /** Options of a call. */
  readonly options: Declaration
  /** true: every option of generation is one of a call, too. */
  readonly generates?: boolean
  /** What a command line gives it. */
  readonly arguments: readonly TaskArgument[]
  /** The inputs of one call from the command line's words, in the order of `arguments`. */
  readonly fromWords: (words: readonly string[], options: Readonly<Record<string, unknown>>) => readonly unknown[]
  /** The function that answers. Throws HeedError for a model of another kind. */
  readonly open: (opened: Opened) => F
}

/** The tokenizer that a task needs. Throws HeedError. */
export function needTokenizer(task: string, { tokenizer, model }: Opened): Tokenizer {
  if (tokenizer) return tokenizer
  throw new HeedError(
    `${task}: expected a tokenizer beside the model ${describeModel(model)}, but there is none`,
    "the folder needs a tokenizer.json, or the older vocab.txt or vocab.json and merges.txt",
  )
}

/** Refuses a model of another kind. Throws HeedError that says which heads serve. */
export function refuseModel(task: string, model: Model, expected: string): never {
  throw new HeedError(
    `${task}: expected ${expected}, but got ${describeModel(model)}`,
    "config.json says in architectures what a model was trained to answer",
  )
}

/** Names of the classes of a model. */
export function labelsOf(model: Model): readonly string[] {
  const { labels } = model.config
  return Array.isArray(labels) ? (labels as string[]) : []
}

/** Inputs as a list, and whether there was one alone. Throws HeedError for an empty list. */
export function listOf<T>(
  task: string,
  inputs: T | readonly T[],
): { readonly list: readonly T[]; readonly single: boolean } {
  const single = !Array.isArray(inputs)
  const list = single ? [inputs as T] : (inputs as readonly T[])
  if (list.length === 0) throw new HeedError(`${task}: expected at least one input, but got an empty list`)
  return { list, single }
}

/** Texts, checked. Throws HeedError for what is no text and for an empty one. */
export function checkText(task: string, text: unknown, what = "a text"): string {
  if (typeof text !== "string")
    throw new HeedError(`${task}: expected ${what}, but got ${text === null ? "null" : typeof text}`)
  if (text.trim() === "") throw new HeedError(`${task}: expected ${what}, but it is empty`, "give at least one word")
  return text
}
