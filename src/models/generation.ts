// The options of generation that were published with a model (generation_config.json): kept beside it, so that whoever writes texts
// begins with them, and saving gives them back.

import type { Model } from "./model.ts"

/** A generation_config.json as it stands there. */
export type PublishedGeneration = Readonly<Record<string, unknown>>

const kept = new WeakMap<Model, PublishedGeneration>()

/** Keeps the published options of a model. */
export function keepGeneration(model: Model, published: PublishedGeneration): void {
  kept.set(model, published)
}

/** The published options of a model, or nothing. */
export function generationOf(model: Model): PublishedGeneration | undefined {
  return kept.get(model)
}
