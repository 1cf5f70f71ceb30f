// What a text or a pair of texts becomes for a model: ids with their template's special tokens, and for each token where it stands in
// the text, to which word and which of the two texts it belongs. Truncation and windows are Hugging Face's.
import { TextError } from "./errors.ts"
import type { Template, TemplateItem } from "./template.ts"

/** A text in tokens, before any template: one entry a token. */
export interface TokenSpans {
  readonly ids: Int32Array
  /** Where each token begins in the text, in UTF-16 code units. */
  readonly starts: Int32Array
  /** Where each token ends. */
  readonly ends: Int32Array
  /** The word (piece of the split) that each token belongs to, counted from 0. */
  readonly words: Int32Array
}

/** Which text gives tokens away when there are too many: in turn the longer one, or one of the two. */
export type TruncationStrategy = "longest_first" | "only_first" | "only_second"

/** How to put a text together with a second one and special tokens. */
export interface PairOptions {
  /** The second text: the answer to the first, the context of a question. */
  readonly pair?: string
  /** Put the tokens that the tokenizer's template asks for around the texts ([CLS] … [SEP], <s> …). Default true. */
  readonly addSpecialTokens?: boolean
  /** Tokens at most, special tokens included; longer texts lose tokens at their end. Without it nothing is cut. */
  readonly maxLength?: number
  /** What is cut. Default "longest_first". */
  readonly truncation?: TruncationStrategy
}

/** Windows over a long text: each has `maxLength` tokens at most, and shares `stride` of them with the one before. */
export interface WindowOptions extends Omit<PairOptions, "truncation" | "maxLength"> {
  readonly maxLength: number
  /** Tokens that neighbouring windows share. Default 0. */
  readonly stride?: number
}

/** What a model is given, one entry a token. */
export interface Encoding {
  readonly ids: Int32Array
  /** The span of each token in its text, in UTF-16 code units: text.slice(start, end). [0, 0] for tokens of the template and padding. */
  readonly offsets: readonly (readonly [start: number, end: number])[]
  /** The word of each token, counted from 0 in each text; -1 for tokens of the template and padding. */
  readonly wordIds: Int32Array
  /** The segment of each token, as models with token types want it. */
  readonly typeIds: Int32Array
  /** 0 for tokens of the first text, 1 for those of the pair, -1 for tokens of the template and padding. */
  readonly sequenceIds: Int32Array
  /** 1 for tokens of the template and padding, else 0. */
  readonly specialTokensMask: Uint8Array
  /** 1 for tokens, 0 for padding. */
  readonly attentionMask: Uint8Array
}

/** A tokenizer as far as this file needs it. */
export interface SpanTokenizer {
  readonly template: Template
  tokenize(text: string): TokenSpans
}

/** The tokens of a text (and its pair), cut to `maxLength`, in the tokenizer's template. Throws TextError. */
export function encodeWithOffsets(tokenizer: SpanTokenizer, text: string, options: PairOptions = {}): Encoding {
  const { pair, addSpecialTokens = true, maxLength, truncation = "longest_first" } = options
  checkText(text, pair)
  let first = tokenizer.tokenize(text)
  let second = pair === undefined ? null : tokenizer.tokenize(pair)
  const items = templateOf(tokenizer, second !== null, addSpecialTokens)
  if (maxLength !== undefined) {
    const room = roomFor(items, maxLength)
    const [a, b] = lengthsWithin(first.ids.length, second?.ids.length ?? null, room, truncation)
    first = sliceSpans(first, 0, a)
    if (second) second = sliceSpans(second, 0, b)
  }
  return assemble(items, first, second)
}

/**
 * The tokens of a text in windows that cover all of it. With a `pair` the first text (the question) is in every window whole, and the
 * windows go over the pair. Throws TextError where `maxLength` leaves no room.
 */
export function encodeWindows(tokenizer: SpanTokenizer, text: string, options: WindowOptions): Encoding[] {
  const { pair, addSpecialTokens = true, maxLength, stride = 0 } = options
  checkText(text, pair)
  const first = tokenizer.tokenize(text)
  const second = pair === undefined ? null : tokenizer.tokenize(pair)
  const items = templateOf(tokenizer, second !== null, addSpecialTokens)
  const room = roomFor(items, maxLength) - (second ? first.ids.length : 0)
  if (!Number.isInteger(stride) || stride < 0 || stride >= room)
    throw new TextError(
      `encodeWindows: expected room for more than the stride of ${stride} tokens, but got ${room} ` +
        `(maxLength ${maxLength}${second ? `, first text ${first.ids.length}` : ""}, special tokens ${items.length - (second ? 2 : 1)})`,
      second ? "raise maxLength, lower the stride, or ask a shorter question" : "raise maxLength or lower the stride",
    )
  const long = second ?? first
  const windows: Encoding[] = []
  for (let start = 0; ; start += room - stride) {
    const end = Math.min(long.ids.length, start + room)
    const window = sliceSpans(long, start, end)
    windows.push(second ? assemble(items, first, window) : assemble(items, window, null))
    if (end === long.ids.length) return windows
  }
}

/** How encodings of different lengths are made equal. */
export interface PadOptions {
  /** The id of the padding token. */
  readonly padId: number
  /** The segment of padding. Default 0. */
  readonly padTypeId?: number
  /** Where padding goes: behind the text, or before it, as decoders that write on want it. Default "right". */
  readonly side?: "left" | "right"
  /** The length of all; default that of the longest. */
  readonly length?: number
}

