import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { lengthsWithin } from "../../src/text/encoding.ts"
import { CharacterTokenizer, loadTokenizer, padEncodings, TextError, WordTokenizer } from "../../src/text/index.ts"

const golden = (name: string) =>
  loadTokenizer(JSON.parse(readFileSync(new URL(`data/${name}.jsonl`, import.meta.url), "utf8").split("\n")[0]!))
const bert = golden("wordpiece")
const names = (ids: ArrayLike<number>, tokenizer = bert) => Array.from(ids, id => tokenizer.tokens[id])

describe("pairs", () => {
  it("stand in BERT's template with its segments", () => {
    const { ids, typeIds, sequenceIds, specialTokensMask, offsets } = bert.encodeWithOffsets("the cat", {
      pair: "a dog",
    })
    expect(names(ids)).toEqual(["[CLS]", "the", "cat", "[SEP]", "a", "dog", "[SEP]"])
    expect([...typeIds]).toEqual([0, 0, 0, 0, 1, 1, 1])
    expect([...sequenceIds]).toEqual([-1, 0, 0, -1, 1, 1, -1])
    expect([...specialTokensMask]).toEqual([1, 0, 0, 1, 0, 0, 1])
    expect(offsets).toEqual([
      [0, 0],
      [0, 3],
      [4, 7],
      [0, 0],
      [0, 1],
      [2, 5],
      [0, 0],
    ])
    expect([...bert.encode("the cat", { pair: "a dog" })]).toEqual([...ids])
    expect(names(bert.encode("the cat", { pair: "a dog", addSpecialTokens: false }))).toEqual([
      "the",
      "cat",
      "a",
      "dog",
    ])
  })

  it("stand in RoBERTa's template between two separators, all of one segment", () => {
    const roberta = golden("roberta")
    const { ids, typeIds } = roberta.encodeWithOffsets("cat", { pair: "dog" })
    expect(names(ids, roberta)).toEqual(["<s>", "Ġcat", "</s>", "</s>", "Ġdog", "</s>"])
    expect([...typeIds]).toEqual([0, 0, 0, 0, 0, 0])
  })

  it("stand behind each other where there is no template", () => {
    const words = new WordTokenizer(["cat", "dog", "the"])
    const { ids, typeIds, offsets } = words.encodeWithOffsets("the cat", { pair: "the dog" })
    expect([...ids]).toEqual([2, 0, 2, 1])
    expect([...typeIds]).toEqual([0, 0, 1, 1])
    expect(offsets).toEqual([
      [0, 3],
      [4, 7],
      [0, 3],
      [4, 7],
    ])
    expect([...new CharacterTokenizer(["a", "b"]).encode("abba", { maxLength: 3 })]).toEqual([0, 1, 1])
  })
})

describe("truncation", () => {
  it("takes from the longer text first, as if one by one", () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), fc.nat(40), (first, second, room) => {
        const [a, b] = lengthsWithin(first, second, room, "longest_first")
        expect(a + b).toBe(Math.min(room, first + second))
        expect(a).toBeLessThanOrEqual(first)
        expect(b).toBeLessThanOrEqual(second)
        if (a < first && b < second) expect(Math.abs(a - b)).toBeLessThanOrEqual(1)
        else if (a < first) expect(b).toBeLessThanOrEqual(a + 1)
        else if (b < second) expect(a).toBeLessThanOrEqual(b + 1)
      }),
    )
  })

  it("keeps the template, and cuts one text alone when told", () => {
    const pair = "a dog and a house"
    expect(names(bert.encode("the cat", { maxLength: 3 }))).toEqual(["[CLS]", "the", "[SEP]"])
    const second = bert.encode("the cat", { pair, maxLength: 7, truncation: "only_second" })
    expect(names(second)).toEqual(["[CLS]", "the", "cat", "[SEP]", "a", "dog", "[SEP]"])
    const first = bert.encode(pair, { pair: "the cat", maxLength: 7, truncation: "only_first" })
    expect(names(first)).toEqual(["[CLS]", "a", "dog", "[SEP]", "the", "cat", "[SEP]"])
    expect(() => bert.encode(pair, { pair: "the cat", maxLength: 5, truncation: "only_second" })).toThrow(
      /second text to be long enough/,
    )
    expect(() => bert.encode("the", { maxLength: 1 })).toThrow(/maxLength of at least 2/)
    expect(() => bert.encode("the", { maxLength: 2.5 })).toThrow(TextError)
  })
})

describe("windows", () => {
  const context = "the cat walked over the house and the dog walked under it."

  it("cover the context with the question in each", () => {
    const windows = bert.encodeWindows("a cat", { pair: context, maxLength: 12, stride: 2 })
    expect(windows.length).toBeGreaterThan(1)
    const seen = new Uint8Array(context.length)
    windows.forEach((window, i) => {
      expect(window.ids.length).toBeLessThanOrEqual(12)
      expect(names(window.ids).slice(0, 4)).toEqual(["[CLS]", "a", "cat", "[SEP]"])
      window.offsets.forEach(([start, end], at) => {
        if (window.sequenceIds[at] === 1) seen.fill(1, start, end)
      })
      const next = windows[i + 1]
      if (next) expect(next.offsets.slice(4, 6)).toEqual(window.offsets.slice(-3, -1)) // the stride
    })
    for (let at = 0; at < context.length; at++) if (context[at] !== " ") expect(seen[at]).toBe(1)
  })

  it("are one where everything fits, and refuse what leaves no room", () => {
    expect(bert.encodeWindows("a", { pair: "", maxLength: 12 })).toHaveLength(1)
    expect(bert.encodeWindows("the cat", { maxLength: 50 })[0]).toEqual(bert.encodeWithOffsets("the cat"))
    expect(() => bert.encodeWindows("a cat and a dog", { pair: context, maxLength: 8 })).toThrow(/shorter question/)
    expect(() => bert.encodeWindows(context, { maxLength: 6, stride: 4 })).toThrow(/more than the stride of 4/)
  })
})

describe("padding", () => {
  it("makes encodings equally long on either side", () => {
    const rows = [bert.encodeWithOffsets("the cat walked"), bert.encodeWithOffsets("cat")]
    const [long, short] = padEncodings(rows, { padId: 0 })
    expect(long).toEqual(rows[0])
    expect(names(short!.ids)).toEqual(["[CLS]", "cat", "[SEP]", "[PAD]", "[PAD]"])
    expect([...short!.attentionMask]).toEqual([1, 1, 1, 0, 0])
    const left = padEncodings(rows, { padId: 0, side: "left", length: 6 })[1]!
    expect(names(left.ids)).toEqual(["[PAD]", "[PAD]", "[PAD]", "[CLS]", "cat", "[SEP]"])
    expect(left.offsets[4]).toEqual([0, 3])
    expect(() => padEncodings(rows, { padId: 0, length: 4 })).toThrow(/4 tokens at most, but got one of 5/)
    expect(padEncodings([], { padId: 0 })).toEqual([])
  })
})
