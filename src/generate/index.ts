// Texts written by a model: streamed, in batches, by beam search, and faster with guesses.

export { type BatchOptions, type GeneratedBatch, generateIds } from "./batch.ts"
export { type GenerationConfig, type GenerationInput, generationConfig, type Strategy, strategyOf } from "./config.ts"
export {
  type Attended,
  CachedDecoder,
  type Decoder,
  type DecoderOptions,
  type DecoderRequest,
  type Reading,
} from "./decoder.ts"
export { mergeGeneration, readGeneration } from "./defaults.ts"
export type { GenerateOptions, RunOptions } from "./job.ts"
export { forgetDecoders } from "./lend.ts"
export { generationOptions } from "./options.ts"
export type { Token, TokenChance } from "./plan.ts"
export * from "./process.ts"
export { type ProcessorContext, processorsOf, type ScoreProcessor, type Situation } from "./processors.ts"
export {
  bestTokens,
  draw,
  entropy,
  logProbabilities,
  logSumExp,
  mostLikely,
  probabilities,
} from "./scores.ts"
export { readSource, type Source } from "./source.ts"
export { type Draft, type Guess, LookupDraft, verifiedDraw } from "./speculative.ts"
export { StopScanner } from "./stop.ts"
export { type EndEvent, type GenerationEvent, generate, generateText, type TokenEvent } from "./stream.ts"
export type { EndReason, StoppingCriterion } from "./texts.ts"
export type { Prompt } from "./tokens.ts"
export * from "./truncate.ts"
export { WholeDecoder } from "./whole.ts"
export { isCaching, isWriting, type WritingModel, writingModel } from "./writing.ts"
