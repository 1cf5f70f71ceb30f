// Byte-level byte-pair encoding as GPT-2 uses it (Radford et al. 2019): every text has ids, and ids give the text back.
// Encoding is our own; tokenizer.json is Hugging Face's, and their libraries give the same ids for it.
import { byteCharacters, tokenBytes } from "./byte-alphabet.ts"
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
import { isSettled, pieceEnd } from "./gpt2-split.ts"
import { IdList } from "./ids.ts"
import { MergeTable } from "./merges.ts"
import {
  encodeChunks,
  encodeSpans,
  encodeText,
  type PlaceList,
  type SegmentEncoder,
  SpecialTokens,
} from "./segments.ts"
import { plainTemplate, type Template } from "./template.ts"
import {
  type DecodeOptions,
  readVocabulary,
  rolesToSettings,
  type SpecialRole,
  type StreamingDecoder,
  settingsToRoles,
  type Tokenizer,
  type TokenizerConfiguration,
  type TokenizerJson,
} from "./tokenizer.ts"

/** What a byte-level tokenizer is made of. */
export interface ByteLevelParts {
  /** Tokens in the byte alphabet by id; all 256 bytes are among them. */
  readonly vocabulary: readonly string[]
  /** Pairs of tokens to join, first learned first; their concatenation is in the vocabulary. */
  readonly merges: readonly (readonly [left: string, right: string])[]
  /** Special tokens and their ids: ids of the vocabulary or the ones that follow it. */
  readonly specialTokens?: ReadonlyMap<string, number>
  /** Which special token plays which role. */
  readonly roles?: Readonly<Partial<Record<SpecialRole, string>>>
  /** The places of tokens are given without the blanks that they begin or end with. Default false. */
  readonly trimOffsets?: boolean
}

const longestCachedPiece = 32
const cachedPieces = 1 << 16

/** Byte-level BPE. Unpaired surrogate halves become U+FFFD, as in every UTF-8 text. */
export class ByteLevelTokenizer implements Tokenizer, SegmentEncoder {
  readonly kind = "byte-level BPE"
  readonly tokens: readonly string[]
  readonly specialTokens: ReadonlyMap<string, number>
  readonly template: Template
  readonly roles: Readonly<Partial<Record<SpecialRole, string>>>
  private readonly vocabulary: readonly string[]
  private readonly merges: readonly (readonly [left: string, right: string])[]
  private readonly ids: ReadonlyMap<string, number>
  private readonly special: SpecialTokens
  private readonly specialIds: ReadonlySet<number>
  private readonly bytes: readonly Uint8Array[]
  private readonly byteIds = new Int32Array(256)
  private readonly table: MergeTable
  private cache = new Map<string, Int32Array>()
  private oldCache = new Map<string, Int32Array>()
  private readonly utf8 = new TextEncoder()

  /** Throws TextError when a byte has no token or a merge leads outside the vocabulary. */
  constructor(parts: ByteLevelParts) {
    const { vocabulary, merges, specialTokens = new Map<string, number>(), roles = {} } = parts
    const ids = new Map(vocabulary.map((token, id) => [token, id]))
    const idOf = (token: string, use: string): number => {
      const id = ids.get(token)
      if (id === undefined)
        throw new TextError(
          `byte-level tokenizer: expected ${use} in the vocabulary, but got none spelled ${JSON.stringify(token)}`,
          "the vocabulary and the merges belong to different tokenizers, or the file is damaged",
        )
      return id
    }
    byteCharacters.forEach((character, byte) => {
      this.byteIds[byte] = idOf(character, `byte ${byte}`)
    })
    this.table = new MergeTable(
      merges.map(([left, right]) => {
        const merge = `the merge of ${JSON.stringify(left)} and ${JSON.stringify(right)}`
        return [idOf(left, merge), idOf(right, merge), idOf(left + right, merge)]
      }),
    )
    const tokens = [...vocabulary]
    for (const [token, id] of [...specialTokens].sort((a, b) => a[1] - b[1])) {
      if (!Number.isInteger(id) || id < 0 || id > tokens.length)
        throw new TextError(
          `byte-level tokenizer: expected special token ids that follow the vocabulary of ${vocabulary.length} without a gap, ` +
            `but got ${id} for ${JSON.stringify(token)}`,
        )
      tokens[id] = token
    }
    const specialIds = new Set(specialTokens.values())
    const utf8 = new TextEncoder()
    this.bytes = tokens.map((token, id) => (specialIds.has(id) ? null : tokenBytes(token)) ?? utf8.encode(token))
    this.vocabulary = vocabulary
    this.merges = merges
    this.tokens = tokens
    this.ids = ids
    this.specialTokens = specialTokens
    this.specialIds = specialIds
    this.special = new SpecialTokens(specialTokens)
    this.roles = roles
    this.template = { ...plainTemplate, trimOffsets: parts.trimOffsets === true }
  }

  get vocabularySize(): number {
    return this.tokens.length
  }

