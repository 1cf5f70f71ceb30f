// Models: families, how they are opened and saved, what they take and give.
export { Bart, type BartAnswer, type BartConfig, BartReader, bart } from "./bart.ts"
export { Bert, type BertConfig, bert } from "./bert.ts"
export {
  Clip,
  type ClipConfig,
  type ClipOptions,
  type ClipOutput,
  clip,
  clipText,
  clipVision,
  contrastiveLoss,
} from "./clip.ts"
export {
  ClipText,
  type ClipTextConfig,
  type ClipTowerOutput,
  ClipVision,
  type ClipVisionConfig,
} from "./clip-towers.ts"
export {
  defineModel,
  findFamily,
  type ModelDefinition,
  type ModelFamily,
  type PublishedConfig,
  type ReadConfigOptions,
} from "./definition.ts"
export { DistilBert, type DistilBertConfig, distilbert } from "./distilbert.ts"
export {
  type DecodeOptions,
  type Encoded,
  EncoderDecoder,
  type EncoderDecoderOutput,
  encoderDecoderOptions,
  type StacksOutput,
  shiftRight,
  throughStacks,
} from "./encoder-decoder.ts"
export { type Gemma, type GemmaConfig, gemma } from "./gemma.ts"
export { type Gemma2, type Gemma2Config, gemma2 } from "./gemma2.ts"
export { type GenerationFile, generationOf, keepGeneration, type PublishedGeneration } from "./generation.ts"
export { GPTNeo, type GPTNeoConfig, gptNeo } from "./gpt-neo.ts"
export { GPT2, type GPT2Config, gpt2 } from "./gpt2.ts"
export {
  type CacheRequest,
  describeModel,
  LanguageModel,
  type LanguageOutput,
  languageModel,
} from "./language-model.ts"
export { type Llama, type LlamaConfig, llama } from "./llama.ts"
export {
  families,
  familyOf,
  type LoadModelOptions,
  loadModel,
  modelFiles,
  modelFrom,
  saveModel,
  visionEncoderDecoder,
} from "./load.ts"
export {
  Longformer,
  type LongformerConfig,
  type LongformerOptions,
  type LongformerOutput,
  longformer,
} from "./longformer.ts"
export { Marian, type MarianConfig, marian } from "./marian.ts"
export { MBart, type MBartConfig, mbart } from "./mbart.ts"
export { type Mistral, type MistralConfig, mistral } from "./mistral.ts"
export { type ForwardOptions, Model, type ModelOutput, type OutputRequest } from "./model.ts"
export { OpenAIGPT, type OpenAIGPTConfig, openaiGpt } from "./openai-gpt.ts"
export {
  type EncoderHead,
  type EncoderOptions,
  type EncoderOutput,
  type EncoderScores,
  type EncoderStates,
  MaskedHead,
  type MaskedHeadOptions,
  Pooler,
  PretrainingHead,
  SequenceHead,
  SpanHead,
  TokenHead,
} from "./parts/encoder-heads.ts"
export {
  ClassificationHead,
  type ClassificationKind,
  type ClassificationOptions,
  classificationLoss,
  type HeadOutput,
  nextTokens,
  VocabularyHead,
  type VocabularyOptions,
} from "./parts/heads.ts"
export { firstPooled, maxPooled, meanPooled, normalized, type Pooling, pooled, poolings } from "./parts/pooling.ts"
export { type RotaryBlock, RotaryDecoder, type RotaryParts, rotaryBlock } from "./parts/rotary-decoder.ts"
export type { RotaryConfig } from "./parts/rotary-options.ts"
export { TextEncoder, textEncoder } from "./parts/text-encoder.ts"
export { Pegasus, type PegasusConfig, pegasus } from "./pegasus.ts"
export { type Phi3, type Phi3Config, phi3 } from "./phi3.ts"
export { type Qwen2, type Qwen2Config, qwen2 } from "./qwen2.ts"
export { Reformer, type ReformerConfig, type ReformerOptions, type ReformerOutput, reformer } from "./reformer.ts"
export { camembert, Roberta, type RobertaConfig, roberta, xlmRoberta } from "./roberta.ts"
export { T5, T5Encoder, t5 } from "./t5.ts"
export type { T5Config } from "./t5-config.ts"
export {
  TransformerXL,
  type TransformerXLConfig,
  type TransformerXLOptions,
  type TransformerXLOutput,
  transfoXl,
} from "./transfo-xl.ts"
export {
  captioningFamily,
  VisionEncoderDecoder,
  type VisionEncoderDecoderConfig,
} from "./vision-encoder-decoder.ts"
export { ViT, type ViTConfig, vit } from "./vit.ts"
export { Wav2Vec2, wav2vec2 } from "./wav2vec2.ts"
export type { Wav2Vec2Config } from "./wav2vec2-config.ts"
export {
  type PublishedPart,
  publishedParts,
  type RowPart,
  stacked,
  type WeightMark,
  type WeightRule,
  type WeightTable,
} from "./weight-names.ts"
export { type LoadOptions, loadWeights, publishedWeights, type WeightSource } from "./weights.ts"
export { Whisper, type WhisperConfig, whisper } from "./whisper.ts"
