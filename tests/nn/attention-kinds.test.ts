// Kinds of attention against plain loops over their formulas; patterns against their rules; LSH attention against what it must see.

import { describe, expect, test } from "vitest"
import {
  additiveAttention,
  bucketsOf,
  Initializer,
  LSHAttention,
  relativeShift,
  shawAttention,
  transformerXLAttention,
} from "../../src/nn/index.ts"
import { evaluateReference } from "../../src/runtime/reference.ts"
import {
  type AttentionPattern,
  attention,
  blockSparse,
  collectTaps,
  dilatedWindow,
  fixed,
  globalWindow,
  grad,
  slidingWindow,
  strided,
  type Tensor,
  tensor,
} from "../../src/tensor/index.ts"

const numbers = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.3 + seed * 7)),
    [...shape],
  )
const valuesOf = (x: Tensor): ArrayLike<number> => evaluateReference([x], { float: "f64" })[0]!
const softmax = (scores: readonly number[]): number[] => {
  const e = scores.map(Math.exp)
  const total = e.reduce((a, b) => a + b, 0)
  return e.map(x => x / total)
}
const close = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length)
  for (const [i, x] of expected.entries()) expect(actual[i]).toBeCloseTo(x, 6)
}
const dot = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number, n: number): number =>
  Array.from({ length: n }, (_, c) => a[i * n + c]! * b[j * n + c]!).reduce((x, y) => x + y, 0)

describe("scores", () => {
  const [T, S, K] = [3, 5, 4]
  const first = S - T // position of query 0
  const [q, k, v] = [numbers([1, 1, T, K], 1), numbers([1, 1, S, K], 2), numbers([1, 1, S, K], 3)]
  const [Q, M, V] = [q, k, v].map(valuesOf) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>]
  const mixed = (
    weights: (i: number) => readonly number[],
    values: (i: number, j: number, c: number) => number,
  ): number[] =>
    Array.from({ length: T * K }, (_, at) => {
      const i = Math.floor(at / K)
      return weights(i).reduce((total, p, j) => total + p * values(i, j, at % K), 0)
    })

  test("additive", () => {
    const w = numbers([K], 4)
    const W = valuesOf(w)
    const score = (i: number, j: number): number =>
      Array.from({ length: K }, (_, c) => W[c]! * Math.tanh(Q[i * K + c]! + M[j * K + c]!)).reduce((a, b) => a + b, 0)
    const weights = (i: number): number[] => softmax(Array.from({ length: S }, (_, j) => score(i, j)))
    const z = additiveAttention(q.squeeze(0), k.squeeze(0), v.squeeze(0), w)
    close(
      valuesOf(z),
      mixed(weights, (_, j, c) => V[j * K + c]!),
    )
  })

  test("Transformer-XL", () => {
    const [positions, u, w] = [numbers([1, S, K], 5), numbers([1, K], 6), numbers([1, K], 7)]
    const [R, U, P] = [positions, u, w].map(valuesOf) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>]
    const weights = (i: number): number[] => {
      const seen = Array.from({ length: first + i + 1 }, (_, j) => {
        const r = S - 1 - (first + i - j) // the row of this distance
        return (dot(Q, i, M, j, K) + dot(Q, i, R, r, K) + dot(U, 0, M, j, K) + dot(P, 0, R, r, K)) / Math.sqrt(K)
      })
      return softmax(seen)
    }
    const z = transformerXLAttention(q, k, v, { positions, contentBias: u, positionBias: w })
    close(
      valuesOf(z),
      mixed(weights, (_, j, c) => V[j * K + c]!),
    )
  })

  test("relativeShift moves each row to its own distances", () => {
    const x = tensor([0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23], [3, 4])
    const shifted = valuesOf(relativeShift(x))
    // row i, column j: what stood at column j + T - 1 - i, as long as there is one
    for (let i = 0; i < 3; i++) for (let j = 0; j + 2 - i < 4; j++) expect(shifted[i * 4 + j]).toBe(10 * i + j + 2 - i)
  })

  test("Shaw", () => {
    const most = 1
    const [keys, values] = [numbers([3, K], 8), numbers([3, K], 9)]
    const [A, C] = [valuesOf(keys), valuesOf(values)]
    const row = (i: number, j: number): number => Math.max(-most, Math.min(most, j - (first + i))) + most
    const weights = (i: number): number[] =>
      softmax(Array.from({ length: S }, (_, j) => (dot(Q, i, M, j, K) + dot(Q, i, A, row(i, j), K)) / Math.sqrt(K)))
    const z = shawAttention(q, k, v, { keys, values })
    close(
      valuesOf(z),
      mixed(weights, (i, j, c) => V[j * K + c]! + C[row(i, j) * K + c]!),
    )
  })
})

