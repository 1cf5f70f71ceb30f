import { describe, expect, test } from "vitest"
import { generateIds, generateText } from "../../src/generate/index.ts"
import type { LanguageModel } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { builders, smallGPT2, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const prompts = ["once upon a time", "it", "the end"].map(text => [...tokenizer.encode(text)])

const write = async (model: LanguageModel, ids: number[][], options: object): Promise<number[][]> =>
  (await generateIds(model, ids, { maxNewTokens: 12, device, ...options })).newIds.map(row => [...row])

/** The definition (Su et al. 2022, equation 5), with a model that reads everything again for each candidate. */
async function slowly(
  model: LanguageModel,
  prompt: number[],
  k: number,
  alpha: number,
  count: number,
): Promise<number[]> {
  const look = async (ids: number[]): Promise<{ chances: number[]; states: number[][] }> => {
    const { hidden, logits } = model.forward(tensor(Int32Array.from(ids), [1, ids.length]))
    const [states, chances] = await evaluateOn(device, [hidden, logits.select(1, -1).softmax(-1)])
    const D = states!.length / ids.length
    return {
      chances: [...chances!].map(Number),
      states: ids.map((_, i) => [...states!.slice(i * D, (i + 1) * D)].map(Number)),
    }
  }
  const cosine = (a: number[], b: number[]): number => {
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  }
  const ids = [...prompt]
  for (let step = 0; step < count; step++) {
    const { chances, states } = await look(ids)
    const best = [...chances.keys()].sort((a, b) => chances[b]! - chances[a]!).slice(0, k)
    const scores: number[] = []
    for (const id of best) {
      const state = (await look([...ids, id])).states.at(-1)!
      scores.push((1 - alpha) * chances[id]! - alpha * Math.max(...states.map(other => cosine(state, other))))
    }
    ids.push(best[scores.indexOf(Math.max(...scores))]!)
  }
  return ids.slice(prompt.length)
}

describe.each(builders)("%s", (_, build) => {
  test.each([
    [2, 0.6],
    [5, 0.4],
    [4, 1],
  ])("k %i, alpha %d: what the definition writes", async (topK, penaltyAlpha) => {
    const model = build()
    const expected = await slowly(model, prompts[0]!, topK, penaltyAlpha, 8)
    expect((await write(model, [prompts[0]!], { topK, penaltyAlpha, maxNewTokens: 8 }))[0]).toEqual(expected)
  })

  test("a prompt in a batch is gone on from as alone, and ends by itself", async () => {
    const model = build()
    const options = { top_k: 4, penalty_alpha: 0.6, eosTokenId: [2, 9] }
    const together = await write(model, prompts, options)
    for (const [i, prompt] of prompts.entries()) expect(together[i]).toEqual((await write(model, [prompt], options))[0])
  })
})

test("without a penalty it would take the most likely token; with one it repeats itself less", async () => {
  const model = smallGPT2()
  const greedy = await write(model, [prompts[0]!], { maxNewTokens: 40 })
  expect(await write(model, [prompts[0]!], { maxNewTokens: 40, topK: 4, penaltyAlpha: 1e-9 })).toEqual(greedy)
  const other = await write(model, [prompts[0]!], { maxNewTokens: 40, topK: 4, penaltyAlpha: 0.6 })
  expect(new Set(other[0]).size).toBeGreaterThanOrEqual(new Set(greedy[0]).size)
})

test("it streams, and gives what there is when it is ended", async () => {
  const text = await generateText(smallGPT2(), tokenizer, "once", {
    topK: 4,
    penaltyAlpha: 0.6,
    maxNewTokens: 6,
    device,
  })
  expect(text.length).toBe(6)
  const signal = AbortSignal.abort()
  const { reasons, newIds } = await generateIds(smallGPT2(), prompts, { topK: 4, penaltyAlpha: 0.6, device, signal })
  expect(reasons).toEqual(["aborted", "aborted", "aborted"])
  expect(newIds.every(row => row.length === 0)).toBe(true)
})