  tokenId(token: string): number | undefined {
    return this.specialTokens.get(token) ?? this.ids.get(token)
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
    for (let at = start; at < end; ) {
      const next = pieceEnd(text, at, end)
      if (!complete && !isSettled(text, at, next, end)) return at
      const piece = text.slice(at, next)
      at = next
      if (piece.length > longestCachedPiece) {
        ids.append(this.encodePiece(piece))
        continue
      }
      let known = this.cache.get(piece) ?? this.oldCache.get(piece)
      if (known === undefined) {
        known = this.encodePiece(piece)
        if (this.cache.size >= cachedPieces) {
          this.oldCache = this.cache
          this.cache = new Map()
        }
        this.cache.set(piece, known)
      }
      if (known.length === 1) ids.push(known[0]!)
      else ids.append(known)
    }
    return end
  }

  placeSegment(text: string, start: number, end: number, places: PlaceList): void {
    for (let at = start; at < end; ) {
      const next = pieceEnd(text, at, end)
      const ids = new IdList()
      this.encodeSegment(text, at, next, true, ids)
      this.placePiece(text, at, ids.take(), places)
      places.endWord()
      at = next
    }
  }

  /** Places tokens that begin at `start`: each has a number of bytes, and stands for every character that one of them is of. */
  private placePiece(text: string, start: number, ids: Int32Array, places: PlaceList): void {
    let at = start // the character that the next byte is of
    let left = 0 // bytes of it that tokens before had
    for (const id of ids) {
      const token = this.bytes[id]!
      let [from, end] = [at, at]
      let bytes = token.length + left
      for (;;) {
        const code = text.codePointAt(end)!
        const width = code > 0xffff ? 4 : code > 0x7ff ? 3 : code > 0x7f ? 2 : 1
        if (bytes < width) {
          left = bytes
          at = end
          if (bytes > 0) end += width === 4 ? 2 : 1
          break
        }
        bytes -= width
        end += width === 4 ? 2 : 1
        if (bytes === 0) {
          left = 0
          at = end
          break
        }
      }
      if (this.template.trimOffsets) {
        for (let i = 0; token[i] === 32 && from < end && text[from] === " "; i++) from++
        for (let i = token.length - 1; token[i] === 32 && from < end && text[end - 1] === " "; i--) end--
      }
      places.push(id, from, end)
    }
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const decoder = this.streamingDecoder(options)
    let text = ""
    for (let at = 0; at < ids.length; at++) text += decoder.push(ids[at]!)
    return text + decoder.flush()
  }

  streamingDecoder(options: DecodeOptions = {}): StreamingDecoder {
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
    return {
      push: id => {
        const bytes = this.bytes[id]
        if (bytes === undefined)
          throw new TextError(
            `decode: expected ids from 0 to ${this.tokens.length - 1}, but got ${id}`,
            "is it this model's tokenizer?",
          )
        if (!this.specialIds.has(id)) return utf8.decode(bytes, { stream: true })
        // A special token that is written ends an incomplete character; one that is left out is as if it were not there.
        return options.skipSpecialTokens === true ? "" : utf8.decode() + this.tokens[id]!
      },
      flush: () => utf8.decode(),
    }
  }

  toJSON(): TokenizerJson {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    return {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [...this.specialTokens].map(([content, id]) => ({ id, content, ...flags })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: this.template.trimOffsets
        ? { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true }
        : null,
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(this.vocabulary.map((token, id) => [token, id])),
        merges: this.merges.map(([left, right]) => `${left} ${right}`),
      },
    }
  }

  configuration(): TokenizerConfiguration {
    const settings = { add_prefix_space: false, clean_up_tokenization_spaces: false }
    return { tokenizer_class: "PreTrainedTokenizerFast", ...settings, ...rolesToSettings(this.roles) }
  }

  /** The tokenizer that a tokenizer.json of GPT-2's kind describes, or null when it asks for anything else. */
  static fromJSON(json: TokenizerJson, configuration: TokenizerConfiguration = {}): ByteLevelTokenizer | null {
    const { model, pre_tokenizer: split, decoder, post_processor: post } = json
    if (model.type !== "BPE" || split?.type !== "ByteLevel" || decoder?.type !== "ByteLevel") return null
    if (json.normalizer != null || (post != null && post.type !== "ByteLevel")) return null
    if (split.add_prefix_space === true || split.use_regex === false) return null
    if (model.ignore_merges === true || model.byte_fallback === true || model.dropout) return null
    if (model.continuing_subword_prefix || model.end_of_word_suffix) return null
    const merges = readMerges(model.merges)
    const added = json.added_tokens ?? []
    if (merges === null || added.some(token => token.lstrip || token.rstrip || token.single_word || !token.special))
      return null
    const vocabulary = readVocabulary(model.vocab)
    if (vocabulary === null) return null
    const specialTokens = new Map(added.map(token => [token.content, token.id]))
    const trimOffsets = post != null && post.trim_offsets !== false
    return new ByteLevelTokenizer({
      vocabulary,
      merges,
      specialTokens,
      roles: settingsToRoles(configuration),
      trimOffsets,
    })
  }

  private encodePiece(piece: string): Int32Array {
    const bytes = this.utf8.encode(piece)
    const ids = new Int32Array(bytes.length)
    for (let at = 0; at < bytes.length; at++) ids[at] = this.byteIds[bytes[at]!]!
    return this.table.merge(ids)
  }
}

function readMerges(merges: unknown): [string, string][] | null {
  if (!Array.isArray(merges)) return null
  const pairs: [string, string][] = []
  for (const merge of merges) {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string" || typeof pair[1] !== "string")
      return null
    pairs.push([pair[0], pair[1]])
  }
  return pairs
}
