// A tokenizer from the objects of its two files. Kinds that we encode ourselves (faster, streamed in bounded memory) are recognised.
import { ByteLevelTokenizer } from "./byte-level.ts"
import { CharacterTokenizer } from "./character.ts"
import { TextError } from "./errors.ts"
import { LibraryTokenizer } from "./library.ts"
import { PipelineTokenizer } from "./pipeline.ts"
import type { Tokenizer, TokenizerConfiguration, TokenizerJson } from "./tokenizer.ts"
import { WordTokenizer } from "./words.ts"

/**
 * Opens the object of a `tokenizer.json` (and of its `tokenizer_config.json`). Kinds whose parts are known here run in our own code,
 * with the ids of Hugging Face's original (Rust) library; any other runs in `@huggingface/tokenizers`. Throws TextError for what is none.
 */
export function loadTokenizer(json: unknown, configuration: TokenizerConfiguration = {}): Tokenizer {
  if (!isTokenizerJson(json))
    throw new TextError(
      `loadTokenizer: expected the object of a tokenizer.json with a "model", but got ${describe(json)}`,
      "older models have vocab.txt, vocab.json and merges.txt, or a SentencePiece model instead: open those with openTokenizer",
    )
  checkParts(json)
  return (
    CharacterTokenizer.fromJSON(json) ??
    WordTokenizer.fromJSON(json) ??
    ByteLevelTokenizer.fromJSON(json, configuration) ??
    PipelineTokenizer.fromJSON(json, configuration) ??
    new LibraryTokenizer(json, configuration)
  )
}

function isTokenizerJson(json: unknown): json is TokenizerJson {
  if (typeof json !== "object" || json === null || !("model" in json)) return false
  const { model } = json
  if (typeof model !== "object" || model === null) return false
  return "vocab" in model && typeof model.vocab === "object" && model.vocab !== null
}

const modelTypes = ["BPE", "WordPiece", "WordLevel", "Unigram"]

/** Refuses parts that no tokenizer has, which would be taken for something else later. */
function checkParts(json: TokenizerJson): void {
  const refuse = (expected: string, value: unknown): never => {
    throw new TextError(
      `loadTokenizer: expected ${expected}, but got ${describe(value)}`,
      "the file is broken: fetch it again",
    )
  }
  const { type, vocab, merges } = json.model as Readonly<Record<string, unknown>>
  const { added_tokens: added } = json as { readonly added_tokens?: unknown }
  if (typeof type === "string" && !modelTypes.includes(type)) refuse(`a model of ${modelTypes.join(", ")}`, type)
  if (merges !== undefined && merges !== null && !Array.isArray(merges)) refuse("merges in a list", merges)
  if (added !== undefined && added !== null && !Array.isArray(added)) refuse("added_tokens in a list", added)
  if (Array.isArray(vocab)) return // a list of pieces and scores
  for (const [token, id] of Object.entries(vocab as object))
    if (!(Number.isInteger(id) && id >= 0 && id < 2 ** 31))
      refuse(`ids from 0 to 2147483647 (here of ${JSON.stringify(token)})`, id)
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? String(value)
  const keys = Object.keys(value).slice(0, 6)
  return keys.length === 0 ? "an empty object" : `an object with ${keys.join(", ")}`
}
