// A folder of each well-known model as the hub has it, sizes made small: it opens by loadModel and answers in its pipeline.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { toFloat32, writeSafetensors } from "../../src/files/index.ts"
import { familyOf, loadModel } from "../../src/models/index.ts"
import { publishedWeights } from "../../src/models/weights.ts"
import { connectRuntime } from "../../src/runtime/index.ts"
import { pipeline } from "../../src/tasks/index.ts"
import { checkpoint } from "../files/torch-writer.ts"
import { decoderFolders } from "./hub/decoders.ts"
import { encoderDecoderFolders } from "./hub/encoder-decoders.ts"
import { encoderFolders } from "./hub/encoders.ts"
import type { HubFolder } from "./hub/folder.ts"
import { senseFolders } from "./hub/senses.ts"

connectRuntime()

const hubFolders = { ...encoderFolders, ...senseFolders, ...encoderDecoderFolders, ...decoderFolders }

const home = mkdtempSync(join(tmpdir(), "heed-hub-"))
afterAll(() => rmSync(home, { recursive: true }))

/** Writes a folder; its weights are of a model with random ones. */
async function writeFolder(folder: string, { config, files, weights = "bin", old, extra = {} }: HubFolder) {
  mkdirSync(folder, { recursive: true })
  const published = JSON.stringify(config)
  writeFileSync(join(folder, "config.json"), published)
  for (const [file, value] of Object.entries(files))
    writeFileSync(join(folder, file), value instanceof Uint8Array ? value : JSON.stringify(value))
  const family = familyOf(String(config.model_type))
  const model = family.build(family.readConfig(JSON.parse(published)), { seed: 7 })
  const tensors: Record<string, { dtype: "f32"; shape: readonly number[]; data: Float32Array }> = {}
  for (const [name, lazy] of Object.entries(publishedWeights(model, family))) {
    const tensor = await lazy.load()
    const stored = old ? old(name) : name
    if (stored !== null) tensors[stored] = { dtype: "f32", shape: tensor.shape, data: toFloat32(tensor, name) }
  }
  for (const [name, shape] of Object.entries(extra))
    tensors[name] ??= { dtype: "f32", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }
  if (weights === "safetensors") await writeSafetensors(join(folder, "model.safetensors"), tensors)
  else writeFileSync(join(folder, "pytorch_model.bin"), checkpoint(tensors, weights === "row" ? "row" : "archive"))
}

/** Answers by their outline: any text, a list, a list of five. */
function expectAnswer(actual: unknown, wanted: unknown): void {
  if (wanted === "list") expect(Array.isArray(actual)).toBe(true)
  else if (wanted === "five") expect(actual).toHaveLength(5)
  else
    expect(actual).toMatchObject(
      JSON.parse(JSON.stringify(wanted), (_, value) => (value?.any === "text" ? expect.any(String) : value)) as object,
    )
}

describe.each(Object.entries(hubFolders))("%s", (name, hub) => {
  const folder = join(home, name.replace("/", "--"))
  beforeAll(() => writeFolder(folder, hub))

  test("opens", async () => {
    const model = await loadModel(folder)
    expect(model.family).toBe(hub.config.model_type)
    const family = familyOf(model)
    expect(family.readConfig(JSON.parse(JSON.stringify(family.writeConfig(model.config))))).toEqual(model.config)
  })

  test.each(hub.calls.map(call => [call.task, call] as const))("answers %s", async (task, { inputs, answer }) => {
    const run = (await pipeline(task as "ner", folder)) as unknown as (...all: unknown[]) => Promise<unknown>
    expectAnswer(await run(...inputs), answer)
  })
})

test("a folder without a tokenizer opens, and a task that needs one says what is missing", async () => {
  const folder = join(home, "transfo-xl-wt103")
  await expect(pipeline("text-generation", folder)).rejects.toThrow(/expected a tokenizer beside the model transfo-xl/)
})

test("what a caller says of beams and lengths goes before what is published for a task", async () => {
  const run = await pipeline("summarization", join(home, "t5-small"))
  for (const options of [
    { num_beams: 1, maxLength: 4 },
    { numBeams: 2, max_length: 4 },
    { min_new_tokens: 1, max_new_tokens: 2 },
  ])
    expect(await run("the cat", options)).toHaveLength(1)
})

test("Whisper hears the language however its texts are written", async () => {
  const run = await pipeline("automatic-speech-recognition", join(home, "openai--whisper-tiny"))
  for (const options of [
    { max_new_tokens: 2, num_beams: 2, length_penalty: 2 },
    { maxNewTokens: 2, do_sample: true, temperature: 0.7, seed: 1 },
  ])
    expect(await run(new Float32Array(4000), options)).toMatchObject({ text: expect.any(String) })
})
