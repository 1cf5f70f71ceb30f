// The pieces of words that occur most, without looking at each piece by itself: all places of all words are sorted by what begins there,
// one character deeper at a time (as suffix arrays are made), and only where two or more begin alike it goes on.

/** Pieces with a number each. */
export type WeightedPieces = (readonly [piece: string, weight: number])[]

/**
 * How often each character of `alphabet` occurs in the words, and the `limit` pieces of two characters or more, up to `longest`, that
 * occur twice or more and cover most of the text: by what they cover (occurrences × code units), then by their code units.
 * The words must be made of the alphabet.
 */
export function frequentPieces(
  words: ReadonlyMap<string, number>,
  alphabet: readonly string[],
  limit: number,
  longest: number,
): { characters: number[]; pieces: WeightedPieces } {
  const text = new SortedText(words, alphabet, longest)
  text.sort()
  return { characters: text.characters, pieces: heaviest(text, limit) }
}

/** All words behind one another. */
class SortedText {
  /** Occurrences of each character of the alphabet. */
  readonly characters: number[]
  /** What was found: where each piece begins and ends in `units`, and what it covers. */
  readonly starts: number[] = []
  readonly ends: number[] = []
  readonly weights: number[] = []
  readonly units: string
  /** The character at each place, counted from 1; 0 ends a word. */
  readonly #numbers: Int32Array
  /** Where each place stands in `units`. */
  readonly #unitAt: Int32Array
  /** How often the word of each place occurs. */
  readonly #counts: Float64Array
  readonly #order: Int32Array
  readonly #moved: Int32Array
  // of each character, in the range that is looked at: how many places it follows, and how often
  readonly #tally: Int32Array
  readonly #total: Float64Array
  readonly #longest: number

  constructor(words: ReadonlyMap<string, number>, alphabet: readonly string[], longest: number) {
    this.units = [...words.keys()].join("")
    this.#longest = longest
    const numberOf = new Map(alphabet.map((character, i) => [character, i + 1]))
    const size = this.units.length + words.size
    this.#numbers = new Int32Array(size)
    this.#unitAt = new Int32Array(size)
    this.#counts = new Float64Array(size)
    const order: number[] = []
    let unit = 0
    let place = 0
    for (const [word, count] of words) {
      for (const character of word) {
        order.push(place)
        this.#numbers[place] = numberOf.get(character)!
        this.#unitAt[place] = unit
        this.#counts[place++] = count
        unit += character.length
      }
      this.#unitAt[place++] = unit
    }
    this.#order = Int32Array.from(order)
    this.#moved = new Int32Array(order.length)
    this.#tally = new Int32Array(alphabet.length + 1)
    this.#total = new Float64Array(alphabet.length + 1)
    this.characters = alphabet.map(() => 0)
  }

  sort(): void {
    this.#refine(0, this.#order.length, 0)
  }

  /** The places in a range of the order begin with the same `depth` characters: sorts them by the next one. */
  #refine(from: number, to: number, depth: number): void {
    const numbers = this.#numbers
    const order = this.#order
    const tally = this.#tally
    const total = this.#total
    const found: number[] = []
    for (let i = from; i < to; i++) {
      const place = order[i]!
      const next = numbers[place + depth]!
      if (next === 0) continue
      if (tally[next]!++ === 0) found.push(next)
      total[next]! += this.#counts[place]!
    }
    const ends: number[] = []
    let end = from
    for (const next of found) {
      const many = total[next]!
      if (depth === 0) this.characters[next - 1] = many
      if (many < 2) tally[next] = -1
      else {
        const start = end
        end += tally[next]!
        tally[next] = start
        ends.push(end)
      }
      total[next] = 0
    }
    if (end > from) {
      const moved = this.#moved
      moved.set(order.subarray(from, to), from)
      for (let i = from; i < to; i++) {
        const place = moved[i]!
        const next = numbers[place + depth]!
        if (next !== 0 && tally[next]! >= 0) order[tally[next]!++] = place
      }
    }
    for (const next of found) tally[next] = 0
    let start = from
    for (const last of ends) {
      if (depth > 0) this.#keep(start, last, depth + 1)
      if (depth + 1 < this.#longest) this.#refine(start, last, depth + 1)
      start = last
    }
  }

  #keep(from: number, to: number, characters: number): void {
    const place = this.#order[from]!
    const start = this.#unitAt[place]!
    const end = this.#unitAt[place + characters]!
    let count = 0
    for (let i = from; i < to; i++) count += this.#counts[this.#order[i]!]!
    this.starts.push(start)
    this.ends.push(end)
    this.weights.push(count * (end - start))
  }
}

/** The `limit` heaviest pieces; those of one weight by their code units. */
function heaviest({ units, starts, ends, weights }: SortedText, limit: number): WeightedPieces {
  // plain numbers sort without calling anybody: each weight beside its place, the heaviest first
  const { length } = weights
  const keys = new Float64Array(length)
  for (let i = 0; i < length; i++) keys[i] = -weights[i]! * length - i
  keys.sort()
  const pieces: [string, number][] = []
  for (let from = 0; from < length && pieces.length < limit; ) {
    const weight = weights[-keys[from]! % length]!
    const alike: string[] = []
    for (; from < length; from++) {
      const i = -keys[from]! % length
      if (weights[i] !== weight) break
      alike.push(units.slice(starts[i], ends[i]))
    }
    for (const piece of alike.sort()) pieces.push([piece, weight])
  }
  return pieces.slice(0, limit)
}
