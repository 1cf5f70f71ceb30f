import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { evaluateReference } from "../../src/runtime/reference.ts"
import {
  bernoulli,
  categorical,
  dropout,
  normal,
  permutation,
  randomKey,
  type Tensor,
  tensor,
  uniform,
  withStreams,
} from "../../src/tensor/index.ts"
import { philox } from "../../src/tensor/ops/random.ts"

const numbers = (x: Tensor): number[] => [...evaluateReference([x])[0]!]
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length

describe("Philox-4x32-10", () => {
  // the known answers published with Random123
  test.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[-1, -1, -1, -1], [-1, -1], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ] as const)("counter %j", (counter, key, words) => {
    const hex = philox(counter, key).map(word => word.toString(16).padStart(8, "0"))
    expect(hex.join(" ")).toBe(words)
  })
})

describe("draws", () => {
  const key = randomKey(42)

  test("a part of a draw is the start of a longer one", () => {
    expect(numbers(uniform([17], key, { stream: 3 })).slice(0, 6)).toEqual(numbers(uniform([6], key, { stream: 3 })))
  })

  test("keys and streams give different numbers", () => {
    const draws = [
      uniform([8], key, { stream: 0 }),
      uniform([8], key, { stream: 1 }),
      uniform([8], randomKey(43), { stream: 0 }),
      uniform([8], randomKey(42 + 2 ** 32), { stream: 0 }),
    ].map(x => numbers(x).join())
    expect(new Set(draws).size).toBe(4)
  })

  test("streams are counted, anew inside withStreams", () => {
    const record = () => withStreams(() => [uniform([4], key), uniform([4], key)].map(numbers))
    const [first, second] = record()
    expect(first).not.toEqual(second)
    expect(record()).toEqual([first, second])
  })

  test("moments", () => {
    const u = numbers(uniform([4000], key, { stream: 5 }))
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...u)).toBeLessThan(1)
    expect(mean(u)).toBeCloseTo(0.5, 1)
    const z = numbers(normal([4000], key, { stream: 6 }))
    expect(Math.abs(mean(z))).toBeLessThan(0.06)
    expect(Math.abs(mean(z.map(x => x * x)) - 1)).toBeLessThan(0.1)
    expect(mean(numbers(bernoulli([4000], key, { p: 0.2, stream: 7 })))).toBeCloseTo(0.2, 1)
  })

  test("categorical follows the softmax and never picks the impossible", () => {
    const logits = tensor([0, Math.log(3), -Infinity]).broadcastTo([3000, 3])
    const picks = numbers(categorical(logits, key, { stream: 8 }))
    expect(picks).not.toContain(2)
    expect(mean(picks)).toBeCloseTo(0.75, 1)
  })

  test("a permutation has every number once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.nat(1000), (n, seed) => {
        const list = numbers(permutation(n, randomKey(seed), { stream: 0 }))
        expect(list.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
      { numRuns: 30 },
    )
  })

  test("dropout keeps the mean", () => {
    const y = numbers(dropout(tensor(new Float32Array(4000).fill(2)), 0.25, key, 9))
    expect(new Set(y.map(x => x.toFixed(4)))).toEqual(new Set(["0.0000", "2.6667"]))
    expect(mean(y)).toBeCloseTo(2, 0)
  })

  test("bad options are refused", () => {
    expect(() => randomKey(-1)).toThrow("randomKey: expected a seed")
    expect(() => randomKey(1.5)).toThrow("randomKey: expected a seed")
    expect(() => uniform([2], tensor([1, 2, 3], [3], "i32"))).toThrow("uniform: expected a random key [2], but got [3]")
    expect(() => uniform([2], tensor([1, 2]))).toThrow("uniform: expected whole numbers")
    expect(() => uniform([-1], key)).toThrow("uniform: expected sizes")
    expect(() => bernoulli([2], key, { p: 2 })).toThrow("bernoulli: expected p in 0 .. 1")
    expect(() => dropout(tensor([1]), 1, key)).toThrow("dropout: expected a rate")
    expect(() => permutation(-1, key)).toThrow("permutation: expected the count")
    expect(() => categorical(tensor(1), key)).toThrow("categorical: expected logits")
  })
})
