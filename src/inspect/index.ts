// Looking inside: inner values by name, who attends to whom, what is expected next.
export {
  type AttentionPatterns,
  attentionAt,
  attentionPatterns,
  type HeadScore,
  headScores,
  type TokenRange,
} from "./attention.ts"
export { type ContinuationScore, nextTokenProbabilities, scoreContinuations, type TokenProbability } from "./scores.ts"
export { runWithTaps, type TappedRun, type TapValue, tapsOf } from "./taps.ts"
export { type TokenizedText, tokenizeText, type WordAttention, wordAttention, wordTokens } from "./words.ts"
