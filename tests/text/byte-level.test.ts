import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import { byteCharacters, bytesInOrder, tokenBytes } from "../../src/text/byte-alphabet.ts"
import {
  type ByteLevelTokenizer,
  LibraryTokenizer,
  loadTokenizer,
  TextError,
  trainByteLevel,
} from "../../src/text/index.ts"
import { anyCuts, anyText, cut, englishText, gather, hardTexts, throughUtf8 } from "./samples.ts"

const end = "<|endoftext|>"
let tokenizer: ByteLevelTokenizer
let library: LibraryTokenizer

beforeAll(async () => {
  const text = englishText(400) + hardTexts.slice(0, 14).join(" ").repeat(3)
  tokenizer = await trainByteLevel(text, { vocabularySize: 500, specialTokens: [end], roles: { end } })
  library = new LibraryTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
})

describe("the byte alphabet", () => {
  it("has a character of its own for each byte, in GPT-2's order", () => {
    expect(new Set(byteCharacters).size).toBe(256)
    expect(byteCharacters[32]).toBe("Ġ")
    expect(byteCharacters[10]).toBe("Ċ")
    expect([...tokenBytes(byteCharacters.join(""))!]).toEqual(Array.from({ length: 256 }, (_, byte) => byte))
    expect(bytesInOrder.slice(0, 3).map(byte => byteCharacters[byte])).toEqual(["!", '"', "#"])
    expect(tokenBytes("日")).toBeNull()
  })
})

