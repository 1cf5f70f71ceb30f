// What a piece of text becomes: the models of tokenizer.json that look words up. WordPiece (Schuster & Nakajima 2012, as BERT uses
// it) takes the longest known beginning again and again; WordLevel takes whole words.
import { TextError } from "./errors.ts"
import { PieceTrie } from "./piece-trie.ts"

/** The tokens of one piece: their ids, and the code units of the piece that each stands for. */
export interface PieceTokens {
  readonly ids: ArrayLike<number>
  readonly starts: ArrayLike<number>
  readonly ends: ArrayLike<number>
}

/** Turns a piece into tokens. */
export interface PieceModel {
  encode(piece: string): PieceTokens
}

/** Tokens of a piece from lists. */
export function pieceTokens(ids: ArrayLike<number>, starts: ArrayLike<number>, ends: ArrayLike<number>): PieceTokens {
  return { ids, starts, ends }
}

/** The id of the unknown token, or an error that shows what is unknown. */
export function unknownOr(id: number | undefined, piece: string): number {
  if (id === undefined)
    throw new TextError(
      `encode: expected a text of the tokenizer's vocabulary, but it has no id for ${JSON.stringify(piece)}`,
      "its tokenizer_config.json names no unk_token",
    )
  return id
}

/** What WordPiece is made of. */
export interface WordPieceParts {
  readonly ids: ReadonlyMap<string, number>
  readonly unknownId: number | undefined
  /** What tokens inside a word begin with, "##". */
  readonly prefix: string
  /** Longer words are unknown, counted in characters. */
  readonly longestWord: number
}

/** WordPiece. */
export class WordPieceModel implements PieceModel {
  /** What the last `cut` found: the id of each token, and where it ends in the word. */
  ids = new Int32Array(64)
  ends = new Int32Array(64)
  private readonly parts: WordPieceParts
  private readonly beginnings = new PieceTrie()
  private readonly continuations = new PieceTrie()
  private units = new Uint16Array(64)

  constructor(parts: WordPieceParts) {
    this.parts = parts
    const { ids, prefix } = parts
    for (const [token, id] of ids) {
      if (token !== "") this.beginnings.add(token, id)
      if (token.startsWith(prefix) && token !== prefix) this.continuations.add(token.slice(prefix.length), id)
    }
  }

  /** Cuts a word of so many code units, none of them a surrogate, into tokens: gives their number, 0 where the word is unknown. */
  cut(units: Uint16Array, length: number): number {
    return length > this.parts.longestWord ? 0 : this.search(units, length)
  }

  encode(piece: string): PieceTokens {
    const { unknownId, longestWord } = this.parts
    const { length } = piece
    if (length > this.units.length) this.units = new Uint16Array(2 * length)
    for (let at = 0; at < length; at++) this.units[at] = piece.charCodeAt(at)
    const isLong = length > longestWord && [...piece].length > longestWord
    const count = isLong ? 0 : this.search(this.units, length)
    if (length === 0) return pieceTokens([], [], [])
    if (count === 0) return pieceTokens([unknownOr(unknownId, piece)], [0], [length])
    const ends = this.ends.slice(0, count)
    const starts = new Int32Array(count)
    starts.set(ends.subarray(0, count - 1), 1)
    return pieceTokens(this.ids.slice(0, count), starts, ends)
  }

  private search(units: Uint16Array, length: number): number {
    if (length > this.ids.length) {
      this.ids = new Int32Array(2 * length)
      this.ends = new Int32Array(2 * length)
    }
    let count = 0
    let trie = this.beginnings
    for (let start = 0; start < length; ) {
      let found = -1
      let end = start
      for (let at = start, node = 0; at < length; ) {
        node = trie.next(node, units[at++]!)
        if (node < 0) break
        const id = trie.value(node)
        if (id < 0) continue
        found = id
        end = at
      }
      if (found < 0) return 0
      this.ids[count] = found
      this.ends[count++] = end
      start = end
      trie = this.continuations
    }
    return count
  }
}

/** Whole words. */
export class WordLevelModel implements PieceModel {
  private readonly ids: ReadonlyMap<string, number>
  private readonly unknownId: number | undefined

  constructor(ids: ReadonlyMap<string, number>, unknownId: number | undefined) {
    this.ids = ids
    this.unknownId = unknownId
  }

  encode(piece: string): PieceTokens {
    return pieceTokens([this.ids.get(piece) ?? unknownOr(this.unknownId, piece)], [0], [piece.length])
  }
}
