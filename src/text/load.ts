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
  try {
    return (
      CharacterTokenizer.fromJSON(json) ??
      WordTokenizer.fromJSON(json) ??
      ByteLevelTokenizer.fromJSON(json, configuration) ??
      PipelineTokenizer.fromJSON(json, configuration) ??
      new LibraryTokenizer(json, configuration)
    )
  } catch (cause) {
    if (cause instanceof TextError) throw cause
    throw new TextError(
      `loadTokenizer: expected the object of a tokenizer.json, but ${(cause as Error).message}`,
      "the file is broken: fetch it again",
      { cause },
    )
  }
}

function isTokenizerJson(json: unknown): json is TokenizerJson {
  if (typeof json !== "object" || json === null || !("model" in json)) return false
  const { model } = json
  if (typeof model !== "object" || model === null) return false
  return "vocab" in model && typeof model.vocab === "object" && model.vocab !== null
}

const largestVocabulary = 1 << 24
const partLists = ["normalizers", "pretokenizers", "processors", "decoders"]

/** A part is null, or an object with a type; a sequence has a list of parts. */
function checkPart(name: string, part: unknown): void {
  if (part === null || part === undefined) return
  const { type } = part as { type?: unknown }
  const list = partLists.map(key => (part as Record<string, unknown>)[key]).find(each => each !== undefined)
  const wrong = typeof part !== "object" || Array.isArray(part) || typeof type !== "string"
  if (wrong || (type === "Sequence" && !Array.isArray(list)))
    throw new TextError(
      `loadTokenizer: expected a ${name} with a type${type === "Sequence" ? " and a list of parts" : ""}, but got ${describe(part)}`,
      "the file is broken: fetch it again",
    )
  if (type === "Sequence") for (const each of list as unknown[]) checkPart(name, each ?? "null")
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
  for (const token of (added as unknown[] | null | undefined) ?? []) {
    const { content, id } = (token ?? {}) as { content?: unknown; id?: unknown }
    if (
      typeof content !== "string" ||
      !(typeof id === "number" && Number.isInteger(id) && id >= 0 && id < largestVocabulary)
    )
      refuse(`added_tokens with content and id below ${largestVocabulary}`, token)
  }
  for (const name of ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const) checkPart(name, json[name])
  if (Array.isArray(vocab)) return // a list of pieces and scores
  for (const [token, id] of Object.entries(vocab as object))
    if (!(Number.isInteger(id) && id >= 0 && id < largestVocabulary))
      refuse(`ids from 0 to ${largestVocabulary - 1} (here of ${JSON.stringify(token)})`, id)
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? String(value)
  const keys = Object.keys(value).slice(0, 6)
  return keys.length === 0 ? "an empty object" : `an object with ${keys.join(", ")}`
}
