// Golden numbers with products of bf16: every forward run without gradients, at the tolerance of eight bits of mantissa.

import { afterAll, describe, expect, test } from "vitest"
import { familyOf, modelFrom } from "../../src/models/index.ts"
import { compile, evaluateOn } from "../../src/runtime/index.ts"
import type { Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { calls, outputAt } from "./calls.ts"
import { cases, expectedValue, isBuilt, largestDifference, openFile } from "./golden.ts"
import { ParityRecord } from "./parity.ts"

/** Largest difference over the largest golden value of the output; of attention weights, which are at most 1, the difference itself. */
const tolerances = { values: 0.08, attentions: 0.1 }

/** Which bucket a vector falls into turns over with its last bits, and with it all that follows: there is nothing to compare. */
const discrete = ["reformer"]

const parity = new ParityRecord("bf16")
const [device] = (await machineDevices()) as ("native" | "wasm")[]

const compared = cases.filter(one => isBuilt(one) && !discrete.includes(String(one.config.model_type)))

describe.each(compared)("$name", one => {
  const expected = openFile(one, "expected.safetensors")!

  test.each(one.runs.filter(run => run.call in calls))(`$name on ${device}`, async run => {
    const model = await modelFrom(one.config, openFile(one, "model.safetensors")!)
    const keys = run.outputs.filter(key => !key.startsWith("grad."))
    const forward = compile(
      (): Record<string, Tensor> => {
        const output = calls[run.call]!(model, one, run)
        return Object.fromEntries(keys.map(key => [key, outputAt(output, key)!]))
      },
      { precision: "bf16", device: device! },
    )
    const values = await forward()
    const actual = await evaluateOn(
      device!,
      keys.map(key => values[key]!),
    )
    const mask = run.compare_where ? (run.inputs[run.compare_where] as number[][]) : null
    const problems: string[] = []
    for (const [i, key] of keys.entries()) {
      const { data, shape } = expectedValue(expected, run, key)
      const kind = key
        .replace(/\.\d+$/, "")
        .split(".")
        .at(-1)!
      const attention = kind.endsWith("attentions")
      const tolerance = attention ? tolerances.attentions : tolerances.values
      const scale = attention ? 1 : data.reduce((most, x) => Math.max(most, Math.abs(x) || 0), 1e-3)
      const difference = largestDifference(actual[i]!, data, shape, kind, mask) / scale
      parity.add(`${familyOf(model).name}/${one.name}`, kind, difference, tolerance)
      if (!(difference <= tolerance)) problems.push(`${key}: ${difference} away, allowed ${tolerance}`)
    }
    expect(problems).toEqual([])
  })
})

afterAll(() => parity.write())