describe("patterns", () => {
  const T = 40
  const marks = tensor(
    Uint8Array.from({ length: T }, (_, i) => Number(i === 0 || i === 21)),
    [1, T],
    "bool",
  )
  const marked = (i: number): boolean => i === 0 || i === 21
  const kinds: readonly (readonly [string, AttentionPattern, boolean, (i: number, j: number) => boolean])[] = [
    ["sliding window", slidingWindow(4), false, (i, j) => Math.abs(i - j) < 4],
    ["dilated window", dilatedWindow(3, 5), false, (i, j) => Math.abs(i - j) < 15 && (i - j) % 5 === 0],
    ["strided", strided(6), true, (i, j) => j <= i && (i - j < 6 || (i - j) % 6 === 0)],
    ["fixed", fixed(8, 2), true, (i, j) => j <= i && (Math.floor(i / 8) === Math.floor(j / 8) || j % 8 >= 6)],
    [
      "block-sparse",
      blockSparse(16, [[0, 2], [1], [0, 1]]),
      false,
      (i, j) => [[0, 2], [1], [0, 1]][Math.floor(i / 16)]!.includes(Math.floor(j / 16)),
    ],
    ["global window", globalWindow(3, marks), false, (i, j) => Math.abs(i - j) < 3 || marked(i) || marked(j)],
  ]
  test.each(kinds)("%s: the tapped pattern is nonzero exactly where the rule says", (_, pattern, causal, rule) => {
    const x = numbers([1, 1, T, 4], 1)
    const z = attention(x, x, x, { pattern, causal })
    const { taps } = collectTaps([z], name => name === "pattern")
    const weights = valuesOf(taps.get("pattern")!)
    for (let i = 0; i < T; i++)
      for (let j = 0; j < T; j++) expect(weights[i * T + j]! > 0, `${i} ${j}`).toBe(rule(i, j))
  })

  test("refuses what does not fit", () => {
    const x = numbers([1, 1, T, 4], 1)
    expect(() => attention(x, x, x, { pattern: strided(4) })).toThrow(/causal: true/)
    expect(() => attention(x, x, x, { pattern: blockSparse(16, [[0]]) })).toThrow(/expected 3 rows of blocks/)
    expect(() => attention(x, x, x, { pattern: slidingWindow(2), window: 2 })).toThrow(/window or pattern/)
    expect(() => blockSparse(24, [[0]])).toThrow(/blocks of 16, 32 or a multiple of 64/)
    expect(() => blockSparse(16, [[1]])).toThrow(/blockSparse/)
  })
})

describe("LSH attention", () => {
  const shape = { heads: 2, headWidth: 4, chunk: 4, before: 1, after: 1, causal: false, hashes: 2, buckets: 4, seed: 3 }

  test("equal vectors share a bucket, opposite ones do not", () => {
    const x = tensor([1, 2, 3, 1, 2, 3, -1, -2, -3], [1, 1, 3, 3])
    const buckets = valuesOf(bucketsOf(x, numbers([1, 3, 4, 2], 1), [4]))
    for (let r = 0; r < 4; r++) {
      expect(buckets[3 * r]).toBe(buckets[3 * r + 1])
      expect(buckets[3 * r]).not.toBe(buckets[3 * r + 2])
    }
  })

  test("with chunks that hold everything it is full attention with shared queries and keys", () => {
    const layer = new LSHAttention(new Initializer({ seed: 1 }), 8, { ...shape, chunk: 6, hashes: 1, buckets: 2 })
    const whole = new LSHAttention(new Initializer({ seed: 1 }), 8, { ...shape, chunk: 12, hashes: 1, buckets: 2 })
    const x = numbers([2, 12, 8], 2)
    // two chunks of six, each beside the other on both sides: each key of the other chunk counts twice
    const { taps } = collectTaps([layer.forward(x)], name => name === "pattern")
    expect(taps.get("pattern")!.shape).toEqual([2, 2, 2, 6, 18])
    expect(collectTaps([whole.forward(x)], name => name === "pattern").taps.get("pattern")!.shape).toEqual([
      2, 2, 12, 12,
    ])
  })

  test("gradients are those of finite differences", () => {
    const layer = new LSHAttention(new Initializer({ seed: 4 }), 8, shape)
    const at = (x: Float32Array): Tensor =>
      layer
        .forward(tensor(x, [1, 16, 8]))
        .mul(numbers([1, 16, 8], 5))
        .sum()
    const start = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * 2.1))
    const x = tensor(start, [1, 16, 8])
    const gradient = valuesOf(
      grad(
        layer
          .forward(x)
          .mul(numbers([1, 16, 8], 5))
          .sum(),
        [x],
      )[0]!,
    )
    for (const i of [0, 17, 64, 101]) {
      const h = 2 ** -9
      const moved = [h, -h].map(step => {
        const copy = start.slice()
        copy[i]! += step
        return { value: valuesOf(at(copy))[0]!, at: copy[i]! }
      })
      const slope = (moved[0]!.value - moved[1]!.value) / (moved[0]!.at - moved[1]!.at)
      expect(gradient[i]).toBeCloseTo(slope, 3)
    }
  })

  test("draws the same rotations each time, and takes those that are given", () => {
    const layer = new LSHAttention(new Initializer({ seed: 1 }), 8, shape)
    const x = numbers([1, 16, 8], 3)
    expect([...Array.from(valuesOf(layer.forward(x)))]).toEqual([...Array.from(valuesOf(layer.forward(x)))])
    expect(() => layer.forward(x, { rotations: numbers([2, 4, 1, 2], 1) })).toThrow(
      /rotations \[H K R N\/2\] = \[2 4 2 2\]/,
    )
    expect(() => layer.forward(numbers([1, 14, 8], 1))).toThrow(/multiple of the chunk/)
  })
})
