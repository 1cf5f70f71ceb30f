// Greedy decoding of a Llama of SmolLM2-135M's shape in bf16: bytes of weights read per second over measured read bandwidth.

import { CachedDecoder } from "../src/generate/decoder.ts"
import { deviceInfo } from "../src/index.ts"
import { llama } from "../src/models/index.ts"
import { measurePeak } from "../src/runtime/native.ts"
import { median, type Question, skipped } from "./question.ts"

export const question: Question = {
  name: "decode",
  async run({ smoke }) {
    const name = "decode SmolLM2-135M shape, bf16"
    const info = await deviceInfo()
    if (info.name !== "native") return [skipped(name, `the native device is not there: ${info.why}`, 0.6, 0.85)]
    const shape = {
      width: 576,
      heads: 9,
      groups: 3,
      inner: 1536,
      vocabulary: 49152,
      context: 2048,
      theta: 100000,
      tieEmbeddings: true,
    }
    const model = llama.build({ ...shape, layers: smoke ? 2 : 30 }, { dtype: "bf16", seed: 1 })
    // tied embeddings are read once a token, as output weights
    const bytes = [...new Set(model.parameters())].reduce(
      (total, p) => total + p.size * (p.dtype === "bf16" ? 2 : 4),
      0,
    )
    const decoder = new CachedDecoder(model, {
      batch: 1,
      positions: 256,
      precision: info.bf16 ? "bf16" : "fp32",
      cacheType: "bf16",
    })
    let next = 1
    const token = async (): Promise<void> => {
      const { scores: logits } = await decoder.step(Int32Array.of(next))
      let best = 0
      for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
      next = best
    }
    await decoder.start([[1, 2, 3]])
    const before = measurePeak("read")
    const times: number[] = []
    for (let i = 0; i < (smoke ? 4 : 60); i++) {
      const start = performance.now()
      await token()
      times.push(performance.now() - start)
    }
    const ms = median(times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b))
    const rate = bytes / (ms / 1000)
    const peak = Math.max(before, measurePeak("read"), measurePeak("read"))
    return [
      {
        name,
        value: rate / 1e9,
        unit: "GB/s",
        against: `read ${(peak / 1e9).toFixed(1)} GB/s; ${(1000 / ms).toFixed(1)} tokens/s`,
        ratio: rate / peak,
        atLeast: 0.6,
        aim: 0.85,
      },
    ]
  },
}
