// BERT's pipeline (its normalizer, its splitter, WordPiece) in one walk over code units. What a character becomes is asked of the normalizer
// and the splitter once and kept in a table: that holds for every character that neither changes nor is changed by its neighbours.
import { original } from "./aligned.ts"
import type { TokenSink } from "./ids.ts"
import type { Normalizer } from "./normalizers.ts"
import type { Splitter } from "./splitters.ts"
import { unknownOr, type WordPieceModel } from "./vocabulary-models.ts"

// an entry of the table: a code unit or the number of a list in the lower half, what it is in the upper
const unknownYet = 0
const [ofWord, sign, blank, several, dependent] = [1, 2, 3, 4, 5]
const kindShift = 16

/** Encodes what lies between blanks with the pipeline's parts, which must be BERT's. */
export class BertChunks {
  private readonly normalizer: Normalizer
  private readonly split: Splitter
  private readonly model: WordPieceModel
  private readonly unknownId: number | undefined
  private table = new Int32Array(0)
  /** Entries that a character becomes when they are none or several. */
  private readonly lists: number[][] = []
  // the word that is being read, and where each of its code units stands in the text
  private units = new Uint16Array(64)
  private places = new Int32Array(64)
  private length = 0

  constructor(normalizer: Normalizer, split: Splitter, model: WordPieceModel, unknownId: number | undefined) {
    this.normalizer = normalizer
    this.split = split
    this.model = model
    this.unknownId = unknownId
  }

  /** Encodes the part [from, to) of a text; false, and nothing is written, where a character in it depends on its neighbours. */
  encode(text: string, from: number, to: number, sink: TokenSink): boolean {
    if (this.table.length === 0) this.table = new Int32Array(0x10000)
    const { table } = this
    for (let at = from; at < to; at++) {
      const unit = text.charCodeAt(at)
      if (table[unit] === unknownYet) table[unit] = this.entryOf(unit)
      if (table[unit]! >>> kindShift === dependent) return false
    }
    for (let at = from; at < to; at++) {
      const entry = table[text.charCodeAt(at)]!
      if (entry >>> kindShift === several) for (const one of this.lists[entry & 0xffff]!) this.take(one, at, sink)
      else this.take(entry, at, sink)
    }
    this.finishWord(sink)
    return true
  }

  private take(entry: number, at: number, sink: TokenSink): void {
    const kind = entry >>> kindShift
    if (kind !== ofWord) this.finishWord(sink)
    if (kind === blank) return
    if (this.length === this.units.length) this.grow()
    this.units[this.length] = entry
    this.places[this.length++] = at
    if (kind === sign) this.finishWord(sink)
  }

  private finishWord(sink: TokenSink): void {
    const { length, units, places, model } = this
    if (length === 0) return
    this.length = 0
    const count = model.cut(units, length)
    if (count === 0) {
      sink.ids.push(unknownOr(this.unknownId, String.fromCharCode(...units.subarray(0, length))))
      sink.starts?.push(places[0]!)
      sink.ends?.push(places[length - 1]! + 1)
      sink.words?.push(sink.word)
    }
    for (let i = 0; i < count; i++) {
      sink.ids.push(model.ids[i]!)
      sink.starts?.push(places[i === 0 ? 0 : model.ends[i - 1]!]!)
      sink.ends?.push(places[model.ends[i]! - 1]! + 1)
      sink.words?.push(sink.word)
    }
    sink.word++
  }

  private grow(): void {
    const units = new Uint16Array(this.units.length * 2)
    const places = new Int32Array(this.units.length * 2)
    units.set(this.units)
    places.set(this.places)
    this.units = units
    this.places = places
  }

  /** What a character of one code unit becomes. */
  private entryOf(unit: number): number {
    const character = String.fromCharCode(unit)
    if (mark.test(character) || isSurrogate(unit)) return dependent << kindShift
    const { text } = this.normalizer(original(character))
    const entries: number[] = []
    for (let at = 0; at < text.length; at++) {
      if (isSurrogate(text.charCodeAt(at))) return dependent << kindShift
      const twice = this.split(original(text[at]! + text[at]!), false).length // a sign stands alone, also beside itself
      entries.push(((twice === 0 ? blank : twice === 1 ? ofWord : sign) << kindShift) | text.charCodeAt(at))
    }
    if (entries.length === 1) return entries[0]!
    this.lists.push(entries)
    return (several << kindShift) | (this.lists.length - 1)
  }
}

const mark = /\p{M}/u

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
