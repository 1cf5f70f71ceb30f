// Tokens that were added to a vocabulary: found in a text before it is split, as Hugging Face's library finds them.
import { TextError } from "./errors.ts"
import { escapePattern } from "./segments.ts"
import type { AddedTokenJson } from "./tokenizer.ts"

/** Where an added token stands: [from, to), and with the blanks beside it that it takes [start, end). */
export interface FoundToken {
  readonly id: number
  readonly from: number
  readonly to: number
  readonly start: number
  readonly end: number
}

interface Entry {
  readonly id: number
  readonly singleWord: boolean
  readonly stripLeft: boolean
  readonly stripRight: boolean
}

const blank = /\p{White_Space}/u
const wordCharacter = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u

/** A set of added tokens, looked for leftmost and longest first. */
export class AddedTokens {
  private readonly entries = new Map<string, Entry>()
  private readonly pattern: RegExp | null

  /** `spell` gives the text to look for: the token's, or what the normalizer makes of it. */
  constructor(tokens: readonly AddedTokenJson[], spell: (content: string) => string) {
    for (const token of tokens) {
      if (typeof token.content !== "string" || !Number.isInteger(token.id))
        throw new TextError(
          `tokenizer.json: expected added_tokens with id and content, but got ${JSON.stringify(token)?.slice(0, 80)}`,
          "the file is broken: fetch it again",
        )
      const text = spell(token.content)
      if (text === "") continue
      const { single_word: singleWord = false, lstrip: stripLeft = false, rstrip: stripRight = false } = token
      this.entries.set(text, { id: token.id, singleWord, stripLeft, stripRight })
    }
    const texts = [...this.entries.keys()].sort((a, b) => b.length - a.length)
    this.pattern = texts.length === 0 ? null : new RegExp(texts.map(escapePattern).join("|"), "g")
  }

  /** All of them in a text, in order, not overlapping. */
  find(text: string): FoundToken[] {
    if (this.pattern === null) return []
    const found: FoundToken[] = []
    let before = 0
    for (const { 0: match, index } of text.matchAll(this.pattern)) {
      const { id, singleWord, stripLeft, stripRight } = this.entries.get(match)!
      let start = index
      let end = index + match.length
      if (singleWord && (isWord(lastOf(text, start)) || isWord(firstOf(text, end)))) continue
      if (start < before) continue
      if (stripLeft) while (start > before && blank.test(text[start - 1]!)) start--
      if (stripRight) while (end < text.length && blank.test(text[end]!)) end++
      found.push({ id, from: index, to: index + match.length, start, end })
      before = end
    }
    return found
  }
}

const isWord = (character: string): boolean => character !== "" && wordCharacter.test(character)

const firstOf = (text: string, at: number): string =>
  at < text.length ? String.fromCodePoint(text.codePointAt(at)!) : ""

function lastOf(text: string, end: number): string {
  const low = end > 1 && /[\udc00-\udfff]/.test(text[end - 1]!) && /[\ud800-\udbff]/.test(text[end - 2]!)
  return text.slice(Math.max(0, end - (low ? 2 : 1)), end)
}
