import { expect, test } from "vitest"
import { compile, evaluate, type Tensor, tensor } from "../../src/index.ts"

test("what a function captures may be computed while the function is compiled", async () => {
  for (let round = 0; round < 5; round++) {
    let lazy = tensor([1, 2, 3])
    for (let i = 0; i < 80; i++) lazy = lazy.mul(0.99).add(round)
    const shifted = compile((x: Tensor) => lazy.tanh().mul(0).add(lazy).add(x))
    const [result] = await Promise.all([shifted(tensor([1, 1, 1])), evaluate(lazy)])
    const [actual, wanted] = [await result.read(), await lazy.add(1).read()]
    for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(wanted[i]!, 2)
  }
})
