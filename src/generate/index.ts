// Texts written by a model: streamed, in batches, by beam search.

export { type BatchOptions, type GeneratedBatch, generateIds } from "./batch.ts"
export { type Beam, type BeamOptions, type BeamResult, beamSearch } from "./beams.ts"
export {
  type GenerationConfig,
  type GenerationInput,
  generationConfig,
  generationOptions,
} from "./config.ts"
export { Decoder, type DecoderOptions, type DecoderRequest, forgetDecoders } from "./decoder.ts"
export * from "./process.ts"
export { StopScanner } from "./stop.ts"
export {
  type EndEvent,
  type EndReason,
  type GenerateOptions,
  type GenerationEvent,
  generate,
  generateText,
  type RunOptions,
  type TokenEvent,
} from "./stream.ts"
export type { Prompt } from "./tokens.ts"
