// The models that write texts: language models, encoder-decoders, and causal models that keep nothing of what they read.

import { EncoderDecoder } from "../models/encoder-decoder.ts"
import { describeModel, LanguageModel } from "../models/language-model.ts"
import type { Model } from "../models/model.ts"
import { HeedError } from "../tensor/index.ts"

/** A model that keeps keys and values of what it read. */
export type CachingModel = LanguageModel | EncoderDecoder

/** A causal model without a cache (Reformer): its logits come of reading everything. */
export interface PlainModel extends Model {
  /** Positions it can see at once. */
  readonly context: number
}

/** A model that predicts each next token of a text. */
export type WritingModel = CachingModel | PlainModel

/** Whether a model keeps keys and values. */
export function isCaching(model: Model): model is CachingModel {
  return model instanceof LanguageModel || model instanceof EncoderDecoder
}

/** Whether a model predicts each next token of a text. */
export function isWriting(model: Model): model is WritingModel {
  const { head } = model.config
  if (model instanceof EncoderDecoder || (model instanceof LanguageModel && head === undefined)) return true
  return head === "causal" && (model instanceof LanguageModel || "context" in model)
}

/** The model as one that writes. Throws HeedError where it is of another kind. */
export function writingModel(what: string, model: Model): WritingModel {
  if (isWriting(model)) return model
  throw new HeedError(
    `${what}: expected a model that writes text, but got ${describeModel(model)}`,
    "models that write are language models, such as gpt2 and llama, and encoder-decoders, such as t5 and bart",
  )
}
