// A text that was rewritten and still knows where each of its code units came from, so that tokens of the rewritten text can be
// shown in the original one.

/** A text with the span of the original text that each of its code units stands for. Without `starts` it is the original itself. */
export interface AlignedText {
  readonly text: string
  /** Where the span of each code unit begins, in code units of the original; null when unit i stands for [base + i, base + i + 1). */
  readonly starts: readonly number[] | null
  /** Where the span of each code unit ends. */
  readonly ends: readonly number[] | null
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
  return { text: text.slice(from, to), starts: starts.slice(from, to), ends: ends.slice(from, to), base }
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
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private readonly source: AlignedText

  constructor(source: AlignedText) {
    this.source = source
  }

  /** Writes `text` in the place of the source's [from, to); with from = to it stands for the unit at `from`. */
  put(text: string, from: number, to: number): void {
    if (text === "") return
    const start = startOf(this.source, from)
    const end = to > from ? endOf(this.source, to) : start
    this.pieces.push(text)
    for (let at = 0; at < text.length; at++) {
      this.starts.push(start)
      this.ends.push(end)
    }
  }

  /** Writes the source's [from, to) as it is. */
  keep(from: number, to: number): void {
    if (to <= from) return
    this.pieces.push(this.source.text.slice(from, to))
    const { starts, ends, base } = this.source
    if (starts === null || ends === null) {
      for (let at = from; at < to; at++) {
        this.starts.push(base + at)
        this.ends.push(base + at + 1)
      }
      return
    }
    for (let at = from; at < to; at++) {
      this.starts.push(starts[at]!)
      this.ends.push(ends[at]!)
    }
  }

  /** Leaves out the source's [from, to), and lets what was written last stand for it too (an accent that its letter loses). */
  absorb(from: number, to: number): void {
    if (this.ends.length === 0 || startOf(this.source, from) !== this.ends.at(-1)) return
    const end = endOf(this.source, to)
    const last = this.starts.at(-1)
    for (let at = this.starts.length - 1; at >= 0 && this.starts[at] === last; at--) this.ends[at] = end
  }

  /** The text that was written. */
  finish(): AlignedText {
    const { starts, ends } = this
    return { text: this.pieces.join(""), starts, ends, base: this.source.base }
  }
}
