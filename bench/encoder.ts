// An encoder of BERT-base's shape, 8 texts of 128 tokens and one of 16: how many tokens a second, over onnxruntime-node in fp32 on the
// same shape, measured in turns in the same run.

import { compile, deviceInfo, fromHost, type Tensor } from "../src/index.ts"
import { bert } from "../src/models/index.ts"
import { openOnnxruntime } from "./peers/onnxruntime.ts"
import { type BenchOptions, median, type Question, type Row, skipped, timed } from "./question.ts"

const shape = { layers: 12, width: 768, heads: 12, inner: 3072, vocabulary: 4096, context: 512 }
const rows = [
  { B: 8, T: 128, atLeast: { bf16: 2.5, fp32: 1.2 } },
  { B: 1, T: 16, atLeast: { bf16: 1.3, fp32: 1.2 } },
] as const

/** Weights as they are multiplied: bf16 ones are kept short. */
function encoder(precision: "bf16" | "fp32", B: number, T: number, layers: number): () => Promise<unknown> {
  const model = bert.build(
    { ...shape, layers, head: "none" },
    { seed: 1, dtype: precision === "bf16" ? "bf16" : "f32" },
  )
  const forward = compile((ids: Tensor) => model.eval().forward(ids).hidden, { precision })
  const ids = Int32Array.from({ length: B * T }, (_, i) => (i * 7919) % shape.vocabulary)
  return () => forward(fromHost(ids, [B, T], "i32"))
}

async function answer({ smoke }: BenchOptions): Promise<Row[]> {
  const layers = smoke ? 1 : shape.layers
  const names = rows.flatMap(({ B, T, atLeast }) =>
    (["bf16", "fp32"] as const).map(precision => ({
      B,
      T,
      precision,
      atLeast: atLeast[precision],
      name: `encoder BERT-base ${B} × ${T} ${precision}`,
    })),
  )
  const peer = openOnnxruntime()
  if ("problem" in peer) return names.map(({ name, atLeast }) => skipped(name, peer.problem, atLeast))
  const out: Row[] = []
  const { bf16, name: device } = await deviceInfo()
  for (const { B, T, precision, atLeast, name } of names) {
    // one short text is bound by reading weights, which are short on every processor; many tokens are bound by products
    if (precision === "bf16" && !bf16 && B > 1) {
      out.push(skipped(name, "this processor has no bf16 dot product", atLeast))
      continue
    }
    const theirs = await peer.encoder({ ...shape, layers }, B, T)
    const ours = encoder(precision, B, T, layers)
    const times = { ours: [] as number[], theirs: [] as number[] }
    for (let turn = 0; turn < (smoke ? 1 : 5); turn++) {
      times.theirs.push(median(await timed(theirs, smoke ? 1 : B === 1 ? 20 : 3)))
      times.ours.push(median(await timed(ours, smoke ? 1 : B === 1 ? 20 : 3)))
    }
    const [own, peers] = [Math.min(...times.ours), Math.min(...times.theirs)]
    const perSecond = (milliseconds: number): number => (B * T * 1000) / milliseconds
    out.push({
      name,
      value: perSecond(own),
      unit: "tokens/s",
      against: `onnxruntime ${peer.version} fp32: ${Math.round(perSecond(peers))} tokens/s (${peers.toFixed(1)} ms; here ${own.toFixed(1)} ms, ${device})`,
      ratio: peers / own,
      atLeast,
      aim: null,
    })
  }
  return out
}

/** How fast an encoder reads. */
export const question: Question = { name: "encoder", run: answer }
