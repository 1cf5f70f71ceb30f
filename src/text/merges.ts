// Byte-pair encoding of one piece (Sennrich et al. 2016): join the neighbours whose merge was learned first, until none is left.
// A heap of candidate merges over a linked list: n log n for a piece of any length.
import { NumberHeap } from "./heap.ts"

/** The merges of a vocabulary, looked up by the pair of ids that they join. */
export class MergeTable {
  private readonly keys: Float64Array // left * 2^24 + right, or -1
  private readonly ranks: Int32Array
  private readonly results: Int32Array
  private readonly mask: number
  private readonly heap = new NumberHeap()
  /** Where each token that the last `merge` left begins, counted in the ids that it was given. */
  positions = new Int32Array(64)
  private symbols = new Int32Array(64)
  private following = new Int32Array(64)
  private previous = new Int32Array(64)

  /** `merges` in the order of their learning: [left, right, result] ids below 2^24. A pair that comes twice keeps its first rank. */
  constructor(merges: readonly (readonly [left: number, right: number, result: number])[]) {
    let size = 16
    while (size < merges.length * 2) size *= 2
    this.mask = size - 1
    this.keys = new Float64Array(size).fill(-1)
    this.ranks = new Int32Array(size)
    this.results = new Int32Array(size)
    merges.forEach(([left, right, result], rank) => {
      const slot = this.slot(left, right)
      if (this.keys[slot] !== -1) return
      this.keys[slot] = left * 0x1000000 + right
      this.ranks[slot] = rank
      this.results[slot] = result
    })
  }

  /** Merges ids (those of single bytes) in place of a copy; returns the ids that remain. */
  merge(ids: ArrayLike<number>): Int32Array {
    const length = ids.length
    if (length > this.symbols.length) {
      const size = Math.max(length, this.symbols.length * 2)
      this.symbols = new Int32Array(size)
      this.positions = new Int32Array(size)
      this.following = new Int32Array(size)
      this.previous = new Int32Array(size)
    }
    const { symbols, following, previous, heap } = this
    for (let at = 0; at < length; at++) {
      symbols[at] = ids[at]!
      following[at] = at + 1 < length ? at + 1 : -1
      previous[at] = at - 1
    }
    for (let at = 0; at + 1 < length; at++) this.offer(at, length)
    while (heap.size > 0) {
      const candidate = heap.pop()
      const at = candidate % length // the key is rank * length + position: lowest rank first, then leftmost
      const next = following[at]!
      if (next === -1 || symbols[at] === -1) continue
      const slot = this.slot(symbols[at]!, symbols[next]!)
      if (this.keys[slot] === -1 || this.ranks[slot]! * length + at !== candidate) continue // the pair has changed since
      symbols[at] = this.results[slot]!
      symbols[next] = -1
      const after = following[next]!
      following[at] = after
      following[next] = -1
      if (after !== -1) {
        previous[after] = at
        this.offer(at, length)
      }
      if (previous[at]! >= 0) this.offer(previous[at]!, length)
    }
    const merged = new Int32Array(length)
    let count = 0
    for (let at = 0; at !== -1 && count < length; at = following[at]!) {
      this.positions[count] = at
      merged[count++] = symbols[at]!
    }
    return merged.slice(0, count)
  }

  private offer(at: number, length: number): void {
    const slot = this.slot(this.symbols[at]!, this.symbols[this.following[at]!]!)
    if (this.keys[slot] !== -1) this.heap.push(this.ranks[slot]! * length + at)
  }

  /** The slot of a pair, or the empty slot where it would go. */
  private slot(left: number, right: number): number {
    const key = left * 0x1000000 + right
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0
    slot = (slot ^ (slot >>> 15)) & this.mask
    while (this.keys[slot] !== -1 && this.keys[slot] !== key) slot = (slot + 1) & this.mask
    return slot
  }
}
