// Learning a byte-level vocabulary (Sennrich et al. 2016): again and again the most frequent pair of neighbours becomes a token.
// Pair counts are kept up to date where a merge happened, so each merge costs its own occurrences and not a pass over the text.
import { byteCharacters, bytesInOrder } from "./byte-alphabet.ts"
import { ByteLevelTokenizer } from "./byte-level.ts"
import { TextError } from "./errors.ts"
import { isSettled, pieceEnd } from "./gpt2-split.ts"
import { NumberHeap } from "./heap.ts"
import { SpecialTokens, walkSegments } from "./segments.ts"
import type { SpecialRole } from "./tokenizer.ts"

/** What to learn. */
export interface TrainByteLevelOptions {
  /** Tokens in all: 256 bytes, merges and special tokens. Fewer come out when no pair is frequent enough any more. */
  readonly vocabularySize: number
  /** A pair must occur this often to become a token. Default 2. */
  readonly minimumFrequency?: number
  /** Tokens that are no text, such as "<|endoftext|>"; their ids are the last ones. Occurrences in the text are not learned from. */
  readonly specialTokens?: readonly string[]
  /** Which special token plays which role. */
  readonly roles?: Readonly<Partial<Record<SpecialRole, string>>>
}

/** Learns byte-level BPE from a text, or from chunks of one. Equal texts give equal vocabularies, wherever they are cut. */
export async function trainByteLevel(
  text: string | AsyncIterable<string> | Iterable<string>,
  options: TrainByteLevelOptions,
): Promise<ByteLevelTokenizer> {
  const { vocabularySize, minimumFrequency = 2, specialTokens = [], roles = {} } = options
  const merges = vocabularySize - 256 - specialTokens.length
  if (!Number.isInteger(vocabularySize) || merges < 0 || vocabularySize > 1 << 20)
    throw new TextError(
      `trainByteLevel: expected a vocabulary of ${256 + specialTokens.length} to ${1 << 20} tokens, but got ${vocabularySize}`,
      "256 tokens are the single bytes; the rest are merges and special tokens",
    )
  for (const token of Object.values(roles))
    if (!specialTokens.includes(token))
      throw new TextError(
        `trainByteLevel: expected roles of special tokens, but got ${JSON.stringify(token)}, which is none`,
      )
  const special = new SpecialTokens(new Map(specialTokens.map((token, index) => [token, index])))
  const counts = await countPieces(typeof text === "string" ? [text] : text, special)
  if (counts.size === 0)
    throw new TextError(
      "trainByteLevel: expected a text to learn from, but got an empty one",
      "the file is empty, or was not read",
    )
  const learned = learnMerges(counts, merges, Math.max(1, minimumFrequency))
  const size = learned.vocabulary.length
  return new ByteLevelTokenizer({
    ...learned,
    specialTokens: new Map(specialTokens.map((token, index) => [token, size + index])),
    roles,
  })
}

/** How often each piece of GPT-2's split occurs. */
async function countPieces(
  chunks: AsyncIterable<string> | Iterable<string>,
  special: SpecialTokens,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const take = (text: string, complete: boolean): number => {
    const count = (start: number, end: number, whole: boolean): number => {
      for (let at = start; at < end; ) {
        const next = pieceEnd(text, at, end)
        if (!whole && !isSettled(text, at, next, end)) return at
        const piece = text.slice(at, next)
        counts.set(piece, (counts.get(piece) ?? 0) + 1)
        at = next
      }
      return end
    }
    return walkSegments(special, text, complete, count, () => {})
  }
  let held = ""
  let wanted = 0
  for await (const chunk of chunks) {
    held += chunk
    if (held.length < wanted) continue
    held = held.slice(take(held, false))
    wanted = 2 * held.length
  }
  take(held, true)
  return counts
}

interface Learned {
  readonly vocabulary: string[]
  readonly merges: [string, string][]
}

function learnMerges(counts: ReadonlyMap<string, number>, limit: number, minimumFrequency: number): Learned {
  const vocabulary = bytesInOrder.map(byte => byteCharacters[byte]!)
  const ids = new Map(vocabulary.map((token, id) => [token, id]))
  const { symbols, starts, lengths, frequencies } = layOut(counts, ids)
  const pairs = new Pairs()
  for (let word = 0; word < lengths.length; word++) {
    const start = starts[word]!
    for (let at = start; at + 1 < start + lengths[word]!; at++)
      pairs.add(symbols[at]!, symbols[at + 1]!, frequencies[word]!, word)
  }
  pairs.queueChanged()
  const merges: [string, string][] = []
  while (vocabulary.length < limit + 256) {
    const best = pairs.mostFrequent(minimumFrequency)
    if (best === null) break
    const [left, right] = best
    const token = vocabulary[left]! + vocabulary[right]!
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
  return { vocabulary, merges }
}

/** All pieces as ids of bytes, one after another. */
function layOut(counts: ReadonlyMap<string, number>, ids: ReadonlyMap<string, number>) {
  const utf8 = new TextEncoder()
  const byteIds = byteCharacters.map(character => ids.get(character)!)
  const words = [...counts].map(([piece, frequency]) => ({ bytes: utf8.encode(piece), frequency }))
  const starts = new Int32Array(words.length)
  const lengths = new Int32Array(words.length)
  const frequencies = new Float64Array(words.length)
  let total = 0
  words.forEach(({ bytes, frequency }, word) => {
    starts[word] = total
    lengths[word] = bytes.length
    frequencies[word] = frequency
    total += bytes.length
  })
  const symbols = new Int32Array(total)
  words.forEach(({ bytes }, word) => {
    for (let at = 0; at < bytes.length; at++) symbols[starts[word]! + at] = byteIds[bytes[at]!]!
  })
  return { symbols, starts, lengths, frequencies }
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
