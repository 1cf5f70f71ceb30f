// Transformer-XL: segments, caches, padding and the adaptive softmax, beside the golden numbers.

import { describe, expect, test } from "vitest"
import { generateIds } from "../../src/generate/index.ts"
import {
  loadWeights,
  type ModelFamily,
  publishedWeights,
  type TransformerXL,
  transfoXl,
} from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { compile, evaluateOn, scalar } from "../../src/runtime/index.ts"
import { fromHost, grad, type HostArray, randomKey, type Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]

const small = {
  vocabulary: 17,
  cutoffs: [5, 11],
  width: 16,
  embeddingWidth: 16,
  shrink: 2,
  layers: 2,
  heads: 2,
  headWidth: 8,
  inner: 24,
  memory: 4,
  farthest: 6,
  deviation: 0.3,
  projectionDeviation: 0.3,
}

const kinds: readonly (readonly [string, () => TransformerXL])[] = [
  ["norms behind, all see as many keys", () => transfoXl.build({ ...small, shrink: 1 }, { seed: 3 })],
  [
    "norms before, all see everything",
    () => transfoXl.build({ ...small, normFirst: true, sameLength: false }, { seed: 3 }),
  ],
  [
    "shared vectors, a narrow table",
    () => transfoXl.build({ ...small, shrink: 1, embeddingWidth: 8, ownBiases: false }, { seed: 3 }),
  ],
  [
    "no memories, no farthest distance",
    () => transfoXl.build({ ...small, memory: 0, sameLength: false, farthest: 0 }, { seed: 3 }),
  ],
  [
    "weights of its own in the output",
    () => transfoXl.build({ ...small, tieEmbeddings: false, tieProjections: [false, false, true] }, { seed: 3 }),
  ],
]

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const number = (value: number): Tensor => fromHost(Int32Array.of(value), [], "i32")
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(a: readonly number[], b: readonly number[], tolerance = 2e-5): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}: ${x} and ${b[i]}`).toBeLessThanOrEqual(tolerance)
}

const row = [3, 12, 4, 1, 15, 9, 2, 6]

describe.each(kinds)("%s", (_, make) => {
  test("logits are log-probabilities; losses are theirs, of every section", async () => {
    const model = make()
    const { logits, loss, losses } = model.forward(ids(row), { labels: ids(row.map((id, i) => (i === 3 ? -100 : id))) })
    const values = await numbers(logits)
    for (let t = 0; t < row.length; t++) {
      const sum = values.slice(t * 17, (t + 1) * 17).reduce((total, x) => total + Math.exp(x), 0)
      expect(sum).toBeCloseTo(1, 5)
    }
    const wanted = row.slice(1).map((id, t) => (t === 2 ? 0 : -values[t * 17 + id]!))
    expectClose(await numbers(losses!), wanted)
    expectClose(await numbers(loss!), [wanted.reduce((a, b) => a + b) / 6])
    const targets = model.forward(ids(row), { targets: ids([...row.slice(1, 3), -100, ...row.slice(4), -100]) })
    expectClose(await numbers(targets.losses!), [...wanted, 0])
  })

  test("every weight has a gradient", async () => {
    const model = make()
    const { loss } = model.forward(ids(row), { labels: ids(row) })
    const gradients = await evaluateOn("reference", grad(loss!, model.parameters()))
    for (const [i, path] of [...model.namedParameters().keys()].entries())
      expect(
        [...gradients[i]!].some(x => x !== 0),
        path,
      ).toBe(true)
  })

  test("the cache changes nothing: all at once, in pieces, one by one", async () => {
    const rows = [row, [2, 7, 1, 8, 2, 16, 1, 8]]
    const model = make()
    const whole = await numbers(model.forward(ids(...rows)).logits)
    for (const pieces of [[8], [5, 3], [1, 1, 1, 1, 1, 1, 1, 1]]) {
      const cache = model.createCache({ batch: 2, capacity: 10 })
      const logits: number[][] = [[], []]
      let at = 0
      for (const size of pieces) {
        const part = ids(...rows.map(one => one.slice(at, at + size)))
        const out = await numbers(model.forward(part, { cache, offset: number(at) }).logits)
        for (const b of [0, 1]) logits[b]!.push(...out.slice((b * out.length) / 2, ((b + 1) * out.length) / 2))
        at += size
      }
      expectClose(logits.flat(), whole)
    }
  })

  test("a row that is padded on the left gives what it gives alone, with and without a cache", async () => {
    const model = make()
    const [long, short] = [row.slice(0, 5), [9, 13, 6]]
    const alone = async (one: number[]): Promise<number[]> => (await numbers(model.forward(ids(one)).logits)).slice(-17)
    const expected = [...(await alone(long)), ...(await alone(short))]
    const both = ids(long, [0, 0, ...short])
    const { logits } = model.forward(both, { attentionMask: ids([1, 1, 1, 1, 1], [0, 0, 1, 1, 1]) })
    const all = await numbers(logits)
    expectClose([...all.slice(4 * 17, 5 * 17), ...all.slice(9 * 17)], expected)
    const cache = model.createCache({ batch: 2, capacity: 8 })
    const options = { cache, attentionMask: ids([1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1]) }
    await numbers(
      model.forward(ids(long.slice(0, 4), [0, 0, ...short.slice(0, 2)]), { ...options, offset: number(0) }).logits,
    )
    const last = model.forward(ids([long[4]!], [short[2]!]), { ...options, offset: number(4) })
    expectClose(await numbers(last.logits), expected)
  })

  test("what is written is read again", async () => {
    const model = make()
    const record: Record<string, { shape: readonly number[]; data: HostArray; dtype: "f32" }> = {}
    for (const [name, lazy] of Object.entries(publishedWeights(model, transfoXl as unknown as ModelFamily)))
      record[name] = { dtype: "f32", shape: lazy.shape, data: (await lazy.load()).data as HostArray }
    const config = transfoXl.readConfig(transfoXl.writeConfig(model.config))
    expect(config).toEqual(model.config)
    const again = transfoXl.build(config, { seed: 9 })
    const read = (name: string) => record[name] as never
    await loadWeights(again, transfoXl as unknown as ModelFamily, {
      names: Object.keys(record),
      info: name => record[name]!,
      read,
    })
    expectClose(await numbers(again.forward(ids(row)).logits), await numbers(model.forward(ids(row)).logits))
  })
})

describe("segments", () => {
  test("with as many keys for all, segments with memories see what one long text shows", async () => {
    const model = kinds[0]![1]()
    const whole = await numbers(model.forward(ids(row)).logits)
    const first = model.forward(ids(row.slice(0, 5)))
    expect(first.mems!.map(one => one.shape)).toEqual([1, 2].map(() => [4, 1, 16]))
    const second = model.forward(ids(row.slice(5)), { mems: first.mems! })
    expectClose([...(await numbers(first.logits)), ...(await numbers(second.logits))], whole)
  })

  test("memories give no gradient, and inner values are those of the segment that asks", async () => {
    const model = kinds[0]![1]()
    const first = model.forward(ids(row.slice(0, 5)))
    const second = model.forward(ids(row.slice(5)), {
      mems: first.mems!,
      outputs: { hiddenStates: true, attentions: true },
    })
    expect(second.hiddenStates!.map(x => x.shape)).toEqual([1, 2, 3].map(() => [1, 3, 16]))
    expect(second.attentions!.map(x => x.shape)).toEqual([1, 2].map(() => [1, 2, 3, 7]))
    const sums = await numbers(second.attentions![1]!.sum(-1))
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5)
    const embedded = fromHost(new Float32Array(5 * 16).fill(0.1), [1, 5, 16], "f32")
    const before = model.forward(embedded)
    const after = model.forward(ids(row.slice(5)), { mems: before.mems! })
    expect(await numbers(grad(after.logits.sum(), [embedded])[0]!)).toEqual(new Array(5 * 16).fill(0))
  })

  test("what does not fit is refused", () => {
    const model = kinds[0]![1]()
    const { mems } = model.forward(ids(row))
    expect(() => model.forward(ids(row), { mems: mems!.slice(1) })).toThrow(/for each of 2 blocks, but got \[4 1 16\]/)
    expect(() => model.forward(ids(row, row), { mems: mems! })).toThrow(/\[M 2 16\]/)
    expect(() => model.forward(ids(row), { mems: mems!, attentionMask: ids(row.map(() => 1)) })).toThrow(
      /no attentionMask/,
    )
    const cache = model.createCache({ batch: 1, capacity: 4 })
    expect(() => model.forward(ids([1]), { cache })).toThrow(/no offset/)
    expect(() => model.forward(ids([1], [2]), { cache, offset: number(0) })).toThrow(/for 2 rows/)
    expect(() => model.forward(ids([1]), { attentionMask: ids([1, 1]) })).toThrow(/\[1 1\], but got \[1 2\]/)
  })
})

test("an id beyond the vocabulary is an error when the program runs", async () => {
  const model = kinds[1]![1]()
  await expect(numbers(model.forward(ids([3, 17])).logits)).rejects.toThrow()
  await expect(numbers(model.forward(ids([3, 4]), { targets: ids([3, 17]) }).loss!)).rejects.toThrow()
})

describe.each(devices)("%s", device => {
  test("decoding replays one program for every position", async () => {
    const model = kinds[1]![1]()
    const whole = await numbers(model.forward(ids(row)).logits)
    const cache = model.createCache({ batch: 1, capacity: 10 })
    const step = compile((x: Tensor, offset: Tensor) => model.forward(x, { cache, offset }).logits, { device })
    const found: number[] = []
    for (const [i, id] of row.entries()) {
      const logits = await step(ids([id]), scalar(i, "i32"))
      found.push(...(await evaluateOn(device, [logits]))[0]!)
    }
    expectClose(found, whole, 1e-4)
    expect(step.programs().size).toBe(1)
  })

  test("prompts of different lengths are continued as each is alone, with and without a cache", async () => {
    const model = kinds[1]![1]()
    const options = { maxNewTokens: 9, doSample: false, padTokenId: 0, device }
    const prompts = [row.slice(0, 5), row.slice(6)]
    const written = async (of: number[][], more: object = {}): Promise<number[][]> =>
      (await generateIds(model, of, { ...options, ...more })).sequences.map(sequence => [...sequence].slice(-9))
    const both = await written(prompts)
    expect(both).toEqual([...(await written(prompts.slice(0, 1))), ...(await written(prompts.slice(1)))])
    expect(await written(prompts, { useCache: false })).toEqual(both)
  })

  test("a training step lowers the loss", async () => {
    const model = kinds[0]![1]().train()
    const weights = model.trainableParameters()
    const step = compile(
      (x: Tensor, key: Tensor) => {
        const { loss } = withRandom(key, () => model.forward(x, { labels: x }))
        for (const [i, g] of grad(loss!, weights).entries()) weights[i]!.assign(weights[i]!.sub(g.mul(0.05)))
        return loss!
      },
      { device },
    )
    const losses: number[] = []
    for (let i = 0; i < 30; i++) losses.push((await evaluateOn(device, [await step(ids(row), randomKey(i))]))[0]![0]!)
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 1.5)
  })
})
