// What a loss means, and how fast a run goes.

import type { Tokenizer } from "../text/index.ts"

/** The loss in the units that people compare. */
export interface LanguageMetrics {
  /** e^loss: as many tokens as it hesitates between. */
  readonly perplexity: number
  /** Bits per token. */
  readonly bitsPerToken: number
  /** Bits per character and per byte of UTF-8; absent where the tokenizer does not say how much text a token is. */
  readonly bitsPerCharacter?: number
  readonly bitsPerByte?: number
}

/** How much text some tokens are. */
export interface TextSize {
  readonly tokens: number
  readonly characters?: number
  readonly bytes?: number
}

/** Metrics of a loss in nats per token, over tokens of a known size of text. */
export function languageMetrics(loss: number, size?: TextSize): LanguageMetrics {
  const bitsPerToken = loss / Math.LN2
  const per = (count: number | undefined): number | undefined =>
    count === undefined || count === 0 ? undefined : (bitsPerToken * size!.tokens) / count
  const [bitsPerCharacter, bitsPerByte] = [per(size?.characters), per(size?.bytes)]
  return {
    perplexity: Math.exp(loss),
    bitsPerToken,
    ...(bitsPerCharacter !== undefined && { bitsPerCharacter }),
    ...(bitsPerByte !== undefined && { bitsPerByte }),
  }
}

/**
 * How much text ids are. Exact for character tokenizers and for byte-level ones (whose tokens are spelled with one letter for each
 * byte); undefined for others, where a token may stand for more than one text.
 */
export function textSize(tokenizer: Tokenizer, lists: Iterable<ArrayLike<number>>): TextSize | undefined {
  const isCharacter = tokenizer.kind === "character"
  if (!isCharacter && tokenizer.kind !== "byte-level BPE") return undefined
  const encoder = new TextEncoder()
  const special = new Set(tokenizer.specialTokens.values())
  const bytesOf = tokenizer.tokens.map((token, id) =>
    special.has(id) ? 0 : isCharacter ? encoder.encode(token).length : token.length,
  )
  let [tokens, characters, bytes] = [0, 0, 0]
  for (const ids of lists)
    for (let i = 0; i < ids.length; i++) {
      const size = bytesOf[ids[i]!]
      if (size === undefined) continue // a target that counts nothing
      tokens++
      bytes += size
      if (size > 0) characters++
    }
  return isCharacter ? { tokens, characters, bytes } : { tokens, bytes }
}

/** Tokens per second and time left, over the last steps. */
export class Pace {
  readonly #now: () => number
  readonly #marks: { step: number; tokens: number; time: number }[] = []
  readonly #window: number

  /** `window`: how many steps count. `now`: milliseconds. */
  constructor(options: { window?: number; now?: () => number } = {}) {
    this.#window = options.window ?? 20
    this.#now = options.now ?? (() => performance.now())
  }

  /** Begins to count anew, such as after a pause for an evaluation. */
  restart(step: number, tokens: number): void {
    this.#marks.splice(0, this.#marks.length, { step, tokens, time: this.#now() })
  }

  /** After a step: tokens per second, and seconds until step `last`. `tokens` counts all that were seen so far. */
  mark(step: number, tokens: number, last: number): { tokensPerSecond: number; secondsLeft: number } {
    this.#marks.push({ step, tokens, time: this.#now() })
    if (this.#marks.length > this.#window + 1) this.#marks.shift()
    const [first, now] = [this.#marks[0]!, this.#marks.at(-1)!]
    const seconds = Math.max(1e-9, (now.time - first.time) / 1000)
    const steps = now.step - first.step
    return {
      tokensPerSecond: (now.tokens - first.tokens) / seconds,
      secondsLeft: steps === 0 ? 0 : ((last - now.step) * seconds) / steps,
    }
  }
}
