// Convolutions along time: rows of channels against the plain operation, weights by direction and length, norms over time; what
// training hides and skips.
import { describe, expect, test } from "vitest"
import {
  Convolution1d,
  Initializer,
  maskSpans,
  NormedConvolution1d,
  SelfAttention,
  skipLayer,
  TimeNorm,
  withRandom,
} from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { convolve1d, full, normal, randomKey, type Tensor } from "../../src/tensor/index.ts"

const init = (): Initializer => new Initializer({ seed: 1 })
const noise = (...shape: number[]): Tensor => normal(shape, randomKey(7), { stream: 3 })
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

async function expectClose(a: Tensor, b: Tensor, tolerance = 1e-5): Promise<void> {
  expect(a.shape).toEqual(b.shape)
  const [x, y] = [await numbers(a), await numbers(b)]
  for (const [i, one] of x.entries()) expect(Math.abs(one - y[i]!), `${i}`).toBeLessThanOrEqual(tolerance)
}

describe("convolutions along time", () => {
  test("rows of channels, or channels of positions", async () => {
    const layer = new Convolution1d(init(), 4, 6, { kernel: 3, stride: 2, padding: 1, groups: 2 })
    const x = noise(2, 9, 4)
    const wanted = convolve1d(x.permute([0, 2, 1]), layer.weight, layer.bias, { stride: 2, padding: 1, groups: 2 })
    await expectClose(layer.forward(x), wanted.permute([0, 2, 1]))
  })

  test("normed weights do not depend on the length of their direction", async () => {
    const layer = new NormedConvolution1d(init(), 4, 4, { kernel: 2, deviation: 1 })
    const x = noise(1, 5, 4)
    const before = await numbers(layer.forward(x))
    layer.direction.assign(layer.direction.mul(3))
    const after = await numbers(layer.forward(x))
    for (const [i, one] of before.entries()) expect(after[i]!).toBeCloseTo(one, 5)
    layer.scale.assign(layer.scale.mul(2))
    for (const [i, one] of (await numbers(layer.forward(x))).entries()) expect(one).toBeCloseTo(2 * before[i]!, 4)
  })

  test("each channel has mean 0 and variance 1 over time", async () => {
    const y = new TimeNorm(init(), 3).forward(noise(2, 50, 3).mul(4).add(1))
    await expectClose(y.mean(1), full([2, 3], 0))
    await expectClose(y.mul(y).mean(1), full([2, 3], 1), 1e-4)
  })

  test("a key projection without bias needs three projections", () => {
    const layer = new SelfAttention(init(), 8, { heads: 2, keyBias: false, fused: false })
    expect([layer.query!.bias, layer.key!.bias, layer.value!.bias].map(bias => bias !== null)).toEqual([
      true,
      false,
      true,
    ])
    expect(() => new SelfAttention(init(), 8, { heads: 2, keyBias: false })).toThrow(/fused: false/)
  })
})

describe("what training hides", () => {
  test("spans of the given length, about as much as asked for", async () => {
    const run = (axis: 1 | 2) =>
      withRandom(randomKey(5), () => maskSpans(full([4, 200, 160], 1), full([], 0), { rate: 0.2, length: 5, axis }))
    const time = await numbers(run(1).select(2, 0)) // [4 200]
    const share = time.filter(x => x === 0).length / time.length
    expect(share).toBeGreaterThan(0.1)
    expect(share).toBeLessThan(0.3)
    for (let row = 0; row < 4; row++) {
      const text = time.slice(row * 200, row * 200 + 195).join("")
      for (const span of text.match(/10+(?=1)/g) ?? []) expect(span.length).toBeGreaterThan(5)
    }
    const channels = run(2) // the same at all times
    await expectClose(channels.select(1, 0), channels.select(1, 100))
  })

  test("nothing where nothing is asked for", async () => {
    const x = noise(1, 4, 3)
    await expectClose(maskSpans(x, full([], 0), { rate: 0, length: 2, axis: 1 }), x)
    await expectClose(maskSpans(x, full([], 0), { rate: 0.5, length: 9, axis: 1 }), x)
  })

  test("a layer is skipped at its rate in training only", async () => {
    const module = new TimeNorm(init(), 2)
    const x = full([1, 2, 2], 1)
    const run = (seed: number) => withRandom(randomKey(seed), () => skipLayer(module, x, 0.5, y => y.mul(2)))
    expect(new Set(await numbers(skipLayer(module, x, 0.5, y => y.mul(2))))).toEqual(new Set([2]))
    module.train()
    const seen = new Set<number>()
    for (let seed = 0; seed < 12; seed++) for (const value of await numbers(run(seed))) seen.add(value)
    expect(seen).toEqual(new Set([1, 2]))
  })
})
