// Optimizers as programs: what a device computes in place is what the definition says; clipping; bad options.
import { describe, expect, test } from "vitest"
import { compile, connectRuntime, evaluateOn } from "../../src/runtime/index.ts"
import { Parameter, type Tensor, tensor } from "../../src/tensor/index.ts"
import {
  adafactor,
  adagrad,
  adam,
  adamW,
  adamWBert,
  clipByGlobalNorm,
  globalNorm,
  makeOptimizer,
  optimizerNames,
  rmsprop,
  sgd,
  trainingConfig,
} from "../../src/train/index.ts"

connectRuntime()

const matrix = [
  [0.5, -1, 2],
  [0.1, 0.7, -0.3],
]
const vector = [0.2, -0.4, 0.6]
const parameters = () => [
  new Parameter(tensor(matrix), { name: "weight" }),
  new Parameter(tensor(vector), { name: "bias" }),
]
/** Gradients that change from step to step. */
const gradients = (step: number) => [
  tensor(matrix.map(row => row.map((x, i) => Math.sin(x + step + i)))),
  tensor(vector.map(x => Math.cos(3 * x - step))),
]

describe("compiled in place as by definition", () => {
  for (const name of optimizerNames)
    test(name, async () => {
      const config = trainingConfig({ optimizer: name, weightDecay: 0.05 })
      const [ours, plain] = [makeOptimizer(parameters(), config), makeOptimizer(parameters(), config)]
      const update = compile((gradients: Tensor[], scalars: Readonly<Record<string, Tensor>>) => {
        ours.update(gradients, scalars)
        return {}
      })
      for (let step = 1; step <= 3; step++) {
        const scalars = ours.scalars(step, 0.01 / step)
        await update(gradients(step), scalars)
        const fixed = Object.entries(scalars).map(([key, value]) => [key, tensor(value)] as const)
        plain.update(gradients(step), Object.fromEntries(fixed))
      }
      const all = [plain, ours].map(one => [...one.parameters, ...one.state.values()])
      const expected = await evaluateOn("reference", all[0]!)
      for (const [i, parameter] of all[1]!.entries())
        for (const [j, x] of (await parameter.read()).entries())
          expect(Math.abs(x - expected[i]![j]!), `${parameter.name} ${j}`).toBeLessThan(1e-5)
    })
})

test("decay leaves vectors alone unless told otherwise", async () => {
  const zero = [tensor(matrix.map(row => row.map(() => 0))), tensor(vector.map(() => 0))]
  const decayed = async (decays?: (parameter: Parameter) => boolean) => {
    const optimizer = adamW(parameters(), { weightDecay: 0.5, ...(decays ? { decays } : {}) })
    const scalars = Object.entries(optimizer.scalars(1, 0.1)).map(([key, value]) => [key, tensor(value)] as const)
    optimizer.update(zero, Object.fromEntries(scalars))
    return (await evaluateOn("reference", [...optimizer.parameters])).map(values => values[0]!)
  }
  expect(await decayed()).toEqual([expect.closeTo(0.475), expect.closeTo(0.2)])
  expect(await decayed(() => true)).toEqual([expect.closeTo(0.475), expect.closeTo(0.19)])
})

test("clipping scales all gradients together, and only when they are long", async () => {
  const given = [tensor([3, 0]), tensor([[4]])]
  const at = async (limit: number) => {
    const { gradients, norm } = clipByGlobalNorm(given, limit)
    return (await evaluateOn("reference", [...gradients, norm])).map(values => [...values])
  }
  expect(await at(10)).toEqual([[3, 0], [4], [5]])
  expect(await at(1)).toEqual([[expect.closeTo(0.6, 5), 0], [expect.closeTo(0.8, 5)], [5]])
  expect((await evaluateOn("reference", [globalNorm(given)]))[0]![0]).toBe(5)
})

test("bad options are refused", () => {
  expect(() => adamW(parameters(), { betas: [1, 0.9] })).toThrow(/expected beta1 from 0 to below 1, but got 1/)
  expect(() => adam(parameters(), { epsilon: -1 })).toThrow(/expected epsilon of 0 or more/)
  expect(() => adamWBert(parameters(), { weightDecay: -0.1 })).toThrow(/expected a weight decay of 0 or more/)
  expect(() => sgd(parameters(), { nesterov: true })).toThrow(/expected a momentum above 0 with nesterov/)
  expect(() => sgd(parameters(), { momentum: 0.9, nesterov: true, dampening: 0.1 })).toThrow(/expected no dampening/)
  expect(() => rmsprop(parameters(), { alpha: 2 })).toThrow(/expected alpha/)
  expect(() => adagrad(parameters(), { lrDecay: -1 })).toThrow(/expected lrDecay/)
  expect(() => adafactor(parameters(), { beta1: 1 })).toThrow(/expected beta1/)
  expect(() => clipByGlobalNorm([], 0)).toThrow(/expected a norm above 0/)
  const twins = [new Parameter(tensor([1]), { name: "w" }), new Parameter(tensor([1]), { name: "w" })]
  expect(() => adamW(twins)).toThrow(/expected parameters with names of their own, but got two called "w"/)
  expect(() => sgd(parameters()).update([], {})).toThrow(/expected 2 gradients/)
})
