// Random graphs: whatever the compiler does — sharing memory, fusing, updating in place — the numbers are those of the reference
// device, and those of a plan that never reuses memory.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compileProgram } from "../../src/compiler/compile.ts"
import { concat, evaluateOn, fromHost, matmul, relu, softmax, type Tensor, tanh, where } from "../../src/index.ts"
import { compileFunction } from "../../src/runtime/compiled.ts"
import { engineOf } from "../../src/runtime/index.ts"
import { Parameter } from "../../src/tensor/tensor.ts"

/** A graph is grown by choices: each takes earlier values and adds one of shape [4 6] or [6 4]. */
type Choice = readonly [rule: number, a: number, b: number]

const rules: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => a.add(b),
  (a, b) => a.mul(b).sub(a),
  (a, b) => tanh(a).mul(relu(b)),
  a => softmax(a, 1),
  (a, b) => concat([matmul(a, b.transpose()), a.slice(1, 0, 2)], 1).mul(0.1),
  (a, b) => matmul(matmul(a, b.transpose()).mul(0.2), b).mul(0.1).add(a),
  (a, b) => concat([a.slice(0, 2), b.slice(0, 0, 2)], 0),
  a => a.transpose().contiguous().transpose(),
  a => a.flip(1).add(a.sum(1, { keepDims: true }).mul(0.1)),
  (a, b) => where(a.gt(b), a, b.mean().broadcastTo([4, 6])),
  a => a.reshape([6, 4]).transpose().reshape([6, 4]).reshape([4, 6]),
  (a, b) =>
    a
      .sub(b.max(0, { keepDims: true }))
      .exp()
      .clamp(0, 3),
]

function grow(inputs: readonly Tensor[], choices: readonly Choice[]): Tensor[] {
  const values = [...inputs]
  for (const [rule, a, b] of choices) {
    const pick = (i: number): Tensor => values[values.length - 1 - (i % Math.min(values.length, 5))]!
    values.push(rules[rule % rules.length]!(pick(a), pick(b)))
  }
  return values.slice(inputs.length)
}

const choices = fc.array(fc.tuple(fc.nat(100), fc.nat(10), fc.nat(10)), { minLength: 1, maxLength: 30 })

const leaf = (seed: number): Tensor =>
  fromHost(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(seed * 7.1 + i * 1.3)),
    [4, 6],
    "f32",
  )

describe("random graphs", () => {
  test("memory is shared without anybody noticing", async () => {
    const plain = await engineOf("native", { reuse: false, fuse: false, verify: true })
    const shared = await engineOf("native", { verify: true })
    await fc.assert(
      fc.asyncProperty(choices, async picked => {
        const outputs = grow([leaf(1), leaf(2)], picked).slice(-3)
        const expected = await Promise.all(outputs.map(t => plain.read(t, "fp32")))
        const actual = await Promise.all(outputs.map(t => shared.read(t, "fp32")))
        for (const [i, data] of actual.entries()) expect(data).toEqual(expected[i])
      }),
      { numRuns: 60 },
    )
  })

  test("the numbers are the reference's", async () => {
    await fc.assert(
      fc.asyncProperty(choices, async picked => {
        const outputs = grow([leaf(3), leaf(4)], picked).slice(-2)
        const expected = await evaluateOn("reference", outputs)
        const actual = await evaluateOn("native", outputs, { verify: true })
        for (const [i, data] of actual.entries())
          for (const [j, x] of data.entries())
            expect(Math.abs(x - expected[i]![j]!)).toBeLessThanOrEqual(1e-3 * Math.max(1, Math.abs(expected[i]![j]!)))
      }),
      { numRuns: 60 },
    )
  })

  test("a plan never takes more than its values, and usually far less", async () => {
    const { device } = await engineOf("native")
    const x = leaf(5)
    const last = grow(
      [x],
      Array.from({ length: 40 }, (_, i) => [[3, 7, 4][i % 3]!, 0, 1] as const),
    ).at(-1)!
    const shared = compileProgram({ outputs: [last], updates: [] }, { kernels: device.kernels, verify: true })
    const apart = compileProgram({ outputs: [last], updates: [] }, { kernels: device.kernels, reuse: false })
    expect(shared.memory.arenaBytes).toBeLessThan(apart.memory.arenaBytes * 0.2)
    expect(apart.memory.arenaBytes).toBe(apart.memory.intermediateBytes)
  })

  test("parameters updated in place hold what separate values would", async () => {
    const engine = await engineOf("native", { verify: true })
    await fc.assert(
      fc.asyncProperty(choices, choices, async (first, second) => {
        const [p, q] = [new Parameter(leaf(6)), new Parameter(leaf(7))]
        const step = compileFunction(
          async () => engine,
          (x: Tensor) => {
            const a = grow([p, q, x], first).at(-1)!
            const b = grow([q, x, p], second).at(-1)!
            p.assign(tanh(a))
            q.assign(tanh(b.add(p)))
            return { a, b }
          },
        )
        const apart = { p: leaf(6), q: leaf(7) }
        for (let round = 0; round < 2; round++) {
          const x = leaf(8 + round)
          const a = grow([apart.p, apart.q, x], first).at(-1)!
          const b = grow([apart.q, x, apart.p], second).at(-1)!
          const p2 = tanh(a)
          const q2 = tanh(b.add(p2))
          const result = await step(x)
          for (const [mine, other] of [
            [result.a, a],
            [result.b, b],
            [p, p2],
            [q, q2],
          ] as const) {
            const [actual, expected] = [await engine.read(mine, "fp32"), await engine.read(other, "fp32")]
            for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4)
          }
          apart.p = p2
          apart.q = q2
        }
      }),
      { numRuns: 40 },
    )
  })
})
