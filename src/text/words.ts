// A tokenizer of a closed list of words and signs, for texts whose vocabulary is known beforehand, such as the tiny world.
// On disk it is a WordLevel model behind a split into words, signs and line ends.
import {
  type Encoding,
  encodeWindows,
  encodeWithOffsets,
  needsTemplate,
  type PairOptions,
  type TokenSpans,
  type WindowOptions,
} from "./encoding.ts"
import { TextError } from "./errors.ts"
import type { IdList } from "./ids.ts"
import {
  encodeChunks,
  encodeSpans,
  encodeText,
  escapePattern,
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

/** How unknown words are met. */
export interface WordOptions {
  /** A token for every word outside the vocabulary, such as "<unk>". Without it an unknown word is an error. */
  readonly unknown?: string
}

// A word may hold apostrophes inside (didn't); a line end is a token; every other sign stands alone; blanks only separate.
const wordPattern = "[\\p{L}\\p{N}]+(?:'[\\p{L}\\p{N}]+)*|\\n|[^\\s\\p{L}\\p{N}]"
const startsWord = /^[\p{L}\p{N}]/u

/** One id per word, sign or line end. Decoding writes one blank before each word, except at the start of a line. */
export class WordTokenizer implements Tokenizer, SegmentEncoder {
  readonly kind = "word"
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly template: Template = plainTemplate
  readonly roles: { readonly unknown?: string }
  private readonly ids: ReadonlyMap<string, number>
  private readonly special: SpecialTokens
  private readonly unknownId: number

  /** `words` in the order of their ids, each one word, sign or "\n", none twice. The unknown token comes after them. */
  constructor(words: readonly string[], options: WordOptions = {}) {
    const ids = new Map<string, number>()
    const whole = new RegExp(`^(?:${wordPattern})$`, "u")
    for (const word of words) {
      if (!whole.test(word) || hasLoneSurrogate(word))
        throw new TextError(`word tokenizer: expected words or single signs, but got ${JSON.stringify(word)}`)
      if (ids.has(word))
        throw new TextError(`word tokenizer: expected each word once, but got ${JSON.stringify(word)} twice`)
      ids.set(word, ids.size)
    }
    const { unknown } = options
    if (unknown !== undefined && (unknown === "" || ids.has(unknown)))
      throw new TextError(
        `word tokenizer: expected an unknown token that is no word, but got ${JSON.stringify(unknown)}`,
      )
    this.ids = ids
    this.unknownId = unknown === undefined ? -1 : words.length
    this.tokens = unknown === undefined ? [...words] : [...words, unknown]
    if (this.tokens.length === 0) throw new TextError("word tokenizer: expected at least one word, but got none")
    this.specialTokens = new Map(unknown === undefined ? [] : [[unknown, this.unknownId]])
    this.special = new SpecialTokens(this.specialTokens)
    this.roles = unknown === undefined ? {} : { unknown }
  }

  /** The tokenizer of the words that occur in a text, in the order of their code units. */
  static fromText(text: string, options: WordOptions = {}): WordTokenizer {
    return new WordTokenizer([...new Set(text.match(new RegExp(wordPattern, "gu")) ?? [])].sort(), options)
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

  encodeSegment(text: string, start: number, end: number, complete: boolean, ids: IdList): number {
    let stop = end
    if (!complete) while (stop > start && !/\s/.test(text[stop - 1]!)) stop-- // the last word may go on
    const pattern = new RegExp(wordPattern, "gu")
    for (const [word] of text.slice(start, stop).matchAll(pattern)) ids.push(this.idOf(word))
    return stop
  }

  placeSegment(text: string, start: number, end: number, places: PlaceList): void {
    for (const { 0: word, index } of text.slice(start, end).matchAll(new RegExp(wordPattern, "gu"))) {
      places.push(this.idOf(word), start + index, start + index + word.length)
      places.endWord()
    }
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const decoder = this.streamingDecoder(options)
    let text = ""
    for (let at = 0; at < ids.length; at++) text += decoder.push(ids[at]!)
    return text
  }

  streamingDecoder(options: DecodeOptions = {}): StreamingDecoder {
    let lineStart = true
    return {
      push: id => {
        const token = this.tokens[id]
        if (token === undefined)
          throw new TextError(
            `decode: expected ids from 0 to ${this.tokens.length - 1}, but got ${id}`,
            "is it this model's tokenizer?",
          )
        if (options.skipSpecialTokens === true && id === this.unknownId) return ""
        const text = !lineStart && (startsWord.test(token) || id === this.unknownId) ? ` ${token}` : token
        lineStart = token === "\n"
        return text
      },
      flush: () => "",
    }
  }

  toJSON(): TokenizerJson {
    const content = this.roles.unknown
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    const wordStart = content === undefined ? "^(?=[\\p{L}\\p{N}])" : `^(?=[\\p{L}\\p{N}]|${escapePattern(content)})`
    return {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: content === undefined ? [] : [{ id: this.unknownId, content, ...flags }],
      normalizer: null,
      pre_tokenizer: { type: "Split", pattern: { Regex: wordPattern }, behavior: "Removed", invert: true },
      post_processor: null,
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { Regex: wordStart }, content: " " },
          { type: "Fuse" },
          { type: "Replace", pattern: { String: "\n " }, content: "\n" },
          { type: "Strip", content: " ", start: 1, stop: 0 },
        ],
      },
      model: {
        type: "WordLevel",
        vocab: Object.fromEntries(this.tokens.map((token, id) => [token, id])),
        unk_token: content ?? "<unk>", // the format demands a name; without the token in the vocabulary it is an error to need it
      },
    }
  }

  configuration(): TokenizerConfiguration {
    const settings = { tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false }
    return this.roles.unknown === undefined ? settings : { ...settings, unk_token: this.roles.unknown }
  }

  /** The word tokenizer that a tokenizer.json of ours describes, or null when it describes something else. */
  static fromJSON(json: TokenizerJson): WordTokenizer | null {
    const { model, pre_tokenizer: split } = json
    const pattern = split?.pattern as { Regex?: unknown } | undefined
    if (model.type !== "WordLevel" || split?.type !== "Split" || pattern?.Regex !== wordPattern) return null
    if (json.normalizer != null || json.post_processor != null || json.decoder?.type !== "Sequence") return null
    const tokens = readVocabulary(model.vocab)
    if (tokens === null) return null
    const [unknown, ...more] = json.added_tokens ?? []
    if (more.length > 0) return null
    if (unknown === undefined) return new WordTokenizer(tokens)
    if (unknown.content !== tokens.at(-1)) return null
    return new WordTokenizer(tokens.slice(0, -1), { unknown: unknown.content })
  }

  private idOf(word: string): number {
    const id = this.ids.get(word) ?? this.unknownId
    if (id >= 0) return id
    throw new TextError(
      `word tokenizer: expected one of its ${this.tokens.length} words, but got ${JSON.stringify(word)}`,
      this.suggest(word),
    )
  }

  private suggest(word: string): string {
    const near = this.tokens
      .map(token => ({ token, distance: editDistance(token.toLowerCase(), word.toLowerCase()) }))
      .filter(({ token, distance }) => distance <= Math.max(1, Math.min(token.length, word.length) / 2))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 3)
      .map(({ token }) => JSON.stringify(token))
    const known =
      'the tokenizer is made for a closed list of words; see its `tokens`, or build it with { unknown: "<unk>" }'
    return near.length === 0 ? known : `the nearest words it knows: ${near.join(", ")}`
  }
}

/** Letters to insert, delete or replace to turn one word into another (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
