// What a caller may ask of a generation besides its text: several draws, seeds of its own, chances, ends of its own.
import { describe, expect, test } from "vitest"
import { type BatchOptions, generate, generateIds, logProbabilities } from "../../src/generate/index.ts"
import { bert } from "../../src/models/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { smallGPT2, smallLlama, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const prompts = ["once upon a time", "it", "the end"].map(text => [...tokenizer.encode(text)])
const model = smallLlama()

const write = async (ids: readonly (readonly number[])[], options: BatchOptions = {}): Promise<number[][]> =>
  (await generateIds(model, ids, { maxNewTokens: 12, device, ...options })).newIds.map(row => [...row])

describe("draws", () => {
  test("several texts of a prompt stand one behind the other", async () => {
    const options = { doSample: true, numReturnSequences: 3 }
    const { newIds, sequences } = await generateIds(model, prompts, { maxNewTokens: 12, device, ...options })
    expect(newIds.length).toBe(9)
    expect(new Set(newIds.map(row => row.join())).size).toBe(9)
    const longest = Math.max(...prompts.map(prompt => prompt.length))
    for (const [row, sequence] of sequences.entries()) {
      const prompt = prompts[Math.floor(row / 3)]!
      expect([...sequence.slice(longest - prompt.length, longest)]).toEqual(prompt)
    }
  })

  test("with a seed for each prompt, a text in a batch is the one it is alone", async () => {
    const seed = [11, 12, 13]
    const together = await write(prompts, { doSample: true, seed, numReturnSequences: 2 })
    for (const [i, prompt] of prompts.entries()) {
      const alone = await write([prompt], { doSample: true, seed: [seed[i]!], numReturnSequences: 2 })
      expect(together.slice(2 * i, 2 * i + 2)).toEqual(alone)
      expect((await write([prompt], { doSample: true, seed: seed[i]! }))[0]).toEqual(alone[0])
    }
    await expect(write(prompts, { doSample: true, seed: [1, 2] })).rejects.toThrow(/one seed, or 3.*got 2/)
  })
})

describe("chances", () => {
  test("of each token and of the most likely ones, as the model gave them", async () => {
    const { tokens, stepLogits, newIds } = await generateIds(model, prompts, {
      maxNewTokens: 5,
      device,
      logprobs: true,
      topLogprobs: 4,
      stepLogits: true,
      suppressTokens: [2, 3],
    })
    const V = stepLogits![0]!.length / 3
    for (const [row, ids] of newIds.entries())
      for (const [step, id] of ids.entries()) {
        const logs = logProbabilities(stepLogits![step]!.slice(row * V, (row + 1) * V))
        const { logprob, topLogprobs, id: own } = tokens![row]![step]!
        expect(own).toBe(id)
        expect(logprob).toBeCloseTo(logs[id]!, 5)
        const best = [...logs.keys()].sort((a, b) => logs[b]! - logs[a]!).slice(0, 4)
        expect(topLogprobs!.map(one => one.id)).toEqual(best)
        for (const one of topLogprobs!) expect(one.logprob).toBeCloseTo(logs[one.id]!, 5)
      }
  })

  test("scores before and after processing, of every strategy that writes step by step", async () => {
    for (const options of [{}, { topK: 3, penaltyAlpha: 0.5 }, { promptLookupNumTokens: 3 }]) {
      const asked = { maxNewTokens: 6, device, stepLogits: true, stepScores: true, suppressTokens: [4], ...options }
      const { stepLogits, stepScores } = await generateIds(model, [prompts[0]!], asked)
      expect(stepLogits!.length).toBe(6)
      for (const [step, logits] of stepLogits!.entries())
        for (const [id, score] of logits.entries()) expect(stepScores![step]![id]).toBe(id === 4 ? -Infinity : score)
    }
  })

  test("stream with the tokens", async () => {
    for await (const event of generate(model, tokenizer, "once", { maxNewTokens: 3, topLogprobs: 2, device }))
      if (event.type === "token") {
        expect(event.topLogprobs!.length).toBe(2)
        expect(event.topLogprobs![0]!.id).toBe(event.id)
        expect(event.logprob).toBeUndefined()
      }
  })
})

