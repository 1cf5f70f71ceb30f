import { describe, expect, it } from "vitest"
import { LibraryTokenizer, loadTokenizer, TextError, WordTokenizer } from "../../src/text/index.ts"
import { gather } from "./samples.ts"

const text = "The dog didn't cross the street because it was too tired.\nTom, the cat, was glad."

describe("the word tokenizer", () => {
  it("splits words, signs and line ends, and writes them back", () => {
    const tokenizer = WordTokenizer.fromText(text)
    expect(tokenizer.tokens).toContain("didn't")
    expect(tokenizer.tokens).toContain("\n")
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    expect(tokenizer.decode(tokenizer.encode(" The   dog ,Tom"))).toBe("The dog, Tom")
  })

  it.each([{}, { unknown: "<unk>" }])("has the library's ids and texts with %j", options => {
    const tokenizer = WordTokenizer.fromText(text, options)
    const library = new LibraryTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
    const texts = [text, "The cat.\n\nTom, the dog.", "  dog   cat "]
    for (const sample of "unknown" in options ? [...texts, "The elephant<unk> was", "é"] : texts) {
      const ids = tokenizer.encode(sample)
      expect([...ids]).toEqual([...library.encode(sample)])
      expect(tokenizer.decode(ids)).toBe(library.decode(ids))
    }
  })

  it("names an unknown word and the nearest known ones", () => {
    const tokenizer = WordTokenizer.fromText(text)
    expect(() => tokenizer.encode("The dogs")).toThrow(/got "dogs"\n {2}hint: the nearest words it knows: "dog"/)
    expect(() => tokenizer.encode("elephant")).toThrow(TextError)
    expect(() => new WordTokenizer(["two words"])).toThrow(/words or single signs/)
  })

  it("encodes a stream as the whole, also where a word is cut", async () => {
    const tokenizer = WordTokenizer.fromText(text)
    const long = `${text}\n`.repeat(200)
    const chunks = Array.from({ length: Math.ceil(long.length / 777) }, (_, i) => long.slice(i * 777, (i + 1) * 777))
    expect(await gather(tokenizer.encodeStream(chunks))).toEqual([...tokenizer.encode(long)])
  })

  it("comes back from its files", () => {
    const tokenizer = WordTokenizer.fromText(text, { unknown: "<unk>" })
    const loaded = loadTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
    expect(loaded).toBeInstanceOf(WordTokenizer)
    expect(loaded.tokens).toEqual(tokenizer.tokens)
  })
})
