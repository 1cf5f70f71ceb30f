// Greedy decoding of a T5 of t5-small's shape after 128 tokens were read: bytes of the decoder's weights and of its memory read per second
// over measured read bandwidth, and what encoding takes.

import { CachedDecoder } from "../src/generate/decoder.ts"
import { deviceInfo } from "../src/index.ts"
import { type T5, t5 } from "../src/models/index.ts"
import { compile } from "../src/runtime/index.ts"
import { measurePeak } from "../src/runtime/native.ts"
import { fromHost, type Tensor } from "../src/tensor/index.ts"
import { median, type Question, type Row, skipped } from "./question.ts"

const read = 128

async function measure(smoke: boolean, dtype: "bf16" | "f32", bf16: boolean): Promise<Row> {
  const model = t5.build({ layers: smoke ? 1 : 6 }, { dtype, seed: 1 }) as T5
  const precision = dtype === "bf16" && bf16 ? "bf16" : "fp32"
  const decoder = new CachedDecoder(model, { batch: 1, positions: 256, precision, cacheType: dtype })
  const ids = fromHost(
    Int32Array.from({ length: read }, (_, i) => 3 + i),
    [1, read],
    "i32",
  )
  const encode = compile((x: Tensor) => model.remember(model.encode(x).hidden), { precision })
  await encode.run([ids])
  const began = performance.now()
  const memory = await encode.run([ids])
  const encoding = performance.now() - began
  decoder.attend({ memory })
  const once = /^encoder\.|\.cross\.(key|value)\./ // what a token does not read
  const weights = [...model.namedParameters()].filter(([path]) => !once.test(path))
  const bytes =
    weights.reduce((total, [, p]) => total + p.size * (p.dtype === "bf16" ? 2 : 4), 0) +
    memory.reduce((total, { k, v }) => total + 4 * (k.size + v.size), 0)
  await decoder.start([[0]])
  const before = measurePeak("read")
  const times: number[] = []
  let next = 1
  for (let i = 0; i < (smoke ? 4 : 120); i++) {
    const start = performance.now()
    const { scores } = await decoder.step(Int32Array.of(next))
    next = scores.indexOf(Math.max(...scores.subarray(0, 1000)))
    times.push(performance.now() - start)
  }
  const ms = median(times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b))
  const peak = Math.max(before, measurePeak("read"), measurePeak("read"))
  return {
    name: `translate t5-small shape, ${dtype}`,
    value: bytes / ms / 1e6,
    unit: "GB/s",
    against: `read ${(peak / 1e9).toFixed(1)} GB/s; ${(1000 / ms).toFixed(0)} tokens/s; encodes ${read} in ${encoding.toFixed(0)} ms`,
    ratio: bytes / (ms / 1000) / peak,
    atLeast: 0.5,
    aim: 0.8,
  }
}

export const question: Question = {
  name: "translate",
  async run({ smoke }) {
    const { name, why, bf16 } = await deviceInfo()
    if (name !== "native")
      return [skipped("translate t5-small shape", `the native device is not there: ${why}`, 0.5, 0.8)]
    return [await measure(smoke, "bf16", bf16), await measure(smoke, "f32", false)]
  },
}
