import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type BatchOrder, BatchSampler, DataError, evaluationBatches, TokenDataset } from "../../src/data/index.ts"

const counting = (length: number) =>
  new TokenDataset(
    Int32Array.from({ length }, (_, i) => i),
    length,
  )
const orders: BatchOrder[] = ["random", "shuffled", "sequential"]

describe("BatchSampler", () => {
  it.each(orders)("cuts windows whose targets are one token later (%s)", order => {
    const sampler = new BatchSampler(counting(50), { batchSize: 3, context: 7, order, seed: 1 })
    for (let i = 0; i < 40; i++) {
      const { inputs, targets, shape } = sampler.next()
      expect(shape).toEqual([3, 7])
      expect([...targets]).toEqual([...inputs].map(id => id + 1))
    }
  })

  it.each(orders)("goes on bit for bit where it was (%s)", order => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(30), fc.integer({ min: 9, max: 200 }), (seed, drawn, length) => {
        const dataset = counting(length)
        const straight = new BatchSampler(dataset, { batchSize: 4, context: 8, order, seed })
        for (let i = 0; i < drawn; i++) straight.next()
        const resumed = BatchSampler.resume(dataset, JSON.parse(JSON.stringify(straight.state())))
        for (let i = 0; i < 5; i++) expect(resumed.next()).toEqual(straight.next())
      }),
      { numRuns: 40 },
    )
  })

  it("reaches every window, the first and the last included", () => {
    const sampler = new BatchSampler(counting(12), { batchSize: 8, context: 4, seed: 5 })
    const starts = new Set<number>()
    for (let i = 0; i < 50; i++) {
      const { inputs } = sampler.next()
      for (let row = 0; row < 8; row++) starts.add(inputs[row * 4]!)
    }
    expect([...starts].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it("sees each window once an epoch when it shuffles, in another order each time", () => {
    const sampler = new BatchSampler(counting(41), { batchSize: 2, context: 4, order: "shuffled", seed: 9 })
    expect(sampler.batchesPerEpoch).toBe(5)
    const epoch = () => Array.from({ length: 5 }, () => sampler.next().inputs).flatMap(inputs => [inputs[0], inputs[4]])
    const first = epoch()
    const second = epoch()
    expect(first).not.toEqual(second)
    const all = Array.from({ length: 10 }, (_, i) => i * 4)
    expect([...first].sort((a, b) => a! - b!)).toEqual(all)
    expect([...second].sort((a, b) => a! - b!)).toEqual(all)
  })

  it("draws other batches from other seeds", () => {
    const draw = (seed: number) => new BatchSampler(counting(1000), { batchSize: 4, context: 8, seed }).next().inputs
    expect(draw(1)).not.toEqual(draw(2))
  })

  it("refuses what it cannot do, and says what would do", () => {
    expect(() => new BatchSampler(counting(8), { batchSize: 1, context: 8 })).toThrow(
      /corpus of 9 tokens or more \(the context and one more\), but got 8\n {2}hint: use a longer text, or a context of 7 or less/,
    )
    expect(() => new BatchSampler(counting(8), { batchSize: 0, context: 2 })).toThrow(DataError)
    expect(() => new BatchSampler(counting(8), { batchSize: 1, context: 1.5 })).toThrow(DataError)
    expect(() => new BatchSampler(counting(8), { batchSize: 1, context: 2, seed: 0.5 })).toThrow(/whole number as seed/)
    const state = new BatchSampler(counting(9), { batchSize: 1, context: 2 }).state()
    expect(() => BatchSampler.resume(counting(8), state)).toThrow(/expected the corpus of 9 tokens/)
    expect(() => BatchSampler.resume(counting(9), { ...state, position: -1 })).toThrow(DataError)
    const edited = new TokenDataset(Int32Array.from(counting(9).tokens).fill(1, 4, 5), counting(9).vocabularySize)
    expect(() => BatchSampler.resume(edited, state)).toThrow(/another text of that length/)
  })
})

describe("evaluationBatches", () => {
  it("covers the corpus once, the rest in a smaller batch", () => {
    const batches = [...evaluationBatches(counting(30), { batchSize: 4, context: 4 })]
    expect(batches.map(batch => batch.shape[0])).toEqual([4, 3])
    expect(batches.flatMap(batch => [...batch.inputs])).toEqual(Array.from({ length: 28 }, (_, i) => i))
  })

  it("spreads a limited number over the corpus", () => {
    const batches = [...evaluationBatches(counting(401), { batchSize: 2, context: 4, batches: 2 })]
    expect(batches.flatMap(batch => [batch.inputs[0], batch.inputs[4]])).toEqual([0, 100, 200, 300])
  })
})
