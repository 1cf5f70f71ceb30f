// Hugging Face folders: config.json and model.safetensors (or its shards), opened as a model and written back with published names.

import type { ResolveOptions } from "../files/index.ts"
import { jsonText, type SizedContent, safetensorsContent } from "../files/pure.ts"
import type { WeightType } from "../nn/index.ts"
import { HeedError } from "../tensor/index.ts"
import { bart } from "./bart.ts"
import { bert } from "./bert.ts"
import { clip, clipText, clipVision } from "./clip.ts"
import { findFamily, type ModelFamily, type PublishedConfig, type ReadConfigOptions } from "./definition.ts"
import { distilbert } from "./distilbert.ts"
import { gemma } from "./gemma.ts"
import { gemma2 } from "./gemma2.ts"
import { generationOf, keepGeneration } from "./generation.ts"
import { gptNeo } from "./gpt-neo.ts"
import { gpt2 } from "./gpt2.ts"
import { llama } from "./llama.ts"
import { longformer } from "./longformer.ts"
import { marian } from "./marian.ts"
import { mbart } from "./mbart.ts"
import { mistral } from "./mistral.ts"
import type { Model } from "./model.ts"
import { openaiGpt } from "./openai-gpt.ts"
import { pegasus } from "./pegasus.ts"
import { phi3 } from "./phi3.ts"
import { qwen2 } from "./qwen2.ts"
import { reformer } from "./reformer.ts"
import { camembert, roberta, xlmRoberta } from "./roberta.ts"
import { t5 } from "./t5.ts"
import { transfoXl } from "./transfo-xl.ts"
import { captioningFamily } from "./vision-encoder-decoder.ts"
import { vit } from "./vit.ts"
import { wav2vec2 } from "./wav2vec2.ts"
import { type LoadOptions, loadWeights, publishedWeights, type WeightSource } from "./weights.ts"
import { whisper } from "./whisper.ts"

/** Captioning: a family that sees, and one that writes. */
export const visionEncoderDecoder = captioningFamily([gpt2, vit])

/** All families. */
export const families: readonly ModelFamily[] = [
  bart,
  bert,
  camembert,
  clip,
  clipText,
  clipVision,
  distilbert,
  gemma,
  gemma2,
  gpt2,
  gptNeo,
  llama,
  longformer,
  marian,
  mbart,
  mistral,
  openaiGpt,
  pegasus,
  phi3,
  qwen2,
  reformer,
  roberta,
  t5,
  transfoXl,
  visionEncoderDecoder,
  vit,
  wav2vec2,
  whisper,
  xlmRoberta,
]

/** The family of a model or of a `model_type`. Throws HeedError that lists the known ones and names the nearest. */
export function familyOf(model: Model | string): ModelFamily {
  return findFamily(families, typeof model === "string" ? model : model.family, "models")
}

/** How a model is opened. */
export interface LoadModelOptions extends LoadOptions, Omit<ReadConfigOptions, "source"> {
  /** Type that weights of linear and embedding layers are kept in; "bf16" halves their memory, for inference. Default "f32". */
  readonly dtype?: WeightType
  /** Seed of weights that are not in the file (with `partial`). */
  readonly seed?: number
}

/** Builds the model of a published configuration and fills it with weights. Throws HeedError, ConfigError, ShapeError. */
export async function modelFrom(
  published: PublishedConfig,
  source: WeightSource,
  options: LoadModelOptions & { readonly source?: string } = {},
): Promise<Model> {
  const { dtype = "f32", seed = 0, partial = false, signal, ...reading } = options
  const family = findFamily(families, published.model_type, reading.source ?? "config.json")
  const model = family.build(family.readConfig(published, reading), { dtype, seed })
  return loadWeights(model, family, source, { partial, ...(signal ? { signal } : {}) })
}

/** How a model is found by its name. */
export type FindModelOptions = Pick<ResolveOptions, "revision" | "download" | "onEvent">

/**
 * Opens a Hugging Face folder, or a model of the hub by name: from the cache, with `download: true` from the hub. Throws FileError,
 * HeedError, ConfigError naming what is wrong with it.
 */
export async function loadModel(
  nameOrFolder: string,
  { revision, download, onEvent, ...options }: LoadModelOptions & FindModelOptions = {},
): Promise<Model> {
  const { openWeights, readJsonFile, resolveModel } = await import("../files/index.ts")
  const { signal } = options
  const folder = await resolveModel(nameOrFolder, { revision, download, onEvent, signal })
  const path = `${folder}/config.json`
  const published = await readJsonFile(path)
  if (typeof published !== "object" || published === null || Array.isArray(published))
    throw new HeedError(
      `${path}: expected an object, but got ${Array.isArray(published) ? "a list" : String(published)}`,
    )
  const weights = await openWeights(folder)
  try {
    const model = await modelFrom(published as PublishedConfig, weights, { ...options, source: path })
    await loadGeneration(model, folder, published as PublishedConfig)
    return model
  } finally {
    await weights.close()
  }
}

/** Keeps the folder's options of generation beside a model; older folders have them in config.json. */
async function loadGeneration(model: Model, folder: string, config: PublishedConfig): Promise<void> {
  const { readJsonFile } = await import("../files/index.ts")
  const path = `${folder}/generation_config.json`
  let published: unknown
  try {
    published = await readJsonFile(path)
  } catch (problem) {
    const { cause } = problem as { cause?: { code?: string } }
    if (cause?.code !== "ENOENT") throw problem
    keepGeneration(model, config, "config.json")
    return
  }
  if (typeof published !== "object" || published === null || Array.isArray(published))
    throw new HeedError(`${path}: expected an object, but got ${JSON.stringify(published)?.slice(0, 40)}`)
  keepGeneration(model, published as PublishedConfig)
}

/** The files of a Hugging Face folder, by name. */
export function modelFiles(model: Model): {
  readonly "config.json": string
  readonly "model.safetensors": SizedContent
  readonly "generation_config.json"?: string
} {
  const family = familyOf(model)
  const short = [...model.state().values()].some(parameter => parameter.dtype === "bf16")
  const published = { ...family.writeConfig(model.config), torch_dtype: short ? "bfloat16" : "float32" }
  const generation = generationOf(model)
  const kept = generation?.file === "generation_config.json" ? generation.published : null
  return {
    "config.json": `${jsonText(published, "config.json")}\n`,
    "model.safetensors": safetensorsContent(publishedWeights(model, family)),
    ...(kept ? { "generation_config.json": `${jsonText(kept, "generation_config.json")}\n` } : {}),
  }
}

/** Writes a model as a Hugging Face folder. In a folder that exists, other files stay as they are. Throws FileError. */
export async function saveModel(model: Model, folder: string): Promise<void> {
  const { writeFileAtomic, writeFolderAtomic } = await import("../files/index.ts")
  const files = modelFiles(model)
  try {
    await writeFileAtomic(`${folder}/model.safetensors`, files["model.safetensors"])
  } catch (problem) {
    const { cause } = problem as { cause?: { code?: string } }
    if (cause?.code !== "ENOENT") throw problem
    await writeFolderAtomic(folder, files) // there was no such folder
    return
  }
  await writeFileAtomic(`${folder}/config.json`, files["config.json"])
  const generation = files["generation_config.json"]
  if (generation !== undefined) await writeFileAtomic(`${folder}/generation_config.json`, generation)
}
