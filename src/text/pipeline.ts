// Any tokenizer.json whose parts are known here: normalizer, splitter, model and template in our own code, with the place of every
// token in the text. Decoding is the library's.
import { AddedTokens } from "./added-tokens.ts"
import { type AlignedText, endOf, original, part, startOf } from "./aligned.ts"
import { BertChunks } from "./bert-chunks.ts"
import {
  type Encoding,
  encodeWindows,
  encodeWithOffsets,
  type PairOptions,
  type TokenSpans,
  type WindowOptions,
} from "./encoding.ts"
import { IdList, type TokenSink } from "./ids.ts"
import { LibraryTokenizer } from "./library.ts"
import { type ReadModel, readModel } from "./models.ts"
import { type Normalizer, readNormalizer } from "./normalizers.ts"
import { cutsAtBlanks, dropsBlanks, encodeRuns } from "./runs.ts"
import { readSplitter, type Splitting } from "./splitters.ts"
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
import { type PieceTokens, pieceTokens, WordPieceModel } from "./vocabulary-models.ts"

/** What a chunk or a piece became, so that it is computed once. `words` counts the words in it. */
interface Known extends PieceTokens {
  readonly words: ArrayLike<number> | null
  readonly count: number
}

const bertNormalizer = { type: "BertNormalizer" }
const longestCached = 64
const cachedEntries = 1 << 16

interface Parts {
  readonly normalizer: Normalizer
  readonly splitting: Splitting
  readonly read: ReadModel
  readonly template: Template
}

/** A tokenizer.json with known parts. Its `truncation` and `padding` are not applied: texts are never cut short without being asked. */
export class PipelineTokenizer implements Tokenizer {
  readonly kind: string
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly roles: Readonly<Partial<Record<SpecialRole, string>>>
  readonly template: Template
  private readonly json: TokenizerJson
  private readonly settings: TokenizerConfiguration
  private readonly parts: Parts
  private readonly ids: ReadonlyMap<string, number>
  private readonly plainAdded: AddedTokens
  private readonly normalizedAdded: AddedTokens
  private readonly byChunk: boolean
  private readonly cuttable: boolean
  private readonly bert: BertChunks | null
  private cache = new Map<string, Known>()
  private oldCache = new Map<string, Known>()
  private library: LibraryTokenizer | null = null

  private constructor(json: TokenizerJson, settings: TokenizerConfiguration, parts: Parts) {
    this.json = json
    this.settings = settings
    this.parts = parts
    const { read, normalizer, splitting, template } = parts
    const added = json.added_tokens ?? []
    const isNormalized = ({ normalized, special }: (typeof added)[number]): boolean => normalized ?? special !== true
    this.plainAdded = new AddedTokens(
      added.filter(token => !isNormalized(token)),
      content => content,
    )
    const normalized = added.filter(isNormalized)
    this.normalizedAdded = new AddedTokens(normalized, content => normalizer(original(content)).text)
    const tokens = [...read.tokens]
    const ids = new Map(read.ids)
    for (const { content, id } of added) {
      tokens[id] = content
      ids.set(content, id)
    }
    this.kind = read.kind
    this.tokens = Array.from(tokens, token => token ?? "") // an id that no token has
    this.ids = ids
    this.specialTokens = new Map(added.filter(token => token.special).map(token => [token.content, token.id]))
    this.roles = settingsToRoles(settings)
    this.template = template
    this.byChunk = normalized.length === 0 && dropsBlanks(json)
    const isBert = this.byChunk && (json.normalizer ?? bertNormalizer).type === bertNormalizer.type
    this.bert =
      isBert && json.pre_tokenizer?.type === "BertPreTokenizer" && read.model instanceof WordPieceModel
        ? new BertChunks(normalizer, splitting.split, read.model, read.unknownId)
        : null
    this.cuttable = cutsAtBlanks(json) && splitting.split(original("word other word"), true)[0]?.text === "word"
  }

