import { describe, expect, test } from "vitest"
import {
  gemma,
  gemma2,
  gpt2,
  gptNeo,
  type LanguageModel,
  llama,
  mistral,
  openaiGpt,
  phi3,
  qwen2,
} from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, grad, randomKey, type Tensor, tapNames } from "../../src/tensor/index.ts"

const small = { vocabulary: 17, context: 12, width: 16, layers: 2, heads: 4 }

const grouped = { ...small, groups: 2, inner: 24, deviation: 0.2 }

const makers: readonly (readonly [string, () => LanguageModel])[] = [
  ["gpt2", () => gpt2.build(small, { seed: 3 })],
  ["llama", () => llama.build({ ...small, groups: 2, inner: 24 }, { seed: 3 })],
  [
    "llama dynamic",
    () => llama.build({ ...small, inner: 24, context: 6, ropeScaling: { kind: "dynamic", factor: 2 } }, { seed: 3 }),
  ],
  ["openai-gpt", () => openaiGpt.build(small, { seed: 3 })],
  ["gpt_neo", () => gptNeo.build({ ...small, window: 3, deviation: 0.2 }, { seed: 3 })],
  ["mistral", () => mistral.build({ ...grouped, window: 3 }, { seed: 3 })],
  ["gemma", () => gemma.build({ ...grouped, headWidth: 6 }, { seed: 3 })],
  ["gemma2", () => gemma2.build({ ...grouped, headWidth: 6, queryScale: 5, window: 3 }, { seed: 3 })],
  ["qwen2", () => qwen2.build({ ...grouped, windowed: true, window: 3, fullLayers: 1 }, { seed: 3 })],
  ["phi3", () => phi3.build({ ...grouped, headWidth: 8, turning: 0.5, window: 4 }, { seed: 3 })],
]

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const number = (value: number): Tensor => fromHost(Int32Array.of(value), [], "i32")

