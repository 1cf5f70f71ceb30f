// kill -9 at random moments of a process that only appends and saves. Whatever the moment: the run opens, its newest checkpoint is
// whole, nothing that was reported as saved is lost, and nothing is left lying about.
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { expect, test } from "vitest"
import { createRun, openRun } from "../../src/files/run.ts"
import { openSafetensors } from "../../src/files/safetensors.ts"
import { freshFolder } from "./folder.ts"

/** Saves every step (every third twice, to replace a folder) until it is killed; prints each step once it is saved. */
const program = (url: string) => `
import { openRun, safetensorsContent } from ${JSON.stringify(url)}
const run = await openRun(process.argv[2], { saveTotalLimit: 2 })
let step = (await run.latest())?.step ?? 0
await run.rewind(step)
for (;;) {
  step++
  await run.appendMetrics({ step, loss: 1 / step })
  const w = { dtype: "f32", shape: [5000], data: new Float32Array(5000).fill(step) }
  for (let again = step % 3 === 0 ? 2 : 1; again > 0; again--)
    await run.saveCheckpoint(
      step,
      { "model.safetensors": safetensorsContent({ w }), "state.json": JSON.stringify({ step }) },
      step % 10 === 1 ? { best: { metric: "loss", value: 1 / step } } : {},
    )
  console.log(step)
}
`

/** The room as JavaScript, since a bare Node of version 20 runs no TypeScript. */
function buildRoom(folder: string): string {
  const root = join(import.meta.dirname, "../..")
  const compiler = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc")
  const flags = "--ignoreConfig --noCheck --target es2023 --module nodenext --rewriteRelativeImportExtensions --rootDir"
  const sources = join(root, "src")
  const result = spawnSync(
    process.execPath,
    [compiler, ...flags.split(" "), sources, "--outDir", folder, join(sources, "files/index.ts")],
    { encoding: "utf8", cwd: root },
  )
  expect(result.stdout + result.stderr).toBe("")
  writeFileSync(join(folder, "package.json"), '{"type":"module"}')
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  writeFileSync(join(folder, "writer.js"), program("./files/index.js"))
  return join(folder, "writer.js")
}

/** Runs the writer, kills it some milliseconds after its first save, and returns the last step it reported. */
async function runAndKill(script: string, folder: string, milliseconds: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "pipe"] })
  let errors = ""
  child.stderr!.on("data", chunk => (errors += chunk))
  const lines = createInterface({ input: child.stdout! })
  let last = 0
  const ended = once(child, "close")
  lines.on("line", line => {
    if (last === 0) setTimeout(() => child.kill("SIGKILL"), milliseconds)
    last = Number(line)
  })
  const [code, signal] = await ended
  expect(errors).toBe("")
  expect([code, signal]).toEqual([null, "SIGKILL"])
  return last
}

test("kill -9 at any moment leaves a run that resumes", async () => {
  const script = buildRoom(await freshFolder())
  const folder = await freshFolder()
  await (await createRun(folder, { seed: 1 })).close()
  for (let round = 0; round < 14; round++) {
    const reported = await runAndKill(script, folder, Math.random() * 40)
    // before anything is cleaned: readers of a killed run see the newest checkpoint too
    const seen = await (await openRun(folder, { readOnly: true })).latest()
    const run = await openRun(folder)
    const latest = (await run.latest())!
    expect(latest.step).toBe(seen?.step)
    expect(latest.step).toBeGreaterThanOrEqual(reported)
    expect(JSON.parse(readFileSync(join(latest.folder, "state.json"), "utf8"))).toEqual({ step: latest.step })
    const file = await openSafetensors(join(latest.folder, "model.safetensors"))
    expect((await file.read("w")).data).toEqual(new Float32Array(5000).fill(latest.step))
    await file.close()
    const recorded = (await run.readMetrics()).map(row => row.step)
    expect(recorded.slice(0, latest.step)).toEqual(Array.from({ length: latest.step }, (_, i) => i + 1))
    expect((await run.best())!.step).toBe(Math.floor((latest.step - 1) / 10) * 10 + 1)
    const names = [...readdirSync(folder), ...readdirSync(join(folder, "checkpoints"))]
    expect(names.filter(name => name.startsWith("."))).toEqual([])
    await run.close()
  }
})
