import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { endOf, original, startOf } from "../../src/text/aligned.ts"
import { BertChunks } from "../../src/text/bert-chunks.ts"
import { IdList } from "../../src/text/ids.ts"
import { readNormalizer } from "../../src/text/normalizers.ts"
import { readSplitter } from "../../src/text/splitters.ts"
import { WordPieceModel } from "../../src/text/vocabulary-models.ts"

const words = [
  "[UNK]",
  "a",
  "##a",
  "ab",
  "##b",
  "b",
  "the",
  "##the",
  "e",
  "##e",
  "s",
  "##ss",
  "中",
  "!",
  "–",
  "i",
  "##i",
  "가",
]
const ids = new Map(words.map((word, id) => [word, id]))
const model = new WordPieceModel({ ids, unknownId: 0, prefix: "##", longestWord: 12 })
const settings = [
  null,
  { type: "BertNormalizer" },
  { type: "BertNormalizer", lowercase: false },
  { type: "BertNormalizer", lowercase: false, strip_accents: true },
  { type: "BertNormalizer", strip_accents: false, handle_chinese_chars: false, clean_text: false },
]

interface Tokens {
  ids: number[]
  starts: number[]
  ends: number[]
  words: number[]
}

/** Both ways: character by character from the table (null where it declines), and by the pipeline's parts. */
function bothWays(setting: (typeof settings)[number]): (text: string) => [quick: Tokens | null, whole: Tokens] {
  const normalizer = readNormalizer(setting)!
  const { split } = readSplitter({ type: "BertPreTokenizer" })!
  const chunks = new BertChunks(normalizer, split, model, 0)
  return text => {
    const sink = { ids: new IdList(), starts: new IdList(), ends: new IdList(), words: new IdList(), word: 0 }
    const done = chunks.encode(text, 0, text.length, sink)
    const lists = [sink.ids, sink.starts, sink.ends, sink.words].map(list => [...list.take()])
    const quick = { ids: lists[0]!, starts: lists[1]!, ends: lists[2]!, words: lists[3]! }
    const whole: Tokens = { ids: [], starts: [], ends: [], words: [] }
    for (const [word, piece] of split(normalizer(original(text)), false).entries()) {
      const tokens = model.encode(piece.text)
      for (let i = 0; i < tokens.ids.length; i++) {
        whole.ids.push(tokens.ids[i]!)
        whole.starts.push(startOf(piece, tokens.starts[i]!))
        whole.ends.push(endOf(piece, tokens.ends[i]!))
        whole.words.push(word)
      }
    }
    return [done ? quick : null, whole]
  }
}

describe.each(settings)("BERT's pipeline in one walk, normalizer %j", setting => {
  const both = bothWays(setting)

  test("every character of the basic plane, between letters and beside its like", () => {
    let declined = 0
    for (let unit = 0; unit < 0x10000; unit++) {
      const character = String.fromCharCode(unit)
      for (const text of [`a${character}b`, `${character}${character}e`]) {
        const [quick, whole] = both(text)
        if (quick === null) declined++
        else if (JSON.stringify(quick) !== JSON.stringify(whole))
          expect({ text, quick }).toEqual({ text, quick: whole })
      }
    }
    expect(declined).toBeLessThan(2 * 6000) // marks and halves of pairs
  })

  test("any text without marks and pairs", () => {
    const character = fc.constantFrom(..."abthes!–中é가ǅİß￾…\u00a0\u0000\u200d", "e\u0301", "😀")
    fc.assert(
      fc.property(fc.array(character, { maxLength: 40 }), list => {
        const text = list.join("")
        const [quick, whole] = both(text)
        expect(quick === null).toBe(/[\u0301😀]/u.test(text))
        if (quick) expect(quick).toEqual(whole)
      }),
    )
  })
})

test("WordPiece gives an empty piece no tokens, and a long word one", () => {
  expect(model.encode("").ids.length).toBe(0)
  expect(model.encode("a".repeat(12)).ids.length).toBe(12)
  expect(Array.from(model.encode("a".repeat(13)).ids)).toEqual([0])
  expect(Array.from(model.encode("a".repeat(80)).ends)).toEqual([80])
})