const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(a: readonly number[], b: readonly number[], tolerance = 1e-5): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}: ${x} and ${b[i]}`).toBeLessThanOrEqual(tolerance)
}

describe.each(makers)("%s", (name, make) => {
  test("labels are shifted, targets are not, and both give one loss", async () => {
    const model = make()
    const row = [3, 1, 4, 1, 5, 9]
    const byLabels = model.forward(ids(row), { labels: ids([3, 1, -100, 1, 5, 9]) }).loss!
    const byTargets = model.forward(ids(row), { targets: ids([1, -100, 1, 5, 9, -100]) }).loss!
    const logits = await numbers(model.forward(ids(row)).logits)
    let sum = 0
    for (const [t, target] of [1, -100, 1, 5, 9].entries()) {
      if (target < 0) continue
      const rowLogits = logits.slice(t * 17, (t + 1) * 17)
      sum += Math.log(rowLogits.reduce((total, x) => total + Math.exp(x), 0)) - rowLogits[target]!
    }
    expectClose(await numbers(byLabels), [sum / 4])
    expectClose(await numbers(byTargets), [sum / 4])
    expect(() => model.forward(ids(row), { labels: ids(row), targets: ids(row) })).toThrow(/both/)
  })

  test("every weight has a gradient", async () => {
    const model = make()
    const { loss } = model.forward(ids([3, 1, 4, 1, 5, 9]), { labels: ids([3, 1, 4, 1, 5, 9]) })
    const gradients = await evaluateOn("reference", grad(loss!, model.parameters()))
    for (const [i, path] of [...model.namedParameters().keys()].entries())
      if (!/(key|query)\.bias$/.test(path))
        expect(
          [...gradients[i]!].some(x => x !== 0),
          path,
        ).toBe(true)
  })

  test("inner values have stable names, and are given on request", async () => {
    const model = make()
    const input = ids([3, 1, 4, 1])
    const names = tapNames([model.forward(input).logits])
    for (const wanted of [
      "hidden.0",
      "hidden.2",
      "blocks.1.attention.pattern",
      "blocks.0.attention.z",
      "blocks.0.middle",
    ])
      expect(names).toContain(wanted)
    const { hiddenStates, attentions, logits } = model.forward(input, {
      outputs: { hiddenStates: true, attentions: true },
    })
    expect(hiddenStates!.map(x => x.shape)).toEqual([1, 2, 3].map(() => [1, 4, 16]))
    expect(attentions!.map(x => x.shape)).toEqual([1, 2].map(() => [1, 4, 4, 4]))
    expectClose(await numbers(logits), await numbers(model.forward(input).logits))
    const last = await numbers(attentions![1]!.sum(-1))
    expectClose(
      last,
      last.map(() => 1),
    )
  })

  test("the same seed gives the same weights; parameters bear their paths", async () => {
    const [a, b] = [make(), make()]
    expect(await numbers(a.parameters()[0]!)).toEqual(await numbers(b.parameters()[0]!))
    for (const [path, parameter] of a.namedParameters()) expect(parameter.name).toBe(path)
  })

  test("ids, masks and positions that do not fit are refused", () => {
    const model = make()
    expect(() => model.forward(fromHost(Float32Array.of(1), [1, 1], "f32"))).toThrow(/i32 \[B T\], but got f32/)
    expect(() => model.forward(fromHost(Int32Array.of(1), [1], "i32"))).toThrow(/\[B T\], but got \[1\]/)
    if (name !== "llama dynamic")
      expect(() => model.forward(ids(new Array<number>(13).fill(0)))).toThrow(
        /at most 12 tokens, the model's context, but got 13/,
      )
    expect(() => model.forward(ids([1, 2]), { attentionMask: ids([1, 1, 1]) })).toThrow(/\[1 2\], but got \[1 3\]/)
    expect(() => model.forward(ids([1, 2]), { positionIds: ids([0, 1, 2]) })).toThrow(/positionIds/)
    expect(() => model.forward(ids([1, 2]), { labels: ids([0, 1, 2]) })).toThrow(/labels/)
    const cache = model.createCache({ batch: 1, capacity: 4 })
    expect(() => model.forward(ids([1, 2]), { cache })).toThrow(/offset/)
    expect(() => model.forward(ids([1, 2], [3, 4]), { cache, offset: number(0) })).toThrow(
      /for 2 rows, but got one for 1/,
    )
  })
})

// with dynamic scaling, angles of cached keys belong to the length they were written at, as published
describe.each(makers.filter(([name]) => name !== "llama dynamic"))("%s, cached", (_, make) => {
  test("the cache changes nothing: all at once, in pieces, one by one", async () => {
    const rows = [
      [3, 1, 4, 1, 5, 9, 2, 6],
      [2, 7, 1, 8, 2, 8, 1, 8],
    ]
    const model = make()
    const whole = await numbers(model.forward(ids(...rows)).logits)
    for (const pieces of [[8], [5, 3], [1, 1, 1, 1, 1, 1, 1, 1]]) {
      const cache = model.createCache({ batch: 2, capacity: 10 })
      const logits: number[][] = [[], []]
      let at = 0
      for (const size of pieces) {
        const part = ids(...rows.map(row => row.slice(at, at + size)))
        const out = await numbers(model.forward(part, { cache, offset: number(at) }).logits)
        for (const b of [0, 1]) logits[b]!.push(...out.slice((b * out.length) / 2, ((b + 1) * out.length) / 2))
        at += size
      }
      expectClose(logits.flat(), whole)
    }
  })

  test("the cache with left padding gives each row what it gives alone", async () => {
    const model = make()
    const [long, short] = [
      [3, 1, 4, 1, 5],
      [9, 2, 6],
    ]
    const cache = model.createCache({ batch: 2, capacity: 8 })
    const attentionMask = ids([1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1])
    const first = ids(long.slice(0, 4), [0, 0, ...short.slice(0, 2)])
    const options = { cache, attentionMask }
    await numbers(
      model.forward(first, { ...options, offset: number(0), positionIds: ids([0, 1, 2, 3], [0, 0, 0, 1]) }).logits,
    )
    const second = model.forward(ids([long[4]!], [short[2]!]), {
      ...options,
      offset: number(4),
      positionIds: ids([4], [2]),
    })
    const last = async (row: number[]): Promise<number[]> => (await numbers(model.forward(ids(row)).logits)).slice(-17)
    expectClose(await numbers(second.logits), [...(await last(long)), ...(await last(short))])
  })
})

test("a place beyond the cache is an error when the program runs", async () => {
  const model = gpt2.build(small)
  const cache = model.createCache({ batch: 1, capacity: 4 })
  const { logits } = model.forward(ids([1, 2]), { cache, offset: number(3) })
  await expect(evaluateOn("reference", [logits])).rejects.toThrow(/start in 0\.\.2, but got 3/)
  expect(() => model.createCache({ batch: 1, capacity: 13 })).toThrow(/up to the context 12/)
})

test("dropout acts in training only", async () => {
  const model = gpt2.build({ ...small, attentionDropout: 0.5 })
  const run = (seed: number): Tensor => withRandom(randomKey(seed), () => model.forward(ids([1, 2, 3])).logits)
  const still = await numbers(run(1))
  expect(await numbers(run(2))).toEqual(still)
  model.train()
  const dropped = await numbers(run(1))
  expect(dropped).not.toEqual(still)
  expect(await numbers(run(1))).toEqual(dropped)
  expect(await numbers(run(2))).not.toEqual(dropped)
})

test("a classifier reads the last token before padding", async () => {
  const model = gpt2.build({ ...small, head: "classification", labels: ["a", "b", "c"], padToken: 0 })
  const answer = (...rows: number[][]): Promise<number[]> => numbers(model.forward(ids(...rows)).logits)
  const [short, long] = [await answer([5, 6, 7]), await answer([5, 6, 7, 8, 9])]
  expectClose(await answer([5, 6, 7, 0, 0], [5, 6, 7, 8, 9]), [...short, ...long])
  expect(() => model.project(model.forward(ids([1])).hidden)).toThrow(/classifier/)
  const none = gpt2.build({ ...small, head: "classification" })
  expect(() => none.forward(ids([1, 2], [3, 4]))).toThrow(/padding token/)
  expect(none.forward(ids([1, 2])).logits.shape).toEqual([1, 2])
})
