// Checks golden cases of one file: values at their tolerance, gradients of Σ output · upstream at theirs, on every device.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parseSafetensors } from "../../../src/files/pure.ts"
import { evaluateOn } from "../../../src/runtime/index.ts"
import { grad, type Tensor, tensor } from "../../../src/tensor/index.ts"
import { machineDevices } from "../../ops/devices.ts"
import { goldenJson } from "./golden.ts"

const folder = process.env.HEED_REFERENCE ? join(process.env.HEED_REFERENCE, "ops") : import.meta.dirname

interface Description {
  readonly name: string
  readonly params: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, readonly number[]>>
  readonly outputs: readonly string[]
  readonly upstream?: readonly string[]
  readonly atol: Readonly<Record<string, number>>
}

/** The outputs of a case by name, from its inputs by name. */
export type Computation = (inputs: Record<string, Tensor>) => Record<string, Tensor>

/** Runs every case of `<name>.json`; `left` names the cases that are not for these operations, and why. */
export async function checkGolden(
  name: string,
  computations: Readonly<Record<string, Computation>>,
  left: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { cases } = goldenJson<{ cases: readonly Description[] }>(name)
  const file = parseSafetensors(new Uint8Array(readFileSync(join(folder, `${name}.safetensors`))), name)
  const load = (key: string): Tensor => {
    const { data, shape, dtype } = file.read(key)
    if (dtype !== "f32" && dtype !== "i32") throw new Error(`${key}: ${dtype} is not a type of golden numbers`)
    return tensor(dtype === "f32" ? (data as Float32Array) : (data as Int32Array), shape)
  }

  test("every case is checked or left out by name", () => {
    const known = [...Object.keys(computations), ...Object.keys(left)].sort()
    expect(known).toEqual(cases.map(one => one.name).sort())
  })

  for (const device of ["reference", ...(await machineDevices())] as const)
    describe(device, () => {
      for (const one of cases) {
        const compute = computations[one.name]
        if (!compute) continue
        test(one.name, async () => {
          const inputs = Object.fromEntries(Object.keys(one.inputs).map(key => [key, load(`${one.name}.${key}`)]))
          const outputs = compute(inputs)
          const wanted = new Map<string, Tensor>(Object.entries(outputs))
          const targets = one.outputs.filter(output => output.startsWith("grad."))
          if (targets.length > 0) {
            const upstream = one.upstream ?? []
            const loss = Object.entries(outputs)
              .filter(([key]) => upstream.length === 0 || upstream.includes(key))
              .map(([key, y]) => (upstream.length === 0 ? y.sum() : y.mul(load(`${one.name}.upstream.${key}`)).sum()))
              .reduce((a, b) => a.add(b))
            const gradients = grad(
              loss,
              targets.map(target => inputs[target.slice("grad.".length)]!),
            )
            for (const [i, target] of targets.entries()) wanted.set(target, gradients[i]!)
          }
          const actual = await evaluateOn(
            device,
            one.outputs.map(output => wanted.get(output)!),
          )
          for (const [i, output] of one.outputs.entries()) {
            const expected = load(`${one.name}.${output}`)
            expect(wanted.get(output)!.shape, output).toEqual(expected.shape)
            const tolerance = one.atol[output.startsWith("grad.") ? "grad" : output] ?? 1e-4
            const numbers = file.read(`${one.name}.${output}`).data as Float32Array
            const far = [...numbers].findIndex(
              (x, j) => !Object.is(x, actual[i]![j]) && !(Math.abs(x - actual[i]![j]!) <= tolerance),
            )
            expect(far < 0 ? "" : `${output}[${far}] is ${actual[i]![far]} instead of ${numbers[far]}`).toBe("")
          }
        })
      }
    })
}
