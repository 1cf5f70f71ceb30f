// heed pull: a model of the Hugging Face hub into the cache, with a line that says how far it is. Interrupted, it goes on next time.

import { type Options, SingleBar } from "cli-progress"
import type { Command } from "commander"
import { formatBytes, type PullEvent, pull } from "../files/index.ts"
import { CommandError, colours, formatDuration, interruptSignal } from "./terminal.ts"

interface Flags {
  readonly revision: string
  readonly files?: readonly string[]
  readonly json?: boolean
}

/** Gives the command its flags and what it does. */
export function registerPull(command: Command): void {
  command
    .argument("<model>", "the model's name on the hub: org/name")
    .option("--revision <revision>", "branch, tag or commit", "main")
    .option("--files <patterns...>", "these files instead of those that a model needs; * stands for anything")
    .option("--json", "one JSON object instead of text")
    .action(async (name: string, { revision, files, json }: Flags) => {
      const progress = new PullProgress(json ? () => {} : line => console.log(line), !json)
      const { signal, release } = interruptSignal(() => progress.stop())
      try {
        for await (const event of pull(name, { revision, signal, ...(files ? { files } : {}) })) {
          progress.draw(event)
          if (json && event.type === "end") console.log(JSON.stringify(resultOf(event)))
        }
      } catch (problem) {
        if (!signal.aborted) throw problem
        throw new CommandError(
          `${name}: expected to pull all of it, but it was interrupted`,
          `what came is kept; go on with heed pull ${name}`,
        )
      } finally {
        progress.stop()
        release()
      }
    })
}

function resultOf({ name, folder, commit, files, bytes, downloaded }: Extract<PullEvent, { type: "end" }>): unknown {
  return { name, folder, commit, files, bytes, downloaded }
}

const format = "  {bar} {loaded} of {all}  {speed}/s  {left} left  {file}"

/** Draws the events of a pull: a live line in a terminal, else a line for each file. */
class PullProgress {
  readonly #write: (line: string) => void
  readonly #live: boolean
  readonly #loaded = new Map<string, number>()
  readonly #started = performance.now()
  #bar: SingleBar | null = null
  #all = 0
  /** Bytes that were there when the pull began. */
  #kept = 0

  constructor(write: (line: string) => void, isTextWanted: boolean) {
    this.#write = write
    this.#live = isTextWanted && process.stderr.isTTY === true && process.stdout.isTTY === true
  }

  draw(event: PullEvent): void {
    switch (event.type) {
      case "start":
        this.#all = event.files.reduce((sum, { bytes }) => sum + bytes, 0)
        this.#bar?.setTotal(this.#all)
        break
      case "progress":
        if (!this.#loaded.has(event.path)) this.#kept += event.loaded
        this.#loaded.set(event.path, event.loaded)
        this.#show(event.path)
        break
      case "file":
        if (event.cached) this.#kept += event.bytes
        this.#loaded.set(event.path, event.bytes)
        if (!this.#live) this.#write(`  ${event.path}  ${formatBytes(event.bytes)}${event.cached ? "  was there" : ""}`)
        break
      case "retry":
        this.stop()
        this.#write(
          colours.yellow(`  ${event.what}: ${event.reason}; trying again in ${Math.ceil(event.seconds)} seconds`),
        )
        break
      case "end":
        this.stop()
        this.#write(
          `${event.name}: ${formatBytes(event.bytes)}, ${formatBytes(event.downloaded)} of it downloaded, in\n${event.folder}`,
        )
    }
  }

  /** Takes the live line away. */
  stop(): void {
    this.#bar?.stop()
    this.#bar = null
  }

  #show(file: string): void {
    if (!this.#live) return
    const loaded = [...this.#loaded.values()].reduce((sum, bytes) => sum + bytes, 0)
    const seconds = (performance.now() - this.#started) / 1000
    const speed = (loaded - this.#kept) / Math.max(seconds, 0.1)
    const left = speed > 0 ? formatDuration((this.#all - loaded) / speed) : "-"
    const shown = { loaded: formatBytes(loaded), all: formatBytes(this.#all), speed: formatBytes(speed), left, file }
    if (!this.#bar) {
      const options: Options = { format, barsize: 24, hideCursor: true, clearOnComplete: true, fps: 8 }
      this.#bar = new SingleBar({ ...options, barCompleteChar: "━", barIncompleteChar: "─", stream: process.stderr })
      this.#bar.start(this.#all, loaded, shown)
    }
    this.#bar.update(loaded, shown)
  }
}
