import { beforeAll, describe, expect, test } from "vitest"
import { pronounQuestions, worldTokenizer } from "../../src/data/index.ts"
import {
  attentionAt,
  attentionPatterns,
  headScores,
  nextTokenProbabilities,
  runWithTaps,
  scoreContinuations,
  tapsOf,
  tokenizeText,
  wordAttention,
  wordTokens,
} from "../../src/inspect/index.ts"
import { type LanguageModel, llama } from "../../src/models/index.ts"
import { evaluateOn, useDevice } from "../../src/runtime/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { trainByteLevel, WordTokenizer } from "../../src/text/index.ts"
import { builders, smallGPT2, smallLlama, tokenizer } from "../generate/models.ts"
import { machineDevices } from "../ops/devices.ts"

const text = "the animal was tired"
const ids = tokenizer.encode(text)
const T = ids.length

async function logitsOf(model: LanguageModel, device: "native" | "wasm" | "reference"): Promise<Float32Array> {
  const { logits } = model.forward(tensor(ids, [1, T]))
  return (await evaluateOn(device, [logits]))[0] as Float32Array
}

describe.each(["reference", ...(await machineDevices())] as ("reference" | "native" | "wasm")[])("%s", device => {
  beforeAll(() => {
    useDevice(device)
    return () => useDevice("auto")
  })

  describe.each(builders)("%s", (_, build) => {
    test("patterns: rows sum to 1, nobody looks ahead, logits are those without taps", async () => {
      const model = build()
      const attention = await attentionPatterns(model, ids)
      expect([attention.layers, attention.heads, attention.length]).toEqual([2, 4, T])
      for (let layer = 0; layer < 2; layer++)
        for (let head = 0; head < 4; head++)
          for (let from = 0; from < T; from++) {
            let total = 0
            for (let to = 0; to < T; to++) {
              const weight = attentionAt(attention, layer, head, from, to)
              if (to > from) expect(weight).toBe(0)
              total += weight
            }
            expect(total).toBeCloseTo(1, 5)
          }
      const { logits } = await runWithTaps(model, ids, /pattern$/)
      const plain = await logitsOf(model, device)
      expect(logits.shape).toEqual([1, T, tokenizer.vocabularySize])
      for (const [i, x] of plain.entries()) expect(Math.abs(x - logits.data[i]!)).toBeLessThan(1e-4)
    })

    test("the most likely next tokens", async () => {
      const model = build()
      const row = (await logitsOf(model, device)).slice(-tokenizer.vocabularySize)
      const best = row.indexOf(Math.max(...row))
      const all = await nextTokenProbabilities(model, ids, 100)
      expect(all[0]!.id).toBe(best)
      expect(all.length).toBe(tokenizer.vocabularySize)
      expect(all.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5)
      expect(await nextTokenProbabilities(model, ids, 3)).toEqual(all.slice(0, 3))
    })

    test("continuations are as likely as their tokens one after the other", async () => {
      const model = build()
      const [first, second] = await scoreContinuations(model, tokenizer, text, [" it", " the street"])
      expect(first!.ids).toEqual([...tokenizer.encode(" it")])
      let expected = 0
      let prefix = [...ids]
      for (const id of second!.ids) {
        const all = await nextTokenProbabilities(model, prefix, 100)
        expected += Math.log(all.find(one => one.id === id)!.probability)
        prefix = [...prefix, id]
      }
      expect(second!.logProbability).toBeCloseTo(expected, 3)
      expect(second!.tokenLogProbabilities.reduce((a, b) => a + b)).toBeCloseTo(expected, 3)
    })
  })
})

test("taps by name", async () => {
  const model = smallLlama()
  const names = tapsOf(model)
  expect(names).toContain("blocks.1.attention.z")
  const { taps } = await runWithTaps(model, ids, ["blocks.0.output", "blocks.1.attention.z"])
  expect([...taps].map(([name, { shape }]) => [name, shape])).toEqual([
    ["blocks.0.output", [1, T, 32]],
    ["blocks.1.attention.z", [1, 4, T, 8]],
  ])
  await expect(runWithTaps(model, ids, ["blocks.7.output"])).rejects.toThrow(/got blocks\.7\.output\n.*blocks\.0/)
  await expect(runWithTaps(model, ids, /nothing/)).rejects.toThrow(/nothing/)
})

