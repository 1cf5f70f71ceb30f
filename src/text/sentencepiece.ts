// Reads SentencePiece models (Kudo & Richardson 2018): a protocol buffer with pieces, their scores, and how text is normalized. Only the
// fields that encoding needs; every length is checked, so that a damaged file is an error and nothing worse.
import { TextError } from "./errors.ts"

/** What a piece is. */
export type SentencePieceType = "normal" | "unknown" | "control" | "user" | "unused" | "byte"

/** A SentencePiece model. */
export interface SentencePieceModel {
  readonly pieces: readonly { readonly piece: string; readonly score: number; readonly type: SentencePieceType }[]
  readonly kind: "unigram" | "bpe" | "word" | "char"
  readonly byteFallback: boolean
  /** The compiled character map of the normalizer; empty for none. */
  readonly characterMap: Uint8Array
  readonly addDummyPrefix: boolean
  readonly removeExtraBlanks: boolean
}

const types: readonly SentencePieceType[] = ["normal", "normal", "unknown", "control", "user", "unused", "byte"]
const kinds = ["unigram", "unigram", "bpe", "word", "char"] as const

/** Reads the bytes of a .model or .spm file; `name` is for messages. Throws TextError. */
export function readSentencePiece(bytes: Uint8Array, name = "SentencePiece model"): SentencePieceModel {
  const pieces: SentencePieceModel["pieces"][number][] = []
  let kind: SentencePieceModel["kind"] = "unigram"
  let byteFallback = false
  let characterMap: Uint8Array = new Uint8Array(0)
  let addDummyPrefix = true
  let removeExtraBlanks = true
  const broken = (what: string): TextError =>
    new TextError(
      `${name}: expected a SentencePiece model, but ${what}`,
      "the file is damaged, or no SentencePiece model (a Git LFS pointer?): fetch it again",
    )
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const readPiece = (part: Uint8Array): void => {
    let piece: string | null = null
    let score = 0
    let type = 1
    for (const field of fields(part, broken)) {
      if (field.number === 1 && field.bytes) {
        try {
          piece = text.decode(field.bytes)
        } catch {
          throw broken(`piece ${pieces.length} is no UTF-8`)
        }
      } else if (field.number === 2 && field.float !== undefined) score = field.float
      else if (field.number === 3 && field.integer !== undefined) type = field.integer
    }
    if (piece === null) throw broken(`piece ${pieces.length} has no text`)
    if (!Number.isFinite(score)) throw broken(`piece ${JSON.stringify(piece)} has the score ${score}`)
    pieces.push({ piece, score, type: types[type] ?? "normal" })
  }
  for (const field of fields(bytes, broken)) {
    if (!field.bytes) continue
    if (field.number === 1) readPiece(field.bytes)
    else if (field.number === 2)
      for (const { number, integer } of fields(field.bytes, broken)) {
        if (number === 3 && integer !== undefined) {
          const found = kinds[integer]
          if (found === undefined) throw broken(`its model type is ${integer}`)
          kind = found
        } else if (number === 35 && integer !== undefined) byteFallback = integer !== 0
      }
    else if (field.number === 3)
      for (const { number, integer, bytes } of fields(field.bytes, broken)) {
        if (number === 2 && bytes) characterMap = bytes
        else if (number === 3 && integer !== undefined) addDummyPrefix = integer !== 0
        else if (number === 4 && integer !== undefined) removeExtraBlanks = integer !== 0
      }
  }
  if (pieces.length === 0) throw broken(`it has no pieces in its ${bytes.length} bytes`)
  return { pieces, kind, byteFallback, characterMap, addDummyPrefix, removeExtraBlanks }
}

interface Field {
  readonly number: number
  readonly integer?: number
  readonly float?: number
  readonly bytes?: Uint8Array
}

/** The fields of a protocol buffer message. */
function* fields(bytes: Uint8Array, broken: (what: string) => TextError): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const integer = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw broken("it ends in the middle of a number")
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw broken("it has a number of more than ten bytes")
  }
  const take = (length: number): number => {
    if (!(length <= bytes.length - at)) throw broken(`it ends ${length - (bytes.length - at)} bytes too early`)
    at += length
    return at - length
  }
  while (at < bytes.length) {
    const tag = integer()
    const number = Math.floor(tag / 8)
    const kind = tag % 8
    if (number === 0) throw broken("it has a field without a number")
    if (kind === 0) yield { number, integer: integer() }
    else if (kind === 1) take(8)
    else if (kind === 2) {
      const length = integer()
      const start = take(length)
      yield { number, bytes: bytes.subarray(start, start + length) }
    } else if (kind === 5) yield { number, float: view.getFloat32(take(4), true) }
    else throw broken(`it has a field of the unknown kind ${kind}`)
  }
}
