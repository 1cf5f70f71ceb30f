import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/files/pure.ts"
import { evaluateReference, fromElements } from "../../src/runtime/reference.ts"
import {
  crossEntropy,
  embedding,
  gather,
  placeholder,
  scatterAdd,
  takeAlong,
  tensor,
  zeros,
} from "../../src/tensor/index.ts"

describe("rounding", () => {
  test("bf16 and f16 round as files do", () => {
    fc.assert(
      fc.property(fc.float(), x => {
        const one = Float32Array.of(x)
        const [bf16, f16] = evaluateReference([tensor(one).cast("bf16"), tensor(one).cast("f16")])
        expect(bf16![0]).toEqual(bf16ToF32(f32ToBf16(one))[0])
        expect(f16![0]).toEqual(f16ToF32(f32ToF16(one))[0])
        if (Number.isNaN(x)) return
        expect(fromElements(bf16!, "bf16")).toEqual(f32ToBf16(one))
        expect(fromElements(f16!, "f16")).toEqual(f32ToF16(one))
      }),
    )
  })

  test("f32 after each operation, or not at all", () => {
    const sum = tensor(16777216).add(1).sub(16777216)
    expect(evaluateReference([sum])[0]![0]).toBe(0)
    expect(evaluateReference([sum], { float: "f64" })[0]![0]).toBe(1)
  })
})

describe("leaves", () => {
  test("placeholders take bound numbers", () => {
    const x = placeholder([2], "f32", "x")
    const y = x.mul(2)
    expect([...evaluateReference([y], { bind: new Map([[x.node, Float64Array.of(1, 2)]]) })[0]!]).toEqual([2, 4])
    expect(() => evaluateReference([y])).toThrow("evaluate: expected a value for the leaf x [2]")
    expect(() => evaluateReference([y], { bind: new Map([[x.node, Float64Array.of(1)]]) })).toThrow(
      "evaluate: expected 2 numbers for [2], but got 1",
    )
  })

  test("a deep graph needs no deep stack", () => {
    let x = tensor([1])
    for (let i = 0; i < 20000; i++) x = x.add(1)
    expect(evaluateReference([x])[0]![0]).toBe(20001)
  })
})

describe("indices out of range", () => {
  const bad = tensor([0, 5], [2], "i32")
  test.each([
    ["gather", () => gather(zeros([3, 2]), bad), "gather: expected indices in 0..2, but got 5"],
    [
      "embedding",
      () => embedding(zeros([3, 2]), tensor([-1], [1], "i32")),
      "gather: expected indices in 0..2, but got -1",
    ],
    ["takeAlong", () => takeAlong(zeros([2]), bad, 0), "takeAlong: expected indices in 0..1, but got 5"],
    ["scatterAdd", () => scatterAdd(zeros([3]), bad, zeros([2])), "scatterAdd: expected indices in 0..2, but got 5"],
    ["crossEntropy", () => crossEntropy(zeros([2, 3]), bad), "expected indices in 0..2, but got 5"],
  ])("%s", (_, make, message) => {
    const y = make()
    expect(() => evaluateReference([y])).toThrow(message)
  })
})
