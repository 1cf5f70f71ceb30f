// A training run in the terminal: one live line with loss, speed and time left; evaluations, samples and warnings above it. Where
// there is no terminal, a plain line from time to time.

import { type Options, SingleBar } from "cli-progress"
import type { TrainingEvent } from "../train/index.ts"
import { colours, formatCount, formatDuration } from "./command.ts"

const format = `  {bar} {value}/{total}  loss {loss}  {speed} tokens/s  {left} left`

/** Draws the events of a run. */
export class TrainingProgress {
  readonly #live: boolean
  readonly #write: (line: string) => void
  #bar: SingleBar | null = null
  #steps = 0
  #lastPlain = 0

  constructor(options: { live?: boolean; write?: (line: string) => void } = {}) {
    this.#live = options.live ?? process.stderr.isTTY === true
    this.#write = options.write ?? (line => void process.stdout.write(`${line}\n`))
  }

  /** Takes one event. */
  draw(event: TrainingEvent): void {
    switch (event.type) {
      case "start": {
        this.#steps = event.steps
        const { device } = event
        const bf16 = device.bf16 ? ", bf16" : ""
        this.#print(
          `${formatCount(event.parameters)} parameters, ${formatCount(event.tokensPerStep)} tokens a step, on ${device.name} (${device.tier}${bf16}, ${device.threads} threads)`,
        )
        if (this.#live) this.#begin(event.step)
        return
      }
      case "step":
        return this.#step(event)
      case "evaluation": {
        const mark = event.isBest ? colours.green(" best") : ` (best ${event.best.toFixed(4)})`
        return this.#print(`  step ${event.step}: held-out loss ${event.loss.toFixed(4)}${mark}`)
      }
      case "sample":
        return this.#print(colours.dim(indented(event.text)))
      case "checkpoint":
        return
      case "warning":
        return this.#print(colours.yellow(`  ${event.message}`))
      case "stopped":
        return this.#print(colours.yellow(event.message))
      case "end":
        this.stop()
        return this.#print(`  done in ${formatDuration(event.seconds)}: loss ${event.loss.toFixed(4)} after ${event.step} steps`)
    }
  }

  /** Takes the live line away. */
  stop(): void {
    this.#bar?.stop()
    this.#bar = null
  }

  #begin(step: number): void {
    const options: Options = { format, barsize: 24, hideCursor: true, clearOnComplete: true, fps: 8 }
    this.#bar = new SingleBar({ ...options, barCompleteChar: "━", barIncompleteChar: "─" })
    this.#bar.start(this.#steps, step, { loss: "-", speed: "-", left: "-" })
  }

  #step(event: Extract<TrainingEvent, { type: "step" }>): void {
    const shown = {
      loss: event.loss.toFixed(3),
      speed: formatCount(event.tokensPerSecond),
      left: formatDuration(event.secondsLeft),
    }
    if (this.#bar) {
      this.#bar.update(event.step, shown)
      return
    }
    const now = performance.now()
    if (event.step !== this.#steps && event.step > 1 && now - this.#lastPlain < 5000) return
    this.#lastPlain = now
    this.#write(
      `  step ${event.step}/${this.#steps}  loss ${shown.loss}  ${shown.speed} tokens/s  ${shown.left} left`,
    )
  }

  /** Prints above the live line. */
  #print(text: string): void {
    const bar = this.#bar
    if (bar) {
      process.stderr.write("\r\x1b[K")
      this.#write(text)
      bar.updateETA()
    } else this.#write(text)
  }
}

function indented(text: string): string {
  return text
    .trim()
    .split("\n")
    .map(line => `    ${line}`)
    .join("\n")
}
