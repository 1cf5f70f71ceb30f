// Any published tokenizer.json through `@huggingface/tokenizers`, behind the interface of the house.
import { Tokenizer as Library } from "@huggingface/tokenizers"
import { alignTokens } from "./align.ts"
import { tokenBytes } from "./byte-alphabet.ts"
import {
  type Encoding,
  encodeWindows,
  encodeWithOffsets,
  type PairOptions,
  type TokenSpans,
  type WindowOptions,
} from "./encoding.ts"
import { TextError } from "./errors.ts"
import { cutsAtBlanks, encodeRuns } from "./runs.ts"
import { readTemplate, type Template } from "./template.ts"
import {
  type DecodeOptions,
  type SpecialRole,
  type StreamingDecoder,
  settingsToRoles,
  type Tokenizer,
  type TokenizerConfiguration,
  type TokenizerJson,
} from "./tokenizer.ts"

const largestVocabulary = 1 << 24

/** A tokenizer.json of any kind. Its `truncation` and `padding` are not applied: texts are never cut short without being asked. */
export class LibraryTokenizer implements Tokenizer {
  readonly kind: string
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly roles: Readonly<Partial<Record<SpecialRole, string>>>
  readonly template: Template
  private readonly json: TokenizerJson
  private readonly settings: TokenizerConfiguration
  private readonly library: Library
  private readonly cuttable: boolean
  private readonly byteLevel: boolean

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
    const template = readTemplate(json.post_processor)
    if (template === null)
      throw new TextError(
        `loadTokenizer: expected one template as the post_processor, but got ${JSON.stringify(json.post_processor)?.slice(0, 80)}`,
        "templates within templates are not known",
      )
    this.template = template
    this.byteLevel = json.decoder?.type === "ByteLevel"
    this.cuttable = cutsAtBlanks(json) && this.library.pre_tokenizer?.pre_tokenize("word other word", {})[0] === "word"
  }

  get vocabularySize(): number {
    return this.tokens.length
  }

  tokenId(token: string): number | undefined {
    return this.library.token_to_id(token)
  }

  encode(text: string, options: PairOptions = {}): Int32Array {
    return encodeWithOffsets(this, text, options).ids
  }

  tokenize(text: string): TokenSpans {
    const { ids, tokens } = guarded("encode", () => this.library.encode(text, { add_special_tokens: false }))
    const unknown = (ids as (number | undefined)[]).indexOf(undefined)
    if (unknown >= 0)
      throw new TextError(
        `encode: expected a text of the tokenizer's vocabulary, but it has no id for ${JSON.stringify(tokens[unknown])}`,
        "its tokenizer_config.json names no unk_token",
      )
    const surfaces = tokens.map((token: string) => surface(token, this.byteLevel))
    return { ids: Int32Array.from(ids), ...alignTokens(text, surfaces) }
  }

  encodeWithOffsets(text: string, options: PairOptions = {}): Encoding {
    return encodeWithOffsets(this, text, options)
  }

  encodeWindows(text: string, options: WindowOptions): Encoding[] {
    return encodeWindows(this, text, options)
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
    return guarded("decode", () =>
      this.library.decode(list, { skip_special_tokens: options.skipSpecialTokens === true }),
    )
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

  encodeStream(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Int32Array, void, void> {
    return encodeRuns(text => this.encode(text, { addSpecialTokens: false }), this.cuttable, this.kind, chunks)
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

/** What the library does; its own errors come from files that are broken in ways that only use shows. */
function guarded<T>(what: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new TextError(
      `${what}: expected a tokenizer.json that can ${what}, but ${(cause as Error).message}`,
      "the file is broken: fetch it again",
      { cause },
    )
  }
}

/** What a token says in the text, without the marks of its vocabulary. */
function surface(token: string, byteLevel: boolean): string {
  const bytes = byteLevel ? tokenBytes(token) : null
  if (bytes !== null) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
  return token
    .replace(/^##(?=.)/, "")
    .replace(/<\/w>$/, "")
    .replaceAll("▁", " ")
}
