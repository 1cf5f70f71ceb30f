import { describe, expect, test } from "vitest"
import { generateIds } from "../../src/generate/index.ts"
import type { LanguageModel } from "../../src/models/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { builders, smallLlama, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const prompts = ["once upon a time", "it", "the end"].map(text => [...tokenizer.encode(text)])

const search = async (model: LanguageModel, ids: number[][], options: object) => {
  const { newIds, scores } = await generateIds(model, ids, { maxNewTokens: 8, device, ...options })
  return newIds.map((row, i) => ({ ids: [...row].join(), score: scores![i]! }))
}

describe.each(builders)("groups of %s", (_, build) => {
  const model = build()

  test("the first group finds what a plain search of its size finds", async () => {
    const plain = await search(model, prompts, { numBeams: 2, numReturnSequences: 2 })
    const grouped = await search(model, prompts, {
      num_beams: 6,
      num_beam_groups: 3,
      diversity_penalty: 0.7,
      num_return_sequences: 6,
    })
    for (const [i, beam] of plain.entries()) {
      const found = grouped.slice(Math.floor(i / 2) * 6, (Math.floor(i / 2) + 1) * 6)
      expect(found.some(({ ids, score }) => ids === beam.ids && Math.abs(score - beam.score) < 1e-4)).toBe(true)
    }
  })

  test("a large penalty keeps groups apart at every step", async () => {
    const found = await search(model, [prompts[0]!], {
      numBeams: 4,
      numBeamGroups: 4,
      diversityPenalty: 100,
      numReturnSequences: 4,
    })
    const rows = found.map(({ ids }) => ids.split(","))
    for (let step = 0; step < 8; step++) expect(new Set(rows.map(row => row[step])).size).toBe(4)
  })

  test("a prompt in a batch finds what it finds alone, with ends in between", async () => {
    const options = {
      numBeams: 4,
      numBeamGroups: 2,
      diversityPenalty: 0.5,
      numReturnSequences: 3,
      eosTokenId: [2, 5, 9],
    }
    const together = await search(model, prompts, options)
    for (const [i, prompt] of prompts.entries()) {
      const alone = await search(model, [prompt], options)
      expect(together.slice(i * 3, i * 3 + 3).map(one => one.ids)).toEqual(alone.map(one => one.ids))
    }
  })
})

describe("drawn beams", () => {
  const model = smallLlama()

  test("depend on the seed", async () => {
    const draw = (seed: number) => search(model, prompts, { numBeams: 3, doSample: true, seed })
    expect(await draw(1)).toEqual(await draw(1))
    expect(await draw(1)).not.toEqual(await draw(2))
  })

  test("at a temperature near 0 are the most likely ones", async () => {
    const cold = await search(model, prompts, { numBeams: 3, doSample: true, temperature: 1e-4 })
    const best = await search(model, prompts, { numBeams: 3 })
    expect(cold.map(one => one.ids)).toEqual(best.map(one => one.ids))
  })

  test("never hold a token twice in one step: draws are without replacement", async () => {
    const found = await search(model, [prompts[0]!], {
      numBeams: 8,
      doSample: true,
      numReturnSequences: 8,
      maxNewTokens: 1,
    })
    expect(new Set(found.map(one => one.ids)).size).toBe(8)
  })
})

test("a search that runs out of time gives the best beginnings", async () => {
  const options = { numBeams: 3, maxTime: 1e-9, maxNewTokens: 8, device }
  const { newIds, reasons } = await generateIds(smallLlama(), prompts, options)
  expect(reasons).toEqual(["time", "time", "time"])
  expect(newIds.every(row => row.length === 1)).toBe(true)
})
