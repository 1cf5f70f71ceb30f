// Every family that writes, in a tiny shape with random weights: with a cache it writes what it writes without, alone and in batches.

import { describe, expect, test } from "vitest"
import { generateIds, isCaching, writingModel } from "../../src/generate/index.ts"
import { EncoderDecoder, families, type Model, type ModelFamily } from "../../src/models/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const vocabulary = 40

/** Small values for options of these names. */
const small: Readonly<Record<string, unknown>> = {
  vocabulary,
  context: 64,
  width: 32,
  layers: 2,
  heads: 4,
  groups: 2,
  headWidth: 8,
  inner: 48,
  encoderLayers: 2,
  encoderHeads: 4,
  encoderInner: 48,
  decoderLayers: 2,
  decoderHeads: 4,
  decoderInner: 48,
  deviation: 0.3,
  window: 6,
  startToken: 2,
  beginToken: 1,
  endToken: 3,
  padToken: 0,
}

/** What some families need besides. */
const special: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "transfo-xl": { cutoffs: [10, 20], embeddingWidth: 32, shrink: 2, memory: 24, farthest: 16 },
  reformer: {
    head: "causal",
    causal: true,
    kinds: ["local", "lsh"],
    axial: false,
    localChunk: 4,
    lshChunk: 4,
    buckets: 2,
  },
}

function tiny(family: ModelFamily): Model | null {
  const known = Object.entries({ ...small, ...special[family.name] }).filter(
    ([key]) => key in family.declaration.options,
  )
  try {
    return writingModel("test", family.build(Object.fromEntries(known), { seed: 7 }))
  } catch (problem) {
    if ((problem as Error).message.includes("a model that writes text")) return null
    throw problem
  }
}

/** Three inputs of different lengths, or of sound and pictures where the encoder takes these. */
function inputsOf(model: Model): number[][] | ReturnType<typeof tensor> {
  const waves = (shape: number[]) =>
    tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * 0.7)),
      shape,
    )
  if (model.family === "whisper") return waves([2, 80, 100])
  if (model.family === "vision-encoder-decoder") return waves([2, 3, 32, 32])
  return [
    [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    [20, 21],
    [30, 31, 32, 33, 34],
  ]
}

const writing = families
  .filter(family => family.name !== "vision-encoder-decoder") // two families in one: the golden runs have it
  .flatMap(family => {
    const model = tiny(family)
    return model ? [{ name: family.name, model }] : []
  })

test("they are many", () => {
  const names = writing.map(({ name }) => name)
  for (const name of ["bart", "gemma2", "gpt2", "gpt_neo", "llama", "mistral", "t5", "whisper"])
    expect(names).toContain(name)
})

describe.each(writing)("$name", ({ model }) => {
  const write = async (options: object): Promise<number[][]> => {
    const asked = { maxNewTokens: 16, device, eosTokenId: vocabulary - 1, ...options }
    return (await generateIds(model, inputsOf(model), asked)).newIds.map(row => [...row])
  }

  test.each([
    ["greedy", {}],
    ["drawn", { doSample: true, seed: 3 }],
    ["by beams", { numBeams: 3 }],
    ["contrastive", { topK: 3, penaltyAlpha: 0.5 }],
  ])("%s: with a cache as without", async (_, options) => {
    const cached = await write(options)
    expect(cached.every(row => row.length > 0)).toBe(true)
    if (isCaching(model)) expect(await write({ ...options, useCache: false })).toEqual(cached)
  })

  test("in a batch as alone", async () => {
    const inputs = inputsOf(model)
    if (!Array.isArray(inputs) || !isCaching(model)) return
    const together = await write({ noRepeatNgramSize: 2 })
    for (const [i, input] of inputs.entries()) {
      const asked = { maxNewTokens: 16, device, eosTokenId: vocabulary - 1, noRepeatNgramSize: 2 }
      expect([...(await generateIds(model, [input], asked)).newIds[0]!]).toEqual(together[i])
    }
  })
})

test("encoder-decoders and decoders are among them", () => {
  const kinds = writing.map(({ model }) => model instanceof EncoderDecoder)
  expect(new Set(kinds).size).toBe(2)
})