describe("ends", () => {
  test("a criterion of the caller's", async () => {
    const stoppingCriteria = [
      ({ generated, prompt }: { generated: number; prompt: number }) => generated === 2 + prompt,
    ]
    const { newIds, reasons } = await generateIds(model, prompts, { maxNewTokens: 12, device, stoppingCriteria })
    expect(newIds.map(row => row.length)).toEqual([2, 3, 4])
    expect(reasons).toEqual(["criterion", "criterion", "criterion"])
  })

  test("stop texts in a batch, where there is a tokenizer", async () => {
    const free = await write(prompts)
    const stop = tokenizer.decode(free[1]!.slice(3, 5))
    const { newIds, reasons } = await generateIds(model, prompts, { maxNewTokens: 12, device, stop, tokenizer })
    for (const [row, ids] of newIds.entries()) {
      const at = tokenizer.decode(free[row]!).indexOf(stop)
      expect(ids.length).toBe(at < 0 ? 12 : at + stop.length)
      expect(reasons[row]).toBe(at < 0 ? "length" : "stop")
    }
  })

  test("time", async () => {
    const { newIds, reasons } = await generateIds(model, prompts, { max_time: 1e-9, device })
    expect(newIds.map(row => row.length)).toEqual([1, 1, 1])
    expect(reasons).toEqual(["time", "time", "time"])
  })

  test("lengths of all", async () => {
    expect((await write(prompts, { maxNewTokens: 12, maxLength: 20 })).map(row => row.length)).toEqual([4, 4, 4])
    expect((await generateIds(model, [prompts[1]!], { maxLength: 20, device })).newIds[0]!.length).toBe(18)
    await expect(write(prompts, { maxLength: 16 })).rejects.toThrow(/fewer tokens than maxLength, 16, but got 16/)
  })

  test("a signal keeps what was written, in every strategy", async () => {
    for (const options of [{}, { topK: 3, penaltyAlpha: 0.5 }, { numBeams: 2 }]) {
      const abort = new AbortController()
      const free = await write([prompts[0]!], { maxNewTokens: 30, ...options })
      let asked = 0
      const logitsProcessor = [() => void (++asked === 4 && abort.abort())]
      const { newIds, reasons } = await generateIds(model, [prompts[0]!], {
        maxNewTokens: 30,
        device,
        signal: abort.signal,
        logitsProcessor,
        ...options,
      })
      expect(reasons).toEqual(["aborted"])
      expect(newIds[0]!.length).toBeGreaterThan(0)
      expect(newIds[0]!.length).toBeLessThan(30)
      if (!("numBeams" in options)) expect([...newIds[0]!]).toEqual(free[0]!.slice(0, newIds[0]!.length))
    }
  })
})

test("a processor of the caller's decides last", async () => {
  const logitsProcessor = [
    (scores: Float32Array, { generated }: { generated: number }) => void (scores[generated] = 99),
  ]
  expect(
    (await write([prompts[0]!], { logits_processor: logitsProcessor, maxNewTokens: 5 } as BatchOptions))[0],
  ).toEqual([0, 1, 2, 3, 4])
})

describe("hostile requests", () => {
  test("models that write nothing say what they are", async () => {
    const encoder = bert.build({ vocabulary: 28, width: 16, layers: 1, heads: 2, inner: 16 }, { seed: 1 })
    await expect(generateIds(encoder, prompts)).rejects.toThrow(/a model that writes text, but got bert \(/)
  })

  test("prompts that are none, or too long by so many", async () => {
    await expect(write([])).rejects.toThrow(/at least one prompt/)
    await expect(write([[]])).rejects.toThrow(/at least one token, but it is empty/)
    expect(await write([[]], { bosTokenId: 5 })).toEqual(await write([[5]]))
    await expect(write([[-1]])).rejects.toThrow(/0 \.\. 27.*got -1/)
    await expect(write([[1.5]])).rejects.toThrow(/got 1.5/)
    await expect(write([[28]])).rejects.toThrow(/got 28/)
    await expect(write([new Array<number>(70).fill(1)])).rejects.toThrow(/at most 64 tokens.*got 70: 6 too many/)
    await expect(write(prompts, { decoderInputIds: [1] })).rejects.toThrow(/no decoderInputIds for llama/)
    await expect(write(prompts, { decoder_start_token_id: 1 })).rejects.toThrow(/no decoder_start_token_id for llama/)
    await expect(write(prompts, { numAssistantTokens: 3 })).rejects.toThrow(/assistantModel with numAssistantTokens/)
    await expect(write(prompts, { encoderNoRepeatNgramSize: 2 })).rejects.toThrow(/encoderNoRepeatNgramSize 0/)
  })

  test("options that forbid everything", async () => {
    const all = Array.from({ length: 28 }, (_, id) => id)
    await expect(write(prompts, { suppressTokens: all })).rejects.toThrow(/all 28 are forbidden after 16 tokens/)
  })

  test("weights that are no numbers", async () => {
    const broken = smallGPT2()
    broken.loadState(new Map([...broken.state()].map(([path, value]) => [path, value.mul(Number.NaN)])))
    for (const options of [{}, { numBeams: 2 }, { topK: 2, penaltyAlpha: 0.5 }, { doSample: true }])
      await expect(generateIds(broken, prompts, { device, ...options })).rejects.toThrow(/gave NaN for token 0/)
    const { newIds } = await generateIds(broken, prompts, { device, maxNewTokens: 2, removeInvalidValues: true })
    expect(newIds.map(row => [...row])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ])
  })

  test("options of other programs are named", async () => {
    await expect(write(prompts, { num_beam: 3 } as BatchOptions)).rejects.toThrow(/num_beam.*none of this name/s)
    await expect(write(prompts, { topk: 3 } as BatchOptions)).rejects.toThrow(/did you mean topK/)
  })

  test("streams give one text", async () => {
    const many = generate(model, tokenizer, "once", { doSample: true, numReturnSequences: 2, device })
    await expect(many.next()).rejects.toThrow(/one text, but 2 were asked for.*generateIds/s)
  })
})
