// kill -9 at random moments of a real run: it goes on from its last checkpoint, and ends as a run that nobody killed.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { expect, onTestFinished, test } from "vitest"
import { createRun, openRun, type Run } from "../../src/files/index.ts"
import { freshFolder } from "../files/folder.ts"
import { runOfKill, steps } from "./kill.ts"
import { collect, metricsOf } from "./tiny.ts"

/** Trains in a process of its own, killed some milliseconds after its first checkpoint; gives the last step it reported. */
async function trainAndKill(folder: string, milliseconds: number): Promise<{ last: number; code: number | null }> {
  const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "killed.ts"), folder], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: join(import.meta.dirname, "../.."),
  })
  let [last, errors] = [0, ""]
  const ended = once(child, "close")
  child.stderr.on("data", chunk => (errors += chunk))
  createInterface({ input: child.stdout }).on("line", line => {
    if (last === 0) setTimeout(() => child.kill("SIGKILL"), milliseconds)
    last = Number(line)
  })
  const [code] = (await ended) as [number | null]
  expect(errors).toBe("")
  return { last, code }
}

async function outcome(run: Run) {
  onTestFinished(() => run.close())
  const { folder, step } = (await run.latest())!
  const bytes = ["model.safetensors", "optimizer.safetensors"].map(name => readFileSync(join(folder, name), "base64"))
  return { step, bytes, metrics: await metricsOf(run) }
}

test("a killed run goes on from its last checkpoint, bit for bit", async () => {
  const folder = await freshFolder()
  const { config, ...rest } = await runOfKill()
  await (await createRun(folder, config)).close()
  let [kills, reached] = [0, 0]
  while (kills < 3) {
    const { last, code } = await trainAndKill(folder, Math.random() * 60)
    if (code === 0) break // it was faster than the killer
    kills++
    const seen = await openRun(folder, { readOnly: true })
    const latest = (await seen.latest())!
    expect(latest.step).toBeGreaterThanOrEqual(Math.max(last, reached))
    reached = latest.step
  }
  expect(kills).toBeGreaterThan(0)
  const run = await openRun(folder)
  await collect({ ...rest, config, run, resume: true })
  const straight = await createRun(await freshFolder(), config)
  await collect({ ...(await runOfKill()), run: straight })
  const expected = await outcome(straight)
  expect(expected.step).toBe(steps)
  expect(await outcome(run)).toEqual(expected)
}, 120_000)
