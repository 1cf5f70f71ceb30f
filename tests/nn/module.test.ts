import { describe, expect, test } from "vitest"
import {
  Buffer,
  Dropout,
  Embedding,
  FeedForward,
  Initializer,
  LayerNorm,
  Linear,
  Module,
  PreNormBlock,
  RMSNorm,
  SelfAttention,
  withRandom,
} from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { collectTaps, full, randomKey, type Tensor, tapNames, zeros } from "../../src/tensor/index.ts"

class Part extends Module {
  readonly inner: Linear
  readonly count: Buffer
  readonly table: Buffer
  readonly again: Linear

  constructor(init: Initializer) {
    super()
    this.inner = new Linear(init, 3, 2)
    this.count = new Buffer(zeros([1]))
    this.table = new Buffer(zeros([4]), { persistent: false })
    this.again = this.inner
  }

  forward(x: Tensor): Tensor {
    return this.tap("z", this.inner.forward(x))
  }
}

class Whole extends Module {
  readonly norm: LayerNorm
  readonly parts: readonly Part[]

  constructor(init: Initializer) {
    super()
    this.norm = new LayerNorm(init, 3)
    this.parts = [new Part(init), new Part(init)]
  }

  forward(x: Tensor): Tensor[] {
    const y = this.norm.forward(x)
    return this.parts.map(part => part.forward(y))
  }
}

const whole = (seed = 0): Whole => new Whole(new Initializer({ seed }))

const values = async (tensors: readonly Tensor[]): Promise<number[][]> =>
  (await evaluateOn("reference", tensors)).map(data => [...data])

describe("paths", () => {
  test("parameters, buffers and modules are found by their properties", () => {
    const module = whole()
    expect([...module.namedParameters().keys()]).toEqual([
      "norm.weight",
      "norm.bias",
      "parts.0.inner.weight",
      "parts.0.inner.bias",
      "parts.1.inner.weight",
      "parts.1.inner.bias",
    ])
    expect([...module.namedBuffers().keys()]).toEqual([
      "parts.0.count",
      "parts.0.table",
      "parts.1.count",
      "parts.1.table",
    ])
    expect([...module.namedModules().keys()]).toContain("parts.1.inner")
    expect(module.parameterCount()).toBe(3 + 3 + 2 * (6 + 2))
  })

  test("forward runs under the module's path", () => {
    const module = whole()
    expect(tapNames(module.forward(full([1, 3], 1)))).toEqual(["parts.0.z", "parts.1.z"])
    expect(tapNames(module.forward(full([1, 3], 1)))).toEqual(["parts.0.z", "parts.1.z"])
  })

  test("attention's inner values are found under the block's path", () => {
    const init = new Initializer()
    class Model extends Module {
      readonly blocks = [0, 1].map(
        () =>
          new PreNormBlock({
            attentionNorm: new RMSNorm(init, 8),
            attention: new SelfAttention(init, 8, { heads: 2 }),
            feedForwardNorm: new RMSNorm(init, 8),
            feedForward: new FeedForward(init, 8, { inner: 16, activation: "silu", gated: true }),
          }),
      )
      forward(x: Tensor): Tensor {
        return this.blocks.reduce((y, block) => block.forward(y), x)
      }
    }
    const y = new Model().forward(full([1, 3, 8], 1))
    const names = tapNames([y])
    for (const name of [
      "blocks.0.attention.pattern",
      "blocks.1.attention.scores",
      "blocks.1.feedForward.inner",
      "blocks.0.output",
    ])
      expect(names).toContain(name)
    const { taps } = collectTaps([y], name => name === "blocks.1.attention.pattern")
    expect([...taps.values()].map(t => t.shape)).toEqual([[1, 2, 3, 3]])
  })
})

describe("state", () => {
  test("goes out and in", async () => {
    const [a, b] = [whole(1), whole(2)]
    const before = await values(b.parameters())
    b.loadState(a.state())
    const after = await values(b.parameters())
    expect(after).toEqual(await values(a.parameters()))
    expect(after).not.toEqual(before)
    expect([...a.state().keys()]).toContain("parts.0.count")
    expect([...a.state().keys()]).not.toContain("parts.0.table")
  })

  test("unknown, missing and misshapen values are named", () => {
    const module = whole()
    const state = new Map<string, Tensor>(module.state())
    state.delete("norm.bias")
    expect(() => module.loadState(state)).toThrow(/no norm\.bias/)
    expect(() => module.loadState(state, { partial: true })).not.toThrow()
    state.set("norm.bias", zeros([4]))
    expect(() => module.loadState(state)).toThrow(/norm\.bias \[3\], but got \[4\]/)
    state.set("nrm", zeros([4]))
    expect(() => module.loadState(state)).toThrow(/unknown nrm/)
  })

  test("the seed decides the weights", async () => {
    expect(await values(whole(5).parameters())).toEqual(await values(whole(5).parameters()))
    expect(await values(whole(5).parameters())).not.toEqual(await values(whole(6).parameters()))
    const [first, second] = whole(5).parts
    expect(await values([first!.inner.weight])).not.toEqual(await values([second!.inner.weight]))
  })
})

describe("modes", () => {
  test("train and eval reach every module", () => {
    const module = whole()
    expect(module.training).toBe(false)
    module.train()
    expect([...module.namedModules().values()].every(one => one.training)).toBe(true)
    expect(module.eval().parts[1]!.inner.training).toBe(false)
  })

  test("freezing by path", () => {
    const module = whole()
    module.freeze("parts.0")
    expect(module.trainableParameters().length).toBe(4)
    expect(module.parameterCount({ trainable: true })).toBe(6 + 8)
    module.freeze(/bias$/)
    expect(module.trainableParameters().length).toBe(2)
    module.unfreeze()
    expect(module.trainableParameters().length).toBe(6)
    expect(() => module.freeze("part")).toThrow(/nothing fits part/)
  })

  test("weights in bf16 are not for training", () => {
    const layer = new Linear(new Initializer({ dtype: "bf16" }), 3, 2)
    expect(layer.weight.dtype).toBe("bf16")
    expect(layer.bias!.dtype).toBe("f32")
    expect(layer.weight.trainable).toBe(false)
    expect(() => layer.unfreeze()).toThrow(/in bf16/)
  })

  test("dropout drops in training only, and asks for a key there", async () => {
    const dropout = new Dropout(0.5)
    const x = full([64], 1)
    expect(dropout.forward(x)).toBe(x)
    dropout.train()
    expect(() => dropout.forward(x)).toThrow(/withRandom/)
    const draw = (seed: number): Tensor => withRandom(randomKey(seed), () => dropout.forward(x))
    const [a, b, c] = await values([draw(1), draw(1), draw(2)])
    expect(a).toEqual(b)
    expect(a).not.toEqual(c)
    expect([...new Set(a)].sort()).toEqual([0, 2])
    expect(() => new Dropout(1)).toThrow(/0 \.\. 1/)
  })
})

test("layers refuse sizes that do not fit", () => {
  const init = new Initializer()
  expect(() => new Linear(init, 0, 2)).toThrow(/width/)
  expect(() => new SelfAttention(init, 10, { heads: 3 })).toThrow(/share evenly/)
  expect(() => new SelfAttention(init, 12, { heads: 3, groups: 2 })).toThrow(/multiple/)
  expect(() => new FeedForward(init, 4, { inner: 8, activation: "gelus" as "gelu" })).toThrow(/gelu-tanh/)
  expect(() => new Embedding(init, 4, 2).forward(full([1], 0.5))).toThrow(/whole numbers/)
})
