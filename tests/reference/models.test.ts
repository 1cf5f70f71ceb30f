// Golden numbers of whole models: every forward run of every case, its loss, logits, hidden states, attention weights and gradients,
// on every device. HEED_REFERENCE names another folder of cases; cases of families that are not built here are listed as such.

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parseSafetensors, toFloat32 } from "../../src/files/pure.ts"
import { families, familyOf, type Model, modelFrom, type PublishedConfig, publishedParts } from "../../src/models/index.ts"
import { type DeviceName, evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, grad, type HostArray, type Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const root = process.env.HEED_REFERENCE ?? import.meta.dirname

interface Run {
  readonly name: string
  readonly call: string
  readonly inputs: Readonly<Record<string, unknown>>
  readonly outputs: readonly string[]
  readonly atol?: Readonly<Record<string, number>>
  readonly compare_where?: string | null
  readonly grads?: boolean
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"))
const openFile = (path: string) => parseSafetensors(new Uint8Array(readFileSync(path)), path)

const cases = readdirSync(root)
  .filter(name => existsSync(join(root, name, "config.json")) && existsSync(join(root, name, "inputs.json")))
  .sort()
  .map(name => ({ name, config: readJson(join(root, name, "config.json")) as PublishedConfig }))

/** Whether our families build the case: its model_type is known and its architecture is one of the family's. */
function isBuilt({ config }: { config: PublishedConfig }): boolean {
  const family = families.find(one => one.name === config.model_type)
  const [architecture] = (config.architectures as string[] | undefined) ?? []
  return !!family && (architecture === undefined || Object.values(family.architectures).includes(architecture))
}

/** Nested lists of whole numbers as a tensor. */
function integers(list: unknown): Tensor {
  const shape: number[] = []
  for (let level = list; Array.isArray(level); level = level[0]) shape.push(level.length)
  return fromHost(Int32Array.from((list as number[]).flat(Infinity) as number[]), shape, "i32")
}

/** Gradients of a loss by the published names of the weights. */
function gradientsByPublishedName(model: Model, loss: Tensor): Map<string, Tensor> {
  const family = familyOf(model)
  const own = [...model.namedParameters()]
  const gradients = grad(
    loss,
    own.map(([, parameter]) => parameter),
  )
  return new Map(
    own.flatMap(([path], i) =>
      publishedParts(model, family, path).map(({ name, transposed, rows }) => {
        const gradient = rows ? gradients[i]!.slice(0, ...rows) : gradients[i]!
        return [name, transposed ? gradient.transpose() : gradient] as const
      }),
    ),
  )
}

const devices: readonly DeviceName[] = ["reference", ...(await machineDevices())]

describe.each(cases.filter(isBuilt))("$name", ({ name, config }) => {
  const folder = join(root, name)
  const { runs } = readJson(join(folder, "inputs.json")) as { runs: readonly Run[] }
  const expected = openFile(join(folder, "expected.safetensors"))

  for (const device of devices)
    test.each(runs.filter(run => run.call === "forward"))(`$name on ${device}`, async run => {
      const model = await modelFrom(config, openFile(join(folder, "model.safetensors")))
      const { input_ids, attention_mask, position_ids, labels } = run.inputs
      const output = model.forward(integers(input_ids), {
        ...(attention_mask ? { attentionMask: integers(attention_mask) } : {}),
        ...(position_ids ? { positionIds: integers(position_ids) } : {}),
        ...(labels ? { labels: integers(labels) } : {}),
        outputs: {
          hiddenStates: run.outputs.some(key => key.startsWith("hidden_states")),
          attentions: run.outputs.some(key => key.startsWith("attentions")),
        },
      })
      const gradients = run.outputs.some(key => key.startsWith("grad."))
        ? gradientsByPublishedName(model, output.loss!)
        : new Map<string, Tensor>()
      const valueOf = (key: string): Tensor => {
        const [kind, index] = key.split(".") as [string, string]
        if (key === "loss") return output.loss!
        if (key === "logits") return output.logits
        if (kind === "hidden_states") return output.hiddenStates![Number(index)]!
        if (kind === "attentions") return output.attentions![Number(index)]!
        return gradients.get(key.slice("grad.".length))!
      }
      const actual = await evaluateOn(device, run.outputs.map(valueOf))
      const mask = run.compare_where ? (run.inputs[run.compare_where] as number[][]) : null
      const problems: string[] = []
      for (const [i, key] of run.outputs.entries()) {
        const golden = expected.read(key.startsWith("grad.") ? key : `${run.name}.${key}`)
        expect(valueOf(key).shape, key).toEqual(golden.shape)
        const kind = key.split(".")[0]!
        const tolerance = run.atol?.[kind] ?? 1e-4
        const problem = difference(actual[i]!, toFloat32(golden), golden.shape, kind, mask, tolerance)
        if (problem) problems.push(`${key}${problem}`)
      }
      expect(problems).toEqual([])
    })
})

/** Where two tensors differ by more than the tolerance; positions whose mask is 0 do not count. */
function difference(
  actual: HostArray,
  expected: Float32Array,
  shape: readonly number[],
  kind: string,
  mask: readonly (readonly number[])[] | null,
  tolerance: number,
): string | null {
  const masked = mask && (kind === "attentions" || (shape.length >= 3 && shape[1] === mask[0]!.length))
  for (const [i, x] of expected.entries()) {
    if (masked) {
      // [B T …], or [B H T S] of attention
      const inner = kind === "attentions" ? shape[3]! : shape.slice(2).reduce((a, b) => a * b, 1)
      const row = Math.floor(i / inner)
      const T = shape[kind === "attentions" ? 2 : 1]!
      const b = Math.floor(i / (expected.length / shape[0]!))
      if (mask[b]![row % T] === 0) continue
    }
    const y = actual[i]!
    if (!(Math.abs(x - y) <= tolerance)) return `[${i}]: ${y} instead of ${x}`
  }
  return null
}

const others = cases.filter(one => !isBuilt(one))
describe.runIf(others.length > 0)("families that are not built here", () => {
  test.each(others)("$name ($config.model_type)", () => {})
})
