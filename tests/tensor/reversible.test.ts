// Reversible chains: the same values and gradients as the plain formulas, without keeping what is in between.

import { describe, expect, test } from "vitest"
import { compileFunction } from "../../src/runtime/compiled.ts"
import { engineOf } from "../../src/runtime/index.ts"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { grad, type ReversibleStep, reversible, type Tensor, tensor } from "../../src/tensor/index.ts"

const numbers = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.7 + seed)),
    [...shape],
  )

const plain = (x1: Tensor, x2: Tensor, steps: readonly ReversibleStep[]): [Tensor, Tensor] => {
  let [a, b] = [x1, x2]
  for (const { first, second } of steps) {
    a = a.add(first(b))
    b = b.add(second(a))
  }
  return [a, b]
}

const steps = (weights: readonly Tensor[]): ReversibleStep[] =>
  weights.map(w => ({ first: x => x.matmul(w).tanh(), second: y => y.mul(y).mul(0.1).matmul(w.transpose()) }))

describe("reversible", () => {
  test("values and gradients are those of the formulas", () => {
    const [x1, x2] = [numbers([3, 4], 1), numbers([3, 4], 2)]
    const weights = [numbers([4, 4], 3), numbers([4, 4], 4), numbers([4, 4], 5)]
    const results = [reversible, plain].map(chain => {
      const [y1, y2] = chain(x1, x2, steps(weights))
      const loss = y1
        .mul(numbers([3, 4], 6))
        .add(y2.mul(y1))
        .sum()
      return evaluateReference([y1, y2, ...grad(loss, [x1, x2, ...weights])], { float: "f64" })
    })
    for (const [i, values] of results[0]!.entries())
      for (const [j, x] of values.entries()) expect(x).toBeCloseTo(results[1]![i]![j]!, 9)
  })

  test("one stream may go unused", () => {
    const [x1, x2, w] = [numbers([2, 4], 1), numbers([2, 4], 2), numbers([4, 4], 3)]
    const gradients = [reversible, plain].map(chain =>
      evaluateReference(grad(chain(x1, x2, steps([w]))[0].sum(), [x1, x2, w]), { float: "f64" }),
    )
    for (const [i, values] of gradients[0]!.entries())
      for (const [j, x] of values.entries()) expect(x).toBeCloseTo(gradients[1]![i]![j]!, 9)
  })

  test("memory of a training step does not grow with the length of the chain", async () => {
    const engine = await engineOf("auto")
    const bytes = async (chain: typeof plain, length: number): Promise<number> => {
      const step = compileFunction(
        async () => engine,
        (x: Tensor, w: Tensor) => {
          const [y1, y2] = chain(x, x, steps(Array.from({ length }, () => w)))
          return grad(y1.mul(y2).sum(), [w])
        },
      )
      await step(numbers([512, 64], 1), numbers([64, 64], 2).mul(0.05))
      return [...step.programs().values()][0]!.memory.arenaBytes
    }
    const [short, long] = [await bytes(reversible as typeof plain, 4), await bytes(reversible as typeof plain, 16)]
    expect(long).toBeLessThan(1.2 * short)
    expect(await bytes(plain, 16)).toBeGreaterThan(2 * long)
  })

  test("refuses functions that change the shape", () => {
    const x = numbers([2, 3], 1)
    expect(() => reversible(x, x, [{ first: y => y.sum(0), second: y => y }])).toThrow(
      /reversible: expected first to keep/,
    )
  })
})
