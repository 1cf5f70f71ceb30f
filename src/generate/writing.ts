// The models that write texts: language models and encoder-decoders.

import { EncoderDecoder } from "../models/encoder-decoder.ts"
import { describeModel, LanguageModel } from "../models/language-model.ts"
import type { Model } from "../models/model.ts"
import { HeedError } from "../tensor/index.ts"

/** A model that predicts each next token of a text. */
export type WritingModel = LanguageModel | EncoderDecoder

/** The model as one that writes. Throws HeedError where it is of another kind. */
export function writingModel(what: string, model: Model): WritingModel {
  const { head } = model.config
  if ((model instanceof LanguageModel && head !== "classification") || model instanceof EncoderDecoder) return model
  throw new HeedError(
    `${what}: expected a model that writes text, but got ${describeModel(model)}`,
    "models that write are language models, such as gpt2 and llama, and encoder-decoders, such as t5 and bart",
  )
}
