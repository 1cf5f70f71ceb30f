// Runs the op list: every case's value and gradient on every device against the reference, gradients against finite differences.

import { describe, expect, test } from "vitest"
import { evaluateOn } from "../../src/runtime/index.ts"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { reachable } from "../../src/tensor/graph.ts"
import { grad, type Tensor } from "../../src/tensor/index.ts"
import type { Case } from "./case.ts"
import { cases } from "./cases.ts"
import { leaves, lossGraph, outputsOf, projection, type Slope, secondGraph, slopes } from "./check.ts"
import { machineDevices } from "./devices.ts"

const devices = await machineDevices()

/** The first place where numbers differ by more than `tolerance` · (1 + |expected|), as text; "" when there is none. */
function firstDifference(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): string {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!]
    if (Object.is(a, b) || a === b) continue
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) return `element ${i} is ${a} instead of ${b}`
  }
  return ""
}

const wrongSlopes = (list: readonly Slope[], tolerance: number): Slope[] =>
  list.filter(({ graph, difference }) => !(Math.abs(graph - difference) <= tolerance * (1 + Math.abs(difference))))

/** Values and, where the case has them, gradients as tensors of a graph over leaves. */
function everything(one: Case) {
  const inputs = leaves(one)
  const outputs = outputsOf(one, inputs)
  const targets = inputs.filter(input => input.dtype === "f32")
  const loss = one.options.gradient === false || targets.length === 0 ? null : projection(outputs)
  return loss === null ? outputs : [...outputs, ...grad(loss, targets)]
}

test("case names differ", () => {
  expect(new Set(cases.map(one => one.name)).size).toBe(cases.length)
})

describe("gradients against finite differences", () => {
  for (const one of cases) {
    if (one.options.gradient === false) continue
    const graph = lossGraph(one)
    if (!graph) continue
    test(one.name, () => {
      expect(wrongSlopes(slopes(graph), 1e-6)).toEqual([])
    })
    if (one.options.second)
      test(`${one.name}, second gradient`, () => {
        expect(wrongSlopes(slopes(secondGraph(graph), 12), 1e-5)).toEqual([])
      })
  }
})

describe("shapes and types of values", () => {
  for (const one of cases)
    test(one.name, () => {
      const outputs = everything(one)
      const values = evaluateReference(outputs)
      for (const [i, output] of outputs.entries()) expect(values[i]!.length).toBe(output.size)
    })
})

for (const device of devices)
  describe(`${device} against reference`, () => {
    for (const one of cases)
      test(one.name, async () => {
        const outputs = everything(one)
        const expected = evaluateReference(outputs)
        const actual = await evaluateOn(device, outputs)
        for (const [i, numbers] of actual.entries())
          expect(firstDifference(numbers, expected[i]!, one.options.tolerance ?? 2e-5), `output ${i}`).toBe("")
      })
  })

/** Whether products of a graph may be made of shorter numbers. */
const contracts = (outputs: readonly Tensor[]): boolean => reachable(outputs).some(node => node.op?.contraction)

for (const device of devices)
  describe(`${device} in bf16 against reference`, () => {
    for (const one of cases) {
      if (!contracts(outputsOf(one, leaves(one)))) continue
      test(one.name, async () => {
        const outputs = everything(one)
        const expected = evaluateReference(outputs)
        const actual = await evaluateOn(device, outputs, { precision: "bf16" })
        // products of numbers with 8 bits, summed: errors grow with the largest value in the tensor
        for (const [i, numbers] of actual.entries()) {
          const scale = Math.max(1, ...expected[i]!.map(Math.abs).filter(Number.isFinite))
          expect(firstDifference(numbers, expected[i]!, 0.03 * scale), `output ${i}`).toBe("")
        }
      })
    }
  })
