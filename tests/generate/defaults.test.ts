import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, expect, test } from "vitest"
import { ConfigError } from "../../src/config/index.ts"
import { generateIds, generationConfig, mergeGeneration, readGeneration } from "../../src/generate/index.ts"
import { loadModel, saveModel } from "../../src/models/index.ts"
import { useDevice } from "../../src/runtime/index.ts"
import { ValueError } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { smallGPT2 } from "./models.ts"

useDevice((await machineDevices())[0]!)
const folder = mkdtempSync(join(tmpdir(), "heed-defaults-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test("a published file is read by its names; what is no option is left aside", () => {
  const read = readGeneration({
    _from_model_config: true,
    transformers_version: "4.47.0",
    max_length: 448,
    suppress_tokens: [1, 2, -1],
    begin_suppress_tokens: [220, 5],
    temperature: null,
    cache_implementation: "hybrid",
    lang_to_id: { "<|en|>": 3 },
    guidance_scale: 1,
    token_healing: false,
    use_cache: false,
    seed: 3,
  })
  expect(read).toEqual({ maxLength: 448, suppressTokens: [1, 2], beginSuppressTokens: [220, 5] })
})

test("what would change the text and is not built here is refused by name", () => {
  expect(() => readGeneration({ force_words_ids: [[1]] })).toThrow(/no force_words_ids.*\[\[1\]\]/)
  expect(() => readGeneration({ guidance_scale: 1.5 }, "config.json")).toThrow(
    /config.json: expected no guidance_scale/,
  )
})

test.each([
  ["the caller's options win", { top_k: 5, doSample: true }, { topK: 7 }, { topK: 7 }],
  ["draws that are not asked for", { temperature: 0.6, topP: 0.9 }, {}, { temperature: undefined, topP: undefined }],
  ["draws that are", { doSample: true, temperature: 0.6 }, {}, { doSample: true, temperature: 0.6 }],
  ["a caller who wants none", { doSample: true, temperature: 0.6 }, { do_sample: false }, { temperature: undefined }],
  [
    "the most likely token",
    { doSample: true, topP: 0.6 },
    { temperature: 0 },
    { doSample: undefined, topP: undefined },
  ],
  ["a caller who draws", { doSample: false, topP: 0.6 }, { temperature: 0.7 }, { temperature: 0.7, topP: 0.6 }],
  ["beams", { numBeams: 4, lengthPenalty: 2, earlyStopping: true }, {}, { numBeams: 4, lengthPenalty: 2 }],
  ["no beams", { numBeams: 4, lengthPenalty: 2, earlyStopping: true }, { num_beams: 1 }, { lengthPenalty: undefined }],
  [
    "contrastive search instead",
    { numBeams: 4, doSample: true, topK: 50 },
    { penaltyAlpha: 0.6, topK: 4 },
    { numBeams: 1, topK: 4 },
  ],
  ["contrastive search that was published", { penaltyAlpha: 0.6, topK: 4 }, {}, { penaltyAlpha: 0.6, topK: 4 }],
  [
    "a length",
    { maxLength: 20, minLength: 10 },
    { maxNewTokens: 5 },
    { maxLength: undefined, minLength: 0, maxNewTokens: 5 },
  ],
  ["nothing given", { maxLength: 20 }, { maxNewTokens: null, top_k: undefined }, { maxLength: 20, maxNewTokens: 20 }],
])("%s", (_, published, given, expected) => {
  const config: Record<string, unknown> = generationConfig(mergeGeneration(readGeneration(published), given))
  for (const [key, value] of Object.entries(expected)) expect(config[key], key).toEqual(value)
})

test("whatever stands in a file, it is read or refused in words", () => {
  const names = [
    "temperature",
    "num_beams",
    "suppress_tokens",
    "max_length",
    "eos_token_id",
    "bad_words_ids",
    "do_sample",
  ]
  const key = fc.oneof(fc.constantFrom(...names, "guidance_scale", "__proto__"), fc.string())
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 }), published => {
      try {
        generationConfig(mergeGeneration(readGeneration(published), { maxNewTokens: 3 }))
      } catch (problem) {
        expect(problem instanceof ConfigError || problem instanceof ValueError, String(problem)).toBe(true)
      }
    }),
  )
})

test("a folder's options count for what is written from it, and are saved with it", async () => {
  const model = smallGPT2()
  const prompts = [[5, 6, 7]]
  const write = async (one: typeof model, options = {}): Promise<number[]> => [
    ...(await generateIds(one, prompts, options)).newIds[0]!,
  ]
  const options = { max_new_tokens: 9, suppress_tokens: [(await write(model))[0]!], eos_token_id: 3 }
  const wanted = await write(model, options)
  await saveModel(model, folder)
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ ...options, _from_model_config: true }))
  const loaded = (await loadModel(folder)) as typeof model
  expect(await write(loaded)).toEqual(wanted)
  expect((await write(loaded, { maxNewTokens: 4 })).length).toBe(4)

  const copy = join(folder, "copy")
  await saveModel(loaded, copy)
  expect(JSON.parse(readFileSync(join(copy, "generation_config.json"), "utf8"))).toMatchObject(options)

  // older folders have them in config.json
  rmSync(join(folder, "generation_config.json"))
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"))
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...options }))
  expect(await write((await loadModel(folder)) as typeof model, { maxNewTokens: 9, eosTokenId: 3 })).toEqual(wanted)

  writeFileSync(join(folder, "generation_config.json"), "[]")
  await expect(loadModel(folder)).rejects.toThrow(/generation_config.json: expected an object/)
  writeFileSync(join(folder, "generation_config.json"), '{"temperature": "hot", "do_sample": true}')
  await expect(write((await loadModel(folder)) as typeof model)).rejects.toThrow(/temperature.*hot/)
})
