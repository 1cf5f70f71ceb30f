// The texts that are being written, and when each of them ends.

import type { Plan } from "./plan.ts"
import type { Situation } from "./processors.ts"

/**
 * Why a text ended: an end token, enough tokens (or a full context), a stop text, a caller's criterion, the time that was given, or the
 * caller's signal.
 */
export type EndReason = "eos" | "length" | "stop" | "criterion" | "time" | "aborted"

/** Whether a text shall end here; asked after each token. */
export type StoppingCriterion = (situation: Situation) => boolean

/** A text while it is written. */
export interface Text extends Situation {
  /** What the decoder began with. */
  readonly start: readonly number[]
  readonly ids: number[]
  readonly written: number[]
  readonly generated: number
  /** null while it goes on. */
  reason: EndReason | null
}

/** The texts of a batch. */
export class Texts {
  readonly rows: readonly Text[]
  /** Tokens at the beginning that were left behind when the context was full. */
  forgotten = 0
  readonly #plan: Plan
  readonly #criteria: readonly StoppingCriterion[]
  readonly #began = performance.now()

  /** `starts`: what each prompt's rows begin with. */
  constructor(starts: readonly (readonly number[])[], plan: Plan, criteria: readonly StoppingCriterion[] = []) {
    this.#plan = plan
    this.#criteria = criteria
    this.rows = starts.flatMap((start, prompt) =>
      Array.from({ length: plan.copies }, (_, copy) => newText(start, prompt, prompt * plan.copies + copy)),
    )
  }

  /** Whether any goes on. */
  get open(): boolean {
    return this.rows.some(text => text.reason === null)
  }

  /** Adds a token and ends the text where it is due. */
  write(text: Text, id: number): void {
    text.ids.push(id)
    text.written.push(id)
    const { ends, limit, config } = this.#plan
    if (ends.includes(id)) text.reason = "eos"
    else if (this.#criteria.some(isMet => isMet(text))) text.reason = "criterion"
    else if (text.written.length >= limit) text.reason = "length"
    else if (config.maxTime !== undefined && performance.now() - this.#began > config.maxTime * 1000)
      text.reason = "time"
  }

  /** Ends all that go on. */
  end(reason: EndReason): void {
    for (const text of this.rows) text.reason ??= reason
  }
}

function newText(start: readonly number[], prompt: number, row: number): Text {
  const written: number[] = []
  return {
    start,
    ids: [...start],
    written,
    get generated() {
      return written.length
    },
    row,
    prompt,
    reason: null,
  }
}

/** What a promise gives, or null where the signal came first. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, fn: () => Promise<T>): Promise<T | null> {
  try {
    signal?.throwIfAborted()
    return await fn()
  } catch (problem) {
    if (!signal?.aborted) throw problem
    return null
  }
}
