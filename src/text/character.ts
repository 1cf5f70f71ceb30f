// A character tokenizer: one id for each Unicode character that occurs in a text, in the order of their code points.
// On disk it is a BPE model without merges behind a split into characters, which Hugging Face's libraries open as they are.
import {
  type Encoding,
  encodeWindows,
  encodeWithOffsets,
  needsTemplate,
  type PairOptions,
  type TokenSpans,
  type WindowOptions,
} from "./encoding.ts"
import { nameCharacter, TextError } from "./errors.ts"
import type { IdList } from "./ids.ts"
import {
  encodeChunks,
  encodeSpans,
  encodeText,
  hasLoneSurrogate,
  type PlaceList,
  type SegmentEncoder,
  SpecialTokens,
} from "./segments.ts"
import { plainTemplate, type Template } from "./template.ts"
import {
  type DecodeOptions,
  readVocabulary,
  type StreamingDecoder,
  type Tokenizer,
  type TokenizerConfiguration,
  type TokenizerJson,
} from "./tokenizer.ts"

/** How unknown characters are met. */
export interface CharacterOptions {
  /** A token for every character outside the vocabulary, such as "<unk>". Without it an unknown character is an error. */
  readonly unknown?: string
}

const characterPattern = "[\\s\\S]"

/** One id per character. Halves of surrogate pairs are no characters: they count as unknown. */
export class CharacterTokenizer implements Tokenizer, SegmentEncoder {
  readonly kind = "character"
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly template: Template = plainTemplate
  readonly roles: { readonly unknown?: string }
  private readonly ids: ReadonlyMap<string, number>
  private readonly special: SpecialTokens
  private readonly unknownId: number

  /** `characters` in the order of their ids, each one Unicode character, none twice. The unknown token comes after them. */
  constructor(characters: readonly string[], options: CharacterOptions = {}) {
    const ids = new Map<string, number>()
    for (const character of characters) {
      if ([...character].length !== 1 || hasLoneSurrogate(character))
        throw new TextError(
          `character tokenizer: expected single characters, but got ${JSON.stringify(character)}`,
          "build it from a text with CharacterTokenizer.fromText(text)",
        )
      if (ids.has(character))
        throw new TextError(
          `character tokenizer: expected each character once, but got ${nameCharacter(character)} twice`,
        )
      ids.set(character, ids.size)
    }
    const { unknown } = options
    if (unknown !== undefined && [...unknown].length < 2)
      throw new TextError(
        `character tokenizer: expected an unknown token of two characters or more, but got ${JSON.stringify(unknown)}`,
        'use a name that is no character, such as "<unk>"',
      )
    this.ids = ids
    this.unknownId = unknown === undefined ? -1 : characters.length
    this.tokens = unknown === undefined ? [...characters] : [...characters, unknown]
    if (this.tokens.length === 0)
      throw new TextError("character tokenizer: expected at least one character, but got none", "the text is empty")
    this.specialTokens = new Map(unknown === undefined ? [] : [[unknown, this.unknownId]])
    this.special = new SpecialTokens(this.specialTokens)
    this.roles = unknown === undefined ? {} : { unknown }
  }

  /** The tokenizer of the characters that occur in a text. */
  static fromText(text: string, options: CharacterOptions = {}): CharacterTokenizer {
    const seen = new Set<string>()
    collectCharacters(text, seen)
    return fromCharacters(seen, options)
  }

  /** The tokenizer of the characters that occur in a text that comes in chunks. */
  static async fromStream(
    chunks: AsyncIterable<string> | Iterable<string>,
    options: CharacterOptions = {},
  ): Promise<CharacterTokenizer> {
    const seen = new Set<string>()
    let half = ""
    for await (const chunk of chunks) {
      const text = half + chunk
      half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ""
      collectCharacters(half === "" ? text : text.slice(0, -1), seen)
    }
    return fromCharacters(seen, options)
  }

  get vocabularySize(): number {
    return this.tokens.length
  }

  tokenId(token: string): number | undefined {
    return this.ids.get(token) ?? this.specialTokens.get(token)
  }

  encode(text: string, options: PairOptions = {}): Int32Array {
    if (needsTemplate(options)) return encodeWithOffsets(this, text, options).ids
    return encodeText(this, this.special, text)
  }

