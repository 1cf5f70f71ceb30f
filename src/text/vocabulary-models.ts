// What a piece of text becomes: the models of tokenizer.json that look words up. WordPiece (Schuster & Nakajima 2012, as BERT uses
// it) takes the longest known beginning again and again; WordLevel takes whole words.
import { TextError } from "./errors.ts"

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
  private readonly parts: WordPieceParts
  private readonly beginnings = new Map<string, number>()
  private readonly continuations = new Map<string, number>()
  private readonly longest: number

  constructor(parts: WordPieceParts) {
    this.parts = parts
    const { ids, prefix } = parts
    let longest = 1
    for (const [token, id] of ids) {
      this.beginnings.set(token, id)
      if (token.startsWith(prefix)) this.continuations.set(token.slice(prefix.length), id)
      longest = Math.max(longest, token.length)
    }
    this.longest = longest
  }

  encode(piece: string): PieceTokens {
    const { unknownId, longestWord } = this.parts
    const unknown = (): PieceTokens => pieceTokens([unknownOr(unknownId, piece)], [0], [piece.length])
    if (piece.length > longestWord && [...piece].length > longestWord) return unknown()
    const ids: number[] = []
    const starts: number[] = []
    const ends: number[] = []
    for (let start = 0; start < piece.length; ) {
      const known = start === 0 ? this.beginnings : this.continuations
      let end = Math.min(piece.length, start + this.longest)
      let id = known.get(piece.slice(start, end))
      while (id === undefined && end > start + 1) id = known.get(piece.slice(start, --end))
      if (id === undefined) return unknown()
      ids.push(id)
      starts.push(start)
      ends.push(end)
      start = end
    }
    return pieceTokens(ids, starts, ends)
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
