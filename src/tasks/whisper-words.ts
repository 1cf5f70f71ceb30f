// Whisper's tokens as words with their times: cut at spaces, or at every piece of a script that has none; punctuation stays with its word.

import type { StreamingDecoder } from "../text/index.ts"
import type { SpokenChunk } from "./automatic-speech-recognition.ts"

/** When a token is spoken, in seconds. */
export type TokenTime = readonly [start: number, end: number]

/** Languages written without spaces. */
const spaceless: ReadonlySet<string> = new Set(["zh", "ja", "th", "lo", "my", "yue"])
const opening = "\"'“¿([{-"
const closing = "\"'.。,，!！?？:：”)]}、"

interface Piece {
  text: string
  start: number
  end: number
}

/** Tokens that make whole characters together. */
function pieces(ids: readonly number[], times: readonly TokenTime[], decoder: StreamingDecoder): Piece[] {
  const found: Piece[] = []
  let from = 0
  for (let i = 0; i < ids.length; i++) {
    const text = decoder.push(ids[i]!) + (i + 1 === ids.length ? decoder.flush() : "")
    if (text === "") continue // a character goes on in the next token
    found.push({ text, start: times[from]![0], end: times[i]![1] })
    from = i + 1
  }
  return found
}

function join(left: Piece, right: Piece): Piece {
  return { text: left.text + right.text, start: left.start, end: right.end }
}

/** Words of ids, of which each has its time. decoder: a new one; language: its code, where it is known. */
export function spokenWords(
  ids: readonly number[],
  times: readonly TokenTime[],
  decoder: StreamingDecoder,
  language?: string,
): SpokenChunk[] {
  const isIn = (text: string, marks: string): boolean => text.trim().length === 1 && marks.includes(text.trim())
  const alone = language !== undefined && spaceless.has(language)
  const words: Piece[] = []
  for (const piece of pieces(ids, times, decoder)) {
    const last = words.at(-1)
    const begins = alone || /^\s/u.test(piece.text) || /^\p{P}+$/u.test(piece.text)
    if (last && !begins) words[words.length - 1] = join(last, piece)
    else words.push(piece)
  }
  // what opens goes to the word behind it, from the last word on; what closes to the word before it
  for (let i = words.length - 2; i >= 0; i--)
    if (/^\s/u.test(words[i]!.text) && isIn(words[i]!.text, opening)) words.splice(i, 2, join(words[i]!, words[i + 1]!))
  for (let i = 1; i < words.length; )
    if (isIn(words[i]!.text, closing) && !/^\s/u.test(words[i]!.text) && !/\s$/u.test(words[i - 1]!.text))
      words.splice(i - 1, 2, join(words[i - 1]!, words[i]!))
    else i++
  return words
    .filter(word => word.text.trim() !== "")
    .map(({ text, start, end }) => ({ text, timestamp: [start, end] }))
}
