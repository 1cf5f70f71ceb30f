// How near matmul comes to the machine: fp32 over the measured multiply-add peak, bf16 over the measured dot-product peak.

import { compile, deviceInfo, matmul, type Tensor, tensor } from "../src/index.ts"
import { measurePeak } from "../src/runtime/native.ts"
import { type BenchOptions, bestAround, type Question, type Row, skipped, timed } from "./question.ts"
import { products } from "./shapes.ts"

const noise = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898) * 0.5)

async function rows(precision: "fp32" | "bf16", { smoke }: BenchOptions): Promise<Row[]> {
  const [atLeast, aim] = precision === "fp32" ? [0.8, 0.88] : [0.78, 0.9]
  const info = await deviceInfo()
  if (info.name !== "native")
    return [skipped(`matmul ${precision}`, `the native device is not there: ${info.why}`, atLeast, aim)]
  if (precision === "bf16" && !info.bf16)
    return [skipped("matmul bf16", "this processor has no bf16 dot product", atLeast, aim)]
  const out: Row[] = []
  for (const { name, m, n, k } of smoke ? products.slice(0, 1) : products) {
    // several products in one program, so that the call itself does not count; only a corner of each result leaves it
    const repeat = Math.max(1, Math.round(8e9 / (2 * m * n * k)))
    const step = compile((left: Tensor[], b: Tensor) => left.map(a => matmul(a, b).slice(0, 0, 1).slice(1, 0, 1)), {
      precision,
    })
    const [a, b] = [tensor(noise(m * k), [m, k]), tensor(noise(k * n), [k, n])]
    const left = Array.from({ length: repeat }, () => a)
    const measure = (): number => measurePeak(precision === "fp32" ? "f32" : "bf16")
    const { result: times, best: peak } = await bestAround(measure, () => timed(() => step(left, b), smoke ? 2 : 9))
    const flops = (2 * m * n * k * repeat) / (times[0]! / 1000)
    const ratio = flops / peak
    out.push({
      name: `matmul ${precision} ${name}`,
      value: flops / 1e9,
      unit: "GFLOP/s",
      against: `peak ${(peak / 1e9).toFixed(0)} GFLOP/s`,
      ratio,
      atLeast,
      aim,
    })
  }
  return out
}

export const question: Question = {
  name: "matmul",
  run: async options => [...(await rows("fp32", options)), ...(await rows("bf16", options))],
}
