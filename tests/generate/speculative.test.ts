import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { generate, generateIds, LookupDraft, verifiedDraw } from "../../src/generate/index.ts"
import type { Model } from "../../src/models/index.ts"
import { llama } from "../../src/models/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { smallGPT2, smallLlama, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const prompt = [...tokenizer.encode("once upon a time there was a time")]

const write = async (model: Model, options: object): Promise<number[]> => [
  ...(await generateIds(model, [prompt], { maxNewTokens: 30, device, ...options })).newIds[0]!,
]

const chances = fc
  .array(fc.integer({ min: 0, max: 9 }), { minLength: 5, maxLength: 5 })
  .filter(counts => counts.some(count => count > 0))
  .map(counts => Float64Array.from(counts, count => count / counts.reduce((a, b) => a + b)))

test("a guess that was drawn by q and verified by p is a draw by p", () => {
  fc.assert(
    fc.property(chances, chances, (p, q) => {
      const found = new Float64Array(p.length)
      const steps = 40
      for (const [id, chance] of q.entries())
        for (let i = 0; i < steps; i++)
          for (let j = 0; j < steps; j++) {
            const drawn = verifiedDraw(p, { id, chances: q }, (i + 0.5) / steps, (j + 0.5) / steps)
            found[drawn]! += chance / steps / steps
          }
      // a grid of 40 is at most half a step wrong at each of its borders
      for (const [id, chance] of p.entries()) expect(Math.abs(found[id]! - chance)).toBeLessThan(0.1)
    }),
    { numRuns: 40 },
  )
})

test("a certain guess counts as drawn with probability 1", () => {
  const p = Float64Array.of(0.25, 0.75, 0)
  expect(verifiedDraw(p, { id: 0, chances: null }, 0.2, 0.5)).toBe(0)
  expect(verifiedDraw(p, { id: 0, chances: null }, 0.3, 0.1)).toBe(1)
  expect(verifiedDraw(p, { id: 2, chances: null }, 0, 0.1)).toBe(0)
})

describe.each([
  ["another model", smallLlama(), smallGPT2()],
  ["itself", smallGPT2(), smallGPT2()],
  [
    "a smaller one",
    smallLlama(),
    llama.build(
      { vocabulary: 28, width: 16, layers: 1, heads: 2, inner: 24, context: 64, deviation: 0.3 },
      { seed: 9 },
    ),
  ],
] as const)("guesses of %s", (name, model, assistantModel) => {
  test.each([
    ["greedy", {}],
    ["with penalties", { repetitionPenalty: 1.3, noRepeatNgramSize: 3, minNewTokens: 12, eosTokenId: 3 }],
    ["with an end", { eosTokenId: [1, 4, 7, 9] }],
    ["up to the context", { maxNewTokens: 99 }],
    ["to a forced end", { forcedEosTokenId: 5 }],
  ])("%s: the text is what it would be without", async (_, options) => {
    const plain = await write(model, options)
    for (const numAssistantTokens of [1, 4, 9])
      expect(await write(model, { ...options, assistantModel, numAssistantTokens })).toEqual(plain)
  })

  test("without a cache too", async () => {
    expect(await write(model, { assistantModel, useCache: false })).toEqual(await write(model, {}))
  })

  test("draws depend on the seed", async () => {
    const draw = (seed: number) => write(model, { assistantModel, doSample: true, seed })
    expect(await draw(1)).toEqual(await draw(1))
    expect(await draw(1)).not.toEqual(await draw(2))
    // a model agrees with itself: its guesses are all kept
    if (name === "itself") expect((await draw(1)).length).toBe(30)
  })
})

test("draws with guesses are as frequent as without", async () => {
  const [model, assistantModel] = [smallLlama(), smallGPT2()]
  const count = 150
  const frequencies = async (options: object): Promise<Map<number, number>> => {
    const counts = new Map<number, number>()
    for (let seed = 1; seed <= count; seed++) {
      const ids = await write(model, { maxNewTokens: 2, doSample: true, topK: 2, seed, ...options })
      counts.set(ids[1]!, (counts.get(ids[1]!) ?? 0) + 1)
    }
    return counts
  }
  const [plain, guessed] = [await frequencies({}), await frequencies({ assistantModel })]
  for (const id of new Set([...plain.keys(), ...guessed.keys()])) {
    const [a, b] = [(plain.get(id) ?? 0) / count, (guessed.get(id) ?? 0) / count]
    expect(Math.abs(a - b)).toBeLessThan(5 * Math.sqrt((0.5 * (a + b) * 2) / count))
  }
})

describe("lookup", () => {
  test("guesses what followed the longest match, the newest first", async () => {
    const draft = new LookupDraft(2)
    const situation = (ids: number[]) => ({ ids, generated: 0, row: 0, prompt: 0 })
    const guess = async (ids: number[]) => (await draft.guess(situation(ids), 3)).map(one => one.id)
    expect(await guess([1, 2, 3, 4, 9, 2, 5, 1, 2])).toEqual([3, 4, 9])
    expect(await guess([8, 2, 3, 9, 2, 5, 1, 2])).toEqual([5, 1, 2])
    expect(await guess([1, 2, 3])).toEqual([])
    expect(await guess([1])).toEqual([])
  })

  test("the text is what it would be without", async () => {
    for (const model of [smallGPT2(), smallLlama()])
      for (const maxMatchingNgramSize of [1, 3])
        expect(await write(model, { promptLookupNumTokens: 4, maxMatchingNgramSize })).toEqual(await write(model, {}))
  })
})

test("tokens stream, and a signal keeps what was written", async () => {
  const abort = new AbortController()
  const ids: number[] = []
  const options = { assistantModel: smallGPT2(), maxNewTokens: 40, device, signal: abort.signal, logprobs: true }
  for await (const event of generate(smallLlama(), tokenizer, prompt, options)) {
    if (event.type === "token") {
      ids.push(event.id)
      expect(event.logprob).toBeLessThanOrEqual(0)
      if (ids.length === 7) abort.abort()
    } else {
      expect(event.reason).toBe("aborted")
      expect(event.ids).toEqual(ids)
    }
  }
  expect(ids).toEqual((await write(smallLlama(), {})).slice(0, ids.length))
  expect(ids.length).toBeLessThan(40)
})

test("what cannot guess is refused", async () => {
  const [model, assistantModel] = [smallLlama(), smallGPT2()]
  const other = llama.build({ vocabulary: 30, width: 16, layers: 1, heads: 2, inner: 24, context: 64 }, { seed: 1 })
  const refused = (options: object, prompts = [prompt]) =>
    expect(generateIds(model, prompts, { device, ...options })).rejects
  await refused({ assistantModel: other }).toThrow(/28 tokens, as the model, but got one of 30/)
  await refused({ assistantModel }, [prompt, prompt]).toThrow(/single text/)
  await refused({ assistantModel, numBeams: 2 }).toThrow(/no assistantModel with beams/)
  await refused({ assistantModel, promptLookupNumTokens: 3 }).toThrow(/got both/)
  await refused({ promptLookupNumTokens: 3, numBeams: 2 }).toThrow(/promptLookupNumTokens/)
})
