// The plain way to write: of each row's scores one token is chosen, the most likely one or a draw, and read in turn.

import type { Decoder, Reading } from "./decoder.ts"
import { chooseToken, type Plan, type Token } from "./plan.ts"
import { type Texts, unlessAborted } from "./texts.ts"

/** The token that each row got in a step; null where it had ended. */
export type Step = readonly (Token | null)[]

/** Writes all rows to their ends, step by step. */
export async function* chooseTokens(decoder: Decoder, texts: Texts, plan: Plan): AsyncGenerator<Step, void, void> {
  const { signal, record } = plan
  const newest = new Int32Array(texts.rows.length)
  const read = (): Promise<Reading> => {
    const begun = texts.rows[0]!.generated > 0
    if (begun && decoder.position < decoder.capacity) return decoder.step(newest, signal ? { signal } : {})
    return decoder.start(seenOf(decoder, texts, begun), signal)
  }
  while (texts.open) {
    const reading = await unlessAborted(signal, read)
    if (!reading) {
      texts.end("aborted")
      return
    }
    const { scores } = reading
    record?.logits.push(scores.slice())
    const V = scores.length / texts.rows.length
    const step = texts.rows.map((text, row) => {
      newest[row] = plan.fill
      if (text.reason) return null
      const token = chooseToken(scores.subarray(row * V, (row + 1) * V), text, plan)
      newest[row] = token.id
      texts.write(text, token.id)
      return token
    })
    record?.scores.push(scores)
    yield step
  }
}

/** What is read at the beginning, or again when the context is full: then the newest three quarters of what it holds. */
function seenOf(decoder: Decoder, texts: Texts, again: boolean): readonly (readonly number[])[] {
  const { context } = decoder.model
  const [only] = texts.rows
  if (texts.rows.length > 1 || (only!.ids.length <= context && !again)) return texts.rows.map(text => text.ids)
  const seen = only!.ids.slice(-Math.max(1, Math.floor((context * 3) / 4)))
  texts.forgotten = only!.ids.length - seen.length
  return [seen]
}
