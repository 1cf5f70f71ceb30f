// Words in a tokenized text: which tokens they are, and which heads look from one word at others.

import type { Model } from "../models/model.ts"
import { HeedError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { type AttentionPatterns, attentionPatterns, type HeadScore, headScores, type TokenRange } from "./attention.ts"

/** A text as its tokens show it. */
export interface TokenizedText {
  readonly ids: Int32Array
  /** The text of each token, as it is written; joined they are `text`. A character that several tokens share stands at the last of them. */
  readonly pieces: readonly string[]
  /** What the ids decode to; tokenizers may write blanks otherwise than the given text. */
  readonly text: string
}

/** The tokens of a text, with the text of each. */
export function tokenizeText(tokenizer: Tokenizer, text: string): TokenizedText {
  const ids = tokenizer.encode(text)
  const decoder = tokenizer.streamingDecoder()
  const pieces = Array.from(ids, id => decoder.push(id))
  if (pieces.length > 0) pieces[pieces.length - 1] += decoder.flush()
  return { ids, pieces, text: pieces.join("") }
}

const isWordPart = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}]/u.test(character)

/** The tokens of every occurrence of a word that is no part of a longer word. */
function occurrences({ pieces, text }: TokenizedText, word: string): TokenRange[] {
  const ranges: TokenRange[] = []
  for (let start = text.indexOf(word); start >= 0 && word !== ""; start = text.indexOf(word, start + 1)) {
    const end = start + word.length
    if (isWordPart(text[start - 1]) || isWordPart(text[end])) continue
    const touched: number[] = []
    let at = 0
    for (const [i, piece] of pieces.entries()) {
      if (at < end && at + piece.length > start) touched.push(i)
      at += piece.length
    }
    ranges.push([touched[0]!, touched.at(-1)! + 1])
  }
  return ranges
}

/**
 * The tokens of a word: of its `occurrence` (from 0; -1, the last, by default) that is no part of a longer word. Throws HeedError that
 * shows the text where there is none.
 */
export function wordTokens(text: TokenizedText, word: string, occurrence = -1): TokenRange {
  const all = occurrences(text, word)
  const found = all.at(occurrence)
  if (found) return found
  throw new HeedError(
    `inspect: expected the word ${JSON.stringify(word)} in the text, but got ${JSON.stringify(text.text.trim())}`,
    all.length > 0 ? `it occurs ${all.length} times` : "write it as it stands there",
  )
}

/** Who looks from a word at others, as plain data. */
export interface WordAttention {
  readonly pieces: readonly string[]
  readonly attention: AttentionPatterns
  readonly query: TokenRange
  readonly candidates: readonly { readonly word: string; readonly tokens: TokenRange }[]
  /** Every layer and head, those first whose looks at the candidates add up to most. */
  readonly heads: readonly HeadScore[]
}

/**
 * Which heads look from a word (its last occurrence) at each of several candidates (their last occurrence before it, or the first behind
 * it). Throws HeedError for a word that the text does not have.
 */
export async function wordAttention(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
  query: string,
  candidates: readonly string[],
): Promise<WordAttention> {
  const tokenized = tokenizeText(tokenizer, text)
  const asked = wordTokens(tokenized, query)
  const found = candidates.map(word => ({ word, tokens: nearestBefore(tokenized, word, asked) }))
  const attention = await attentionPatterns(model, tokenized.ids)
  const total = ({ candidates }: HeadScore): number => candidates.reduce((a, b) => a + b, 0)
  const heads = headScores(
    attention,
    asked,
    found.map(({ tokens }) => tokens),
  ).sort((a, b) => total(b) - total(a) || a.layer - b.layer || a.head - b.head)
  return { pieces: tokenized.pieces, attention, query: asked, candidates: found, heads }
}

/** The last occurrence before the query, or the first one. */
function nearestBefore(text: TokenizedText, word: string, query: TokenRange): TokenRange {
  return occurrences(text, word).findLast(([, end]) => end <= query[0]) ?? wordTokens(text, word, 0)
}
