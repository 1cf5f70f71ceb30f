// All ways to cut a word into pieces, for learning a unigram vocabulary (Kudo 2018): how often each piece is expected in them, and the
// best of them.
import { PieceTrie } from "./piece-trie.ts"

/** Cuts words into pieces with scores; every character of the words must be a piece. Words are so short that their probabilities are numbers. */
export class UnigramLattice {
  private readonly trie = new PieceTrie()
  private readonly scores: Float64Array
  private readonly probabilities: Float64Array
  private forward = new Float64Array(128)
  private backward = new Float64Array(128)
  private from = new Int32Array(128)
  private tokens = new Int32Array(128)
  // the pieces found in the last word: where they begin and end, and which they are
  private starts = new Int32Array(1024)
  private ends = new Int32Array(1024)
  private ids = new Int32Array(1024)
  private edges = 0

  constructor(pieces: readonly (readonly [piece: string, score: number])[]) {
    pieces.forEach(([piece], id) => {
      this.trie.add(piece, id)
    })
    this.scores = Float64Array.from(pieces, ([, score]) => score)
    this.probabilities = this.scores.map(Math.exp)
  }

  /** Adds to `expected`, for each piece, how often it is expected in `count` such words. */
  addExpected(word: string, count: number, expected: Float64Array): void {
    this.find(word)
    const { forward, backward, starts, ends, ids, edges, probabilities } = this
    const length = word.length
    forward.fill(0, 0, length + 1)
    backward.fill(0, 0, length + 1)
    forward[0] = 1
    backward[length] = 1
    for (let edge = 0; edge < edges; edge++)
      forward[ends[edge]!]! += forward[starts[edge]!]! * probabilities[ids[edge]!]!
    for (let edge = edges - 1; edge >= 0; edge--)
      backward[starts[edge]!]! += backward[ends[edge]!]! * probabilities[ids[edge]!]!
    const scale = count / forward[length]!
    if (!Number.isFinite(scale)) return
    for (let edge = 0; edge < edges; edge++) {
      const id = ids[edge]!
      expected[id]! += scale * forward[starts[edge]!]! * probabilities[id]! * backward[ends[edge]!]!
    }
  }

  /** The pieces of the best cut of a word, `without` one of them where it is the whole word. */
  best(word: string, without = -1): number[] {
    this.find(word)
    const { forward, from, tokens, starts, ends, ids, edges, scores } = this
    forward.fill(Number.NEGATIVE_INFINITY, 0, word.length + 1)
    forward[0] = 0
    for (let edge = 0; edge < edges; edge++) {
      const id = ids[edge]!
      const end = ends[edge]!
      const score = forward[starts[edge]!]! + scores[id]!
      if (id === without || score <= forward[end]!) continue
      forward[end] = score
      from[end] = starts[edge]!
      tokens[end] = id
    }
    const found: number[] = []
    for (let end = word.length; end > 0; end = from[end]!) found.push(tokens[end]!)
    return found.reverse()
  }

  /** Finds all pieces in a word, ordered by where they begin. */
  private find(word: string): void {
    const length = word.length
    if (this.forward.length <= length) {
      const size = 2 * length + 2
      this.forward = new Float64Array(size)
      this.backward = new Float64Array(size)
      this.from = new Int32Array(size)
      this.tokens = new Int32Array(size)
    }
    this.edges = 0
    for (let start = 0; start < length; start++) {
      let node = 0
      for (let at = start; at < length; ) {
        node = this.trie.next(node, word.charCodeAt(at++))
        if (node < 0) break
        const id = this.trie.value(node)
        if (id >= 0) this.add(start, at, id)
      }
    }
  }

  private add(start: number, end: number, id: number): void {
    if (this.edges === this.ids.length) {
      const grown = (list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
        const larger = new Int32Array(list.length * 2)
        larger.set(list)
        return larger
      }
      this.starts = grown(this.starts)
      this.ends = grown(this.ends)
      this.ids = grown(this.ids)
    }
    this.starts[this.edges] = start
    this.ends[this.edges] = end
    this.ids[this.edges++] = id
  }
}
