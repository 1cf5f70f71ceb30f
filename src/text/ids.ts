// A growing list of ids in one typed array.

/** Collects ids; `take` hands them out and starts anew. */
export class IdList {
  private values = new Int32Array(256)
  length = 0

  /** Appends one id. */
  push(id: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1)
    this.values[this.length++] = id
  }

  /** Appends many ids. */
  append(ids: ArrayLike<number>): void {
    if (this.length + ids.length > this.values.length) this.grow(this.length + ids.length)
    this.values.set(ids, this.length)
    this.length += ids.length
  }

  /** The ids since the last take, as an array of their own. */
  take(): Int32Array {
    const ids = this.values.slice(0, this.length)
    this.length = 0
    return ids
  }

  private grow(least: number): void {
    const larger = new Int32Array(Math.max(least, this.values.length * 2))
    larger.set(this.values.subarray(0, this.length))
    this.values = larger
  }
}

/** Where tokens go: ids always, the rest (spans, and the word of each) when asked for. */
export interface TokenSink {
  readonly ids: IdList
  readonly starts: IdList | null
  readonly ends: IdList | null
  readonly words: IdList | null
  /** The next word's number. */
  word: number
}
