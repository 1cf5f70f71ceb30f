import { expect, test } from "vitest"
import { CachedDecoder } from "../../src/generate/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { builders, smallGPT2, tokenizer } from "./models.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]

test.each(builders.flatMap(([name, build]) => devices.map(device => [name, device, build] as const)))(
  "%s on %s: scores with a cache are those without, and the last token runs the program of the first",
  async (_, device, build) => {
    const model = build(256)
    const text = "what a cache holds need not be computed again ".repeat(5).slice(0, 220)
    const ids = [...tokenizer.encode(text)]
    const { logits } = model.forward(tensor(Int32Array.from(ids), [1, ids.length]))
    const [expected] = await evaluateOn(device, [logits])
    const V = tokenizer.vocabularySize
    const decoder = new CachedDecoder(model, { batch: 1, positions: 256, device })
    let far = 0
    const compare = (scores: Float32Array, position: number): void => {
      for (const [i, score] of scores.entries()) far = Math.max(far, Math.abs(score - expected![position * V + i]!))
    }
    compare((await decoder.start([ids.slice(0, 9)])).scores, 8)
    compare((await decoder.step(Int32Array.of(ids[9]!))).scores, 9)
    const programs = decoder.programs().size
    for (let i = 10; i < ids.length; i++) compare((await decoder.step(Int32Array.of(ids[i]!))).scores, i)
    expect(decoder.programs().size).toBe(programs)
    expect(programs).toBe(2)
    expect(far).toBeLessThan(1e-4)
    compare((await decoder.start([ids.slice(0, 12)])).scores, 11) // another prompt of that size: nothing new to record
    expect(decoder.programs().size).toBe(programs)
  },
)

test("more than it holds is refused", async () => {
  const decoder = new CachedDecoder(smallGPT2(16), { batch: 1, positions: 100, device: devices[0]! })
  expect(decoder.capacity).toBe(16)
  await expect(decoder.start([new Int32Array(17)])).rejects.toThrow(/1 to 16 tokens.*17/)
  await expect(decoder.start([[1], [2]])).rejects.toThrow(/1 prompts/)
  await decoder.start([new Int32Array(16)])
  await expect(decoder.step(Int32Array.of(1))).rejects.toThrow(/all 16 are used/)
})
