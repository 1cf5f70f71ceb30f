// Adaptive embeddings and softmax against a plain table and a plain softmax of the same weights.

import { describe, expect, test } from "vitest"
import { AdaptiveEmbedding, AdaptiveSoftmax, Initializer, sectionsOf } from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { concat, fromHost, linear, logSoftmax, matmul, normal, randomKey, type Tensor } from "../../src/tensor/index.ts"

const sizes = { vocabulary: 9, cutoffs: [3, 5], width: 4, embeddingWidth: 4, shrink: 2 }
const deviations = { deviation: 0.5, projectionDeviation: 0.5 }
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]
const ids = (...list: number[]): Tensor => fromHost(Int32Array.from(list), [1, list.length], "i32")

function expectClose(a: readonly number[], b: readonly number[]): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}`).toBeLessThanOrEqual(1e-5)
}

test("sections get narrower", () => {
  expect(sectionsOf(sizes)).toEqual([
    { start: 0, end: 3, width: 4 },
    { start: 3, end: 5, width: 2 },
    { start: 5, end: 9, width: 1 },
  ])
  expect(sectionsOf({ ...sizes, cutoffs: [] })).toEqual([{ start: 0, end: 9, width: 4 }])
  expect(() => sectionsOf({ ...sizes, cutoffs: [3, 9] })).toThrow(/rise within the 9 tokens, but got 3, 9/)
  expect(() => sectionsOf({ ...sizes, shrink: 5 })).toThrow(/wide enough for 3 sections, but got 4/)
})

test("each id has the projected row of its section, times the root of the width", async () => {
  const embedding = new AdaptiveEmbedding(new Initializer({ seed: 2 }), sizes, deviations)
  const list = [0, 2, 3, 4, 5, 8]
  const expected = list.map(id => {
    const i = id < 3 ? 0 : id < 5 ? 1 : 2
    const row = embedding.tables[i]!.weight.select(0, id - [0, 3, 5][i]!)
    return matmul(row.unsqueeze(0), embedding.projections[i]!.weight.transpose()).mul(2)
  })
  expectClose(await numbers(embedding.forward(ids(...list))), await numbers(concat(expected)))
  await expect(numbers(embedding.forward(ids(9)))).rejects.toThrow()
})

describe.each([1, 2])("softmax, each section %d times narrower", shrink => {
  test("p(token) = p(section) · p(token in it)", async () => {
    const init = new Initializer({ seed: 2 })
    const embedding = new AdaptiveEmbedding(init, { ...sizes, shrink, width: 6 }, deviations)
    const tied = { tied: true, tiedProjections: [false, true, true] }
    const head = new AdaptiveSoftmax(init, embedding, { ...deviations, ...tied })
    const hidden = normal([1, 2, 6], randomKey(3))
    const rows = (i: number): Tensor =>
      shrink === 1 ? embedding.tables[0]!.weight.slice(0, [0, 3, 5][i]!, [3, 5, 9][i]!) : embedding.tables[i]!.weight
    const narrow = (i: number): Tensor =>
      matmul(hidden, i === 0 ? head.projections[0]! : embedding.projections[shrink === 1 ? 0 : i]!.weight)
    const first = logSoftmax(linear(narrow(0), concat([rows(0), head.clusterWeight!])), -1) // biases begin at 0
    const rest = [1, 2].map(i => logSoftmax(linear(narrow(i), rows(i)), -1).add(first.slice(-1, 2 + i, 3 + i)))
    expectClose(await numbers(head.forward(hidden)), await numbers(concat([first.slice(-1, 0, 3), ...rest], -1)))
  })
})

test("without cutoffs it is a plain softmax", async () => {
  const init = new Initializer({ seed: 2 })
  const embedding = new AdaptiveEmbedding(init, { ...sizes, cutoffs: [] }, deviations)
  const head = new AdaptiveSoftmax(init, embedding, { ...deviations, tied: false, tiedProjections: [false] })
  const hidden = normal([1, 3, 4], randomKey(3))
  const plain = logSoftmax(linear(matmul(hidden, head.projections[0]!), head.tables[0]!), -1)
  expectClose(await numbers(head.forward(hidden)), await numbers(plain))
  const [losses, all] = [await numbers(head.losses(hidden, ids(8, -100, 0))), await numbers(plain)]
  expectClose(losses, [-all[8]!, 0, -all[18]!])
})
