// Random numbers that depend on nothing but a key, a stream number and the place of the element: Philox-4x32-10 (Salmon et al. 2011).
// Drawing again with the same key and stream gives the same numbers, so dropout can be recomputed and runs repeat.

import { checkFunction, checkNumberLists, checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { checkInteger, checkShape, formatShape, type Shape, sizeOf } from "../shape.ts"
import { fromHost, type Tensor } from "../tensor.ts"
import { add, cast, ge, log, lt, maximum, mul, neg, where } from "./pointwise.ts"
import { argmax } from "./reduce.ts"
import { argsort } from "./sort.ts"
import { floating, wholeNumbers } from "./types.ts"

/** High and low 32 bits of a product of two 32-bit numbers. */
function product(a: number, b: number): [high: number, low: number] {
  const low = Math.imul(a, b) >>> 0
  // 16-bit halves: every partial product stays below 2^53
  const [a1, a0, b1, b0] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff]
  const middle = a1 * b0 + Math.floor((a0 * b0) / 0x10000)
  const carry = a0 * b1 + (middle % 0x10000)
  const high = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)
  return [high >>> 0, low]
}

/** Four random 32-bit numbers of a counter and a key. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter.map(n => n >>> 0) as [number, number, number, number]
  let [k0, k1] = [key[0] >>> 0, key[1] >>> 0]
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = product(0xd2511f53, c0)
    const [high1, low1] = product(0xcd9e8d57, c2)
    ;[c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0]
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  return [c0, c1, c2, c3]
}

type Distribution = "uniform" | "normal" | "bits"

const unit = 2 ** -24

const draws: Readonly<Record<Distribution, (words: readonly number[], i: number) => number>> = {
  // 24 bits: 0 <= x < 1 exactly in f32
  uniform: (words, i) => (words[i]! >>> 8) * unit,
  // Box and Muller 1958: each pair of words gives a pair of numbers
  normal: (words, i) => {
    const radius = Math.sqrt(-2 * Math.log(((words[i & 2]! >>> 8) + 1) * unit))
    const angle = 2 * Math.PI * (words[(i & 2) + 1]! >>> 8) * unit
    return radius * (i & 1 ? Math.sin(angle) : Math.cos(angle))
  },
  bits: (words, i) => words[i]! | 0,
}

const randomRecord: OpRecord<{ shape: Shape; stream: number; distribution: Distribution }> = {
  name: "random",
  shape: (_, { shape, distribution }) => ({ shape, dtype: distribution === "bits" ? "i32" : "f32" }),
  loop: ([key], [out], { stream, distribution }) => {
    const pair = [key!.data[0]!, key!.data[1]!] as const
    const draw = draws[distribution]
    for (let i = 0; i < out!.data.length; i += 4) {
      const words = philox([i / 4, stream, 0, 0], pair)
      for (let j = 0; j < 4 && i + j < out!.data.length; j++) out!.data[i + j] = draw(words, j)
    }
  },
  kernel: (_, { shape, stream, distribution }) => ({
    uses: ["random"],
    calls: () => [
      {
        name: "random",
        fields: { key: { input: 0 }, output: { output: 0 }, count: sizeOf(shape), stream, distribution },
      },
    ],
  }),
  flat: true,
}

let streams = 0

/** The number of the next random stream of this recording. */
export function nextStream(): number {
  return streams++
}

/** Runs `fn` with streams counted from 0, so that a recording does not depend on what was recorded before. */
export function withStreams<R>(fn: () => R): R {
  checkFunction("withStreams", "fn", fn)
  const outer = streams
  streams = 0
  try {
    return fn()
  } finally {
    streams = outer
  }
}

/** A random key, i32 [2], from a whole number up to 2^53. Throws ValueError. */
export function randomKey(seed: number): Tensor {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new ValueError(`randomKey: expected a seed that is a whole number in 0 .. 2^53, but got ${seed}`)
  return fromHost(Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32) | 0), [2], "i32")
}

function draw(what: string, shape: Shape, key: Tensor, distribution: Distribution, stream = nextStream()): Tensor {
  checkShape(what, shape)
  checkInteger(what, "the stream", stream, 0, 2 ** 31 - 1)
  if (key.rank !== 1 || key.shape[0] !== 2)
    throw new ShapeError(
      `${what}: expected a random key [2], but got ${formatShape(key.shape)}`,
      "make one: randomKey(seed)",
    )
  return applyOne(randomRecord, [wholeNumbers(what, key)], { shape: [...shape], stream, distribution })
}

