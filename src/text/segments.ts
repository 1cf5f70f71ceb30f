// Text cut at special tokens and at chunk ends: the part of encoding that all our own tokenizers share.
// A stream is encoded as far as its ids cannot change any more, whatever comes next; the rest waits for the next chunk.
import type { TokenSpans } from "./encoding.ts"
import { TextError } from "./errors.ts"
import { IdList } from "./ids.ts"

/** Encodes text that holds no special token. */
export interface SegmentEncoder {
  /**
   * Appends the ids of text[start, end) to `ids`: all of them when the segment is complete, otherwise those of the pieces that stay as
   * they are whatever follows. Returns where it stopped.
   */
  encodeSegment(text: string, start: number, end: number, complete: boolean, ids: IdList): number
  /** The tokens of text[start, end), a whole segment, with their places. */
  placeSegment(text: string, start: number, end: number, places: PlaceList): void
}

/** Collects tokens with their places. */
export class PlaceList {
  private readonly ids = new IdList()
  private readonly starts = new IdList()
  private readonly ends = new IdList()
  private readonly words = new IdList()
  private word = 0

  /** Appends a token of the present word. */
  push(id: number, start: number, end: number): void {
    this.ids.push(id)
    this.starts.push(start)
    this.ends.push(end)
    this.words.push(this.word)
  }

  /** Ends the present word. */
  endWord(): void {
    this.word++
  }

  /** All tokens. */
  take(): TokenSpans {
    const [ids, starts, ends, words] = [this.ids, this.starts, this.ends, this.words].map(list => list.take())
    return { ids: ids!, starts: starts!, ends: ends!, words: words! }
  }
}

/** Special tokens by their text, found in a text leftmost and longest first. */
export class SpecialTokens {
  readonly ids: ReadonlyMap<string, number>
  /** Code units of the longest one; 0 when there is none. */
  readonly longest: number
  private readonly pattern: RegExp | null

  constructor(ids: ReadonlyMap<string, number>) {
    for (const token of ids.keys())
      if (token === "")
        throw new TextError("special tokens: expected texts of one character or more, but got an empty one")
    this.ids = ids
    const texts = [...ids.keys()].sort((a, b) => b.length - a.length)
    this.longest = texts[0]?.length ?? 0
    this.pattern = texts.length === 0 ? null : new RegExp(texts.map(escapePattern).join("|"), "g")
  }

  /** The next special token that starts at or after `start`, or null. */
  find(text: string, start: number): { start: number; end: number; id: number } | null {
    if (this.pattern === null) return null
    this.pattern.lastIndex = start
    const match = this.pattern.exec(text)
    if (match === null) return null
    return { start: match.index, end: match.index + match[0].length, id: this.ids.get(match[0])! }
  }
}

/** The ids of a whole text. */
export function encodeText(encoder: SegmentEncoder, special: SpecialTokens, text: string): Int32Array {
  const ids = new IdList()
  encodeKnown(encoder, special, text, true, ids)
  return ids.take()
}

/** The tokens of a whole text with their places. */
export function encodeSpans(encoder: SegmentEncoder, special: SpecialTokens, text: string): TokenSpans {
  const places = new PlaceList()
  const segment = (start: number, end: number): number => {
    encoder.placeSegment(text, start, end, places)
    return end
  }
  walkSegments(special, text, true, segment, (id, start, end) => {
    places.push(id, start, end)
    places.endWord()
  })
  return places.take()
}

const smallestRun = 4096 // code units gathered before they are looked at, so that tiny chunks cost little

/** The ids of a text in chunks, the same wherever it is cut. A text without any cut is held whole; others in a few chunks. */
export async function* encodeChunks(
  encoder: SegmentEncoder,
  special: SpecialTokens,
  chunks: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<Int32Array, void, void> {
  const ids = new IdList()
  let held = ""
  let wanted = smallestRun
  for await (const chunk of chunks) {
    if (typeof chunk !== "string") throw new TextError(`encodeStream: expected chunks of text, but got ${typeof chunk}`)
    held += chunk
    if (held.length < wanted) continue
    held = held.slice(encodeKnown(encoder, special, held, false, ids))
    wanted = Math.max(smallestRun, 2 * held.length) // doubling: a long run without a cut is not scanned again and again
    if (ids.length > 0) yield ids.take()
  }
  encodeKnown(encoder, special, held, true, ids)
  if (ids.length > 0) yield ids.take()
}

function encodeKnown(
  encoder: SegmentEncoder,
  special: SpecialTokens,
  text: string,
  complete: boolean,
  ids: IdList,
): number {
  const segment = (start: number, end: number, whole: boolean) => encoder.encodeSegment(text, start, end, whole, ids)
  return walkSegments(special, text, complete, segment, id => ids.push(id))
}

/**
 * Goes through a text, segment by segment with the special tokens between them, as far as it is certain: all of it when it is
 * complete. `segment` says where it stopped in a last segment that may go on. Returns where the walk stopped.
 */
export function walkSegments(
  special: SpecialTokens,
  text: string,
  complete: boolean,
  segment: (start: number, end: number, complete: boolean) => number,
  token: (id: number, start: number, end: number) => void,
): number {
  // A special token may begin in the last longest - 1 code units and end in the next chunk.
  let end = complete ? text.length : Math.max(0, text.length - Math.max(0, special.longest - 1))
  if (!complete && end > 0 && isHighSurrogate(text.charCodeAt(end - 1))) end--
  let start = 0
  for (let found = special.find(text, 0); found !== null && found.start < end; found = special.find(text, start)) {
    segment(start, found.start, true)
    token(found.id, found.start, found.end)
    start = found.end
  }
  return start >= end ? start : segment(start, end, complete)
}

/** A text as a pattern that matches just it. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
}

/** Whether a text holds half a surrogate pair, which is no Unicode character. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
