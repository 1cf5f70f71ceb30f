// The Auto classes: which models each opens, and what to say of others.

import { describeModel, EncoderDecoder, type Model } from "../../models/index.ts"
import { HeedError } from "../../tensor/index.ts"
import { type ModelParts, openForTask } from "../open.ts"
import { openingOf, type PipelineOptions } from "../opening.ts"
import { type PretrainedModel, pretrainedModel } from "./model.ts"
import type { BaseOutputs, HeadOutputs, Naming, PretrainingOutputs, Seq2SeqOutputs, SpanOutputs } from "./outputs.ts"

/** Opens models of one kind. O: their outputs. */
export interface AutoClass<O> {
  readonly name: string
  /**
   * The model of a folder, of the hub by its name, or one that is open already, as a function. Throws HeedError for a model of
   * another kind that names the class for it, and what opening throws.
   */
  from_pretrained(model: string | Model | ModelParts, options?: PipelineOptions): Promise<PretrainedModel<O>>
}

interface Kind {
  readonly name: string
  /** What it opens, in words. */
  readonly expected: string
  readonly fits: (model: Model, head: unknown) => boolean
}

const kinds: Kind[] = []

const hasHead =
  (...names: readonly string[]) =>
  (_: Model, head: unknown): boolean =>
    names.includes(head as string)

function autoClass<O>(
  name: string,
  expected: string,
  fits: (model: Model, head: unknown) => boolean,
  naming: Naming = "head",
): AutoClass<O> {
  if (naming !== "base") kinds.push({ name, expected, fits })
  return {
    name,
    from_pretrained: async (model, options = {}) => {
      const opened = await openForTask(model, openingOf(name, options), name)
      const head = opened.model.config.head
      if (!fits(opened.model, head)) refuse(name, expected, opened.model)
      return pretrainedModel<O>(name, opened, naming)
    },
  }
}

function refuse(name: string, expected: string, model: Model): never {
  const fit = kinds.filter(kind => kind.fits(model, model.config.head)).map(kind => kind.name)
  throw new HeedError(
    `${name}: expected ${expected}, but got ${describeModel(model)}`,
    `${[...fit, "AutoModel"].join(" or ")} opens it`,
  )
}

const isPair = (model: Model): boolean => model instanceof EncoderDecoder
const other = ["whisper", "vision-encoder-decoder"]

/** Any model, without its head: vectors. */
export const AutoModel = autoClass<BaseOutputs>("AutoModel", "a model", () => true, "base")

/** Language models. */
export const AutoModelForCausalLM = autoClass<HeadOutputs>(
  "AutoModelForCausalLM",
  "a language model",
  hasHead("causal"),
)

/** Encoder-decoders of text. */
export const AutoModelForSeq2SeqLM = autoClass<Seq2SeqOutputs>(
  "AutoModelForSeq2SeqLM",
  "an encoder-decoder of text",
  model => isPair(model) && !other.includes(model.family),
)

/** Models that guess hidden tokens. */
export const AutoModelForMaskedLM = autoClass<HeadOutputs>(
  "AutoModelForMaskedLM",
  "a model that guesses hidden tokens",
  hasHead("masked", "pretraining"),
)

/** BERT as it was pretrained: hidden tokens and next sentences. */
export const AutoModelForPreTraining = autoClass<PretrainingOutputs>(
  "AutoModelForPreTraining",
  "a model that guesses hidden tokens and next sentences",
  hasHead("pretraining"),
  "pretraining",
)

/** BERT that tells whether a text follows another. */
export const AutoModelForNextSentencePrediction = autoClass<HeadOutputs>(
  "AutoModelForNextSentencePrediction",
  "a model that tells next sentences",
  hasHead("nextSentence"),
)

/** Models that classify texts. */
export const AutoModelForSequenceClassification = autoClass<HeadOutputs>(
  "AutoModelForSequenceClassification",
  "a model that classifies texts",
  (model, head) => head === "classification" && model.family !== "vit",
)

/** Models that classify tokens. */
export const AutoModelForTokenClassification = autoClass<HeadOutputs>(
  "AutoModelForTokenClassification",
  "a model that classifies tokens",
  hasHead("tokenClassification"),
)

/** Models that find answers in texts. */
export const AutoModelForQuestionAnswering = autoClass<SpanOutputs>(
  "AutoModelForQuestionAnswering",
  "a model that finds answers",
  hasHead("questionAnswering"),
)

/** Models that classify pictures. */
export const AutoModelForImageClassification = autoClass<HeadOutputs>(
  "AutoModelForImageClassification",
  "a model that classifies pictures",
  (model, head) => head === "classification" && model.family === "vit",
)

/** Models that write what is said. */
export const AutoModelForSpeechSeq2Seq = autoClass<Seq2SeqOutputs>(
  "AutoModelForSpeechSeq2Seq",
  "a model that writes what is said",
  model => isPair(model) && model.family === "whisper",
)

/** Models that name a letter for each frame of sound. */
export const AutoModelForCTC = autoClass<HeadOutputs>(
  "AutoModelForCTC",
  "a model that names letters",
  hasHead("letters"),
)

/** Models that write about pictures. */
export const AutoModelForVision2Seq = autoClass<Seq2SeqOutputs>(
  "AutoModelForVision2Seq",
  "a model that writes about pictures",
  model => isPair(model) && model.family === "vision-encoder-decoder",
)
