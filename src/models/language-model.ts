// Language models: one stack of blocks that predicts each next token.

import type { KeyValueCache } from "../nn/index.ts"
import { HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"

/** How large a cache shall be. */
export interface CacheRequest {
  readonly batch: number
  /** Positions it holds. */
  readonly capacity: number
  readonly dtype?: "f32" | "bf16"
}

/** What a language model gives. */
export interface LanguageOutput extends ModelOutput {
  /** [B T V], or [B N] of a classifier. */
  readonly logits: Tensor
}

/** A decoder-only model. */
export abstract class LanguageModel extends Model {
  /** Positions it can see at once. */
  abstract readonly context: number

  /** Token ids i32 [B T], or embeddings f32 [B T D] -> logits, loss and what else was asked for. */
  abstract override forward(ids: Tensor, options?: ForwardOptions): LanguageOutput

  /** Logits [… V] of hidden states [… D], for those who need only some positions. Throws HeedError for a model without a vocabulary output. */
  abstract project(hidden: Tensor): Tensor

  /** An empty cache for decoding. Throws ValueError for a capacity beyond the context. */
  abstract createCache(request: CacheRequest): KeyValueCache
}

/** The model as a language model. Throws HeedError where it is of another kind. */
export function languageModel(what: string, model: Model): LanguageModel {
  if (model instanceof LanguageModel) return model
  throw new HeedError(
    `${what}: expected a model that predicts each next token, but got ${describeModel(model)}`,
    "such models are gpt2, llama and their relatives",
  )
}

/** A model in words: its family and its head. */
export function describeModel({ family, config }: Model): string {
  return typeof config.head === "string" ? `${family} (${config.head})` : family
}

/** Refuses a cache beyond the context. Throws ValueError. */
export function checkCapacity(capacity: number, context: number): void {
  if (capacity > context)
    throw new ValueError(`cache: expected a capacity up to the context ${context}, but got ${capacity}`)
}
