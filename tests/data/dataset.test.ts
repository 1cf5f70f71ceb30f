import { describe, expect, it } from "vitest"
import { checkVocabulary, DataError, TokenDataset } from "../../src/data/index.ts"
import { CharacterTokenizer } from "../../src/text/index.ts"

describe("TokenDataset", () => {
  it("encodes a text, whole or in chunks", async () => {
    const tokenizer = CharacterTokenizer.fromText("abcd")
    const whole = await TokenDataset.fromText(tokenizer, "abcd".repeat(5000))
    const parts = await TokenDataset.fromText(tokenizer, new Array<string>(5000).fill("abcd"))
    expect(whole.tokens).toBeInstanceOf(Uint16Array)
    expect(whole.length).toBe(20_000)
    expect(parts.tokens).toEqual(whole.tokens)
    expect([...whole.tokens.slice(0, 5)]).toEqual([0, 1, 2, 3, 0])
  })

  it("splits the end off for validation", () => {
    const dataset = new TokenDataset(
      Int32Array.from({ length: 100 }, (_, i) => i),
      100,
    )
    const { train, validation } = dataset.split(0.1, 5)
    expect([train.length, validation.length, validation.tokens[0]]).toEqual([90, 10, 90])
    expect(() => dataset.split(0.1, 11)).toThrow(/two parts of 11 tokens or more, but a corpus of 100 gives 90 and 10/)
    expect(() => dataset.split(1)).toThrow(DataError)
  })

  it("refuses empty corpora and foreign ids", async () => {
    await expect(TokenDataset.fromText(CharacterTokenizer.fromText("a"), "")).rejects.toThrow(/got an empty one/)
    expect(() => new TokenDataset(Int32Array.of(1, 5), 5)).toThrow(
      /below the vocabulary's size of 5, but got 5 at position 1/,
    )
    expect(() => new TokenDataset(Int32Array.of(-1), 5)).toThrow(DataError)
    const dataset = new TokenDataset(Int32Array.of(1, 2), 70)
    expect(() => checkVocabulary(dataset, 65)).toThrow(
      /the model's vocabulary of 65, but the corpus was encoded for 70/,
    )
    checkVocabulary(dataset, 70)
  })

  it("stops when it is asked to", async () => {
    const stopped = AbortSignal.abort(new Error("stopped"))
    const tokenizer = CharacterTokenizer.fromText("a")
    await expect(TokenDataset.fromText(tokenizer, "aaa", { signal: stopped })).rejects.toThrow("stopped")
  })
})