describe("training", () => {
  it("learns the most frequent pairs first", async () => {
    const learned = await trainByteLevel("aab aab aab aab ab", { vocabularySize: 259 })
    // "ab" 5 times, then " a" ( aab three times, ab once) before "aab" spelled a + ab
    expect(learned.tokens.slice(256)).toEqual(["ab", "aab", "Ġaab"])
  })

  it("counts overlapping pairs as merges use them", async () => {
    const learned = await trainByteLevel("aaaa aaaa", { vocabularySize: 258 })
    expect(learned.tokens.slice(256)).toEqual(["aa", "aaaa"])
    expect([...learned.encode("aaaaa")]).toEqual([257, learned.tokenId("a")])
  })

  it("equals training by brute force", async () => {
    const alphabet = fc.array(fc.constantFrom("a", "b", "c", " ", "ab", "é"), { minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(alphabet, async parts => {
        const text = parts.join("")
        const learned = await trainByteLevel(text, { vocabularySize: 270 })
        expect(learned.toJSON().model.merges).toSatisfy((merges: string[]) => checkMerges(text, merges, 14))
      }),
      { numRuns: 60 },
    )
  })

  it("gives the same vocabulary wherever the text is cut", async () => {
    const text = englishText(60)
    const whole = await trainByteLevel(text, { vocabularySize: 300, specialTokens: [end] })
    const parts = await trainByteLevel(cut(text, [0.1, 0.11, 0.5, 0.93]), { vocabularySize: 300, specialTokens: [end] })
    expect(parts.toJSON()).toEqual(whole.toJSON())
  })

  it("stops when no pair is frequent enough, and counts special tokens into the size", async () => {
    expect((await trainByteLevel("abcdef", { vocabularySize: 300 })).vocabularySize).toBe(256)
    expect(tokenizer.vocabularySize).toBe(500)
    expect(tokenizer.specialTokens.get(end)).toBe(499)
  })

  it("refuses what cannot be learned", async () => {
    await expect(trainByteLevel("", { vocabularySize: 300 })).rejects.toThrow(TextError)
    await expect(trainByteLevel("text", { vocabularySize: 100 })).rejects.toThrow(/expected a vocabulary of 256 to/)
    await expect(trainByteLevel("text", { vocabularySize: 300, roles: { end } })).rejects.toThrow(
      /roles of special tokens/,
    )
  })
})

describe("a trained tokenizer", () => {
  it.each(hardTexts)("has the library's ids and texts for %j", text => {
    const ids = tokenizer.encode(text)
    expect([...ids]).toEqual([...library.encode(text)])
    expect(tokenizer.decode(ids)).toBe(throughUtf8(text))
    expect(library.decode(ids)).toBe(throughUtf8(text))
  })

  it("has the library's ids for any text, and gives the text back", () => {
    fc.assert(
      fc.property(anyText, text => {
        const ids = tokenizer.encode(text)
        const unlike = /[\u0085\ufeff]/.test(text) // the library takes these for a sign and a blank, unlike the original
        if (!unlike) expect([...ids]).toEqual([...library.encode(text)])
        expect(tokenizer.decode(ids)).toBe(throughUtf8(text))
      }),
      { numRuns: 400 },
    )
  })

  it("decodes any ids as the library does", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(499), { minLength: 1, maxLength: 20 }), ids => {
        expect(tokenizer.decode(ids)).toBe(library.decode(ids))
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(
          library.decode(ids.concat(), { skipSpecialTokens: true }),
        )
      }),
      { numRuns: 300 },
    )
  })

  it("encodes a stream as the whole text, wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyCuts, async (text, cuts) => {
        const long = text.repeat(1 + Math.ceil(9000 / (text.length + 1))) // long enough to be encoded in several runs
        expect(await gather(tokenizer.encodeStream(cut(long, cuts)))).toEqual([...tokenizer.encode(long)])
      }),
      { numRuns: 60 },
    )
  })

  it("keeps what a blank run before a cut becomes", async () => {
    const text = "word\n\n\u0000  next\n \n".repeat(1000)
    for (let at = 4096; at < 4130; at++)
      expect(await gather(tokenizer.encodeStream([text.slice(0, at), text.slice(at)]))).toEqual([
        ...tokenizer.encode(text),
      ])
  })

  it("encodes a long run without a cut, and a long text in little memory at a time", async () => {
    const run = "x".repeat(50_000)
    expect(await gather(tokenizer.encodeStream(cut(run, [0.2, 0.4, 0.6])))).toEqual([...tokenizer.encode(run)])
    const chunk = englishText(50)
    function* chunks() {
      for (let i = 0; i < 300; i++) yield chunk
    }
    let most = 0
    let total = 0
    for await (const part of tokenizer.encodeStream(chunks())) {
      most = Math.max(most, part.length)
      total += part.length
    }
    expect(total).toBeGreaterThan(100_000)
    expect(most).toBeLessThan(10_000)
  })

  it("writes no incomplete character while it streams", () => {
    fc.assert(
      fc.property(anyText, text => {
        const decoder = tokenizer.streamingDecoder()
        let streamed = ""
        for (const id of tokenizer.encode(text)) {
          const part = decoder.push(id)
          expect(/\p{Surrogate}/u.test(part)).toBe(false)
          streamed += part
        }
        expect(streamed).toBe(throughUtf8(text)) // nothing is left for the end
        expect(decoder.flush()).toBe("")
      }),
      { numRuns: 200 },
    )
    const half = tokenizer.streamingDecoder()
    expect(half.push(tokenizer.tokenId("ð")!)).toBe("") // the first byte of an emoji
    expect(half.flush()).toBe("\ufffd")
  })

  it("comes back from its files", () => {
    const loaded = loadTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
    expect(loaded.kind).toBe("byte-level BPE")
    expect(loaded.roles).toEqual({ end })
    expect(loaded.toJSON()).toEqual(tokenizer.toJSON())
    expect([...loaded.encode("the cat's house")]).toEqual([...tokenizer.encode("the cat's house")])
  })

  it("refuses ids outside its vocabulary", () => {
    expect(() => tokenizer.decode([500])).toThrow(/expected ids from 0 to 499, but got 500/)
    expect(() => tokenizer.decode([-1])).toThrow(TextError)
  })
})

/** Each merge must join a pair that is the most frequent at its time; ties may fall either way. */
function checkMerges(text: string, merges: readonly string[], limit: number): boolean {
  const utf8 = new TextEncoder()
  let words = (text.match(/ ?\p{L}+|\s+(?!\S)|\s+/gu) ?? []).map(word =>
    [...utf8.encode(word)].map(byte => byteCharacters[byte]!),
  )
  const known = new Set(byteCharacters)
  const best = () => {
    const counts = new Map<string, number>()
    for (const word of words)
      for (let at = 0; at + 1 < word.length; at++) {
        const pair = `${word[at]} ${word[at + 1]}`
        counts.set(pair, (counts.get(pair) ?? 0) + 1)
      }
    return { counts, most: Math.max(0, ...counts.values()) }
  }
  for (const merge of merges) {
    const { counts, most } = best()
    if (counts.get(merge) !== most || most < 2) return false
    const [left, right] = merge.split(" ") as [string, string]
    known.add(left + right)
    words = words.map(word => {
      const joined: string[] = []
      for (let at = 0; at < word.length; at++)
        joined.push(word[at] === left && word[at + 1] === right ? word[at]! + word[++at]! : word[at]!)
      return joined
    })
  }
  return known.size === 256 + limit || best().most < 2
}
