// pipeline(task, model, options): a function that answers, named and called as in transformers.js, so that snippets port by changing the
// import.

import { nearestName } from "../config/index.ts"
import type { Model } from "../models/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { automaticSpeechRecognition } from "./automatic-speech-recognition.ts"
import { featureExtraction } from "./feature-extraction.ts"
import { fillMask } from "./fill-mask.ts"
import { imageClassification } from "./image-classification.ts"
import { imageToText } from "./image-to-text.ts"
import { type ModelParts, openForTask } from "./open.ts"
import { openingOf, type PipelineOptions } from "./opening.ts"
import { questionAnswering } from "./question-answering.ts"
import { sentenceSimilarity } from "./sentence-similarity.ts"
import type { Task } from "./task.ts"
import { textClassification } from "./text-classification.ts"
import { textGeneration } from "./text-generation.ts"
import { summarization, text2textGeneration, translation } from "./text2text-generation.ts"
import { tokenClassification } from "./token-classification.ts"
import { zeroShotClassification } from "./zero-shot-classification.ts"

/** Every task by its name. */
export const tasks = {
  "text-generation": textGeneration,
  "fill-mask": fillMask,
  "text-classification": textClassification,
  "zero-shot-classification": zeroShotClassification,
  "token-classification": tokenClassification,
  "question-answering": questionAnswering,
  summarization,
  translation,
  "text2text-generation": text2textGeneration,
  "feature-extraction": featureExtraction,
  "sentence-similarity": sentenceSimilarity,
  "image-classification": imageClassification,
  "image-to-text": imageToText,
  "automatic-speech-recognition": automaticSpeechRecognition,
} as const

/** Names of tasks. */
export type TaskName = keyof typeof tasks

/** Other names of tasks, as transformers has them. */
interface Aliases {
  "sentiment-analysis": "text-classification"
  ner: "token-classification"
  embeddings: "feature-extraction"
  "image-captioning": "image-to-text"
  asr: "automatic-speech-recognition"
}

type TaskOf<N> = N extends TaskName
  ? N
  : N extends keyof Aliases
    ? Aliases[N]
    : N extends `translation_${string}`
      ? "translation"
      : never

/** What a task's pipeline is called as. */
export type CallOf<N extends TaskName> = (typeof tasks)[N] extends Task<infer F> ? F : never

/** A function that answers, and what it answers with. */
export type Pipeline<N extends TaskName = TaskName> = CallOf<N> & {
  readonly task: N
  readonly model: Model
  readonly tokenizer: Tokenizer | null
}

/** The task of a name or alias. Throws HeedError that lists them and names the nearest. */
export function findTask(name: string): Task {
  const all: readonly Task[] = Object.values(tasks) as readonly unknown[] as readonly Task[]
  const found = all.find(task => task.name === name || task.aliases.includes(name))
  if (found) return found
  if (/^translation_\w+_to_\w+$/.test(name)) return tasks.translation as unknown as Task
  const names = all.flatMap(task => [task.name, ...task.aliases])
  const near = typeof name === "string" ? nearestName(name, names) : undefined
  throw new HeedError(
    `pipeline: expected a task of ${names.join(", ")}, but got ${JSON.stringify(name)}`,
    near ? `the nearest is ${near.name}` : undefined,
  )
}

/**
 * Opens a model for a task and gives the function that answers. model: a folder, org/name of the hub (downloaded unless it is in the
 * cache), or { model, tokenizer } that are open already. Throws HeedError, ConfigError, FileError, TextError naming what is wrong.
 */
export async function pipeline<N extends TaskName | keyof Aliases | `translation_${string}`>(
  name: N,
  model: string | ModelParts | Model,
  options: PipelineOptions = {},
): Promise<Pipeline<TaskOf<N>>> {
  const task = findTask(name)
  const opening = openingOf("pipeline", options)
  const opened = await openForTask(model, opening)
  const answer = task.open({ ...opened, task: name })
  opening.progress?.({ status: "ready", task: task.name, ...(typeof model === "string" ? { model } : {}) })
  return Object.assign(answer, {
    task: task.name,
    model: opened.model,
    tokenizer: opened.tokenizer,
  }) as unknown as Pipeline<TaskOf<N>>
}
