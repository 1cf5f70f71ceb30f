// What every command says to a person: errors, colours, numbers, and how heed is called here. Imports next to nothing, so that help is fast.

import picocolors from "picocolors"
import { HeedError } from "../tensor/errors.ts"

/** A command that cannot go on for a reason a person can mend. */
export class CommandError extends HeedError {}

/** What a person types before a command's name: it depends on how heed was started. */
export function invocation(): string {
  const { npm_command: npm } = process.env
  if (npm !== undefined && /^(exec|start|run|run-script)$/.test(npm)) return "npx heed"
  const script = process.argv[1] ?? "heed"
  return /[\\/]main\.[jt]s$/.test(script) ? `node ${shorter(script)}` : "heed"
}

/** A path as seen from here, where that is shorter. */
function shorter(path: string): string {
  const here = `${process.cwd()}/`
  return path.startsWith(here) ? path.slice(here.length) : path
}

/** A text in which commands stand the way they are called here. */
export function asCalled(text: string): string {
  return text.replace(
    /(?<![\w/-])heed (?=(start|train|generate|run|explain|pull|list|remove|devices|dump)\b|--help)/g,
    `${invocation()} `,
  )
}

/** Prints an error without a stack when it is one a person can act on, and sets the exit code. */
export function report(error: unknown): void {
  process.exitCode = 1
  if (!(error instanceof Error)) {
    console.error(colours.red(String(error)))
    return
  }
  const known = error instanceof HeedError || /^(Config|Data|Text|File)Error$/.test(error.name)
  if (!known || process.env.HEED_STACK === "1") {
    console.error(error)
    return
  }
  const [first, ...rest] = asCalled(error.message).split("\n")
  console.error(colours.red(`heed: ${first}`))
  for (const line of rest) console.error(colours.dim(line))
}

/** "1:05", "2:03:04". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((n, i) => (i === 0 ? String(n) : String(n).padStart(2, "0"))).join(":")
}

/** 10795776 -> "10.8M". */
export function formatCount(n: number): string {
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(n >= 100 * size ? 0 : 1)}${unit}`
  return String(Math.round(n))
}

/** An AbortSignal that the first Ctrl-C raises; the second ends the process. */
export function interruptSignal(onFirst: () => void): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController()
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new CommandError("interrupted"))
    onFirst()
  }
  process.on("SIGINT", handle)
  process.on("SIGTERM", handle)
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", handle)
      process.off("SIGTERM", handle)
    },
  }
}

/** Colours where a person looks: both streams are a terminal, or FORCE_COLOR asks for them; never with NO_COLOR. */
export const colours = picocolors.createColors(coloursWanted())

function coloursWanted(): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env
  if (NO_COLOR) return false
  if (FORCE_COLOR) return FORCE_COLOR !== "0"
  return process.stdout.isTTY === true && process.stderr.isTTY === true
}
