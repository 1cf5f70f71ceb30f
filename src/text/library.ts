// Any published tokenizer.json through `@huggingface/tokenizers`, behind the interface of the house.
import { Tokenizer as Library } from "@huggingface/tokenizers"
import { TextError } from "./errors.ts"
import { IdList } from "./ids.ts"
import {
  type DecodeOptions,
  type EncodeOptions,
  type SpecialRole,
  type StreamingDecoder,
  settingsToRoles,
  type Tokenizer,
  type TokenizerConfiguration,
  type TokenizerJson,
  type TokenizerPartJson,
} from "./tokenizer.ts"

const longestUncutText = 1 << 24 // code units that a stream may hold when its tokenizer allows no cut
const smallestRun = 1 << 14
const largestVocabulary = 1 << 24

/** A tokenizer.json of any kind. Its `truncation` and `padding` are not applied: texts are never cut short without being asked. */
export class LibraryTokenizer implements Tokenizer {
  readonly kind: string
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly roles: Readonly<Partial<Record<SpecialRole, string>>>
  private readonly json: TokenizerJson
  private readonly settings: TokenizerConfiguration
  private readonly library: Library
  private readonly cuttable: boolean

  /** Throws TextError where the object is no tokenizer.json that the library understands. */
  constructor(json: TokenizerJson, configuration: TokenizerConfiguration = {}) {
    const whole = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      ...json,
    }
    checkIds(json)
    try {
      this.library = new Library(whole, configuration)
    } catch (cause) {
      throw new TextError(
        `loadTokenizer: expected the object of a tokenizer.json, but ${(cause as Error).message}`,
        "is the file a Hugging Face tokenizer.json, and whole?",
        { cause },
      )
    }
    this.json = json
    this.settings = configuration
    this.kind = String(json.model.type ?? "published")
    const tokens: string[] = []
    for (const [token, id] of this.library.get_vocab()) if (token !== undefined) tokens[id] = token
    for (let id = 0; id < tokens.length; id++) tokens[id] ??= "" // an id that no token has
    this.tokens = tokens
    const added = json.added_tokens ?? []
    this.specialTokens = new Map(added.filter(token => token.special).map(token => [token.content, token.id]))
    this.roles = settingsToRoles(configuration)
    this.cuttable = cutsAtBlanks(json) && this.library.pre_tokenizer?.pre_tokenize("word other word", {})[0] === "word"
  }

  get vocabularySize(): number {
    return this.tokens.length
  }

  tokenId(token: string): number | undefined {
    return this.library.token_to_id(token)
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { addSpecialTokens = true } = options
    const { ids, tokens } = this.library.encode(text, { add_special_tokens: addSpecialTokens })
    const unknown = (ids as (number | undefined)[]).indexOf(undefined)
    if (unknown >= 0)
      throw new TextError(
        `encode: expected a text of the tokenizer's vocabulary, but it has no id for ${JSON.stringify(tokens[unknown])}`,
        "its tokenizer_config.json names no unk_token",
      )
    return Int32Array.from(ids)
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const list = Array.from(ids)
    for (const id of list)
      if (!(id >= 0 && id < this.tokens.length))
        throw new TextError(
          `decode: expected ids from 0 to ${this.tokens.length - 1}, but got ${id}`,
          "is it this model's tokenizer?",
        )
    if (list.length === 0) return ""
    return this.library.decode(list, { skip_special_tokens: options.skipSpecialTokens === true })
  }

  /** Decodes a window of the last ids with each new one, because a token's text may depend on the ones before it. */
  streamingDecoder(options: DecodeOptions = {}): StreamingDecoder {
    let window: number[] = []
    let written = 0 // ids of the window whose text is out
    const advance = (final: boolean): string => {
      const before = this.decode(window.slice(0, written), options)
      const text = this.decode(window, options)
      if (!final && (text.endsWith("\ufffd") || text.length <= before.length)) return ""
      window = window.slice(written)
      written = window.length
      return text.slice(before.length)
    }
    return {
      push: id => {
        window.push(id)
        return advance(false)
      },
      flush: () => (written === window.length ? "" : advance(true)),
    }
  }

  /**
   * Cuts only between a letter and a blank followed by a letter, where tokenizers that split at blanks always split. A tokenizer
   * that does not (SentencePiece) is given the whole text at once, up to 16 million characters; a longer one is refused.
   */
  async *encodeStream(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Int32Array, void, void> {
    const ids = new IdList()
    let held = ""
    let wanted = smallestRun
    for await (const chunk of chunks) {
      held += chunk
      if (held.length < wanted) continue
      const cut = this.cuttable ? lastCut(held) : 0
      if (cut > 0) ids.append(this.encode(held.slice(0, cut), { addSpecialTokens: false }))
      held = held.slice(cut)
      if (held.length > longestUncutText)
        throw new TextError(
          `encodeStream: expected a text that this ${this.kind} tokenizer can cut, but got ${held.length} characters without a safe cut`,
          "encode it document by document with encode(text)",
        )
      wanted = Math.max(smallestRun, 2 * held.length)
      if (ids.length > 0) yield ids.take()
    }
    ids.append(this.encode(held, { addSpecialTokens: false }))
    if (ids.length > 0) yield ids.take()
  }

  toJSON(): TokenizerJson {
    return this.json
  }

  configuration(): TokenizerConfiguration {
    return this.settings
  }
}

/** Refuses ids that no vocabulary has: they would make arrays of any length. */
function checkIds(json: TokenizerJson): void {
  const vocab = json.model.vocab
  const entries: [string, unknown][] = Array.isArray(vocab) ? [] : Object.entries(vocab as object)
  for (const { content, id } of json.added_tokens ?? []) entries.push([content, id])
  for (const [token, id] of entries)
    if (typeof id === "number" && !(Number.isInteger(id) && id >= 0 && id < largestVocabulary))
      throw new TextError(
        `loadTokenizer: expected ids from 0 to ${largestVocabulary - 1}, but got ${id} for ${JSON.stringify(token)}`,
        "the file is damaged",
      )
}

/** Where the text may be cut: the last blank between two letters, with a letter seen after it; 0 when there is none. */
function lastCut(text: string): number {
  const letter = /\p{L}/u
  for (let at = text.length - 2; at > 0; at--)
    if (text[at] === " " && letter.test(text[at - 1]!) && letter.test(text[at + 1]!)) return at
  return 0
}

/** Whether the pipeline treats the text before such a blank and the text from it on independently. */
function cutsAtBlanks(json: TokenizerJson): boolean {
  const normalizers = new Set(["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"])
  const splits = new Set([
    "BertPreTokenizer",
    "Whitespace",
    "WhitespaceSplit",
    "Split",
    "Digits",
    "Punctuation",
    "ByteLevel",
  ])
  const parts = (part: TokenizerPartJson | null | undefined, list: string): TokenizerPartJson[] =>
    part == null ? [] : part.type === "Sequence" ? (part[list] as TokenizerPartJson[]) : [part]
  if (!parts(json.normalizer, "normalizers").every(part => normalizers.has(String(part.type)))) return false
  const splitting = parts(json.pre_tokenizer, "pretokenizers")
  if (!splitting.every(part => splits.has(String(part.type)) && part.add_prefix_space !== true)) return false
  return (json.added_tokens ?? []).every(token => !token.content.includes(" "))
}