  /** The tokenizer that a tokenizer.json describes, or null when a part of it is not known here. Throws TextError for broken parts. */
  static fromJSON(json: TokenizerJson, configuration: TokenizerConfiguration = {}): PipelineTokenizer | null {
    const normalizer = readNormalizer(json.normalizer)
    const splitting = readSplitter(json.pre_tokenizer)
    const template = readTemplate(json.post_processor)
    if (normalizer === null || splitting === null || template === null) return null
    const read = readModel(json.model, splitting.bytes)
    return read && new PipelineTokenizer(json, configuration, { normalizer, splitting, read, template })
  }

  get vocabularySize(): number {
    return this.tokens.length
  }

  tokenId(token: string): number | undefined {
    return this.ids.get(token)
  }

  encode(text: string, options: PairOptions = {}): Int32Array {
    const { addSpecialTokens = true, pair, maxLength } = options
    if (pair !== undefined || maxLength !== undefined || typeof text !== "string")
      return encodeWithOffsets(this, text, options).ids
    const sink: TokenSink = { ids: new IdList(), starts: null, ends: null, words: null, word: 0 }
    for (const item of this.template.single)
      if (item.kind === "sequence") this.run(text, sink)
      else if (addSpecialTokens) sink.ids.push(item.id)
    return sink.ids.take()
  }

  tokenize(text: string): TokenSpans {
    const [ids, starts, ends, words] = [new IdList(), new IdList(), new IdList(), new IdList()]
    this.run(text, { ids, starts, ends, words, word: 0 })
    const spans = { ids: ids.take(), starts: starts.take(), ends: ends.take(), words: words.take() }
    if (this.template.trimOffsets && this.parts.splitting.bytes) trimBlanks(text, spans, this.tokens)
    return spans
  }

  encodeWithOffsets(text: string, options: PairOptions = {}): Encoding {
    return encodeWithOffsets(this, text, options)
  }

  encodeWindows(text: string, options: WindowOptions): Encoding[] {
    return encodeWindows(this, text, options)
  }

