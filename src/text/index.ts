// Text to ids and back: tokenizers that are loaded, trained, saved and streamed.
export { type ByteLevelParts, ByteLevelTokenizer } from "./byte-level.ts"
export { type CharacterOptions, CharacterTokenizer } from "./character.ts"
export {
  applyChatTemplate,
  type ChatMessage,
  type ChatOptions,
  type ChatTemplate,
  chatML,
  chatTemplate,
  parseChatTemplate,
} from "./chat.ts"
export {
  type Encoding,
  type PadOptions,
  type PairOptions,
  padEncodings,
  type TokenSpans,
  type TruncationStrategy,
  type WindowOptions,
} from "./encoding.ts"
export { TextError } from "./errors.ts"
export { LibraryTokenizer } from "./library.ts"
export { loadTokenizer } from "./load.ts"
export { type OpenTokenizerOptions, openTokenizer, type ReadFile } from "./open.ts"
export { PipelineTokenizer } from "./pipeline.ts"
export { readSentencePiece, type SentencePieceModel, type SentencePieceType } from "./sentencepiece.ts"
export type { Template, TemplateItem } from "./template.ts"
export type {
  AddedTokenJson,
  DecodeOptions,
  EncodeOptions,
  SpecialRole,
  StreamingDecoder,
  Tokenizer,
  TokenizerConfiguration,
  TokenizerJson,
  TokenizerPartJson,
} from "./tokenizer.ts"
export { type TrainByteLevelOptions, trainByteLevel } from "./train-byte-level.ts"
export { type TrainUnigramOptions, trainUnigram } from "./train-unigram.ts"
export { type TrainWordPieceOptions, trainWordPiece } from "./train-word-pieces.ts"
export { type WordOptions, WordTokenizer } from "./words.ts"
