// The pipeline against Hugging Face's original (Rust) library: data/*.jsonl hold a tokenizer.json each, and what version 0.23.2 of it makes
// of hard texts: [text, pair, ids, offsets in UTF-16 code units, word ids, type ids].
import { existsSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LibraryTokenizer, loadTokenizer, PipelineTokenizer, type Tokenizer } from "../../src/text/index.ts"
import { anyText, englishText, hardTexts } from "./samples.ts"

type Case = [text: string, pair: string | null, ids: number[], offsets: number[], words: number[], types: number[]]

const kinds = ["wordpiece", "roberta", "unigram", "llama", "clip", "openai", "qwen", "wordlevel"]

const read = (name: string) => {
  const lines = readFileSync(new URL(`data/${name}.jsonl`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
  const [json, ...cases] = lines.map(line => JSON.parse(line))
  return { json, cases: cases as Case[] }
}

describe.each(kinds)("a %s tokenizer", name => {
  const { json, cases } = read(name)
  const tokenizer = loadTokenizer(json)

  it("has the original's ids, words and segments, and its places but for marks and blanks", () => {
    expect(tokenizer).toBeInstanceOf(PipelineTokenizer)
    for (const [text, pair, ids, offsets, words, types] of cases) {
      const encoding = tokenizer.encodeWithOffsets(text, pair === null ? {} : { pair })
      expect([...encoding.ids], text).toEqual(ids)
      expect([...encoding.wordIds], text).toEqual(words)
      expect([...encoding.typeIds], text).toEqual(types)
      encoding.offsets.forEach(([start, end], i) => {
        const side = encoding.sequenceIds[i] === 1 ? pair! : text
        // places hold the accents that were removed, the blanks that became one, and all that was composed into a character
        const bare = (from: number, to: number) => side.slice(from, to).replace(/[\p{M}\s]/gu, "")
        const [own, original] = [bare(start, end), bare(offsets[2 * i]!, offsets[2 * i + 1]!)]
        const shown = `${text}: ${tokenizer.tokens[ids[i]!]}`
        if (side.normalize("NFKC") === side) expect(own, shown).toBe(original)
        else expect(own, shown).toContain(original)
      })
    }
  })

  it("gives the same ids with and without places, in one go and in a stream", async () => {
    for (const text of [...hardTexts, englishText(20)]) {
      const plain = [...tokenizer.encode(text, { addSpecialTokens: false })]
      expect([...tokenizer.tokenize(text).ids]).toEqual(plain)
      const streamed: number[] = []
      for await (const ids of tokenizer.encodeStream([text])) streamed.push(...ids)
      expect(streamed).toEqual(plain)
    }
  })

  it("has places in order and inside the text, for any text", () => {
    fc.assert(
      fc.property(anyText, text => {
        const { offsets, ids, wordIds, specialTokensMask } = tokenizer.encodeWithOffsets(text)
        expect(offsets.length).toBe(ids.length)
        let before = 0
        offsets.forEach(([start, end], i) => {
          if (specialTokensMask[i] === 1) expect([start, end, wordIds[i]]).toEqual([0, 0, -1])
          else {
            expect(start).toBeGreaterThanOrEqual(before)
            expect(end).toBeGreaterThanOrEqual(start)
            expect(end).toBeLessThanOrEqual(text.length)
            before = start
          }
        })
      }),
      { numRuns: 100 },
    )
  })

  it("comes back from its file", () => {
    const again = loadTokenizer(JSON.parse(JSON.stringify(tokenizer)))
    expect([...again.encode("the cat's house, naïve")]).toEqual([...tokenizer.encode("the cat's house, naïve")])
  })
})

/** Every letter of a text lies in the place of a token. */
function covers(tokenizer: Tokenizer, text: string): void {
  const covered = new Uint8Array(text.length)
  const { starts, ends } = tokenizer.tokenize(text)
  starts.forEach((start, i) => {
    covered.fill(1, start, ends[i])
  })
  for (let at = 0; at < text.length; at++)
    if (/[\p{L}\p{N}]/u.test(text[at]!)) expect(covered[at], `${JSON.stringify(text)} at ${at}`).toBe(1)
}

describe("places", () => {
  it.each(kinds)("of %s cover all letters of words", name => {
    const tokenizer = loadTokenizer(read(name).json)
    for (const text of hardTexts) covers(tokenizer, text)
    covers(tokenizer, englishText(10))
  })

  it("show words as they are written, accents and capitals included", () => {
    const { json } = read("wordpiece")
    const text = "The CAFÉ, cafe\u0301 and 日本"
    const { offsets, wordIds } = loadTokenizer(json).encodeWithOffsets(text, { addSpecialTokens: false })
    const words: string[] = []
    offsets.forEach(([start, end], i) => {
      words[wordIds[i]!] = (words[wordIds[i]!] ?? "") + text.slice(start, end)
    })
    expect(words).toEqual(["The", "CAFÉ", ",", "cafe\u0301", "and", "日", "本"])
  })

  it("are found from the tokens' texts where a tokenizer runs in the library", () => {
    const { json } = read("wordpiece")
    const text = "The  CAFÉ walked, over!"
    const own = loadTokenizer(json).encodeWithOffsets(text)
    const library = new LibraryTokenizer(json).encodeWithOffsets(text)
    expect([...library.ids]).toEqual([...own.ids])
    expect(library.offsets).toEqual(own.offsets)
    fc.assert(
      fc.property(anyText, given => {
        const { starts, ends } = new LibraryTokenizer(read("unigram").json).tokenize(given)
        starts.forEach((start, i) => {
          expect(start).toBeLessThanOrEqual(ends[i]!)
          expect(ends[i]).toBeLessThanOrEqual(given.length)
        })
      }),
      { numRuns: 15 },
    )
  })
})

const published = new URL("../../../shared/tokenizers/", import.meta.url)

if (existsSync(published))
  describe("published tokenizers", () => {
    const json = (name: string) => JSON.parse(readFileSync(new URL(`${name}/tokenizer.json`, published), "utf8"))

    it("bert-base-uncased: the library's ids, where the library does as the original", () => {
      const own = loadTokenizer(json("bert-base-uncased"))
      const library = new LibraryTokenizer(json("bert-base-uncased"))
      // the library writes a final sigma as ς, and does not know Chinese characters beyond the basic plane
      const unlike = /[Σ\u0085\ufeff]|[\u{20000}-\u{2fa1f}]|\p{Co}|\p{Cn}/u
      const same = (text: string) => {
        if (!unlike.test(text)) expect([...own.encode(text)], text).toEqual([...library.encode(text)])
      }
      for (const text of [...hardTexts, englishText(50)]) same(text)
      fc.assert(fc.property(anyText, same), { numRuns: 150 })
    })

    it("bert-base-uncased: hard texts as the original has them", () => {
      const bert = loadTokenizer(json("bert-base-uncased"))
      const tokens = (text: string) => [...bert.encode(text, { addSpecialTokens: false })].map(id => bert.tokens[id])
      expect(tokens("ΟΔΟΣ")).toEqual(["ο", "##δ", "##ο", "##σ"])
      expect(tokens("a𠀀b")).toEqual(["a", "[UNK]", "b"])
      covers(bert, "Ünïcödé ßŒĲ naïve façade e\u0301te\u0301 日本語")
    })
  })