test("a head's looks are shared among candidates and the rest", async () => {
  const attention = await attentionPatterns(smallGPT2(), ids)
  const scores = headScores(
    attention,
    [17, 20],
    [
      [0, 3],
      [4, 10],
    ],
  )
  expect(scores.length).toBe(8)
  for (const { layer, head, candidates, elsewhere, strongest, strongestWeight } of scores) {
    expect(candidates[0]! + candidates[1]! + elsewhere).toBeCloseTo(1, 5)
    let first = 0
    for (let from = 17; from < 20; from++)
      for (let to = 0; to < 3; to++) first += attentionAt(attention, layer, head, from, to) / 3
    expect(candidates[0]).toBeCloseTo(first, 5)
    expect(strongest).toBeLessThan(20)
    expect(strongestWeight).toBeGreaterThan(1 / T)
  }
  expect(() => headScores(attention, [3, 3], [])).toThrow(/the word within tokens 0 \.\. 20/)
  expect(() => headScores(attention, [0, 1], [[0, 21]])).toThrow(/a candidate/)
})

test("words are found in tokens, whatever the tokens are", async () => {
  const sentence = "The cat saw a catfish, and the cat ran. Über it"
  const bytes = tokenizeText(await trainByteLevel(sentence.repeat(3), { vocabularySize: 270 }), sentence)
  expect(bytes.text).toBe(sentence)
  for (const word of ["cat", "catfish", "Über", "it"]) {
    const [start, end] = wordTokens(bytes, word)
    expect(bytes.pieces.slice(start, end).join("").trim()).toBe(word)
  }
  const words = tokenizeText(WordTokenizer.fromText(sentence), sentence)
  expect(wordTokens(words, "cat")).toEqual([8, 9])
  expect(wordTokens(words, "cat", 0)).toEqual([1, 2])
  expect(() => wordTokens(words, "cat", 2)).toThrow(/it occurs 2 times/)
  expect(() => wordTokens(words, "ish")).toThrow(/"ish" in the text/)
  const letters = tokenizeText(tokenizer, "the cat saw a catfish")
  expect(wordTokens(letters, "cat")).toEqual([4, 7])
})

test("who looks from a word at others", async () => {
  const { pieces, query, candidates, heads } = await wordAttention(
    smallGPT2(),
    tokenizer,
    "the cat saw the dog and it ran to the dog",
    "it",
    ["dog", "cat"],
  )
  const written = ([start, end]: readonly [number, number]) => pieces.slice(start, end).join("")
  expect(written(query)).toBe("it")
  expect(candidates.map(({ word, tokens }) => [word, written(tokens)])).toEqual([
    ["dog", "dog"],
    ["cat", "cat"],
  ])
  expect(candidates[0]!.tokens[0]).toBe(16)
  expect(heads.length).toBe(8)
  const totals = heads.map(({ candidates }) => candidates.reduce((a, b) => a + b))
  expect(totals).toEqual([...totals].sort((a, b) => b - a))
})

test("what cannot be looked at is refused", async () => {
  await expect(attentionPatterns(smallGPT2(16), new Int32Array(17))).rejects.toThrow(/1 to 16 tokens.*got 17/)
  await expect(attentionPatterns(smallGPT2(), [99])).rejects.toThrow(/got 99/)
  await expect(scoreContinuations(smallGPT2(), tokenizer, "abc", [""])).rejects.toThrow(/at least one token/)
  await expect(scoreContinuations(smallGPT2(), tokenizer, "", ["abc"])).rejects.toThrow(/after a prompt/)
})

test("questions of the tiny world can be put to a model", async () => {
  const world = worldTokenizer()
  const shape = { vocabulary: world.vocabularySize, width: 16, layers: 1, heads: 2, context: 128 }
  const model = llama.build({ ...shape, inner: 16 }, { seed: 1 })
  for (const { prompt, antecedentText, wrongText } of pronounQuestions(3, 6)) {
    const scores = await scoreContinuations(model, world, prompt!, [` ${antecedentText}`, ` ${wrongText}`])
    expect(scores.map(({ ids }) => world.decode(ids))).toEqual([antecedentText, wrongText])
    for (const { logProbability } of scores) expect(logProbability).toBeLessThan(0)
  }
})
