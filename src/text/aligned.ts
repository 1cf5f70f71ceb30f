// A text that was rewritten and still knows where each of its code units came from, so that tokens of the rewritten text can be
// shown in the original one.

/** A text with the span of the original text that each of its code units stands for. Without `starts` it is the original itself. */
export interface AlignedText {
  readonly text: string
  /** Where the span of each code unit begins, in code units of the original; null when unit i stands for [base + i, base + i + 1). */
  readonly starts: Int32Array | null
  /** Where the span of each code unit ends. */
  readonly ends: Int32Array | null
  /** Where this text begins in the original. */
  readonly base: number
}

/** An original text, or a part of one that begins at `base`. */
export function original(text: string, base = 0): AlignedText {
  return { text, starts: null, ends: null, base }
}

/** The part [from, to) of an aligned text. */
export function part(aligned: AlignedText, from: number, to: number): AlignedText {
  if (from === 0 && to === aligned.text.length) return aligned
  const { text, starts, ends, base } = aligned
  if (starts === null || ends === null) return original(text.slice(from, to), base + from)
  return { text: text.slice(from, to), starts: starts.subarray(from, to), ends: ends.subarray(from, to), base }
}

/** Where the code unit at `at` begins in the original; at the end of the text, where the text ends. */
export function startOf(aligned: AlignedText, at: number): number {
  const { starts, ends, base } = aligned
  if (starts === null || ends === null) return base + at
  return at < starts.length ? starts[at]! : at > 0 ? ends[at - 1]! : base
}

/** Where the code unit before `end` ends in the original. */
export function endOf(aligned: AlignedText, end: number): number {
  const { ends, base } = aligned
  return ends === null ? base + end : end > 0 ? ends[end - 1]! : base
}

/** Writes a text from pieces of another, keeping account of where they came from. */
export class Rewriting {
  private readonly pieces: string[] = []
  private starts: Int32Array
  private ends: Int32Array
  private length = 0
  private readonly source: AlignedText

  constructor(source: AlignedText) {
    this.source = source
    this.starts = new Int32Array(source.text.length + 16)
    this.ends = new Int32Array(source.text.length + 16)
  }

  /** Writes `text` in the place of the source's [from, to); with from = to it stands for the unit at `from`. */
  put(text: string, from: number, to: number): void {
    if (text === "") return
    const start = startOf(this.source, from)
    const end = to > from ? endOf(this.source, to) : start
    this.reserve(text.length)
    this.pieces.push(text)
    this.starts.fill(start, this.length, this.length + text.length)
    this.ends.fill(end, this.length, this.length + text.length)
    this.length += text.length
  }

  /** Writes the source's [from, to) as it is. */
  keep(from: number, to: number): void {
    if (to <= from) return
    this.reserve(to - from)
    this.pieces.push(this.source.text.slice(from, to))
    for (let at = from; at < to; at++) {
      this.starts[this.length] = startOf(this.source, at)
      this.ends[this.length++] = endOf(this.source, at + 1)
    }
  }

  /** Leaves out the source's [from, to), and lets what was written last stand for it too (an accent that its letter loses). */
  absorb(from: number, to: number): void {
    if (this.length === 0 || startOf(this.source, from) !== this.ends[this.length - 1]) return
    const end = endOf(this.source, to)
    const last = this.starts[this.length - 1]
    for (let at = this.length - 1; at >= 0 && this.starts[at] === last; at--) this.ends[at] = end
  }

  /** The text that was written. */
  finish(): AlignedText {
    const { length } = this
    return {
      text: this.pieces.join(""),
      starts: this.starts.slice(0, length),
      ends: this.ends.slice(0, length),
      base: this.source.base,
    }
  }

  private reserve(more: number): void {
    if (this.length + more <= this.starts.length) return
    const size = Math.max(this.length + more, this.starts.length * 2)
    const [starts, ends] = [new Int32Array(size), new Int32Array(size)]
    starts.set(this.starts)
    ends.set(this.ends)
    this.starts = starts
    this.ends = ends
  }
}
