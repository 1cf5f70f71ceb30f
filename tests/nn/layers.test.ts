import { describe, expect, test } from "vitest"
import {
  alibiBias,
  alibiSlopes,
  CrossAttention,
  FeedForward,
  Initializer,
  KeyValueCache,
  LayerNorm,
  PostNormBlock,
  PreNormBlock,
  RelativeBias,
  type RMSNorm,
  rotaryFrequencies,
  rotate,
  rotationOf,
  SelfAttention,
  SinusoidalPositions,
  sinusoids,
  withRandom,
} from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { arange, fromHost, full, grad, normal, randomKey, type Tensor, tapNames } from "../../src/tensor/index.ts"

const init = (): Initializer => new Initializer({ seed: 1 })
const noise = (...shape: number[]): Tensor => normal(shape, randomKey(7), { stream: 3 })
const number = (value: number): Tensor => fromHost(Int32Array.of(value), [], "i32")
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

async function expectClose(a: Tensor, b: Tensor, tolerance = 1e-5): Promise<void> {
  expect(a.shape).toEqual(b.shape)
  const [x, y] = [await numbers(a), await numbers(b)]
  for (const [i, one] of x.entries()) expect(Math.abs(one - y[i]!), `${i}`).toBeLessThanOrEqual(tolerance)
}

describe("self-attention", () => {
  test("one projection and three give the same", async () => {
    const fused = new SelfAttention(init(), 8, { heads: 4, groups: 2 })
    const three = new SelfAttention(init(), 8, { heads: 4, groups: 2, fused: false })
    const [w, b] = [fused.qkv!.weight, fused.qkv!.bias!]
    for (const [layer, from, to] of [
      [three.query!, 0, 8],
      [three.key!, 8, 12],
      [three.value!, 12, 16],
    ] as const) {
      layer.weight.assign(w.slice(0, from, to))
      layer.bias!.assign(b.slice(0, from, to))
    }
    three.out.loadState(fused.out.state())
    const x = noise(2, 5, 8)
    await expectClose(fused.forward(x), three.forward(x))
    const rotation = rotationOf(arange(5), { width: 2, context: 8 })
    await expectClose(fused.forward(x, { rotation }), three.forward(x, { rotation }))
  })

  test("it is causal unless told otherwise, and a window hides what is far", async () => {
    const x = noise(1, 6, 8)
    const changed = x.add(arange(6).eq(5).cast("f32").reshape([1, 6, 1]))
    const early = async (options: { causal?: boolean; window?: number }, moved: Tensor): Promise<boolean> => {
      const layer = new SelfAttention(init(), 8, { heads: 2, ...options })
      const [a, b] = [await numbers(layer.forward(x).select(1, 0)), await numbers(layer.forward(moved).select(1, 0))]
      return a.some((one, i) => one !== b[i])
    }
    expect(await early({}, changed)).toBe(false)
    expect(await early({ causal: false }, changed)).toBe(true)
    expect(await early({ causal: false, window: 2 }, changed)).toBe(false)
  })

  test("attention weights are dropped in training only", async () => {
    const layer = new SelfAttention(init(), 8, { heads: 2, dropout: 0.5 })
    const x = noise(1, 6, 8)
    const run = (seed: number): Tensor => withRandom(randomKey(seed), () => layer.forward(x))
    expect(await numbers(run(1))).toEqual(await numbers(run(2)))
    layer.train()
    expect(await numbers(run(1))).not.toEqual(await numbers(run(2)))
    expect(() => layer.forward(x)).toThrow(/withRandom/)
  })
})

test("cross-attention sees its memory, wider than x, made once or each time", async () => {
  const layer = new CrossAttention(init(), 8, { heads: 2, memoryWidth: 6 })
  const [x, memory] = [noise(2, 3, 8), noise(2, 5, 6)]
  const mask = fromHost(Uint8Array.of(1, 1, 1, 0, 0, 1, 1, 1, 1, 1), [2, 1, 1, 5], "bool")
  await expectClose(layer.forward(x, layer.remember(memory), { mask }), layer.forward(x, memory, { mask }))
  const lengths = fromHost(Int32Array.of(3, 5), [2], "i32")
  await expectClose(layer.forward(x, memory, { lengths }), layer.forward(x, memory, { mask }))
})

