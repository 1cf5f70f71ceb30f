// What commands share: flags from declarations, errors as a person reads them, colours and numbers.

import { type Command, Option } from "commander"
import colours from "picocolors"
import { type Declaration, type Flag, type FlagValue, flagsOf, type Options, parseFlags, type ValuesOf } from "../config/index.ts"
import { HeedError } from "../tensor/errors.ts"

/** A command that cannot go on for a reason a person can mend. */
export class CommandError extends HeedError {}

/** Adds the flags of declarations to a command; defaults stand in the help text. */
export function addFlags(command: Command, ...declarations: Declaration[]): Command {
  const known = new Set<string>()
  for (const declaration of declarations)
    for (const { flag, help, hidden } of flagsOf(declaration) as Flag[]) {
      if (known.has(flag)) continue
      known.add(flag)
      command.addOption(new Option(flag, help).hideHelp(hidden))
    }
  return command
}

/** The values of a declaration among a command's flags. Throws ConfigError listing every problem. */
export function valuesOf<O extends Options>(
  declaration: Declaration<O>,
  flags: Readonly<Record<string, unknown>>,
  file?: unknown,
): ValuesOf<Declaration<O>> {
  const own = new Set(flagsOf(declaration as unknown as Declaration).map(flag => flag.key))
  const picked = Object.fromEntries(Object.entries(flags).filter(([key]) => own.has(key))) as Record<string, FlagValue>
  return parseFlags(declaration, picked, file)
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
  const [first, ...rest] = error.message.split("\n")
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

export { colours }
