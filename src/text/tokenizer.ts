// What every tokenizer of the house can do, and the two JSON objects that describe one on disk (Hugging Face's layout).

import type { Encoding, PairOptions, TokenSpans, WindowOptions } from "./encoding.ts"
import type { Template } from "./template.ts"

/** How to encode: special tokens, a second text, the most tokens. */
export type EncodeOptions = PairOptions

/** How to decode. */
export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecialTokens?: boolean
}

/** Turns ids into text one at a time, as a model writes them. */
export interface StreamingDecoder {
  /** The text that is certain once this id has come; empty while a character is incomplete. */
  push(id: number): string
  /** What is still held back, at the end of the ids. */
  flush(): string
}

/** The role that a special token plays. */
export type SpecialRole = "unknown" | "beginning" | "end" | "padding" | "separator" | "class" | "mask"

/** Text to ids and back. Ids are 0 … vocabularySize - 1. */
export interface Tokenizer {
  /** What kind of tokenizer this is, in words, for messages. */
  readonly kind: string
  /** One more than the largest id. */
  readonly vocabularySize: number
  /** The text of each token by its id, as it is written in tokenizer.json (byte-level tokens in their byte alphabet). */
  readonly tokens: readonly string[]
  /** Tokens that are never part of ordinary text, and their ids. They are recognised inside a text, as Hugging Face does. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** Which special token plays which role; roles that nothing plays are absent. */
  readonly roles: Readonly<Partial<Record<SpecialRole, string>>>
  /** The id of a token as `tokens` spells it, or undefined. */
  tokenId(token: string): number | undefined
  /** What is put around a text, and around a pair of texts. */
  readonly template: Template
  /** The ids of a text. Throws TextError where the tokenizer has no token for a part of it and no unknown token. */
  encode(text: string, options?: EncodeOptions): Int32Array
  /** The tokens of a text without special tokens around it, and where each stands. Throws TextError as `encode` does. */
  tokenize(text: string): TokenSpans
  /** The tokens of a text (and its pair) with their places, words and segments, in the template. Throws TextError. */
  encodeWithOffsets(text: string, options?: PairOptions): Encoding
  /** The same in windows of `maxLength` tokens that cover a long text (or the pair of a question). Throws TextError. */
  encodeWindows(text: string, options: WindowOptions): Encoding[]
  /** The text of ids. Throws TextError for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string
  /** A decoder that is fed one id at a time. */
  streamingDecoder(options?: DecodeOptions): StreamingDecoder
  /**
   * The ids of a text that comes in chunks: together the same as `encode(whole, { addSpecialTokens: false })`, wherever the chunks
   * are cut. Memory stays that of a few chunks.
   */
  encodeStream(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Int32Array, void, void>
  /** The object of a `tokenizer.json`. */
  toJSON(): TokenizerJson
  /** The object of a `tokenizer_config.json` that belongs beside it. */
  configuration(): TokenizerConfiguration
}

/** An entry of `added_tokens` in tokenizer.json. */
export interface AddedTokenJson {
  readonly id: number
  readonly content: string
  readonly single_word?: boolean
  readonly lstrip?: boolean
  readonly rstrip?: boolean
  readonly normalized?: boolean
  readonly special?: boolean
}

/** A part of tokenizer.json's pipeline: `type` and its settings. */
export interface TokenizerPartJson {
  readonly type?: string
  readonly [setting: string]: unknown
}

/** The object of a Hugging Face `tokenizer.json`. */
export interface TokenizerJson {
  readonly version?: string
  readonly truncation?: unknown
  readonly padding?: unknown
  readonly added_tokens?: readonly AddedTokenJson[]
  readonly normalizer?: TokenizerPartJson | null
  readonly pre_tokenizer?: TokenizerPartJson | null
  readonly post_processor?: TokenizerPartJson | null
  readonly decoder?: TokenizerPartJson | null
  readonly model: TokenizerPartJson
}

/** The object of a Hugging Face `tokenizer_config.json`: what the roles of special tokens are, and more. */
export interface TokenizerConfiguration {
  readonly [setting: string]: unknown
}

const roleSettings: readonly (readonly [SpecialRole, string])[] = [
  ["unknown", "unk_token"],
  ["beginning", "bos_token"],
  ["end", "eos_token"],
  ["padding", "pad_token"],
  ["separator", "sep_token"],
  ["class", "cls_token"],
  ["mask", "mask_token"],
]

/** The roles as a tokenizer_config.json names them. */
export function rolesToSettings(roles: Readonly<Partial<Record<SpecialRole, string>>>): Record<string, string> {
  const settings: Record<string, string> = {}
  for (const [role, setting] of roleSettings) {
    const token = roles[role]
    if (token !== undefined) settings[setting] = token
  }
  return settings
}

/** The roles that a tokenizer_config.json names; a token is a string or an object with `content`. */
export function settingsToRoles(configuration: TokenizerConfiguration): Partial<Record<SpecialRole, string>> {
  const roles: Partial<Record<SpecialRole, string>> = {}
  for (const [role, setting] of roleSettings) {
    const value = configuration[setting]
    const token = typeof value === "object" && value !== null && "content" in value ? value.content : value
    if (typeof token === "string") roles[role] = token
  }
  return roles
}

/** The tokens of a tokenizer.json's `vocab` by id, or null where its ids are not 0 … size - 1, each once. */
export function readVocabulary(vocab: unknown): string[] | null {
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) return null
  const entries: [string, unknown][] = Object.entries(vocab)
  const tokens = new Array<string | undefined>(entries.length).fill(undefined)
  for (const [token, id] of entries) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= tokens.length) return null
    tokens[id] = token
  }
  return tokens.every(token => token !== undefined) ? (tokens as string[]) : null
}