describe("blocks", () => {
  const parts = (norm: (from: Initializer) => LayerNorm | RMSNorm) => {
    const from = init()
    return {
      attentionNorm: norm(from),
      attention: new SelfAttention(from, 8, { heads: 2 }),
      feedForwardNorm: norm(from),
      feedForward: new FeedForward(from, 8, { inner: 12, activation: "gelu", gated: true }),
      cross: { norm: norm(from), attention: new CrossAttention(from, 8, { heads: 2 }) },
    }
  }

  test.each([
    ["before", PreNormBlock],
    ["after", PostNormBlock],
  ] as const)("normalization %s: every weight has a gradient, with and without a memory", async (_, Block) => {
    const block = new Block(parts(from => new LayerNorm(from, 8)))
    const x = noise(2, 4, 8)
    const y = block.forward(x, { memory: noise(2, 3, 8) })
    expect(y.shape).toEqual(x.shape)
    const gradients = await evaluateOn("reference", grad(y.mul(noise(2, 4, 8).exp()).sum(), block.parameters()))
    for (const [i, path] of [...block.namedParameters().keys()].entries())
      if (!path.endsWith("key.bias"))
        expect(
          gradients[i]!.some(one => one !== 0),
          path,
        ).toBe(true)
    expect(tapNames([block.forward(x)])).not.toContain("cross.z")
    expect(tapNames([y])).toContain("cross.z")
  })

  test("normalization after gives normal rows", async () => {
    const y = new PostNormBlock(parts(from => new LayerNorm(from, 8))).forward(noise(1, 3, 8))
    await expectClose(y.mean(-1), full([1, 3], 0))
    await expectClose(y.variance(-1), full([1, 3], 1), 1e-3)
  })
})

describe("positions", () => {
  test("ALiBi's slopes as published", () => {
    expect([...alibiSlopes(8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map(i => 2 ** -i))
    expect([...alibiSlopes(6)].map(x => Math.log2(x))).toEqual([-2, -4, -6, -8, -1, -3])
  })

  test("biases of a later part are those of the whole", async () => {
    const relative = new RelativeBias(init(), 4, { buckets: 8, maxDistance: 16 })
    for (const bias of [
      (T: number, S: number, offset?: Tensor) => alibiBias(4, T, S, offset),
      (T: number, S: number, offset?: Tensor) => relative.forward(T, S, offset),
    ]) {
      const whole = bias(9, 9)
      expect(whole.shape).toEqual([1, 4, 9, 9])
      await expectClose(bias(2, 9, number(5)), whole.slice(2, 5, 7), 0)
    }
    expect((await numbers(alibiBias(8, 3, 3))).slice(0, 9)).toEqual(
      [0, -0.5, -1, -0.5, 0, -0.5, -1, -0.5, 0].map(x => x || -0),
    )
  })

  test("rows of sinusoids are looked up, and are no weights", async () => {
    const layer = new SinusoidalPositions(10, 8)
    await expectClose(layer.forward(arange(3, 6)), sinusoids(10, 8).slice(0, 3, 6), 0)
    expect(layer.parameterCount()).toBe(0)
    expect(layer.state().size).toBe(0)
  })

  test("turning keeps lengths, and products depend on distances only", async () => {
    const options = { width: 4, context: 100 }
    const [q, k] = [noise(1, 1, 2, 4), noise(1, 1, 2, 4).mul(0.5).add(1)]
    const turned = (x: Tensor, at: number): Tensor =>
      rotate(x, rotationOf(fromHost(Int32Array.of(at), [1], "i32"), options))
    await expectClose(turned(q, 17).mul(turned(q, 17)).sum(-1), q.mul(q).sum(-1))
    await expectClose(turned(q, 17).mul(turned(k, 12)).sum(-1), turned(q, 5).mul(k).sum(-1))
  })

  test("only a part of each head turns where the angles are fewer", async () => {
    const x = noise(1, 3, 2, 6)
    const y = rotate(x, rotationOf(arange(3), { width: 4, context: 8 }))
    await expectClose(y.slice(3, 4), x.slice(3, 4), 0)
    expect(() => rotate(x, rotationOf(arange(3), { width: 8, context: 8 }))).toThrow(/at least 8 elements, but got 6/)
  })

  test("rotary options out of range are refused", () => {
    expect(() => rotaryFrequencies({ width: 3, context: 8 })).toThrow(/even/)
    expect(() => rotaryFrequencies({ width: 4, context: 8, scaling: { kind: "linear", factor: 0.5 } })).toThrow(
      /factor/,
    )
    expect(() => sinusoids(4, 8, "wavy" as "halves")).toThrow(/stretched/)
  })
})

test("a cache puts rows in another order", async () => {
  const cache = new KeyValueCache({ layers: 1, batch: 3, groups: 1, capacity: 2, headWidth: 1 })
  const values = fromHost(Float32Array.of(1, 2, 3), [3, 1, 1, 1], "f32")
  cache.layers[0]!.extend(values, values.neg(), number(1))
  cache.reorder(fromHost(Int32Array.of(2, 2, 0), [3], "i32"))
  expect(await numbers(cache.layers[0]!.keys)).toEqual([0, 3, 0, 3, 0, 1])
  expect(await numbers(cache.layers[0]!.values)).toEqual([0, -3, 0, -3, 0, -1])
  expect(() => cache.layers[0]!.extend(full([3, 1, 3, 1], 0), full([3, 1, 3, 1], 0), number(0))).toThrow(
    /more positions/,
  )
  expect(() => new KeyValueCache({ ...cache.sizes, capacity: 0 })).toThrow(/capacity/)
})