  encodeStream(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Int32Array, void, void> {
    return encodeRuns(text => this.encode(text, { addSpecialTokens: false }), this.cuttable, this.kind, chunks)
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return this.decoder().decode(ids, options)
  }

  streamingDecoder(options: DecodeOptions = {}): StreamingDecoder {
    return this.decoder().streamingDecoder(options)
  }

  toJSON(): TokenizerJson {
    return this.json
  }

  configuration(): TokenizerConfiguration {
    return this.settings
  }

  /** The library with this vocabulary, but nothing that only encoding needs. */
  private decoder(): LibraryTokenizer {
    const { json, settings, tokens } = this
    const { read } = this.parts
    this.library ??= new LibraryTokenizer(
      {
        ...json,
        added_tokens: json.added_tokens ?? [],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        model:
          read.kind === "BPE"
            ? { ...json.model, type: "BPE", merges: [] }
            : {
                type: "WordPiece",
                vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
                unk_token: read.unknownId === undefined ? null : tokens[read.unknownId],
              },
      },
      settings,
    )
    return this.library
  }

  private run(text: string, sink: TokenSink): void {
    let at = 0
    for (const { id, from, to, start, end } of this.plainAdded.find(text)) {
      this.runPlain(text, at, start, sink)
      this.add(id, from, to, sink)
      at = end
    }
    this.runPlain(text, at, text.length, sink)
  }

  private add(id: number, start: number, end: number, sink: TokenSink): void {
    sink.ids.push(id)
    sink.starts?.push(start)
    sink.ends?.push(end)
    sink.words?.push(sink.word++)
  }

  /** The part [from, to) of a text, in which no added token stands as it is written. */
  private runPlain(text: string, from: number, to: number, sink: TokenSink): void {
    if (from >= to) return
    if (this.byChunk) {
      this.runChunks(text, from, to, sink)
      return
    }
    const normal = this.parts.normalizer(original(text.slice(from, to), from))
    let at = 0
    for (const { id, from: first, to: last, start, end } of this.normalizedAdded.find(normal.text)) {
      this.runNormal(part(normal, at, start), from === 0 && at === 0, sink)
      this.add(id, startOf(normal, first), endOf(normal, last), sink)
      at = end
    }
    this.runNormal(part(normal, at, normal.text.length), from === 0 && at === 0, sink)
  }

  private runNormal(normal: AlignedText, first: boolean, sink: TokenSink): void {
    if (normal.text === "") return
    for (const piece of this.parts.splitting.split(normal, first)) {
      if (piece.text === "") continue
      const { ids, starts, ends } = this.known(piece.text, text => this.encodePiece(text))
      sink.ids.append(ids)
      if (sink.starts !== null)
        for (let i = 0; i < ids.length; i++) {
          sink.starts.push(startOf(piece, starts[i]!))
          sink.ends?.push(endOf(piece, ends[i]!))
          sink.words?.push(sink.word)
        }
      sink.word++
    }
  }

  private encodePiece(text: string): Known {
    return { ...this.parts.read.model.encode(text), words: null, count: 1 }
  }

  /** Blanks only separate, so that whatever stands between two of them is looked up whole. */
  private runChunks(text: string, from: number, to: number, sink: TokenSink): void {
    for (let at = from; at < to; ) {
      if (isBlank(text.charCodeAt(at))) {
        at++
        continue
      }
      let end = at + 1
      while (end < to && !isBlank(text.charCodeAt(end))) end++
      if (this.bert?.encode(text, at, end, sink)) {
        at = end
        continue
      }
      const { ids, starts, ends, words, count } = this.known(text.slice(at, end), chunk => this.encodeChunk(chunk))
      if (ids.length === 1) sink.ids.push(ids[0]!)
      else sink.ids.append(ids)
      if (sink.starts !== null)
        for (let i = 0; i < ids.length; i++) {
          sink.starts.push(at + starts[i]!)
          sink.ends?.push(at + ends[i]!)
          sink.words?.push(sink.word + words![i]!)
        }
      sink.word += count
      at = end
    }
  }

  private encodeChunk(chunk: string): Known {
    const [ids, starts, ends, words]: number[][] = [[], [], [], []]
    let count = 0
    const { normalizer, splitting, read } = this.parts
    for (const piece of splitting.split(normalizer(original(chunk)), false)) {
      const tokens = read.model.encode(piece.text)
      for (let i = 0; i < tokens.ids.length; i++) {
        ids!.push(tokens.ids[i]!)
        starts!.push(startOf(piece, tokens.starts[i]!))
        ends!.push(endOf(piece, tokens.ends[i]!))
        words!.push(count)
      }
      count++
    }
    return { ...pieceTokens(ids!, starts!, ends!), words: words!, count }
  }

  private known(text: string, compute: (text: string) => Known): Known {
    if (text.length > longestCached) return compute(text)
    let found = this.cache.get(text)
    if (found !== undefined) return found
    found = this.oldCache.get(text) ?? compute(text)
    if (this.cache.size >= cachedEntries) {
      this.oldCache = this.cache
      this.cache = new Map()
    }
    this.cache.set(text, found)
    return found
  }
}

const isBlank = (unit: number): boolean => unit === 32 || (unit >= 9 && unit <= 13)

/** Spans of byte-level tokens without the blanks that the tokens begin or end with. */
export function trimBlanks(text: string, spans: TokenSpans, tokens: readonly string[]): void {
  const { ids, starts, ends } = spans
  for (let i = 0; i < ids.length; i++) {
    const token = tokens[ids[i]!]!
    if (/^Ġ+$/.test(token)) ends[i] = starts[i]! // blanks alone, or the one that was put before the text
    for (let at = 0; token[at] === "Ġ" && starts[i]! < ends[i]! && text[starts[i]!] === " "; at++) starts[i]!++
    for (let at = token.length - 1; token[at] === "Ġ" && starts[i]! < ends[i]! && text[ends[i]! - 1] === " "; at--)
      ends[i]!--
  }
}