/** Encodings of one length, the shorter ones padded. Throws TextError where one is longer than `length`. */
export function padEncodings(encodings: readonly Encoding[], options: PadOptions): Encoding[] {
  const longest = encodings.reduce((most, { ids }) => Math.max(most, ids.length), 0)
  const length = options.length ?? longest
  if (length < longest)
    throw new TextError(
      `padEncodings: expected encodings of ${length} tokens at most, but got one of ${longest}`,
      "encode with { maxLength }",
    )
  const { padId, padTypeId = 0, side = "right" } = options
  return encodings.map(encoding => {
    const missing = length - encoding.ids.length
    const at = side === "left" ? missing : 0
    const int = (values: Int32Array, fill: number): Int32Array => {
      const padded = new Int32Array(length).fill(fill)
      padded.set(values, at)
      return padded
    }
    const byte = (values: Uint8Array, fill: number): Uint8Array => {
      const padded = new Uint8Array(length).fill(fill)
      padded.set(values, at)
      return padded
    }
    const none = Array.from({ length: missing }, () => [0, 0] as const)
    return {
      ids: int(encoding.ids, padId),
      offsets: side === "left" ? [...none, ...encoding.offsets] : [...encoding.offsets, ...none],
      wordIds: int(encoding.wordIds, -1),
      typeIds: int(encoding.typeIds, padTypeId),
      sequenceIds: int(encoding.sequenceIds, -1),
      specialTokensMask: byte(encoding.specialTokensMask, 1),
      attentionMask: byte(encoding.attentionMask, 0),
    }
  })
}

/** Whether options ask for more than the ids of one text. */
export function needsTemplate(options: PairOptions): boolean {
  return options.pair !== undefined || options.maxLength !== undefined
}

function checkText(text: unknown, pair: unknown): void {
  for (const [name, value] of [
    ["text", text],
    ["pair", pair],
  ] as const)
    if (typeof value !== "string" && !(name === "pair" && value === undefined))
      throw new TextError(`encode: expected a ${name} of characters, but got ${value === null ? "null" : typeof value}`)
}

function templateOf(tokenizer: SpanTokenizer, paired: boolean, special: boolean): readonly TemplateItem[] {
  const items = paired ? tokenizer.template.pair : tokenizer.template.single
  return special ? items : items.filter(item => item.kind === "sequence")
}

/** Tokens that the texts may have beside those of the template. */
function roomFor(items: readonly TemplateItem[], maxLength: number): number {
  const special = items.filter(item => item.kind === "token").length
  if (!Number.isInteger(maxLength) || maxLength < special || maxLength < 1)
    throw new TextError(
      `encode: expected a maxLength of at least ${Math.max(1, special)} tokens, but got ${maxLength}`,
      special > 0 ? `the template alone has ${special} tokens` : undefined,
    )
  return maxLength - special
}

/** How many tokens each text keeps, so that both have `room`. */
export function lengthsWithin(
  first: number,
  second: number | null,
  room: number,
  strategy: TruncationStrategy,
): [first: number, second: number] {
  const b = second ?? 0
  if (first + b <= room) return [first, b]
  if (second === null && strategy !== "only_second") return [room, 0]
  if (strategy !== "longest_first") {
    const [kept, cut, name] = strategy === "only_first" ? [b, first, "first"] : [first, b, "second"]
    if (kept + 1 > room || cut === 0)
      throw new TextError(
        `encode: expected the ${name} text to be long enough to cut, but ${first + b} tokens are to be cut to ${room}, ` +
          `and the other text alone has ${kept}`,
        'use { truncation: "longest_first" }, or a larger maxLength',
      )
    return strategy === "only_first" ? [room - b, b] : [first, room - first]
  }
  const [short, long] = first > b ? [b, first] : [first, b]
  let [less, more] = [short, short > room ? short : Math.max(short, room - short)]
  if (less + more > room) {
    less = Math.floor(room / 2)
    more = less + (room % 2)
  }
  return first > b ? [Math.min(more, long), less] : [less, Math.min(more, long)]
}

function sliceSpans(spans: TokenSpans, from: number, to: number): TokenSpans {
  if (from === 0 && to >= spans.ids.length) return spans
  return {
    ids: spans.ids.slice(from, to),
    starts: spans.starts.slice(from, to),
    ends: spans.ends.slice(from, to),
    words: spans.words.slice(from, to),
  }
}

function assemble(items: readonly TemplateItem[], first: TokenSpans, second: TokenSpans | null): Encoding {
  let length = 0
  for (const item of items) length += item.kind === "token" ? 1 : spansOf(item, first, second).ids.length
  const encoding = {
    ids: new Int32Array(length),
    offsets: new Array<readonly [number, number]>(length).fill(nowhere),
    wordIds: new Int32Array(length).fill(-1),
    typeIds: new Int32Array(length),
    sequenceIds: new Int32Array(length).fill(-1),
    specialTokensMask: new Uint8Array(length),
    attentionMask: new Uint8Array(length).fill(1),
  }
  let at = 0
  for (const item of items) {
    if (item.kind === "token") {
      encoding.ids[at] = item.id
      encoding.typeIds[at] = item.typeId
      encoding.specialTokensMask[at++] = 1
      continue
    }
    const { ids, starts, ends, words } = spansOf(item, first, second)
    encoding.ids.set(ids, at)
    encoding.wordIds.set(words, at)
    encoding.typeIds.fill(item.typeId, at, at + ids.length)
    encoding.sequenceIds.fill(item.sequence, at, at + ids.length)
    for (let i = 0; i < ids.length; i++) encoding.offsets[at + i] = [starts[i]!, ends[i]!]
    at += ids.length
  }
  return encoding
}

const nowhere = [0, 0] as const

function spansOf(
  item: Extract<TemplateItem, { kind: "sequence" }>,
  first: TokenSpans,
  second: TokenSpans | null,
): TokenSpans {
  return item.sequence === 0 ? first : (second ?? first)
}
