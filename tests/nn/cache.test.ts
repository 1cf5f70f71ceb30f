import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { CachedDecoder, generateIds, WholeDecoder } from "../../src/generate/index.ts"
import { gemma2, mistral } from "../../src/models/index.ts"
import { FullLayerCache, Initializer, KeyValueCache, SelfAttention, SlidingLayerCache } from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { concat, fromHost, type Tensor, tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const width = 8

/** Small decoders of more positions than a ring has. */
const shape = {
  vocabulary: 40,
  context: 1024,
  width: 16,
  layers: 2,
  heads: 2,
  groups: 1,
  headWidth: 8,
  inner: 24,
  deviation: 0.4,
}

/** T positions of B rows, different everywhere. */
function stream(B: number, T: number): Tensor {
  return tensor(
    Float32Array.from({ length: B * T * width }, (_, i) => Math.sin(i * 1.7) + Math.cos(i * 0.31)),
    [B, T, width],
  )
}

/** Chunks of at most `most` positions that fill T. */
const chunked = (T: number, sizes: readonly number[], most: number): number[] => {
  const out: number[] = []
  for (let at = 0, i = 0; at < T; i++) {
    const size = Math.min(most, T - at, 1 + (sizes[i % sizes.length]! % most))
    out.push(size)
    at += size
  }
  return out
}

test("what a ring keeps is all that a window sees, however the text is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }),
      fc.nat(3),
      async (window, chunk, T, sizes, padding) => {
        const attention = new SelfAttention(new Initializer({ seed: 5 }), width, { heads: 2, window, deviation: 0.5 })
        const x = stream(2, T)
        const capacity = 64
        const starts = fromHost(Int32Array.of(0, Math.min(padding, T - 1)), [2, 1], "i32")
        const mask = (S: number): Tensor =>
          fromHost(
            Int32Array.from({ length: S }, (_, i) => i),
            [1, S],
            "i32",
          )
            .ge(starts)
            .reshape([2, 1, 1, S])
        const whole = attention.forward(x, { mask: mask(T) })
        const cache = new KeyValueCache({
          layers: 1,
          batch: 2,
          groups: 2,
          capacity,
          headWidth: 4,
          windows: [window],
          chunk,
        })
        expect(cache.layers[0]!.keys.shape[2]).toBe(window + chunk)
        let at = 0
        const parts = chunked(T, sizes, chunk).map(size => {
          const offset = fromHost(Int32Array.of(at), [], "i32")
          const part = attention.forward(x.slice(1, at, at + size), {
            cache: cache.layers[0]!,
            offset,
            mask: mask(capacity),
          })
          at += size
          return part
        })
        const [expected, actual] = await evaluateOn(device, [whole, concat(parts, 1)])
        for (const [i, value] of expected!.entries()) expect(actual![i]!).toBeCloseTo(Number(value), 4)
      },
    ),
    { numRuns: 25 },
  )
})

test("layers with a window keep no more than it needs, others everything", () => {
  const sizes = { layers: 3, batch: 1, groups: 1, capacity: 1024, headWidth: 4, chunk: 16 }
  const cache = new KeyValueCache({ ...sizes, windows: [32, null, 1020] })
  expect(cache.layers.map(layer => layer.keys.shape[2])).toEqual([48, 1024, 1024])
  expect(cache.layers[0]).toBeInstanceOf(SlidingLayerCache)
  expect(cache.layers[1]).toBeInstanceOf(FullLayerCache)
  expect(() => new KeyValueCache({ ...sizes, windows: [1] })).toThrow(/windows of 3 layers, but got 1/)
  const attention = new SelfAttention(new Initializer({ seed: 1 }), 4, { heads: 1 })
  const offset = fromHost(Int32Array.of(0), [], "i32")
  expect(() => attention.forward(tensor([[[1, 2, 3, 4]]]), { cache: cache.layers[0]!, offset })).toThrow(
    /window of at most 32.*all keys/,
  )
  const long = new SelfAttention(new Initializer({ seed: 1 }), 4, { heads: 1, window: 32 })
  expect(() => long.forward(tensor(new Float32Array(17 * 4), [1, 17, 4]), { cache: cache.layers[0]!, offset })).toThrow(
    /T up to 16.*\[1 1 17 4\]/,
  )
})

describe.each([
  ["mistral", () => mistral.build({ ...shape, window: 12 }, { seed: 4 })],
  ["gemma2", () => gemma2.build({ ...shape, window: 12, queryScale: 8 }, { seed: 4 })],
] as const)("%s writes far beyond its window", (_, build) => {
  const model = build()
  const prompt = Array.from({ length: 700 }, (_, i) => (i * 7 + (i >> 3)) % shape.vocabulary)

  test("with memory of a fixed size, what it writes without", async () => {
    const decoder = new CachedDecoder(model, { batch: 1, positions: 1024, device })
    const whole = new WholeDecoder(model, { batch: 1, positions: 1024, device })
    let far = 0
    const compare = (a: Float32Array, b: Float32Array): void => {
      for (const [i, x] of a.entries()) far = Math.max(far, Math.abs(x - b[i]!))
    }
    compare((await decoder.start([prompt])).scores, (await whole.start([prompt])).scores)
    for (const id of [3, 9, 4, 1]) {
      const next = Int32Array.of(id)
      compare((await decoder.step(next)).scores, (await whole.step(next)).scores)
    }
    // after a rewind, what came later counts no more
    await decoder.follow([5, 5, 5, 5, 5])
    decoder.rewind(704)
    compare((await decoder.step(Int32Array.of(8))).scores, (await whole.step(Int32Array.of(8))).scores)
    expect(far).toBeLessThan(1e-4)
  })

  test("as short numbers too", async () => {
    const request = { batch: 1, positions: 1024, device }
    const [exact, short] = [
      new CachedDecoder(model, request),
      new CachedDecoder(model, { ...request, cacheType: "bf16" }),
    ]
    for (const decoder of [exact, short]) await decoder.start([prompt])
    const [a, b] = [await exact.step(Int32Array.of(3)), await short.step(Int32Array.of(3))]
    for (const [i, score] of a.scores.entries()) expect(Math.abs(score - b.scores[i]!)).toBeLessThan(0.1)
  })

  test("in batches and with beams", async () => {
    const prompts = [prompt, prompt.slice(5, 650), [1, 2, 3]]
    for (const options of [{}, { numBeams: 2 }]) {
      const write = async (useCache: boolean): Promise<number[][]> =>
        (await generateIds(model, prompts, { maxNewTokens: 3, device, useCache, ...options })).newIds.map(row => [
          ...row,
        ])
      expect(await write(true)).toEqual(await write(false))
    }
  })
})
