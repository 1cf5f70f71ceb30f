// Whatever options are put together: a generation keeps them, or says in words why it cannot.

import fc from "fast-check"
import { expect, test } from "vitest"
import { ConfigError } from "../../src/config/index.ts"
import { type BatchOptions, generateIds } from "../../src/generate/index.ts"
import { HeedError } from "../../src/tensor/index.ts"
import { smallGPT2, smallLlama, tokenizer } from "../generate/models.ts"
import { machineDevices } from "../ops/devices.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const models = [smallGPT2(32), smallLlama(32)]
const V = tokenizer.vocabularySize

const id = fc.integer({ min: 0, max: V - 1 })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 })

const options = fc.record(
  {
    maxNewTokens: maybe(fc.integer({ min: 1, max: 12 })),
    minNewTokens: maybe(fc.integer({ min: 0, max: 6 })),
    maxLength: maybe(fc.integer({ min: 1, max: 20 })),
    minLength: maybe(fc.integer({ min: 0, max: 12 })),
    doSample: maybe(fc.boolean()),
    temperature: maybe(fc.constantFrom(0, 0.01, 1, 3, 100)),
    topK: maybe(fc.integer({ min: 0, max: 40 })),
    topP: maybe(fc.constantFrom(1e-6, 0.5, 1)),
    minP: maybe(fc.constantFrom(0, 0.2, 1)),
    typicalP: maybe(fc.constantFrom(1e-6, 0.5, 1)),
    epsilonCutoff: maybe(fc.constantFrom(0, 0.02, 0.9)),
    etaCutoff: maybe(fc.constantFrom(0, 0.02, 0.9)),
    repetitionPenalty: maybe(fc.constantFrom(0.5, 1, 2)),
    presencePenalty: maybe(fc.constantFrom(-2, 0, 2)),
    noRepeatNgramSize: maybe(fc.integer({ min: 0, max: 3 })),
    badWordsIds: maybe(fc.array(fc.array(id, { minLength: 1, maxLength: 3 }), { maxLength: 4 })),
    suppressTokens: maybe(fc.array(id, { maxLength: V })),
    beginSuppressTokens: maybe(fc.array(id, { maxLength: 4 })),
    forcedBosTokenId: maybe(id),
    forcedEosTokenId: maybe(id),
    exponentialDecayLengthPenalty: maybe(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom(0.5, 1.5, 50))),
    renormalizeLogits: maybe(fc.boolean()),
    eosTokenId: maybe(fc.oneof(id, fc.array(id, { minLength: 1, maxLength: 5 }))),
    numBeams: maybe(fc.integer({ min: 1, max: 4 })),
    numBeamGroups: maybe(fc.integer({ min: 1, max: 2 })),
    diversityPenalty: maybe(fc.constantFrom(0, 0.5, 50)),
    lengthPenalty: maybe(fc.constantFrom(-1, 0, 2)),
    earlyStopping: maybe(fc.constantFrom(true, false, "never" as const)),
    numReturnSequences: maybe(fc.integer({ min: 1, max: 3 })),
    penaltyAlpha: maybe(fc.constantFrom(0, 0.6, 1)),
    promptLookupNumTokens: maybe(fc.integer({ min: 1, max: 4 })),
    useCache: maybe(fc.boolean()),
    topLogprobs: maybe(fc.integer({ min: 0, max: 3 })),
  },
  { requiredKeys: [] },
)

/** Few options at once, or nearly all combinations would be refused. */
const few = fc
  .tuple(options, fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }))
  .map(([all, picks]): BatchOptions => {
    const entries = Object.entries(all).filter(([, value]) => value !== undefined)
    return Object.fromEntries(picks.flatMap(pick => (entries.length > 0 ? [entries[pick % entries.length]!] : [])))
  })

const prompts = fc.array(fc.array(id, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 3 })

test("every combination of options is kept or refused", async () => {
  let written = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...models), prompts, few, async (model, ids, asked) => {
      let found: Awaited<ReturnType<typeof generateIds>>
      try {
        found = await generateIds(model, ids, { maxNewTokens: 8, ...asked, device })
      } catch (problem) {
        expect(problem instanceof HeedError || problem instanceof ConfigError, String(problem)).toBe(true)
        expect((problem as Error).message).toMatch(/expected .*, but|expected .*: /s)
        return
      }
      written++
      const { maxNewTokens = 8, maxLength = 99, minNewTokens = 0, eosTokenId } = asked
      const ends = eosTokenId === undefined ? [] : [eosTokenId].flat()
      const longest = Math.max(...ids.map(row => row.length))
      for (const [row, text] of found.newIds.entries()) {
        expect(text.length).toBeGreaterThan(0)
        expect(text.length).toBeLessThanOrEqual(Math.min(maxNewTokens, maxLength - longest, 32 - longest + 1))
        expect(text.every(one => one >= 0 && one < V)).toBe(true)
        const end = text.findIndex(one => ends.includes(one))
        if (end >= 0) expect(end).toBe(text.length - 1)
        expect(found.reasons[row]).toBe(end >= 0 ? "eos" : "length")
        const forced = [asked.forcedEosTokenId, asked.forcedBosTokenId].flat()
        if (asked.suppressTokens)
          for (const one of text) expect(asked.suppressTokens.includes(one) && !forced.includes(one)).toBe(false)
        if (forced.every(one => one === undefined) && text.length < minNewTokens) expect(end).toBe(-1)
      }
    }),
    { numRuns: 120, seed: 1 },
  )
  expect(written).toBeGreaterThan(20)
})
