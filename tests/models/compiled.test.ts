// Compiled steps of models on the machine's devices: training lowers the loss, decoding is one program for every position.

import { describe, expect, test } from "vitest"
import { gpt2, type LanguageModel, llama } from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { compile, evaluateOn, scalar } from "../../src/runtime/index.ts"
import { argmax, fromHost, grad, randomKey, type Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]

const small = { vocabulary: 17, context: 16, width: 16, layers: 2, heads: 4 }

const makers: readonly (readonly [string, () => LanguageModel])[] = [
  ["gpt2", () => gpt2.build(small, { seed: 3 })],
  ["llama", () => llama.build({ ...small, groups: 2, inner: 24 }, { seed: 3 })],
]

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")

describe.each(devices)("%s", device => {
  describe.each(makers)("%s", (_, make) => {
    test.each(["fp32", "bf16"] as const)(
      "a training step in %s is one program that lowers the loss",
      async precision => {
        const model = make().train()
        const weights = model.trainableParameters()
        const step = compile(
          (x: Tensor, y: Tensor, key: Tensor, rate: Tensor) => {
            const { loss } = withRandom(key, () => model.forward(x, { targets: y }))
            for (const [i, g] of grad(loss!, weights).entries()) weights[i]!.assign(weights[i]!.sub(g.mul(rate)))
            return loss!
          },
          { device, precision },
        )
        const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
        const [x, y] = [ids(text.slice(0, -1)), ids(text.slice(1))]
        const losses: number[] = []
        for (let i = 0; i < 40; i++) {
          const loss = await step(x, y, randomKey(i), 0.5)
          losses.push((await evaluateOn(device, [loss]))[0]![0]!)
        }
        expect(losses[0]).toBeGreaterThan(2.5)
        expect(losses.at(-1)).toBeLessThan(losses[0]! / 2)
        expect(step.programs().size).toBe(1)
      },
    )

    test.each(["f32", "bf16"] as const)(
      "decoding with a cache in %s replays one program and equals the whole model",
      async dtype => {
        const model = make()
        const whole = compile((x: Tensor) => model.forward(x).logits.slice(1, -1), { device })
        const cache = model.createCache({ batch: 1, capacity: 16, dtype })
        const decode = compile((x: Tensor, offset: Tensor) => model.forward(x, { cache, offset }).logits.slice(1, -1), {
          device,
        })
        const row = [3, 1, 4]
        let logits = await decode(ids(row), scalar(0, "i32"))
        for (let n = row.length; n < 12; n++) {
          const [got, expected] = await evaluateOn(device, [logits, await whole(ids(row))])
          for (const [i, x] of expected!.entries())
            expect(Math.abs(x - got![i]!), `token ${n}, logit ${i}`).toBeLessThan(dtype === "f32" ? 1e-5 : 0.02)
          const [next] = await evaluateOn(device, [argmax(logits.reshape([17]))])
          row.push(next![0]!)
          logits = await decode(ids([next![0]!]), scalar(n, "i32"))
        }
        expect(decode.programs().size).toBe(2) // the prompt, and one token
      },
    )
  })

  test.each([
    ["gpt2", (dtype: "bf16") => gpt2.build(small, { seed: 3, dtype })],
    ["llama", (dtype: "bf16") => llama.build({ ...small, groups: 2, inner: 24 }, { seed: 3, dtype })],
  ] as const)("%s with weights in bf16 gives the numbers of the reference", async (_, make) => {
    const { logits } = make("bf16").forward(ids([3, 1, 4, 1, 5]))
    const [[got], [expected]] = [await evaluateOn(device, [logits]), await evaluateOn("reference", [logits])]
    for (const [i, x] of expected!.entries()) expect(Math.abs(x - got![i]!), `${i}`).toBeLessThan(1e-4)
  })
})
