// Reformer beyond its golden runs: gradients that keep nothing in between, rotations of its own, refused configurations.

import { describe, expect, test } from "vitest"
import { reformer } from "../../src/models/index.ts"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { grad, tensor } from "../../src/tensor/index.ts"

const shape = {
  vocabulary: 20,
  context: 32,
  width: 8,
  layers: 3,
  kinds: ["local", "lsh", "local"] as ("local" | "lsh")[],
  heads: 2,
  headWidth: 4,
  inner: 12,
  causal: true,
  axialShape: [4, 8],
  axialWidths: [3, 5],
  localChunk: 4,
  lshChunk: 4,
  hashes: 2,
  dropout: 0,
  localDropout: 0,
  deviation: 0.3,
}
const ids = tensor(
  Int32Array.from({ length: 32 }, (_, i) => (i * 7) % 20),
  [2, 16],
  "i32",
)

describe("reformer", () => {
  test("in training, the gradient computed back from the last streams is the plain one", () => {
    const model = reformer.build(shape, { seed: 2 })
    const gradients = [true, false].map(training => {
      const { loss } = model.train(training).forward(ids, { labels: ids })
      return evaluateReference([loss!, ...grad(loss!, model.parameters())], { float: "f64" })
    })
    expect(gradients[0]!.length).toBe(model.parameters().length + 1)
    for (const [i, values] of gradients[0]!.entries())
      for (const [j, x] of values.entries()) expect(x).toBeCloseTo(gradients[1]![i]![j]!, 8)
  })

  test("draws the same rotations from its seed, others from another", () => {
    const logits = (seed: number): ArrayLike<number> =>
      evaluateReference([reformer.build({ ...shape, seed }, { seed: 2 }).forward(ids).logits!])[0]!
    expect(Array.from(logits(1))).toEqual(Array.from(logits(1)))
    expect(Array.from(logits(1))).not.toEqual(Array.from(logits(5)))
  })

  test("later tokens do not change earlier logits", () => {
    const model = reformer.build({ ...shape, kinds: ["local", "local", "local"] }, { seed: 2 })
    const changed = tensor(
      Int32Array.from({ length: 16 }, (_, i) => (i < 9 ? (i * 7) % 20 : 3)),
      [1, 16],
      "i32",
    )
    const [a, b] = evaluateReference([model.forward(ids.slice(0, 0, 1)).logits!, model.forward(changed).logits!])
    expect(Array.from(a!.slice(0, 9 * 20))).toEqual(Array.from(b!.slice(0, 9 * 20)))
  })

  test("refuses what does not fit", () => {
    expect(() => reformer.build({ ...shape, causal: false })).toThrow(/is_decoder/)
    expect(() => reformer.build({ ...shape, axialWidths: [3, 4] })).toThrow(/add up to the width 8/)
    expect(() => reformer.build({ ...shape, axialShape: [2, 8] })).toThrow(/at least 32 positions/)
    expect(() => reformer.build({ ...shape, layers: 2 })).toThrow(/attn_layers for each of 2 blocks/)
    expect(() => reformer.build({ ...shape, buckets: 3 })).toThrow(/even numbers of buckets/)
    const model = reformer.build(shape)
    expect(() => model.forward(ids, { tokenTypeIds: ids })).toThrow(/no tokenTypeIds/)
    expect(() => model.forward(ids, { numHashes: 0 })).toThrow(/number of hashes/)
  })
})
