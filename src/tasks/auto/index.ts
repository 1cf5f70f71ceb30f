// The doors of transformers beyond pipeline(): tokenizers, models and processors by from_pretrained().
export type { GenerateCall, GeneratedOutputs } from "./generate.ts"
export type { ModelInputs } from "./inputs.ts"
export {
  type AutoClass,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForCTC,
  AutoModelForImageClassification,
  AutoModelForMaskedLM,
  AutoModelForNextSentencePrediction,
  AutoModelForPreTraining,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForSpeechSeq2Seq,
  AutoModelForTokenClassification,
  AutoModelForVision2Seq,
} from "./kinds.ts"
export type { PretrainedModel } from "./model.ts"
export type { BaseOutputs, HeadOutputs, PretrainingOutputs, Seq2SeqOutputs, SpanOutputs } from "./outputs.ts"
export {
  AutoFeatureExtractor,
  AutoImageProcessor,
  AutoProcessor,
  load_image,
  type PretrainedProcessor,
  type Processed,
  RawImage,
  read_audio,
} from "./processor.ts"
export { AutoTokenizer, type Encoded, type Ids, type PretrainedTokenizer, pretrainedTokenizer } from "./tokenizer.ts"
export { tokenizerOptions } from "./tokenizer-options.ts"