  tokenize(text: string): TokenSpans {
    return encodeSpans(this, this.special, text)
  }

  encodeWithOffsets(text: string, options: PairOptions = {}): Encoding {
    return encodeWithOffsets(this, text, options)
  }

  encodeWindows(text: string, options: WindowOptions): Encoding[] {
    return encodeWindows(this, text, options)
  }

  encodeStream(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Int32Array, void, void> {
    return encodeChunks(this, this.special, chunks)
  }

  encodeSegment(text: string, start: number, end: number, _complete: boolean, ids: IdList): number {
    for (let at = start; at < end; ) {
      const character = String.fromCodePoint(text.codePointAt(at)!)
      ids.push(this.idOf(character))
      at += character.length
    }
    return end
  }

  placeSegment(text: string, start: number, end: number, places: PlaceList): void {
    for (let at = start; at < end; ) {
      const character = String.fromCodePoint(text.codePointAt(at)!)
      places.push(this.idOf(character), at, at + character.length)
      places.endWord()
      at += character.length
    }
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    let text = ""
    for (let at = 0; at < ids.length; at++) text += this.textOf(ids[at]!, options)
    return text
  }

  streamingDecoder(options: DecodeOptions = {}): StreamingDecoder {
    return { push: id => this.textOf(id, options), flush: () => "" }
  }

  toJSON(): TokenizerJson {
    const content = this.roles.unknown
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    return {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: content === undefined ? [] : [{ id: this.unknownId, content, ...flags }],
      normalizer: null,
      pre_tokenizer: { type: "Split", pattern: { Regex: characterPattern }, behavior: "Isolated", invert: false },
      post_processor: null,
      decoder: { type: "Fuse" },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: content ?? null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(this.tokens.map((token, id) => [token, id])),
        merges: [],
      },
    }
  }

  configuration(): TokenizerConfiguration {
    const settings = { tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false }
    return this.roles.unknown === undefined ? settings : { ...settings, unk_token: this.roles.unknown }
  }

  /** The character tokenizer that a tokenizer.json of ours describes, or null when it describes something else. */
  static fromJSON(json: TokenizerJson): CharacterTokenizer | null {
    const { model, pre_tokenizer: split } = json
    const pattern = split?.pattern as { Regex?: unknown } | undefined
    if (model.type !== "BPE" || split?.type !== "Split" || pattern?.Regex !== characterPattern) return null
    if (json.normalizer != null || json.post_processor != null || json.decoder?.type !== "Fuse") return null
    if (split.behavior !== "Isolated" || split.invert !== false) return null
    if (!Array.isArray(model.merges) || model.merges.length > 0 || model.byte_fallback === true) return null
    const unknown = typeof model.unk_token === "string" ? model.unk_token : undefined
    const tokens = readVocabulary(model.vocab)
    if (tokens === null) return null
    const added = json.added_tokens ?? []
    if (unknown === undefined ? added.length > 0 : added.length !== 1 || added[0]?.content !== unknown) return null
    const characters = unknown === undefined ? tokens : tokens.slice(0, -1)
    if (unknown !== undefined && tokens.at(-1) !== unknown) return null
    if (characters.some(character => [...character].length !== 1)) return null
    return new CharacterTokenizer(characters, unknown === undefined ? {} : { unknown })
  }

  private idOf(character: string): number {
    const id = this.ids.get(character) ?? this.unknownId
    if (id >= 0) return id
    throw new TextError(
      `character tokenizer: expected one of its ${this.tokens.length} characters, but got ${nameCharacter(character)}`,
      'build the tokenizer from all of the text, or with { unknown: "<unk>" }',
    )
  }

  private textOf(id: number, options: DecodeOptions): string {
    const token = this.tokens[id]
    if (token === undefined)
      throw new TextError(
        `decode: expected ids from 0 to ${this.tokens.length - 1}, but got ${id}`,
        "is it this model's tokenizer?",
      )
    return options.skipSpecialTokens === true && id === this.unknownId ? "" : token
  }
}

function collectCharacters(text: string, seen: Set<string>): void {
  for (const character of text) seen.add(character)
}

function fromCharacters(seen: Set<string>, options: CharacterOptions): CharacterTokenizer {
  const characters = [...seen].filter(character => !hasLoneSurrogate(character))
  return new CharacterTokenizer(
    characters.sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!),
    options,
  )
}
