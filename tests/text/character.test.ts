import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CharacterTokenizer, LibraryTokenizer, loadTokenizer, TextError } from "../../src/text/index.ts"
import { anyCuts, anyText, cut, gather, hardTexts } from "./samples.ts"

const all = hardTexts.join("")
const opened = (tokenizer: CharacterTokenizer) =>
  new LibraryTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())

describe("the character tokenizer", () => {
  it("numbers characters by code point", () => {
    const tokenizer = CharacterTokenizer.fromText("ba 👍é")
    expect(tokenizer.tokens).toEqual([" ", "a", "b", "é", "👍"])
    expect([...tokenizer.encode("a👍b")]).toEqual([1, 4, 2])
    expect(tokenizer.decode([4, 3])).toBe("👍é")
    expect(tokenizer.vocabularySize).toBe(5)
  })

  it("has the library's ids and texts, unknown characters included", () => {
    const tokenizer = CharacterTokenizer.fromText(all, { unknown: "<unk>" })
    const library = opened(tokenizer)
    for (const text of [...hardTexts, "Ж<unk>\ud800Ж", "Ω\nΩ"]) {
      const ids = tokenizer.encode(text)
      expect([...ids]).toEqual([...library.encode(text)])
      expect(tokenizer.decode(ids)).toBe(library.decode(ids))
    }
    fc.assert(
      fc.property(anyText, text => {
        expect([...tokenizer.encode(text)]).toEqual([...library.encode(text)])
      }),
    )
  })

  it("gives known texts back", () => {
    const tokenizer = CharacterTokenizer.fromText(all)
    const characters = fc.array(fc.constantFrom(...tokenizer.tokens)).map(parts => parts.join(""))
    fc.assert(
      fc.property(characters, text => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
    )
  })

  it("refuses unknown characters without an unknown token", () => {
    const tokenizer = CharacterTokenizer.fromText("abc")
    expect(() => tokenizer.encode("abé")).toThrow(/expected one of its 3 characters, but got "é" \(U\+00E9\)/)
    expect(() => tokenizer.encode("a\ud800")).toThrow(TextError)
    expect(() => tokenizer.decode([3])).toThrow(/expected ids from 0 to 2, but got 3/)
    expect(() => CharacterTokenizer.fromText("")).toThrow(/at least one character/)
    expect(() => new CharacterTokenizer(["ab"])).toThrow(/single characters/)
    expect(() => new CharacterTokenizer(["a", "a"])).toThrow(/twice/)
  })

  it("is the same from chunks, and encodes chunks the same", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyCuts, async (text, cuts) => {
        const whole = CharacterTokenizer.fromText(text, { unknown: "<unk>" })
        const parts = await CharacterTokenizer.fromStream(cut(text, cuts), { unknown: "<unk>" })
        expect(parts.tokens).toEqual(whole.tokens)
        const long = `${text}<unk>`.repeat(1 + Math.ceil(9000 / (text.length + 1)))
        expect(await gather(whole.encodeStream(cut(long, cuts)))).toEqual([...whole.encode(long)])
      }),
      { numRuns: 50 },
    )
  })

  it("comes back from its files", () => {
    for (const options of [{}, { unknown: "<unk>" }]) {
      const tokenizer = CharacterTokenizer.fromText("hello\n", options)
      const loaded = loadTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
      expect(loaded).toBeInstanceOf(CharacterTokenizer)
      expect(loaded.tokens).toEqual(tokenizer.tokens)
      expect(loaded.roles).toEqual(tokenizer.roles)
    }
  })
})
