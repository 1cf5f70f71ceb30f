// Counts what stands between blanks in a text of any length: what word-based vocabularies are learned from.
import { TextError } from "./errors.ts"

/** How often each run of characters between blanks occurs in a text or in chunks of one. Throws TextError where there is none. */
export async function countRuns(
  text: string | AsyncIterable<string> | Iterable<string>,
  what: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  let held = ""
  const take = (part: string): void => {
    for (const [run] of part.matchAll(/[^\p{White_Space}]+/gu)) counts.set(run, (counts.get(run) ?? 0) + 1)
  }
  for await (const chunk of typeof text === "string" ? [text] : text) {
    if (typeof chunk !== "string") throw new TextError(`${what}: expected chunks of text, but got ${typeof chunk}`)
    const cut = Math.max(chunk.lastIndexOf(" "), chunk.lastIndexOf("\n"))
    if (cut < 0) {
      held += chunk
      continue
    }
    take(held + chunk.slice(0, cut))
    held = chunk.slice(cut)
  }
  take(held)
  if (counts.size === 0)
    throw new TextError(
      `${what}: expected a text to learn from, but got an empty one`,
      "the file is empty, or was not read",
    )
  return counts
}

/** Adds to a count. */
export function addCount(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

/** Refuses sizes that leave no room, roles of tokens that are none, and empty special tokens. */
export function checkTraining(
  what: string,
  size: number,
  specialTokens: readonly string[],
  roles: Readonly<Record<string, string | undefined>>,
): void {
  if (!Number.isInteger(size) || size <= specialTokens.length || size > 1 << 20)
    throw new TextError(
      `${what}: expected a vocabulary of ${specialTokens.length + 1} to ${1 << 20} tokens, but got ${size}`,
      `${specialTokens.length} of them are special tokens`,
    )
  for (const token of specialTokens)
    if (token === "")
      throw new TextError(`${what}: expected special tokens of one character or more, but got an empty one`)
  for (const token of Object.values(roles))
    if (token !== undefined && !specialTokens.includes(token))
      throw new TextError(`${what}: expected roles of special tokens, but got ${JSON.stringify(token)}, which is none`)
}
