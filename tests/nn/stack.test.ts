// Stacks and what they are made of: learned positions, relative bias by windows, fused projections of a memory.

import { describe, expect, test } from "vitest"
import {
  CrossAttention,
  FeedForward,
  Initializer,
  LayerNorm,
  LearnedPositions,
  PreNormBlock,
  RelativeBias,
  relativeBuckets,
  SelfAttention,
  Stack,
} from "../../src/nn/index.ts"
import { evaluateOn, scalar } from "../../src/runtime/index.ts"
import {
  arange,
  concat,
  fromHost,
  grad,
  type HostArray,
  normal,
  randomKey,
  type Tensor,
} from "../../src/tensor/index.ts"

const compute = (...tensors: Tensor[]): Promise<HostArray[]> => evaluateOn("reference", tensors)
const init = (): Initializer => new Initializer({ seed: 5 })

describe("relative bias", () => {
  test.each([
    [5, 5, 0, true],
    [3, 8, 4, false],
    [1, 8, 7, false],
  ])(
    "of %i queries and %i keys from %i on has the row of each pair's distance",
    async (T, S, offset, bidirectional) => {
      const options = { buckets: 8, maxDistance: 6, bidirectional }
      const bias = new RelativeBias(init(), 3, options)
      const value = bias.forward(T, S, scalar(offset, "i32"))
      expect(value.shape).toEqual([1, 3, T, S])
      const pairs = arange(S).sub(arange(offset, offset + T).unsqueeze(1)) // [T S]
      const expected = bias.rows.forward(relativeBuckets(pairs, options)).rearrange("T S H -> 1 H T S")
      const weight = normal(value.shape, randomKey(1))
      const gradients = [value, expected].map(x => grad(x.mul(weight).sum(), [bias.rows.weight])[0]!)
      const [a, b, da, db] = await compute(value, expected, ...gradients)
      expect(a).toEqual(b)
      for (const [i, x] of db!.entries()) expect(Number(da![i])).toBeCloseTo(Number(x), 5)
    },
  )
})

test("learned positions leave out the rows that belong to none", async () => {
  const positions = new LearnedPositions(init(), 4, 6, { skipped: 2 })
  expect(positions.rows.weight.shape).toEqual([6, 6])
  const [some, last] = await compute(positions.forward(arange(3, 4)), positions.rows.weight.select(0, 5))
  expect(some).toEqual(last)
})

test("keys and values of a memory are the same from one projection as from two", async () => {
  const shape = { heads: 2, memoryWidth: 6, deviation: 0.5 }
  const [fused, apart] = [true, false].map(fused => new CrossAttention(init(), 4, { ...shape, fused })) as [
    CrossAttention,
    CrossAttention,
  ]
  const [k, v] = [apart.key!, apart.value!]
  fused.keyValue!.weight.assign(concat([k.weight, v.weight], 0))
  for (const part of ["query", "out"] as const) fused[part].weight.assign(apart[part].weight.value)
  const [x, memory] = [normal([2, 3, 4], randomKey(2)), normal([2, 5, 6], randomKey(3))]
  const [a, b, c] = await compute(
    fused.forward(x, memory),
    apart.forward(x, memory),
    apart.forward(x, apart.remember(memory)),
  )
  expect(a).toEqual(b)
  expect(c).toEqual(b)
  expect(() => new CrossAttention(init(), 4, { heads: 2, fused: true, keyBias: false })).toThrow(/pass fused: false/)
})

describe("a stack", () => {
  const norm = (): LayerNorm => new LayerNorm(init(), 4)
  const block = (cross: boolean): PreNormBlock =>
    new PreNormBlock({
      attentionNorm: norm(),
      attention: new SelfAttention(init(), 4, { heads: 2 }),
      ...(cross ? { cross: { norm: norm(), attention: new CrossAttention(init(), 4, { heads: 2 }) } } : {}),
      feedForwardNorm: norm(),
      feedForward: new FeedForward(init(), 4, { inner: 8, activation: "relu" }),
    })
  const x = fromHost(
    Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
    [1, 3, 4],
    "f32",
  )

  test("is its parts in order", async () => {
    const positions = new LearnedPositions(init(), 9, 4)
    const [one, first, last] = [block(false), norm(), norm()]
    const stack = new Stack({ blocks: [one], positions, embeddingNorm: first, norm: last })
    const at = arange(2, 5)
    const parts = last.forward(one.forward(first.forward(x.add(positions.forward(at)))))
    const [a, b] = await compute(stack.forward(x, { positions: at }), parts)
    expect(a).toEqual(b)
  })

  test("attends to one memory a block, and says when there are others", () => {
    const stack = new Stack({ blocks: [block(true), block(true)] })
    const memory = stack.remember(x)
    expect(memory.map(({ k }) => k.shape)).toEqual(Array(2).fill([1, 2, 3, 2]))
    expect(() => stack.forward(x, { memory: memory.slice(1) })).toThrow(/one for each of 2 blocks, but got 1/)
    expect(() => new Stack({ blocks: [block(false)] }).remember(x)).toThrow(/block with cross-attention/)
  })
})
