// The options of generation that were published with a model (generation_config.json, or in older folders config.json): kept beside it, so
// that whoever writes texts begins with them, and saving gives them back.

import type { Model } from "./model.ts"

/** Options as they stand in a published file. */
export type PublishedGeneration = Readonly<Record<string, unknown>>

/** The files that publish options of generation. */
export type GenerationFile = "generation_config.json" | "config.json"

interface Kept {
  readonly published: PublishedGeneration
  readonly file: GenerationFile
}

const kept = new WeakMap<Model, Kept>()

/** Keeps the published options of a model. */
export function keepGeneration(
  model: Model,
  published: PublishedGeneration,
  file: GenerationFile = "generation_config.json",
): void {
  kept.set(model, { published, file })
}

/** The published options of a model and where they stood, or nothing. */
export function generationOf(model: Model): Kept | undefined {
  return kept.get(model)
}
