// Opens what a task runs: a Hugging Face folder or the name of a model, with its tokenizer and the JSON files beside it; or what a
// program has opened or trained already.

import type { PullEvent } from "../files/index.ts"
import { loadModel, Model } from "../models/index.ts"
import { HeedError } from "../tensor/index.ts"
import { openTokenizer, type Tokenizer } from "../text/index.ts"
import type { FolderFile, Opened, RunOptions } from "./task.ts"

/** A model that is open already, and what the task needs besides. */
export interface ModelParts {
  readonly model: Model
  readonly tokenizer?: Tokenizer
  readonly tokenizerConfig?: FolderFile
  readonly preprocessor?: FolderFile
  readonly generation?: FolderFile
  readonly published?: FolderFile
}

/** What is told while a model is fetched and opened, as transformers.js tells it. */
export interface ProgressInfo {
  readonly status: "initiate" | "download" | "progress" | "done" | "ready"
  readonly name?: string
  readonly file?: string
  readonly task?: string
  readonly model?: string
  /** 0 .. 100 */
  readonly progress?: number
  /** Bytes. */
  readonly loaded?: number
  readonly total?: number
}

/** How a pipeline's model is opened. */
export interface OpenOptions extends RunOptions {
  /** "bf16" keeps weights in bf16 and multiplies bf16. */
  readonly dtype: "f32" | "bf16"
  readonly revision?: string
  readonly localFilesOnly: boolean
  readonly progress?: (info: ProgressInfo) => void
  readonly signal?: AbortSignal
}

/** What is read, or null where there is no such file. */
async function unlessMissing<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (problem) {
    if ((problem as { cause?: { code?: string } }).cause?.code === "ENOENT") return null
    throw problem
  }
}

/** A JSON file of a folder, or null where there is none. Throws FileError, HeedError for one that is no object. */
async function readObject(folder: string, name: string): Promise<FolderFile | null> {
  const { readJsonFile } = await import("../files/index.ts")
  const value = await unlessMissing(readJsonFile(`${folder}/${name}`))
  if (value === null || (typeof value === "object" && !Array.isArray(value))) return value as FolderFile | null
  throw new HeedError(
    `${folder}/${name}: expected an object, but got ${Array.isArray(value) ? "a list" : String(value)}`,
  )
}

/** Tells of a download in the words of transformers.js. */
function tell(event: PullEvent, name: string, progress: OpenOptions["progress"]): void {
  if (!progress) return
  if (event.type === "start") for (const { path } of event.files) progress({ status: "initiate", name, file: path })
  if (event.type === "progress") {
    const { path: file, loaded, bytes: total } = event
    progress({ status: "progress", name, file, loaded, total, progress: total === 0 ? 100 : (100 * loaded) / total })
  }
  if (event.type === "file") progress({ status: "done", name, file: event.path })
}

/** The JSON files of a folder that say how its model is used. */
type Settings = Pick<Opened, "tokenizerConfig" | "preprocessor" | "generation" | "published">

/** The folder of a model: as it is named, or found in the cache, or downloaded. Throws FileError. */
async function findFolder(name: string, options: Omit<OpenOptions, "dtype">, weights: boolean): Promise<string> {
  const { resolveModel } = await import("../files/index.ts")
  const { signal, revision, localFilesOnly, progress } = options
  return resolveModel(name, {
    download: !localFilesOnly,
    weights,
    onEvent: event => tell(event, name, progress),
    ...(revision === undefined ? {} : { revision }),
    ...(signal ? { signal } : {}),
  })
}

async function readSettings(folder: string): Promise<Settings> {
  const [published, tokenizerConfig, preprocessor, generation] = await Promise.all(
    ["config.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json"].map(file =>
      readObject(folder, file),
    ),
  )
  return {
    tokenizerConfig: tokenizerConfig ?? {},
    preprocessor: preprocessor ?? null,
    generation: generation ?? {},
    published: published ?? {},
  }
}

/** The tokenizer of a folder, or null where there is none: models of pictures alone have none. Throws FileError, TextError. */
async function readTokenizer(folder: string): Promise<Tokenizer | null> {
  const { readFileBytes } = await import("../files/index.ts")
  let vocabularies = 0
  const readFile = async (file: string): Promise<Uint8Array | null> => {
    const bytes = await unlessMissing(readFileBytes(`${folder}/${file}`))
    if (bytes !== null && /^(tokenizer\.json|vocab\.\w+|.*\.(model|spm))$/.test(file)) vocabularies++
    return bytes
  }
  return openTokenizer(readFile, { name: folder }).catch((problem: unknown) => {
    if (vocabularies > 0) throw problem
    return null
  })
}

/** What belongs to a model beside its weights, which are downloaded with `weights` only; a folder, or a model by its name. Throws FileError, HeedError, TextError. */
export async function openBeside(
  name: string,
  options: Omit<OpenOptions, "dtype">,
  weights = false,
): Promise<Settings & Pick<Opened, "tokenizer"> & { readonly folder: string }> {
  const folder = await findFolder(name, options, weights)
  const [settings, tokenizer] = await Promise.all([readSettings(folder), readTokenizer(folder)])
  // a tokenizer may keep its own settings only
  return {
    ...settings,
    tokenizer,
    tokenizerConfig: { ...settings.tokenizerConfig, ...tokenizer?.configuration() },
    folder,
  }
}

/** Opens a folder, or a model by its name, which is downloaded unless it is in the cache. Throws FileError, HeedError, ConfigError, TextError. */
async function openFolder(name: string, options: OpenOptions): Promise<Opened> {
  const { folder, ...beside } = await openBeside(name, options, true)
  const { dtype, signal } = options
  const model = await loadModel(folder, { dtype, ...(signal ? { signal } : {}) })
  return { ...beside, model, run: runOf(options) }
}

const runOf = ({ device, precision }: RunOptions): RunOptions => ({
  ...(device ? { device } : {}),
  ...(precision ? { precision } : {}),
})

/** Opens a model for a task: a folder, a name of the hub, or parts that are open already. */
export async function openForTask(
  model: string | ModelParts | Model,
  options: OpenOptions,
  what = "pipeline",
): Promise<Opened> {
  if (typeof model === "string") return openFolder(model, options)
  const parts = model instanceof Model ? { model } : model
  if (!(parts.model instanceof Model))
    throw new HeedError(
      `${what}: expected a folder, the name of a model, or { model, tokenizer }, but got ${typeof model}`,
      'for example "./my-model"',
    )
  return {
    model: parts.model,
    tokenizer: parts.tokenizer ?? null,
    tokenizerConfig: parts.tokenizerConfig ?? parts.tokenizer?.configuration() ?? {},
    preprocessor: parts.preprocessor ?? null,
    generation: parts.generation ?? {},
    published: parts.published ?? {},
    run: runOf(options),
  }
}
