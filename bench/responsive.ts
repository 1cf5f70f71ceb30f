// Does JavaScript stay free during training? The delay of the event loop while a GPT trains on native: the longest and the 99th
// percentile over what an idle loop shows in the same run.

import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout as pause } from "node:timers/promises"
import { TokenDataset } from "../src/data/index.ts"
import { useDevice } from "../src/index.ts"
import { gpt2 } from "../src/models/index.ts"
import { nativeProblem } from "../src/runtime/native.ts"
import { train } from "../src/train/index.ts"
import { type Question, type Row, skipped } from "./question.ts"

const limit = 20

/** Longest and 99th percentile of the event loop's delay in ms while `work` runs. */
async function delays(work: () => Promise<unknown>): Promise<{ longest: number; percentile: number }> {
  const resolution = 1
  const monitor = monitorEventLoopDelay({ resolution })
  monitor.enable()
  await work()
  monitor.disable()
  // the monitor counts its own period as delay
  return { longest: monitor.max / 1e6 - resolution, percentile: monitor.percentile(99) / 1e6 - resolution }
}

/** Trains; `began` is called when the program is recorded and steps follow each other. */
async function training(steps: number, began: () => void): Promise<void> {
  const [vocabulary, context] = [65, 256]
  const model = gpt2.build({ vocabulary, context, width: 256, layers: 4, heads: 4 })
  const ids = Int32Array.from({ length: 20_000 }, (_, i) => (i * i + (i >> 3)) % vocabulary)
  const config = { steps, batchSize: 8, context, precision: "bf16" }
  for await (const event of train({ model, data: { train: new TokenDataset(ids, vocabulary) }, config }))
    if (event.type === "step" && event.step === 3) began()
}

export const question: Question = {
  name: "responsive",
  async run({ smoke }) {
    const problem = nativeProblem()
    if (problem !== null) return [skipped("responsive longest delay while training", problem, 1)]
    useDevice("native")
    const idle = await delays(() => pause(smoke ? 50 : 500))
    let recorded: () => void = () => {}
    const began = new Promise<void>(resolve => {
      recorded = resolve
    })
    const steps = smoke ? 6 : 40
    const whole = training(steps, recorded)
    const beginning = await delays(() => began)
    const { longest, percentile } = await delays(() => whole)
    useDevice("auto")
    const row = (name: string, value: number, bound: number | null, base: number): Row => ({
      name,
      value,
      unit: "ms",
      against: `${limit} ms (idle: ${base.toFixed(1)} ms)`,
      ratio: limit / value,
      atLeast: bound,
      aim: null,
    })
    return [
      row("responsive longest delay while training", longest, 1, idle.longest),
      row("responsive p99 of that delay", percentile, 1, idle.percentile),
      row("responsive longest delay while recording", beginning.longest, null, idle.longest),
    ]
  },
}
