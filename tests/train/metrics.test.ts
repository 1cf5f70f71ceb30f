import { expect, test } from "vitest"
import { CharacterTokenizer, trainByteLevel, WordTokenizer } from "../../src/text/index.ts"
import { languageMetrics, Pace, textSize } from "../../src/train/index.ts"

test("bits per character and byte of characters of several bytes", () => {
  const tokenizer = CharacterTokenizer.fromText("aé€")
  const size = textSize(tokenizer, [tokenizer.encode("aé€"), tokenizer.encode("a")])!
  expect(size).toEqual({ tokens: 4, characters: 4, bytes: 7 })
  const metrics = languageMetrics(Math.LN2, size)
  expect(metrics.perplexity).toBeCloseTo(2)
  expect(metrics.bitsPerToken).toBeCloseTo(1)
  expect(metrics.bitsPerCharacter).toBeCloseTo(1)
  expect(metrics.bitsPerByte).toBeCloseTo(4 / 7)
})

test("bits per byte of byte-level tokens", async () => {
  const text = "the cat sat on the mat, été ".repeat(30)
  const tokenizer = await trainByteLevel([text], { vocabularySize: 300 })
  const ids = tokenizer.encode(text)
  expect(textSize(tokenizer, [ids])).toEqual({ tokens: ids.length, bytes: new TextEncoder().encode(text).length })
})

test("targets that count nothing are no text; words do not say how much text they are", () => {
  const tokenizer = CharacterTokenizer.fromText("ab")
  expect(textSize(tokenizer, [[0, -100, 1]])).toEqual({ tokens: 2, characters: 2, bytes: 2 })
  expect(textSize(WordTokenizer.fromText("a b c"), [[0]])).toBeUndefined()
  expect(languageMetrics(1)).toEqual({ perplexity: Math.E, bitsPerToken: 1 / Math.LN2 })
})

test("pace counts the last steps and begins anew after a pause", () => {
  let time = 0
  const pace = new Pace({ window: 2, now: () => time })
  pace.restart(0, 0)
  const step = (number: number, milliseconds: number) => {
    time += milliseconds
    return pace.mark(number, number * 100, 10)
  }
  expect(step(1, 1000)).toEqual({ tokensPerSecond: 100, secondsLeft: 9 })
  expect(step(2, 1000)).toEqual({ tokensPerSecond: 100, secondsLeft: 8 })
  expect(step(3, 3000)).toEqual({ tokensPerSecond: 50, secondsLeft: 14 })
  time += 50_000
  pace.restart(3, 300)
  expect(step(4, 500)).toEqual({ tokensPerSecond: 200, secondsLeft: 3 })
})
