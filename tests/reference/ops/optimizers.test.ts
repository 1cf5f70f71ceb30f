// Ten steps of each optimizer on a linear problem, against PyTorch's and transformers'.
import { describe, expect, test } from "vitest"
import { evaluateOn } from "../../../src/runtime/index.ts"
import { fromHost, grad, Parameter, type Tensor, tensor } from "../../../src/tensor/index.ts"
import { clipByGlobalNorm, type Optimizer } from "../../../src/train/optimizer.ts"
import * as optimizers from "../../../src/train/optimizers/index.ts"
import { goldenJson, goldenTensors } from "./golden.ts"

interface Case {
  readonly name: string
  readonly params: { readonly class: string; readonly given: Readonly<Record<string, unknown>> }
  readonly atol: Readonly<Record<string, number>>
}

type Settings = Readonly<Record<string, never>>
type Make = (parameters: readonly Parameter[], options: Settings) => Optimizer

const classes: Readonly<Record<string, Make>> = {
  "torch.SGD": optimizers.sgd,
  "torch.Adam": optimizers.adam,
  // PyTorch's decays by 0.01 unless told otherwise, and so does ours
  "torch.AdamW": optimizers.adamW,
  "transformers.AdamW": optimizers.adamWBert,
  "torch.Adagrad": optimizers.adagrad,
  "torch.RMSprop": optimizers.rmsprop,
  "torch.Adadelta": optimizers.adadelta,
  "torch.Adamax": optimizers.adamax,
  "torch.NAdam": optimizers.nadam,
  "torch.RAdam": optimizers.radam,
  "transformers.Adafactor": optimizers.adafactor,
}

const ourNames: Readonly<Record<string, string>> = {
  eps: "epsilon",
  weight_decay: "weightDecay",
  correct_bias: "correctBias",
  lr_decay: "lrDecay",
  initial_accumulator_value: "initialAccumulator",
  clip_threshold: "clipThreshold",
  scale_parameter: "scaleParameter",
  relative_step: "relativeStep",
  warmup_init: "warmupInit",
}

function ours(given: Case["params"]["given"]): Settings {
  const { lr: _, max_grad_norm: __, ...rest } = given
  const named = Object.entries(rest).map(([key, value]) => [ourNames[key] ?? key, value])
  return { ...Object.fromEntries(named), decays: () => true }
}

const golden = goldenTensors("optimizers")
const leaf = (key: string): Tensor => fromHost(golden(key).data, golden(key).shape, "f32")

function closeTo(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < actual.length; i++) expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance)
}

/** NAdam's W after each step, from the golden gradients. `slip`: mu(t) once too often under the last fraction, as PyTorch 1.13 had it. */
function nadamByHand(slip: boolean): number[][] {
  const gradients = golden("nadam.grad_W")
  const size = gradients.data.length / 10
  let w = [...golden("nadam.W").data.slice(0, size)]
  const m = w.map(() => 0)
  const v = w.map(() => 0)
  let product = 1
  return Array.from({ length: 10 }, (_, at) => {
    const [mu, next] = [at + 1, at + 2].map(step => 0.9 * (1 - 0.5 * 0.96 ** (step * 0.004))) as [number, number]
    product *= mu
    w = w.map((x, i) => {
      const g = gradients.data[at * size + i]!
      m[i] = 0.9 * m[i]! + 0.1 * g
      v[i] = 0.999 * v[i]! + 0.001 * g * g
      const denominator = Math.sqrt(v[i]! / (1 - 0.999 ** (at + 1))) + 1e-8
      const ofMean = next / (1 - product * next * (slip ? mu : 1))
      return x - (0.1 * (((1 - mu) / (1 - product)) * g + ofMean * m[i]!)) / denominator
    })
    return w
  })
}

test("nadam is PyTorch's without the slip that its version 1.13 made", async () => {
  closeTo(nadamByHand(true).flat(), golden("nadam.W").data.subarray(golden("nadam.W").data.length / 11), 2e-5)
  const w = new Parameter(leaf("problem.W0"), { name: "W" })
  const optimizer = optimizers.nadam([w])
  const gradients = golden("nadam.grad_W")
  const found: Tensor[] = []
  for (let step = 1; step <= 10; step++) {
    const g = fromHost(gradients.data.slice((step - 1) * w.size, step * w.size), w.shape, "f32")
    const scalars = Object.entries(optimizer.scalars(step, 0.1)).map(([key, x]) => [key, tensor(x)])
    optimizer.update([g], Object.fromEntries(scalars))
    found.push(w.current())
  }
  const values = (await evaluateOn("reference", found)).flatMap(values => [...values])
  closeTo(values, nadamByHand(false).flat(), 2e-5)
})

describe("optimizers", () => {
  const cases = goldenJson<{ cases: Case[] }>("optimizers").cases.filter(({ name }) => name !== "nadam")
  for (const { name, params, atol } of cases)
    test(name, async () => {
      const w = new Parameter(leaf("problem.W0"), { name: "W" })
      const b = new Parameter(leaf("problem.b0"), { name: "b" })
      const optimizer = classes[params.class]!([w, b], ours(params.given))
      const limit = params.given.max_grad_norm as number | undefined
      // null: the step is relative, and the rate a factor on it
      const rate = (params.given.lr as number | null) ?? 1
      const track: Record<"W" | "b" | "grad_W" | "grad_b" | "loss" | "grad_norm", Tensor[]> = {
        W: [w.current()],
        b: [b.current()],
        grad_W: [],
        grad_b: [],
        loss: [],
        grad_norm: [],
      }
      for (let step = 1; step <= 10; step++) {
        const error = leaf("problem.X").matmul(w).add(b).sub(leaf("problem.Y"))
        const loss = error.mul(error).mean()
        let gradients = grad(loss, [w, b])
        if (limit !== undefined) {
          const clipped = clipByGlobalNorm(gradients, limit)
          gradients = clipped.gradients
          track.grad_norm.push(clipped.norm)
        }
        const scalars = Object.entries(optimizer.scalars(step, rate)).map(([key, x]) => [key, tensor(x)])
        optimizer.update(gradients, Object.fromEntries(scalars))
        track.loss.push(loss)
        track.grad_W.push(gradients[0]!)
        track.grad_b.push(gradients[1]!)
        track.W.push(w.current())
        track.b.push(b.current())
      }
      for (const [key, tensors] of Object.entries(track)) {
        if (tensors.length === 0) continue
        const values = (await evaluateOn("reference", tensors)).flatMap(values => [...values])
        closeTo(values, golden(`${name}.${key}`).data, atol[key]!)
      }
    })
})