/** Uniform numbers low <= x < high. `stream` numbers draws of one key apart; counted by default. */
export function uniform(
  shape: Shape,
  key: Tensor,
  options: { low?: number; high?: number; stream?: number } = {},
): Tensor {
  checkTensors("uniform", { key })
  checkNumberLists("uniform", { shape })
  checkOptions("uniform", { options }, ["low", "high", "stream"])
  const { low = 0, high = 1, stream } = options
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high))
    throw new ValueError(`uniform: expected finite low <= high, but got ${low} and ${high}`)
  const x = draw("uniform", shape, key, "uniform", stream)
  return low === 0 && high === 1 ? x : add(mul(x, high - low), low)
}

/** Normal numbers of the given mean and standard deviation. */
export function normal(
  shape: Shape,
  key: Tensor,
  options: { mean?: number; deviation?: number; stream?: number } = {},
): Tensor {
  checkTensors("normal", { key })
  checkNumberLists("normal", { shape })
  checkOptions("normal", { options }, ["mean", "deviation", "stream"])
  const { mean = 0, deviation = 1, stream } = options
  if (!Number.isFinite(mean)) throw new ValueError(`normal: expected a finite mean, but got ${mean}`)
  if (!(Number.isFinite(deviation) && deviation >= 0))
    throw new ValueError(`normal: expected a finite deviation >= 0, but got ${deviation}`)
  const x = draw("normal", shape, key, "normal", stream)
  return mean === 0 && deviation === 1 ? x : add(mul(x, deviation), mean)
}

/** Random bits, i32. */
export function randomBits(shape: Shape, key: Tensor, options: { stream?: number } = {}): Tensor {
  checkTensors("randomBits", { key })
  checkNumberLists("randomBits", { shape })
  checkOptions("randomBits", { options }, ["stream"])
  return draw("randomBits", shape, key, "bits", options.stream)
}

/** true with probability p, bool. */
export function bernoulli(shape: Shape, key: Tensor, options: { p?: number; stream?: number } = {}): Tensor {
  checkTensors("bernoulli", { key })
  checkNumberLists("bernoulli", { shape })
  checkOptions("bernoulli", { options }, ["p", "stream"])
  const { p = 0.5, stream } = options
  if (typeof p !== "number" || !(p >= 0 && p <= 1))
    throw new ValueError(`bernoulli: expected p in 0 .. 1, but got ${p}`)
  return lt(draw("bernoulli", shape, key, "uniform", stream), p)
}

/** Indices drawn along the last axis of logits with probability softmax(logits), i32 without that axis (Gumbel's trick). */
export function categorical(logits: Tensor, key: Tensor, options: { stream?: number } = {}): Tensor {
  checkTensors("categorical", { logits, key })
  checkOptions("categorical", { options }, ["stream"])
  if (logits.rank === 0 || logits.shape.at(-1) === 0)
    throw new ShapeError(
      `categorical: expected logits [… V] of at least one class, but got ${formatShape(logits.shape)}`,
    )
  const u = maximum(draw("categorical", logits.shape, key, "uniform", options.stream), unit / 2)
  return argmax(add(floating("categorical", logits), neg(log(neg(log(u))))), -1)
}

/** The numbers 0 .. n-1 in random order, i32 [n]. */
export function permutation(n: number, key: Tensor, options: { stream?: number } = {}): Tensor {
  checkTensors("permutation", { key })
  checkOptions("permutation", { options }, ["stream"])
  checkInteger("permutation", "the count", n, 0)
  return argsort(draw("permutation", [n], key, "bits", options.stream))
}

/** 1 / (1 - rate) where a weight is kept and 0 where it is dropped. An element is dropped where its uniform number is below the rate. */
export function dropoutMask(shape: Shape, rate: number, key: Tensor, stream: number): Tensor {
  return where(ge(draw("dropout", shape, key, "uniform", stream), rate), 1 / (1 - rate), 0)
}

/** x with elements set to 0 at the given rate and the others scaled by 1 / (1 - rate). */
export function dropout(x: Tensor, rate: number, key: Tensor, stream?: number): Tensor {
  checkTensors("dropout", { x, key })
  if (typeof rate !== "number" || !(rate >= 0 && rate < 1))
    throw new ValueError(`dropout: expected a rate in 0 .. 1 (without 1), but got ${rate}`)
  if (rate === 0) return x.current()
  return mul(cast(x, "f32"), dropoutMask(x.shape, rate, key, stream ?? nextStream()))
}
