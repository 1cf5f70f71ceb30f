// A run of training in the terminal: its events drawn, Ctrl-C that saves, samples that the model writes on the way.

import { generateText } from "../generate/index.ts"
import { type EndEvent, type TrainingEvent, type TrainOptions, train } from "../train/index.ts"
import { TrainingProgress } from "./progress.ts"
import type { Corpus } from "./session.ts"
import { colours, interruptSignal } from "./terminal.ts"

/** How a run ended. */
export interface Ended extends EndEvent {
  /** A person, or the deadline, stopped it. */
  readonly stopped: boolean
}

/** Trains and draws. `deadline`: a signal that stops and saves as Ctrl-C does. Errors pass through when the drawing is cleared away. */
export async function trainInTerminal(options: Omit<TrainOptions, "signal">, deadline?: AbortSignal): Promise<Ended> {
  const progress = new TrainingProgress()
  const { signal, release } = interruptSignal(() => {
    progress.note(colours.yellow("  stopping after this step and saving; Ctrl-C again ends at once"))
  })
  let end: EndEvent | null = null
  let stopped = false
  try {
    const signals = deadline ? AbortSignal.any([signal, deadline]) : signal
    for await (const event of train({ ...options, signal: signals }) as AsyncIterable<TrainingEvent>) {
      progress.draw(event)
      if (event.type === "stopped" && event.reason === "aborted") stopped = true
      if (event.type === "end") end = event
    }
  } finally {
    progress.stop()
    release()
  }
  if (signal.aborted) process.exitCode = 130 // as shells expect of Ctrl-C
  return { ...end!, stopped }
}

/** A function that lets the model write a text at a step, beginning as texts of the corpus do: with a line end, else with its first token. */
export function sampler(model: TrainOptions["model"], { tokenizer, validation, isWorld }: Corpus) {
  const start = tokenizer.tokenId("\n")
  const prompt = start === undefined ? validation.tokens.subarray(0, 1) : [start]
  return (step: number): Promise<string> =>
    generateText(model, tokenizer, prompt, {
      temperature: 0.8,
      seed: step,
      contextFull: "slide",
      ...(isWorld ? { maxNewTokens: 80, stop: "\n" } : { maxNewTokens: 160 }),
    })
}
