import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LibraryTokenizer, loadTokenizer, TextError, trainUnigram, trainWordPiece } from "../../src/text/index.ts"
import { UnigramLattice } from "../../src/text/lattice.ts"
import { cut, englishText, hardTexts } from "./samples.ts"

const text = englishText(300)
const trainers = [
  ["WordPiece", trainWordPiece],
  ["Unigram", trainUnigram],
] as const

describe.each(trainers)("training %s", (kind, train) => {
  it("saves what the library reads with equal ids", async () => {
    const tokenizer = await train(text, { vocabularySize: 150 })
    expect(tokenizer.kind).toBe(kind)
    expect(tokenizer.vocabularySize).toBeLessThanOrEqual(150)
    const saved = JSON.parse(JSON.stringify(tokenizer))
    const library = new LibraryTokenizer(saved, tokenizer.configuration())
    for (const each of [...hardTexts, englishText(30)])
      if (!/[\u0085\ufeff\ud800-\udfff]/.test(each))
        expect([...tokenizer.encode(each)], each).toEqual([...library.encode(each)])
    expect([...loadTokenizer(saved).encode(text)]).toEqual([...tokenizer.encode(text)])
  })

  it("learns the words that the text is made of", async () => {
    const tokenizer = await train(text, { vocabularySize: 200 })
    const ids = tokenizer.encode("the happy dog walked over the river", { addSpecialTokens: false })
    expect(ids.length).toBe(7)
    expect(tokenizer.decode(ids)).toBe("the happy dog walked over the river")
  })

  it("gives the same vocabulary wherever the text is cut", async () => {
    const parts = cut(englishText(60), [0.1, 0.11, 0.5, 0.93])
    const [whole, pieces] = [
      await train(englishText(60), { vocabularySize: 100 }),
      await train(parts, { vocabularySize: 100 }),
    ]
    expect(pieces.toJSON()).toEqual(whole.toJSON())
  })

  it("refuses what cannot be learned", async () => {
    await expect(train("", { vocabularySize: 100 })).rejects.toThrow(/a text to learn from/)
    await expect(train(text, { vocabularySize: 3 })).rejects.toThrow(TextError)
    await expect(train(text, { vocabularySize: 12 })).rejects.toThrow(/vocabulary of at least/)
    await expect(train(text, { vocabularySize: 100, roles: { unknown: "?" } })).rejects.toThrow(
      /roles of special tokens/,
    )
    await expect(train(text, { vocabularySize: 100, roles: {} })).rejects.toThrow(/role of the unknown token/)
  })
})

describe("WordPiece", () => {
  it("begins with BERT's tokens and learns frequent pairs first, ## inside words", async () => {
    const { tokens } = await trainWordPiece("abc abc abc ab ab x", { vocabularySize: 12 })
    expect(tokens.slice(0, 5)).toEqual(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    expect(tokens).toContain("ab")
    expect(tokens.indexOf("##b")).toBeGreaterThan(0)
  })
})

describe("the lattice", () => {
  it("expects pieces as often as all cuts of a word have them", () => {
    const pieces = [
      ["a", -1],
      ["b", -1.5],
      ["ab", -2],
      ["ba", -2.5],
      ["aba", -3],
    ] as const
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 7 }), letters => {
        const word = letters.join("")
        const all = cuts(word, pieces)
        const weights = all.map(cut => Math.exp(cut.reduce((sum, id) => sum + pieces[id]![1], 0)))
        const total = weights.reduce((a, b) => a + b, 0)
        const expected = new Float64Array(pieces.length)
        new UnigramLattice(pieces).addExpected(word, 3, expected)
        pieces.forEach((_, id) => {
          const brute = all.reduce(
            (sum, cut, i) => sum + (3 * weights[i]! * cut.filter(each => each === id).length) / total,
            0,
          )
          expect(expected[id]).toBeCloseTo(brute, 9)
        })
        const score = (cut: number[]) => cut.reduce((sum, id) => sum + pieces[id]![1], 0)
        expect(score(new UnigramLattice(pieces).best(word))).toBeCloseTo(Math.max(...all.map(score)), 9)
      }),
    )
  })
})

/** All ways to cut a word into pieces. */
function cuts(word: string, pieces: readonly (readonly [string, number])[]): number[][] {
  if (word === "") return [[]]
  return pieces.flatMap(([piece], id) =>
    word.startsWith(piece) ? cuts(word.slice(piece.length), pieces).map(rest => [id, ...rest]) : [],
  )
}
