// Longformer beyond its golden runs: who sees whom, global tokens known at run time, refused inputs.

import { describe, expect, test } from "vitest"
import { longformer } from "../../src/models/index.ts"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { placeholder, type Tensor, tensor } from "../../src/tensor/index.ts"

const model = longformer.build(
  { vocabulary: 20, positions: 50, width: 8, layers: 1, heads: 2, inner: 12, window: 4, deviation: 0.4 },
  { seed: 1 },
)
const T = 12
const idsOf = (last: number): Tensor =>
  tensor(
    Int32Array.from({ length: T }, (_, i) => (i === T - 1 ? last : 3 + (i % 9))),
    [1, T],
    "i32",
  )
const globalAt = (place: number): Tensor =>
  tensor(
    Int32Array.from({ length: T }, (_, i) => Number(i === place)),
    [1, T],
    "i32",
  )

/** Positions whose hidden state changes when the last token does. */
function reached(globalAttentionMask?: Tensor): number[] {
  const options = globalAttentionMask ? { globalAttentionMask } : {}
  const [a, b] = evaluateReference([idsOf(4), idsOf(15)].map(ids => model.forward(ids, options).hidden))
  return Array.from({ length: T }, (_, t) => t).filter(t =>
    a!.slice(8 * t, 8 * t + 8).some((x, i) => x !== b![8 * t + i]),
  )
}

describe("longformer", () => {
  test("a block sees half a window on each side", () => {
    expect(reached()).toEqual([9, 10, 11])
  })

  test("a global token sees all, and is seen by all", () => {
    expect(reached(globalAt(2))).toEqual([2, 9, 10, 11])
    expect(reached(globalAt(T - 1))).toEqual(Array.from({ length: T }, (_, t) => t))
  })

  test("a classifier's first token is global unless it is said who is", () => {
    const classifier = longformer.build(
      { vocabulary: 20, positions: 50, width: 8, layers: 1, heads: 2, inner: 12, window: 4, head: "classification" },
      { seed: 1 },
    )
    const ids = idsOf(4)
    const [usual, first, none] = evaluateReference(
      [{}, { globalAttentionMask: globalAt(0) }, { globalAttentionMask: globalAt(-1) }].map(
        options => classifier.forward(ids, options).logits!,
      ),
    )
    expect(usual).toEqual(first)
    expect(usual).not.toEqual(none)
  })

  test("masks known at run time need the number of global tokens", () => {
    const globalAttentionMask = placeholder([1, T], "i32")
    expect(() => model.forward(idsOf(4), { globalAttentionMask })).toThrow(/expected globalTokens/)
    expect(model.forward(idsOf(4), { globalAttentionMask, globalTokens: 2 }).logits!.shape).toEqual([1, T, 20])
  })

  test("refuses what does not fit", () => {
    expect(() => model.forward(idsOf(4), { globalAttentionMask: tensor([[1]], [1, 1], "i32") })).toThrow(
      /globalAttentionMask: expected/,
    )
    expect(() => longformer.build({ window: 3 })).toThrow(/even windows/)
    expect(() => longformer.build({ layers: 2, window: [2] })).toThrow(/a window for each of 2 blocks/)
  })
})
