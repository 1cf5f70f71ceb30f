import { describe, expect, test } from "vitest"
import { type BatchOptions, forgetDecoders, generateIds, generateText } from "../../src/generate/index.ts"
import type { Model } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { builders, smallGPT2, smallLlama, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const prompts = ["once upon a time", "it", "the end"].map(text => tokenizer.encode(text))

const newIds = async (model: Model, ids: readonly Int32Array[], options: BatchOptions): Promise<number[][]> =>
  (await generateIds(model, ids, { device, ...options })).newIds.map(row => [...row])

describe.each(builders)("%s", (_, build) => {
  test.each([
    ["greedy", {}],
    ["beams", { numBeams: 3 }],
    ["penalized", { repetitionPenalty: 1.5, noRepeatNgramSize: 2 }],
  ])("%s: a prompt in a batch is gone on from as alone", async (_, options) => {
    const model = build()
    const together = await newIds(model, prompts, { maxNewTokens: 10, ...options })
    for (const [i, prompt] of prompts.entries())
      expect(together[i]).toEqual((await newIds(model, [prompt], { maxNewTokens: 10, ...options }))[0])
  })

  test("rows that draw depend on the seed and their place", async () => {
    const model = build()
    const same = [prompts[0]!, prompts[0]!]
    const drawn = await newIds(model, same, { maxNewTokens: 20, doSample: true })
    expect(drawn[0]).not.toEqual(drawn[1])
    expect(await newIds(model, same, { maxNewTokens: 20, doSample: true })).toEqual(drawn)
    const text = await generateText(model, tokenizer, "once upon a time", { maxNewTokens: 20, doSample: true, device })
    expect(tokenizer.decode(drawn[0]!)).toBe(text)
  })
})

test("as many beams as tokens find the best of all pairs", async () => {
  const model = smallLlama()
  const V = tokenizer.vocabularySize
  const prompt = [...tokenizer.encode("abc")]
  const chances = async (rows: readonly (readonly number[])[]): Promise<Float32Array> => {
    const ids = tensor(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length])
    const [logs] = await evaluateOn(device, [model.forward(ids).logits.select(1, -1).logSoftmax(-1)])
    return logs as Float32Array
  }
  const first = await chances([prompt])
  const second = await chances(Array.from({ length: V }, (_, id) => [...prompt, id]))
  const sums = Array.from(second, (chance, i) => chance + first[Math.floor(i / V)]!)
  const order = [...sums.keys()].sort((a, b) => sums[b]! - sums[a]!).slice(0, 3)
  const found = await generateIds(model, [prompt], { maxNewTokens: 2, numBeams: V, numReturnSequences: 3, device })
  expect(found.newIds.map(row => [...row])).toEqual(order.map(i => [Math.floor(i / V), i % V]))
  for (const [i, score] of found.scores!.entries()) expect(score).toBeCloseTo(sums[order[i]!]! / 2, 4)
})

test("rows that ended are filled up", async () => {
  const model = smallGPT2()
  const free = await newIds(model, prompts, { maxNewTokens: 12 })
  const eosTokenId = free[1]![3]!
  const {
    sequences,
    newIds: ended,
    reasons,
  } = await generateIds(model, prompts, {
    maxNewTokens: 12,
    eosTokenId,
    padTokenId: 27,
    device,
  })
  expect([...ended[1]!]).toEqual(free[1]!.slice(0, free[1]!.indexOf(eosTokenId) + 1))
  expect(reasons[1]).toBe("eos")
  const longest = Math.max(...prompts.map(prompt => prompt.length))
  for (const [i, sequence] of sequences.entries()) {
    const start = longest - prompts[i]!.length
    const stop = longest + ended[i]!.length
    expect([...sequence.slice(start, longest)]).toEqual([...prompts[i]!])
    expect([...sequence.slice(longest, stop)]).toEqual([...ended[i]!])
    for (const id of [...sequence.slice(0, start), ...sequence.slice(stop)]) expect(id).toBe(27)
  }
})

test("a full context and a signal end all rows", async () => {
  const model = smallGPT2(20)
  const { newIds: rows } = await generateIds(model, prompts, { maxNewTokens: 50, device })
  expect(rows.map(row => row.length)).toEqual([5, 5, 5]) // 16 of the longest prompt, 4 read, 1 only written
  const signal = AbortSignal.abort()
  const aborted = await generateIds(model, prompts, { device, signal })
  expect(aborted.reasons).toEqual(["aborted", "aborted", "aborted"])
  expect(aborted.sequences[0]!.length).toBe(16)
  expect((await generateIds(model, prompts, { device, signal, numBeams: 2 })).newIds).toEqual([])
  const { newIds: beams } = await generateIds(model, prompts, { maxNewTokens: 50, numBeams: 2, device })
  expect(beams.map(row => row.length)).toEqual([5, 5, 5])
})

test("stopping rules: texts that end early are kept, better ones are waited for", async () => {
  const model = smallGPT2()
  const [free] = await newIds(model, [prompts[0]!], { maxNewTokens: 10, numBeams: 3 })
  const options = { maxNewTokens: 10, numBeams: 3, numReturnSequences: 3, eosTokenId: free![4]!, device }
  const scores = []
  for (const earlyStopping of [true, false, "never"] as const)
    scores.push((await generateIds(model, [prompts[0]!], { ...options, earlyStopping })).scores![0]!)
  expect(scores[2]).toBeGreaterThanOrEqual(scores[0]!)
  expect(scores[2]).toBeGreaterThanOrEqual(scores[1]!)
})

test("programs can be forgotten", async () => {
  const model = smallGPT2()
  const before = await newIds(model, prompts, { maxNewTokens: 4 })
  forgetDecoders(model)
  expect(await newIds(model, prompts, { maxNewTokens: 4 })).toEqual(before)
})

test("what has no meaning in a batch is refused", async () => {
  const model = smallGPT2()
  await expect(generateIds(model, [])).rejects.toThrow(/at least one prompt/)
  await expect(generateIds(model, [[]])).rejects.toThrow(/at least one token/)
  await expect(generateIds(model, prompts, { stop: "x" })).rejects.toThrow(/a tokenizer with stop texts/)
  await expect(generateIds(model, prompts, { contextFull: "slide" })).rejects.toThrow(/slide/)
  await expect(generateIds(model, prompts, { numBeams: 2, stepLogits: true })).rejects.toThrow(/stepLogits/)
  await expect(generateIds(model, [new Int32Array(65)])).rejects.toThrow(/at most 64 tokens.*got 65/)
})
