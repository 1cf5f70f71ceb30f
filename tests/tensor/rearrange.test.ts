import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { evaluateReference } from "../../src/runtime/reference.ts"
import {
  arange,
  einsum,
  rearrange,
  reduceAxes,
  repeatAxes,
  ShapeError,
  type Tensor,
  ValueError,
} from "../../src/tensor/index.ts"

const counted = (shape: readonly number[]): Tensor => arange(shape.reduce((a, b) => a * b, 1)).reshape(shape)
const numbers = (x: Tensor): number[] => [...evaluateReference([x])[0]!]

describe("rearrange", () => {
  test("splits, moves and merges", () => {
    const x = counted([2, 6])
    expect(numbers(x.rearrange("B (n K) -> n B K", { n: 2 }))).toEqual([0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11])
    expect(x.rearrange("B T -> B 1 T 1").shape).toEqual([2, 1, 6, 1])
    expect(x.rearrange("B T -> (T B)").shape).toEqual([12])
    expect(x.rearrange("... -> 1 ...").shape).toEqual([1, 2, 6])
    expect(x.rearrange("B (T 1) -> B T").shape).toEqual([2, 6])
  })

  test("there and back is the identity", () => {
    const size = fc.integer({ min: 1, max: 4 })
    fc.assert(
      fc.property(
        size,
        size,
        size,
        size,
        fc.shuffledSubarray(["a", "b", "c", "d"], { minLength: 4 }),
        (a, b, c, d, order) => {
          const sizes = { a, b, c, d }
          const x = counted([a * b, c, d])
          const merged = `${order[0]} (${order[1]} ${order[2]}) ${order[3]}`
          const there = rearrange(x, `(a b) c d -> ${merged}`, { a })
          const inside = order.slice(1, 2) as (keyof typeof sizes)[]
          const back = rearrange(there, `${merged} -> (a b) c d`, { [inside[0]!]: sizes[inside[0]!] })
          expect(back.shape).toEqual(x.shape)
          expect(numbers(back)).toEqual(numbers(x))
        },
      ),
    )
  })

  test.each([
    ["a b", {}, "one ->"],
    ["a b c -> a", {}, "3 axes"],
    ["a (b c) -> a b c", {}, "b and c are unknown"],
    ["a (b c) -> a b c", { b: 4 }, "(b=4 c)"],
    ["a b -> a", {}, "same axes on both sides"],
    ["a b -> a b c", {}, "same axes on both sides"],
    ["a a -> a", {}, "a twice"],
    ["a (b -> b a", {}, "closed parenthesis"],
    ["a b) -> b a", {}, "unopened parenthesis"],
    ["a ((b)) -> a b", {}, "nested"],
    ["a + -> a", {}, '"+"'],
    ["a 2 -> a", {}, '"2"'],
    ["a b -> b a", { q: 1 }, "one for q"],
    ["a b -> b a", { a: 1.5 }, "whole size"],
    ["a b -> b a", { a: 3 }, "(a=3)"],
    ["a 1 -> a", {}, "(1)"],
  ])("refuses %s", (pattern, sizes, message) => {
    const run = () => rearrange(counted([2, 6]), pattern, sizes as Record<string, number>)
    expect(run).toThrow(message)
    expect(run).toThrow(/^rearrange: /)
  })

  test("error classes", () => {
    expect(() => rearrange(counted([2, 6]), "a b -> a")).toThrow(ShapeError)
    expect(() => rearrange(counted([2, 6]), "a b -> b a", { q: 1 })).toThrow(ValueError)
  })
})

test("reduceAxes and repeatAxes", () => {
  const x = counted([2, 4])
  expect(numbers(reduceAxes(x, "B (T n) -> T B", "sum", { n: 2 }))).toEqual([1, 9, 5, 13])
  expect(numbers(reduceAxes(x, "B T ->", "max"))).toEqual([7])
  expect(numbers(repeatAxes(counted([2]), "T -> (T n)", { n: 2 }))).toEqual([0, 0, 1, 1])
  expect(() => reduceAxes(x, "B T -> Q", "sum")).toThrow("but got Q")
  expect(() => reduceAxes(x, "B T -> B", "median" as "mean")).toThrow("but got median")
  expect(() => repeatAxes(x, "B T -> B T n")).toThrow("a size for n")
  expect(() => repeatAxes(x, "B T -> B n", { n: 2 })).toThrow("T is missing")
})

describe("einsum", () => {
  test("equals the sum it says", () => {
    const size = fc.integer({ min: 1, max: 3 })
    fc.assert(
      fc.property(size, size, size, size, (a, b, c, d) => {
        const [x, y] = [counted([a, b, c]), counted([c, b, d])]
        const [u, v] = [numbers(x), numbers(y)]
        const expected: number[] = []
        for (let l = 0; l < d; l++)
          for (let j = 0; j < b; j++)
            for (let i = 0; i < a; i++) {
              let total = 0
              for (let k = 0; k < c; k++) total += u[(i * b + j) * c + k]! * v[(k * b + j) * d + l]!
              expected.push(total)
            }
        const z = einsum("abc,cbd->dba", x.cast("f32"), y.cast("f32"))
        expect(numbers(z)).toEqual(expected)
      }),
    )
  })

  test.each([
    ["ij,jk->ik", "1 terms|2 terms for 1"],
    ["ii->i", "a letter twice"],
    ["ij->k", "k only on the right"],
    ["ijk->i", "for a tensor \\[2 6\\]"],
    ["i j -> j -> i", "one arrow"],
    ["i1->i", "letters"],
  ])("refuses %s", (equation, message) => {
    expect(() => einsum(equation, counted([2, 6]))).toThrow(new RegExp(message))
  })

  test("refuses sizes that differ", () => {
    expect(() => einsum("ij,jk->ik", counted([2, 3]), counted([4, 2]))).toThrow("j is 3 and 4")
  })
})
