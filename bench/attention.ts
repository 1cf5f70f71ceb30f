// Streaming attention, forward and backward at 2048 positions: against the composed form (full score matrices) on the same
// device, and how its memory grows with length.

import { attention, deviceInfo, grad, type Tensor, tensor } from "../src/index.ts"
import { compileFunction } from "../src/runtime/compiled.ts"
import type { ProgramDevice } from "../src/runtime/device.ts"
import { Engine } from "../src/runtime/engine.ts"
import { engineOf } from "../src/runtime/index.ts"
import { median, type Question, timed } from "./question.ts"

const [B, H, K] = [1, 6, 64]

/** The same device without some kernels: definitions are used instead. */
function without(device: ProgramDevice, names: readonly string[]): ProgramDevice {
  return {
    info: device.info,
    kernels: new Set([...device.kernels].filter(name => !names.includes(name))),
    allocate: bytes => device.allocate(bytes),
    part: (storage, offset, bytes) => device.part(storage, offset, bytes),
    write: (storage, offset, data) => device.write(storage, offset, data),
    read: (storage, offset, into) => device.read(storage, offset, into),
    load: image => device.load(image),
  }
}

function bothWays(engine: Engine, precision: "fp32" | "bf16") {
  return compileFunction(
    async () => engine,
    (q: Tensor, k: Tensor, v: Tensor) => {
      const z = attention(q, k, v, { causal: true })
      return grad(z.mul(z).sum(), [q, k, v]).map(g => g.sum())
    },
    { precision },
  )
}

const heads = (T: number): Tensor =>
  tensor(
    Float32Array.from({ length: B * H * T * K }, (_, i) => Math.sin(i * 0.7)),
    [B, H, T, K],
  )

export const question: Question = {
  name: "attention",
  async run({ smoke }) {
    const precision = (await deviceInfo()).bf16 ? "bf16" : "fp32"
    const streaming = await engineOf("auto")
    const composed = new Engine(without(streaming.device, ["attention", "attention_backward"]))
    const T = smoke ? 256 : 2048
    const x = [heads(T), heads(T), heads(T)] as const
    const fast = bothWays(streaming, precision)
    const slow = bothWays(composed, precision)
    const fastTime = median(await timed(() => fast(...x), smoke ? 2 : 9))
    const slowTime = median(await timed(() => slow(...x), smoke ? 1 : 3))
    const y = [heads(2 * T), heads(2 * T), heads(2 * T)] as const
    await fast(...y)
    const [once, twice] = [...fast.programs().values()].map(program => program.memory.arenaBytes)
    const growth = twice! / once!
    return [
      {
        name: `attention forward+backward T ${T} ${precision}`,
        value: fastTime,
        unit: "ms",
        against: `composed ${slowTime.toFixed(1)} ms`,
        ratio: slowTime / fastTime,
        atLeast: 3,
        aim: 6,
      },
      {
        name: `attention memory, T ${T} to ${2 * T}`,
        value: growth,
        unit: "times",
        against: "2 times: growth with T, not T²",
        ratio: 2 / growth,
        atLeast: 0.9,
        aim: null,
      },
    ]
  },
}
