// Learning which pairs of neighbours become tokens (Sennrich et al. 2016): again and again the most frequent one. Pair counts are kept up
// to date where a merge happened, so each merge costs its own occurrences and not a pass over the text.
import { NumberHeap } from "./heap.ts"

/** Words as ids of their first tokens, one word after another, and how often each occurs. */
export interface WordLayout {
  readonly symbols: Int32Array
  readonly starts: Int32Array
  readonly lengths: Int32Array
  readonly frequencies: Float64Array
}

/** Lays words out: each a list of ids. */
export function layOutWords(
  words: readonly { readonly ids: ArrayLike<number>; readonly frequency: number }[],
): WordLayout {
  const starts = new Int32Array(words.length)
  const lengths = new Int32Array(words.length)
  const frequencies = new Float64Array(words.length)
  let total = 0
  words.forEach(({ ids, frequency }, word) => {
    starts[word] = total
    lengths[word] = ids.length
    frequencies[word] = frequency
    total += ids.length
  })
  const symbols = new Int32Array(total)
  words.forEach(({ ids }, word) => {
    symbols.set(ids, starts[word]!)
  })
  return { symbols, starts, lengths, frequencies }
}

/** How pairs become tokens. */
export interface LearnPairsOptions {
  /** Tokens in all. Fewer come out when no pair is frequent enough any more. */
  readonly size: number
  /** A pair must occur this often. */
  readonly minimumFrequency: number
  /** The token that two neighbours become. */
  readonly join: (left: string, right: string) => string
}

/** Adds tokens to a vocabulary until it has `size`; returns the merges in the order of their learning. The layout is used up. */
export function learnPairs(
  { symbols, starts, lengths, frequencies }: WordLayout,
  vocabulary: string[],
  { size, minimumFrequency, join }: LearnPairsOptions,
): [left: string, right: string][] {
  const ids = new Map(vocabulary.map((token, id) => [token, id]))
  const pairs = new Pairs()
  for (let word = 0; word < lengths.length; word++) {
    const start = starts[word]!
    for (let at = start; at + 1 < start + lengths[word]!; at++)
      pairs.add(symbols[at]!, symbols[at + 1]!, frequencies[word]!, word)
  }
  pairs.queueChanged()
  const merges: [string, string][] = []
  while (vocabulary.length < size) {
    const best = pairs.mostFrequent(minimumFrequency)
    if (best === null) break
    const [left, right] = best
    const token = join(vocabulary[left]!, vocabulary[right]!)
    let merged = ids.get(token) // two merges may spell the same token
    if (merged === undefined) {
      merged = vocabulary.length
      vocabulary.push(token)
      ids.set(token, merged)
    }
    merges.push([vocabulary[left]!, vocabulary[right]!])
    for (const word of pairs.takeWords(left, right)) {
      const start = starts[word]!
      const end = start + lengths[word]!
      const frequency = frequencies[word]!
      let to = start // what lies before it is merged already
      for (let at = start; at < end; at++) {
        if (at + 1 >= end || symbols[at] !== left || symbols[at + 1] !== right) {
          symbols[to++] = symbols[at]!
          continue
        }
        pairs.remove(left, right, frequency)
        if (to > start) {
          pairs.remove(symbols[to - 1]!, left, frequency)
          pairs.add(symbols[to - 1]!, merged, frequency, word)
        }
        if (at + 2 < end) {
          pairs.remove(right, symbols[at + 2]!, frequency)
          pairs.add(merged, symbols[at + 2]!, frequency, word)
        }
        symbols[to++] = merged
        at++
      }
      lengths[word] = to - start
    }
    pairs.queueChanged()
  }
  return merges
}

const indexRange = 2 ** 24
const largestCount = 2 ** 28 // count * indexRange stays an exact number; rarer pairs keep their order

/** Pairs of neighbours: how often they occur, in which words, and which is the most frequent. */
class Pairs {
  private readonly indices = new Map<number, number>()
  private readonly lefts: number[] = []
  private readonly rights: number[] = []
  private readonly counts: number[] = []
  private readonly words: number[][] = []
  private readonly changed = new Set<number>()
  private readonly heap = new NumberHeap()

  add(left: number, right: number, frequency: number, word: number): void {
    const key = left * 0x100000 + right
    let index = this.indices.get(key)
    if (index === undefined) {
      index = this.counts.length
      this.indices.set(key, index)
      this.lefts.push(left)
      this.rights.push(right)
      this.counts.push(0)
      this.words.push([])
    }
    this.counts[index]! += frequency
    const words = this.words[index]!
    if (words.at(-1) !== word) words.push(word)
    this.changed.add(index)
  }

  remove(left: number, right: number, frequency: number): void {
    this.counts[this.indices.get(left * 0x100000 + right)!]! -= frequency
  }

  /** Queues the pairs that may have become more frequent; those that became rarer are put right when their turn comes. */
  queueChanged(): void {
    for (const index of this.changed) this.queue(index)
    this.changed.clear()
  }

  /** The most frequent pair, the one seen first among equals, or null when none reaches the minimum. */
  mostFrequent(minimum: number): [left: number, right: number] | null {
    while (this.heap.size > 0) {
      const key = this.heap.pop()
      const index = ((key % indexRange) + indexRange) % indexRange
      if (key !== this.key(index)) this.queue(index)
      else if (this.counts[index]! < minimum) return null
      else return [this.lefts[index]!, this.rights[index]!]
    }
    return null
  }

  /** The words that may hold a pair; they are forgotten, because the pair is about to be merged in them. */
  takeWords(left: number, right: number): number[] {
    const index = this.indices.get(left * 0x100000 + right)!
    const words = this.words[index]!
    this.words[index] = []
    return words
  }

  private key(index: number): number {
    return index - Math.min(this.counts[index]!, largestCount) * indexRange
  }

  private queue(index: number): void {
    if (this.counts[index]! > 0) this.heap.push(this.key(index))
  }
}
