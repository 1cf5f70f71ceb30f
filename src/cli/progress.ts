// A training run in the terminal: one live line with loss, speed and time left; evaluations, samples and warnings above it. Where
// there is no terminal, a plain line from time to time.

import { MultiBar, type Options, type SingleBar } from "cli-progress"
import type { TrainingEvent } from "../train/index.ts"
import { asCalled, colours, formatCount, formatDuration } from "./terminal.ts"

const format = `  {bar} {value}/{total}  loss {loss}  {speed} tokens/s  {left} left`

/** Draws the events of a run. */
export class TrainingProgress {
  readonly #live: boolean
  readonly #write: (line: string) => void
  #lines: MultiBar | null = null
  #bar: SingleBar | null = null
  #steps = 0
  #lastPlain = 0

  constructor(options: { live?: boolean; write?: (line: string) => void } = {}) {
    // the live line and what stands above it share one terminal
    this.#live = options.live ?? (process.stderr.isTTY === true && process.stdout.isTTY === true)
    this.#write = options.write ?? (line => void process.stdout.write(`${line}\n`))
  }

  /** Takes one event. */
  draw(event: TrainingEvent): void {
    switch (event.type) {
      case "start":
        this.#start(event)
        break
      case "step":
        this.#step(event)
        break
      case "evaluation": {
        const mark = event.isBest ? colours.green(" best") : ` (best ${event.best.toFixed(4)})`
        this.note(`  step ${event.step}: held-out loss ${event.loss.toFixed(4)}${mark}`)
        break
      }
      case "sample":
        this.note(colours.dim(indented(event.text)))
        break
      case "checkpoint":
        break
      case "warning":
        this.note(colours.yellow(`  ${asCalled(event.message)}`))
        break
      case "stopped":
        this.note(colours.yellow(`  ${asCalled(event.message)}`))
        break
      case "end":
        this.stop()
        this.note(`  done in ${formatDuration(event.seconds)}: loss ${event.loss.toFixed(4)} after ${event.step} steps`)
    }
  }

  /** Says something above the live line. */
  note(text: string): void {
    if (this.#lines) this.#lines.log(`${text}\n`)
    else this.#write(text)
  }

  /** Takes the live line away. */
  stop(): void {
    this.#lines?.update() // what was said last
    this.#lines?.stop()
    this.#lines = this.#bar = null
  }

  #start({ step, parameters, tokensPerStep, device, steps }: Extract<TrainingEvent, { type: "start" }>): void {
    this.#steps = steps
    this.note(
      `${formatCount(parameters)} parameters, ${formatCount(tokensPerStep)} tokens a step, on ${device.name} (${device.tier}, ${device.threads} threads)`,
    )
    if (!this.#live) return
    const options: Options = { format, barsize: 24, hideCursor: true, clearOnComplete: true, fps: 8 }
    this.#lines = new MultiBar({ ...options, barCompleteChar: "━", barIncompleteChar: "─" })
    this.#bar = this.#lines.create(this.#steps, step, { loss: "-", speed: "-", left: "-" })
  }

  #step(event: Extract<TrainingEvent, { type: "step" }>): void {
    const shown = {
      loss: event.loss.toFixed(3),
      speed: event.tokensPerSecond > 0 ? formatCount(event.tokensPerSecond) : "-",
      left: event.tokensPerSecond > 0 ? formatDuration(event.secondsLeft) : "-",
    }
    if (this.#bar) {
      this.#bar.update(event.step, shown)
      return
    }
    const now = performance.now()
    if (event.step !== this.#steps && event.step > 1 && now - this.#lastPlain < 5000) return
    this.#lastPlain = now
    this.#write(`  step ${event.step}/${this.#steps}  loss ${shown.loss}  ${shown.speed} tokens/s  ${shown.left} left`)
  }
}

function indented(text: string): string {
  return text
    .trim()
    .split("\n")
    .map(line => `    ${line}`)
    .join("\n")
}
