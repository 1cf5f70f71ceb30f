// A whole training step — forward, backward, clipping, AdamW, loss — as one program: 6·N·tokens + 12·L·D·T·tokens floating-point
// operations over the measured peak; and what its memory plan saves.

import { compile, deviceInfo, fromHost, grad, type Tensor } from "../src/index.ts"
import { gpt2 } from "../src/models/index.ts"
import { measurePeak } from "../src/runtime/native.ts"
import { adamW, clipByGlobalNorm } from "../src/train/index.ts"
import { type BenchOptions, bestAround, median, type Question, type Row, skipped, timed } from "./question.ts"

interface Size {
  readonly name: string
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly context: number
  readonly batch: number
}

const large: Size = { name: "D 384 L 6 T 256 B 8", width: 384, layers: 6, heads: 6, context: 256, batch: 8 }
const small: Size = { name: "D 128 L 4 T 128 B 16", width: 128, layers: 4, heads: 4, context: 128, batch: 16 }
const vocabulary = 65

/** A GPT of that size and one step of its training. */
export function trainingStep(size: Size, precision: "fp32" | "bf16") {
  const { width, layers, heads, context, batch } = size
  const rates = { embeddingDropout: 0, residualDropout: 0, attentionDropout: 0 }
  const model = gpt2.build({ vocabulary, context, width, layers, heads, ...rates }, { seed: 1 })
  model.adoptNames()
  const parameters = model.trainableParameters()
  const optimizer = adamW(parameters, { weightDecay: 0.1 })
  const update = compile(
    (ids: Tensor, targets: Tensor, scalars: Readonly<Record<string, Tensor>>) => {
      const loss = model.forward(ids, { targets }).loss!
      const { gradients, norm } = clipByGlobalNorm(grad(loss, parameters), 1)
      optimizer.update(gradients, scalars)
      return { loss, norm }
    },
    { precision },
  )
  const ids = (shift: number): Tensor =>
    fromHost(
      Int32Array.from({ length: batch * context }, (_, i) => ((i + shift) * 7919) % vocabulary),
      [batch, context],
      "i32",
    )
  const [inputs, targets] = [ids(0), ids(1)]
  let step = 0
  return {
    parameters: model.parameterCount(),
    run: async (): Promise<number> => {
      step++
      const result = await update(inputs, targets, optimizer.scalars(step, 1e-3) as Readonly<Record<string, number>>)
      return result.loss.item()
    },
    program: () => [...update.programs().values()][0]!,
  }
}

async function row(
  size: Size,
  precision: "fp32" | "bf16",
  bounds: readonly [number, number],
  { smoke }: BenchOptions,
): Promise<Row[]> {
  const name = `training step ${precision} ${size.name}`
  const info = await deviceInfo()
  if (info.name !== "native") return [skipped(name, `the native device is not there: ${info.why}`, ...bounds)]
  if (precision === "bf16" && !info.bf16) return [skipped(name, "this processor has no bf16 dot product", ...bounds)]
  const step = trainingStep(size, precision)
  const measure = (): number => measurePeak(precision === "fp32" ? "f32" : "bf16")
  const { result: times, best: peak } = await bestAround(measure, () => timed(step.run, smoke ? 2 : 15, smoke ? 1 : 3))
  const ms = median(times)
  const tokens = size.batch * size.context
  const operations = 6 * step.parameters * tokens + 12 * size.layers * size.width * size.context * tokens
  const flops = operations / (ms / 1000)
  const rows: Row[] = [
    {
      name,
      value: flops / 1e9,
      unit: "GFLOP/s",
      against: `peak ${(peak / 1e9).toFixed(0)} GFLOP/s; ${ms.toFixed(1)} ms a step`,
      ratio: flops / peak,
      atLeast: bounds[0],
      aim: bounds[1],
    },
  ]
  if (size === large && precision === "fp32") {
    const { arenaBytes, intermediateBytes } = step.program().memory
    const share = arenaBytes / intermediateBytes
    rows.push({
      name: "training step memory",
      value: share,
      unit: "of all values",
      against: "0.5",
      ratio: 0.5 / share,
      atLeast: 1,
      aim: null,
    })
  }
  return rows
}

export const question: Question = {
  name: "training step",
  run: async options => [
    ...(await row(large, "bf16", [0.55, 0.75], options)),
    ...(await row(large, "fp32", [0.65, 0.8], options)),
    ...(await row(small, "bf16", [0.3, 0.5], options)),
  ],
}
