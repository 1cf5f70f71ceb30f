// Options published with a model, in its generation_config.json: read, and put below those of the caller.

import { generationOf } from "../models/generation.ts"
import type { Model } from "../models/model.ts"
import { ValueError } from "../tensor/index.ts"
import { drawing, type GenerationConfig, samples } from "./config.ts"
import { generationOptions } from "./options.ts"

type Given = Readonly<Record<string, unknown>>

/** What transformers knows and this does not: a file may name these only with values that change nothing. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = {
  force_words_ids: [],
  constraints: [],
  guidance_scale: [1],
  dola_layers: [],
  watermarking_config: [],
  token_healing: [false],
}

/** Options that are the caller's alone: no file says how fast, how random or how talkative a generation is. */
const personal = new Set([
  "seed",
  "logprobs",
  "topLogprobs",
  "contextFull",
  "useCache",
  "maxTime",
  "numAssistantTokens",
])

/** Options for beams alone, for draws alone. */
const beamKeys = ["lengthPenalty", "earlyStopping", "numBeamGroups", "diversityPenalty"] as const
const drawKeys = Object.keys(drawing)

/**
 * The options in a published generation_config.json (or the old place of its keys, config.json), by their names here. Keys that are no
 * options of generation are left aside. Throws ValueError for those that would change the text and are not built here.
 */
export function readGeneration(published: Given, source = "generation_config.json"): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(published)) {
    if (value === null || value === undefined) continue
    const allowed = Object.hasOwn(unsupported, name) ? unsupported[name]! : null
    if (allowed && !allowed.includes(value))
      throw new ValueError(
        `${source}: expected no ${name}, which is not built here, but got ${JSON.stringify(value)}`,
        "remove it from the file to write without it",
      )
    const key = generationOptions.keyOf(name)
    if (key !== undefined && !personal.has(key)) out[key] = key.endsWith("uppressTokens") ? realTokens(value) : value
  }
  return out
}

/** Older files end lists of tokens with -1 for "and the usual ones". */
function realTokens(value: unknown): unknown {
  return Array.isArray(value) ? value.filter(id => id !== -1) : value
}

const read = new WeakMap<object, Given>()

/** The options published with a model. Throws ValueError. */
export function generationDefaults(model: Model): Given {
  const kept = generationOf(model)
  if (!kept) return {}
  const known = read.get(kept)
  if (known) return known
  const found = readGeneration(kept.published, kept.file)
  read.set(kept, found)
  return found
}

/** A caller's options over published ones; of these, what would have no effect beside the caller's is left out. */
export function mergeGeneration(published: Given, given: Given): Record<string, unknown> {
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) if (value !== undefined && value !== null) own[name] = value
  const named = Object.fromEntries(
    Object.entries(own).map(([name, value]) => [generationOptions.keyOf(name) ?? name, value]),
  ) as Partial<GenerationConfig>
  const below: Record<string, unknown> = { ...published }
  const drop = (...keys: readonly string[]): void => {
    for (const key of keys) delete below[key]
  }
  drop(...Object.keys(named))
  const drawsAsked = named.doSample ?? (samples(named) || undefined)
  if (drawsAsked === false || named.temperature === 0 || named.penaltyAlpha) drop("doSample", ...drawKeys)
  else if (drawsAsked) drop("doSample", "penaltyAlpha")
  else if (below.doSample !== true)
    drop("doSample", ...(below.penaltyAlpha ? drawKeys.filter(key => key !== "topK") : drawKeys))
  if (named.penaltyAlpha || named.promptLookupNumTokens !== undefined || named.numBeamGroups === 1)
    drop("numBeamGroups", "diversityPenalty")
  if (named.penaltyAlpha || named.promptLookupNumTokens !== undefined) drop("numBeams")
  if (Number(named.numBeams ?? below.numBeams ?? 1) === 1) {
    drop(...beamKeys)
    if (!drawsAsked && below.doSample !== true) drop("numReturnSequences")
  } else drop("penaltyAlpha", "promptLookupNumTokens")
  if (named.maxNewTokens !== undefined) drop("maxLength")
  const most = named.maxNewTokens ?? named.maxLength
  for (const key of ["minNewTokens", "minLength"]) if (most !== undefined && Number(below[key]) > most) drop(key)
  return { ...below, ...own }
}
