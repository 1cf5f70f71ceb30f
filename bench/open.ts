// How long a model of SmolLM2-135M's shape (270 MB of bf16 weights in a Hugging Face folder) takes from loadModel to its first logits,
// in a process of its own, with the file in the system's cache. Modules are loaded before the clock starts; see the question "import".

import { spawnSync } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deviceInfo } from "../src/index.ts"
import { llama, saveModel } from "../src/models/index.ts"
import { median, type Question, type Row, skipped } from "./question.ts"

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

const limit = 500

/** What a process of its own runs: milliseconds to the opened model, and to its first logits. */
const program = (folder: string, dtype: string, precision: string): string => `
  const { compile, fromHost } = await import(${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)})
  const { loadModel } = await import(${JSON.stringify(new URL("../src/models/index.ts", import.meta.url).href)})
  await import(${JSON.stringify(new URL("../src/files/index.ts", import.meta.url).href)})
  const start = performance.now()
  const model = await loadModel(${JSON.stringify(folder)}, { dtype: ${JSON.stringify(dtype)} })
  const opened = performance.now()
  model.eval()
  const forward = compile(ids => model.forward(ids).logits, { precision: ${JSON.stringify(precision)} })
  const logits = await forward(fromHost(Int32Array.of(1, 2, 3, 4), [1, 4], "i32"))
  await logits.read()
  const end = performance.now()
  console.log(JSON.stringify({ open: opened - start, all: end - start, megabytes: process.memoryUsage().rss / 1e6 }))
  process.exit(0)`

interface Opened {
  readonly open: number
  readonly all: number
  readonly megabytes: number
}

function openOnce(folder: string, dtype: string, precision: string): Opened {
  const code = program(folder, dtype, precision)
  const loader = import.meta.resolve("tsx")
  const run = spawnSync(process.execPath, ["--import", loader, "--input-type=module", "-e", code], { encoding: "utf8" })
  if (run.status !== 0) throw new Error(`opening the model failed: ${run.stderr}`)
  return JSON.parse(run.stdout.trim().split("\n").at(-1)!) as Opened
}

export const question: Question = {
  name: "open",
  async run({ smoke }) {
    const info = await deviceInfo()
    const name = "open SmolLM2-135M shape to first logits"
    if (info.name !== "native") return [skipped(`${name}, bf16`, `the native device is not there: ${info.why}`, 1, 1.5)]
    const folder = await mkdtemp(join(tmpdir(), "heed-bench-open-"))
    try {
      const model = llama.build({ ...shape, layers: smoke ? 2 : 30 }, { dtype: "bf16", seed: 1 })
      await saveModel(model, join(folder, "model"))
      const rows: Row[] = []
      for (const [dtype, label] of [
        ["bf16", "bf16"],
        ["f32", "bf16 file as f32"],
      ] as const) {
        const precision = dtype === "bf16" && info.bf16 ? "bf16" : "fp32"
        const once = (): Opened => openOnce(join(folder, "model"), dtype, precision)
        once() // the file goes into the system's cache
        const runs = Array.from({ length: smoke ? 1 : 7 }, once).sort((a, b) => a.all - b.all)
        const [best, middle] = [runs[0]!, median(runs.map(({ all }) => all))]
        rows.push({
          name: `${name}, ${label}`,
          value: middle,
          unit: "ms",
          against: `${limit} ms; best ${best.all.toFixed(0)} (weights ${best.open.toFixed(0)}), ${best.megabytes.toFixed(0)} MB in memory`,
          ratio: limit / middle,
          atLeast: dtype === "bf16" ? 1 : null,
          aim: dtype === "bf16" ? 1.5 : null,
        })
      }
      return rows
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
