// Stop texts in a stream: what might be the beginning of one is held back until it is known, so no part of one ever gets out.

/** Text that may be given out, and whether a stop text was met. */
export interface StopResult {
  readonly text: string
  readonly stopped: boolean
}

/** Lets text through up to the first of some stop texts. */
export class StopScanner {
  readonly #stops: readonly string[]
  #held = ""

  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** Takes the next piece and gives what is certain. After a stop text nothing more may be pushed. */
  push(piece: string): StopResult {
    const text = this.#held + piece
    const found = this.#stops.map(stop => text.indexOf(stop)).filter(at => at >= 0)
    if (found.length > 0) {
      this.#held = ""
      return { text: text.slice(0, Math.min(...found)), stopped: true }
    }
    const certain = text.length - this.#beginnings(text)
    this.#held = text.slice(certain)
    return { text: text.slice(0, certain), stopped: false }
  }

  /** What is still held back, at the end of the text. */
  flush(): string {
    const text = this.#held
    this.#held = ""
    return text
  }

  /** Length of the longest end of the text that some stop text begins with. */
  #beginnings(text: string): number {
    let longest = 0
    for (const stop of this.#stops)
      for (let n = Math.min(stop.length - 1, text.length); n > longest; n--)
        if (text.endsWith(stop.slice(0, n))) longest = n
    return longest
  }
}
