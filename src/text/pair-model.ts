// Byte-pair encoding of any kind that tokenizer.json knows (Sennrich et al. 2016): over characters or bytes, with tokens that end words
// ("</w>") or go on inside them ("##"), with bytes for characters that the vocabulary lacks.
import { byteCharacters } from "./byte-alphabet.ts"
import { TextError } from "./errors.ts"
import { MergeTable } from "./merges.ts"
import { type PieceModel, type PieceTokens, pieceTokens, unknownOr } from "./vocabulary-models.ts"

/** What byte-pair encoding is made of. */
export interface PairParts {
  readonly ids: ReadonlyMap<string, number>
  readonly merges: readonly (readonly [left: string, right: string])[]
  readonly unknownId: number | undefined
  /** Pieces are read as UTF-8 bytes in GPT-2's byte alphabet. */
  readonly bytes: boolean
  /** What tokens inside a word begin with; "" for nothing. */
  readonly prefix: string
  /** What the last token of a word ends with; "" for nothing. */
  readonly suffix: string
  /** Unknown characters are spelled as bytes, <0x00> … <0xFF>. */
  readonly byteFallback: boolean
  /** Unknown characters next to each other are one token. */
  readonly fuseUnknown: boolean
  /** A piece that is a token is that token, whatever the merges say. */
  readonly ignoreMerges: boolean
}

/** Byte-pair encoding of pieces. */
export class PairModel implements PieceModel {
  private readonly parts: PairParts
  private readonly table: MergeTable
  private readonly fallback: readonly number[] | null
  private readonly utf8 = new TextEncoder()
  private ids: number[] = []
  private starts: number[] = []
  private ends: number[] = []

  /** Throws TextError where a merge leads outside the vocabulary. */
  constructor(parts: PairParts) {
    this.parts = parts
    const { ids, merges, prefix, byteFallback } = parts
    const idOf = (token: string): number => {
      const id = ids.get(token)
      if (id === undefined)
        throw new TextError(
          `tokenizer.json: expected merges of tokens of the vocabulary, but ${JSON.stringify(token)} is none`,
          "the vocabulary and the merges belong to different tokenizers, or the file is damaged",
        )
      return id
    }
    this.table = new MergeTable(
      merges.map(([left, right]) => {
        const joined = prefix !== "" && right.startsWith(prefix) ? left + right.slice(prefix.length) : left + right
        return [idOf(left), idOf(right), idOf(joined)]
      }),
    )
    const bytes = Array.from({ length: 256 }, (_, byte) => ids.get(byteToken(byte)))
    this.fallback = byteFallback ? bytes.map(id => id ?? -1) : null
  }

  encode(piece: string): PieceTokens {
    const { parts } = this
    if (parts.ignoreMerges) {
      const id = parts.ids.get(parts.bytes ? inByteAlphabet(this.utf8.encode(piece)) : piece)
      if (id !== undefined) return pieceTokens([id], [0], [piece.length])
    }
    this.ids = []
    this.starts = []
    this.ends = []
    let unknownBefore = false
    for (let next = 0; next < piece.length; ) {
      const at = next
      const to = at + (piece.codePointAt(at)! > 0xffff ? 2 : 1)
      const character = piece.slice(at, to)
      const symbols = parts.bytes ? Array.from(this.utf8.encode(character), byte => byteCharacters[byte]!) : [character]
      symbols.forEach((symbol, i) => {
        const last = to === piece.length && i === symbols.length - 1
        unknownBefore = this.symbol(symbol, at, to, last, unknownBefore)
      })
      next = to
    }
    const { ids, starts, ends } = this
    const merged = this.table.merge(ids)
    const firsts = this.table.positions
    return {
      ids: merged,
      starts: Int32Array.from(merged, (_, i) => starts[firsts[i]!]!),
      ends: Int32Array.from(merged, (_, i) => ends[i + 1 < merged.length ? firsts[i + 1]! - 1 : ids.length - 1]!),
    }
  }

  /** Adds the symbol of a character; returns whether it is unknown. */
  private symbol(character: string, from: number, to: number, last: boolean, unknownBefore: boolean): boolean {
    const { parts, fallback } = this
    let spelled = character
    if (parts.prefix !== "" && this.ids.length > 0) spelled = parts.prefix + spelled
    if (parts.suffix !== "" && last) spelled += parts.suffix
    const id = parts.ids.get(spelled)
    if (id !== undefined) {
      this.add(id, from, to)
      return false
    }
    if (fallback !== null) {
      const bytes = this.utf8.encode(spelled)
      if (bytes.every(byte => fallback[byte]! >= 0)) {
        for (const byte of bytes) this.add(fallback[byte]!, from, to)
        return false
      }
    }
    if (unknownBefore && parts.fuseUnknown) this.ends[this.ends.length - 1] = to
    else this.add(unknownOr(parts.unknownId, character), from, to)
    return true
  }

  private add(id: number, from: number, to: number): void {
    this.ids.push(id)
    this.starts.push(from)
    this.ends.push(to)
  }
}

/** The token of a byte in vocabularies that fall back to bytes. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`
}

/** Bytes as GPT-2's characters. */
function inByteAlphabet(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += byteCharacters[byte]!
  return text
}
