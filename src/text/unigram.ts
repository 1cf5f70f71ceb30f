// The unigram language model (Kudo 2018): every way to cut a piece into tokens has the product of its tokens' probabilities, and the
// most probable one is taken (Viterbi), in time linear in the length.
import { byteToken } from "./pair-model.ts"
import { PieceTrie } from "./piece-trie.ts"
import { type PieceModel, type PieceTokens, pieceTokens, unknownOr } from "./vocabulary-models.ts"

const unknownPenalty = 10
const notForText = -1e29 // pieces that only decoding knows (those of Marian's other language)

/** What a unigram model is made of. */
export interface UnigramParts {
  /** Pieces by id, with the logarithm of their probability. */
  readonly pieces: readonly (readonly [piece: string, score: number])[]
  readonly unknownId: number | undefined
  /** Unknown characters are spelled as bytes, <0x00> … <0xFF>. */
  readonly byteFallback: boolean
}

/** The most probable tokens of pieces. Unknown characters next to each other are one token. */
export class UnigramModel implements PieceModel {
  private readonly parts: UnigramParts
  private readonly trie = new PieceTrie()
  private readonly scores: Float64Array
  private readonly unknownScore: number
  private readonly fallback: readonly number[] | null
  private readonly utf8 = new TextEncoder()
  private best = new Float64Array(64)
  private from = new Int32Array(64)
  private tokens = new Int32Array(64)

  constructor(parts: UnigramParts) {
    this.parts = parts
    const { pieces, byteFallback } = parts
    this.scores = Float64Array.from(pieces, ([, score]) => score)
    let least = Number.POSITIVE_INFINITY
    pieces.forEach(([piece, score], id) => {
      if (score < notForText) return
      if (piece !== "") this.trie.add(piece, id)
      least = Math.min(least, score)
    })
    this.unknownScore = (least === Number.POSITIVE_INFINITY ? 0 : least) - unknownPenalty
    const ids = byteFallback ? new Map(pieces.map(([piece], id) => [piece, id])) : null
    const bytes = ids && Array.from({ length: 256 }, (_, byte) => ids.get(byteToken(byte)) ?? -1)
    this.fallback = bytes?.every(id => id >= 0) ? bytes : null
  }

  encode(piece: string): PieceTokens {
    this.search(piece)
    const ids: number[] = []
    const starts: number[] = []
    const ends: number[] = []
    for (let end = piece.length; end > 0; end = this.from[end]!) {
      const start = this.from[end]!
      const id = this.tokens[end]!
      if (id >= 0) {
        ids.push(id)
        starts.push(start)
        ends.push(end)
      } else if (this.fallback !== null) {
        for (const byte of this.utf8.encode(piece.slice(start, end)).reverse()) {
          ids.push(this.fallback[byte]!)
          starts.push(start)
          ends.push(end)
        }
      } else if (ids.length > 0 && ids.at(-1) === -1) starts[starts.length - 1] = start
      else {
        ids.push(-1)
        starts.push(start)
        ends.push(end)
      }
    }
    const { unknownId } = this.parts
    const known = ids.map((id, i) => (id >= 0 ? id : unknownOr(unknownId, piece.slice(starts[i]!, ends[i]!))))
    return pieceTokens(known.reverse(), starts.reverse(), ends.reverse())
  }

  /** Finds for each place the best token that ends there; -1 stands for an unknown character. */
  private search(piece: string): void {
    const { trie, scores, unknownScore } = this
    const length = piece.length
    if (this.best.length <= length) {
      const size = 2 * length + 2
      this.best = new Float64Array(size)
      this.from = new Int32Array(size)
      this.tokens = new Int32Array(size)
    }
    const { best, from, tokens } = this
    best.fill(Number.NEGATIVE_INFINITY, 0, length + 1)
    best[0] = 0
    for (let start = 0; start < length; ) {
      const width = piece.codePointAt(start)! > 0xffff ? 2 : 1
      let single = false
      let node = 0
      for (let at = start; at < length; ) {
        node = trie.next(node, piece.charCodeAt(at++))
        if (node < 0) break
        const id = trie.value(node)
        if (id < 0) continue
        const score = best[start]! + scores[id]!
        if (score > best[at]!) {
          best[at] = score
          from[at] = start
          tokens[at] = id
        }
        if (at - start === width) single = true
      }
      const to = start + width
      if (!single && best[start]! + unknownScore > best[to]!) {
        best[to] = best[start]! + unknownScore
        from[to] = start
        tokens[to] = -1
      }
      start = to
    }
  }
}
