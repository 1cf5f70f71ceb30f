// Golden numbers of whole models: every forward run of every case, its loss, logits, hidden states, attention weights and gradients,
// on every device. HEED_REFERENCE names another folder of cases; cases of families that are not built here are listed as such.

import { afterAll, describe, expect, test } from "vitest"
import { familyOf, modelFrom } from "../../src/models/index.ts"
import { type DeviceName, evaluateOn } from "../../src/runtime/index.ts"
import type { Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { calls, gradientsByPublishedName, outputAt } from "./calls.ts"
import { cases, expectedValue, isBuilt, largestDifference, openFile, type Run } from "./golden.ts"
import { ParityRecord } from "./parity.ts"

const parity = new ParityRecord("models")
const devices: readonly DeviceName[] = ["reference", ...(await machineDevices())]

/** Tolerance of an output: by its whole name without numbers ("text_model_output.hidden_states"), or by its beginning. */
function toleranceOf(run: Run, key: string): number {
  const name = key.replace(/\.\d+$/, "")
  return run.atol?.[name] ?? run.atol?.[key.split(".")[0]!] ?? 1e-4
}

describe.each(cases.filter(isBuilt))("$name", one => {
  const runs = one.runs.filter(run => run.call in calls)
  const expected = openFile(one, "expected.safetensors")!

  for (const device of devices)
    test.each(runs)(`$name on ${device}`, async run => {
      const model = await modelFrom(one.config, openFile(one, "model.safetensors")!)
      const output = calls[run.call]!(model, one, run)
      const gradients = run.outputs.some(key => key.startsWith("grad."))
        ? gradientsByPublishedName(model, output.loss!)
        : new Map<string, Tensor>()
      const values = run.outputs.map(key => {
        const value = key.startsWith("grad.") ? gradients.get(key.slice("grad.".length)) : outputAt(output, key)
        if (!value) throw new Error(`${one.name} ${run.name}: expected the output ${key}, but the model gives none`)
        return value
      })
      // attention weights ask for the composed form: apart from the others, which the streaming kernel computes
      const composed = run.outputs.map(key => key.includes("attentions"))
      const [weights, others] = await Promise.all(
        [true, false].map(form =>
          evaluateOn(
            device,
            values.filter((_, i) => composed[i] === form),
          ),
        ),
      )
      const actual = composed.map(form => (form ? weights : others)!.shift()!)
      const mask = run.compare_where ? (run.inputs[run.compare_where] as number[][]) : null
      const problems: string[] = []
      for (const [i, key] of run.outputs.entries()) {
        const golden = expectedValue(expected, run, key)
        expect(values[i]!.shape, key).toEqual(golden.shape)
        const kind = key
          .replace(/\.\d+$/, "")
          .split(".")
          .at(key.startsWith("grad.") ? 0 : -1)!
        const difference = largestDifference(actual[i]!, golden.data, golden.shape, kind, mask)
        const tolerance = toleranceOf(run, key)
        parity.add(`${familyOf(model).name}/${one.name}`, kind, difference, tolerance)
        if (!(difference <= tolerance)) problems.push(`${key}: ${difference} away, allowed ${tolerance}`)
      }
      expect(problems).toEqual([])
    })
})

const others = cases.filter(one => !isBuilt(one))
describe.runIf(others.length > 0)("families that are not built here", () => {
  test.each(others)("$name ($config.model_type)", () => {})
})

afterAll(() => parity.write())
