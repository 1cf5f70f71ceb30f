// A tokenizer from the objects of its two files. Kinds that we encode ourselves (faster, streamed in bounded memory) are recognised.
import { ByteLevelTokenizer } from "./byte-level.ts"
import { CharacterTokenizer } from "./character.ts"
import { TextError } from "./errors.ts"
import { LibraryTokenizer } from "./library.ts"
import type { Tokenizer, TokenizerConfiguration, TokenizerJson } from "./tokenizer.ts"
import { WordTokenizer } from "./words.ts"

/**
 * Opens the object of a `tokenizer.json` (and of its `tokenizer_config.json`). GPT-2's kind of byte-level BPE, character and word
 * tokenizers run in our own code, all others in `@huggingface/tokenizers`; the ids are the same. Throws TextError for anything else.
 */
export function loadTokenizer(json: unknown, configuration: TokenizerConfiguration = {}): Tokenizer {
  if (!isTokenizerJson(json))
    throw new TextError(
      `loadTokenizer: expected the object of a tokenizer.json with a "model", but got ${describe(json)}`,
      "older models have vocab.json and merges.txt instead: convert them with Hugging Face's AutoTokenizer.save_pretrained",
    )
  return (
    CharacterTokenizer.fromJSON(json) ??
    WordTokenizer.fromJSON(json) ??
    ByteLevelTokenizer.fromJSON(json, configuration) ??
    new LibraryTokenizer(json, configuration)
  )
}

function isTokenizerJson(json: unknown): json is TokenizerJson {
  if (typeof json !== "object" || json === null || !("model" in json)) return false
  const { model } = json
  if (typeof model !== "object" || model === null) return false
  return "vocab" in model && typeof model.vocab === "object" && model.vocab !== null
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? String(value)
  const keys = Object.keys(value).slice(0, 6)
  return keys.length === 0 ? "an empty object" : `an object with ${keys.join(", ")}`
}
