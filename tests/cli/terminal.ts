// The command line as tests call it: in this process with what it prints caught, or in a process of its own.

import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { run } from "../../src/cli/program.ts"

/** What a command line gave. */
export interface Called {
  readonly code: number
  readonly out: string
  readonly err: string
}

type Write = typeof process.stdout.write

function catchText(stream: NodeJS.WriteStream, into: string[]): () => void {
  const write = stream.write
  stream.write = ((chunk: string | Uint8Array) => {
    into.push(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString())
    return true
  }) as Write
  return () => {
    stream.write = write
  }
}

/** Runs a command line in this process. */
export async function heed(...argv: string[]): Promise<Called> {
  const [out, err]: [string[], string[]] = [[], []]
  const before = { log: console.log, error: console.error, code: process.exitCode }
  const restore = [catchText(process.stdout, out), catchText(process.stderr, err)]
  console.log = (...parts) => void out.push(`${parts.join(" ")}\n`)
  console.error = (...parts) => void err.push(`${parts.join(" ")}\n`)
  process.exitCode = 0
  try {
    await run(argv)
    return { code: Number(process.exitCode ?? 0), out: out.join(""), err: err.join("") }
  } finally {
    for (const back of restore) back()
    console.log = before.log
    console.error = before.error
    process.exitCode = before.code
  }
}

const root = resolve(import.meta.dirname, "../..")

/** Starts a command line in a process of its own. */
export function start(argv: readonly string[], options: { cwd?: string } = {}): ChildProcess {
  const loader = import.meta.resolve("tsx")
  return spawn(process.execPath, ["--import", loader, join(root, "src/cli/main.ts"), ...argv], {
    cwd: options.cwd ?? root,
    stdio: ["ignore", "pipe", "pipe"],
  })
}

/** Waits for a process; `signal` is sent once, as soon as its standard output has a text. */
export async function finish(
  child: ChildProcess,
  interrupt?: { readonly at: string; readonly signal: NodeJS.Signals },
): Promise<Called> {
  let [out, err] = ["", ""]
  child.stdout!.on("data", chunk => {
    const before = interrupt && out.includes(interrupt.at)
    out += String(chunk)
    if (interrupt && !before && out.includes(interrupt.at)) child.kill(interrupt.signal)
  })
  child.stderr!.on("data", chunk => {
    err += String(chunk)
  })
  const code = await new Promise<number | null>(done => child.on("close", done))
  return { code: code ?? -1, out, err }
}

/** A folder for a test's runs, and how it goes away. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "heed-cli-"))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
