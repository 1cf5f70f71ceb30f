// heed generate: a model writes on from a prompt, token by token as they come.

import type { Command } from "commander"
import {
  type EndEvent,
  type GenerationInput,
  generate,
  generationConfig,
  generationOptions,
  type TokenEvent,
} from "../generate/index.ts"
import { LanguageModel } from "../models/index.ts"
import { addFlags, type Flags, flagsGiven, valuesOf } from "./flags.ts"
import { piped } from "./input.ts"
import { chooseMachine, machineOptions } from "./machine.ts"
import { openModel, runsFolder } from "./models.ts"
import { CommandError, colours, interruptSignal } from "./terminal.ts"

interface OwnFlags {
  readonly model?: string
  readonly json?: boolean
}

/** Gives the command its flags and what it does. */
export function registerGenerate(command: Command): void {
  command
    .argument("[prompt]", "the text to go on from; what is piped in, or the beginning of a text, unless given")
    .option(
      "--model <folder>",
      `a run folder or a Hugging Face folder; the newest run under ${runsFolder}/ unless given`,
    )
    .option("--json", "one JSON object when the text is complete: prompt, text, why it ended, ids")
  addFlags(command, generationOptions, machineOptions)
  command.action(async (argument: string | undefined, { model: folder, json, ...flags }: OwnFlags & Flags) => {
    const given = givenOptions(flags)
    const config = generationConfig(given) // wrong ones are named before a model is opened
    chooseMachine(flags)
    const prompt = argument ?? (await piped()) ?? ""
    const { model, tokenizer, name } = await openModel(folder)
    const { signal, release } = interruptSignal(() => {})
    const began = performance.now()
    const tokens: TokenEvent[] = []
    let end: EndEvent | null = null
    try {
      for await (const event of generate(model, tokenizer, prompt, { ...given, signal })) {
        if (event.type === "end") end = event
        else {
          if (!json && tokens.length === 0 && model instanceof LanguageModel) process.stdout.write(colours.dim(prompt))
          tokens.push(event)
          if (!json) process.stdout.write(event.text)
        }
      }
    } finally {
      release()
    }
    if (!end) throw new CommandError("generate: expected a text, but the model gave none")
    if (json) {
      const logprobs = {
        ...(config.logprobs ? { logprobs: tokens.map(token => token.logprob) } : {}),
        ...(config.topLogprobs > 0 ? { topLogprobs: tokens.map(token => token.topLogprobs) } : {}),
      }
      const { type: _, ...rest } = end
      console.log(JSON.stringify({ model: name, prompt, ...rest, ...logprobs }))
      return
    }
    process.stdout.write("\n")
    if (process.stderr.isTTY) console.error(colours.dim(summary(end, tokens.length, performance.now() - began, name)))
  })
}

/** The options that were given, and no others: what the model was published with stands below them. */
function givenOptions(flags: Flags): GenerationInput {
  const values: Readonly<Record<string, unknown>> = valuesOf(generationOptions, flags)
  const keys = Object.keys(flagsGiven(generationOptions, flags)).map(name => generationOptions.keyOf(name)!)
  return Object.fromEntries(keys.map(key => [key, values[key]]))
}

function summary({ reason, message }: EndEvent, count: number, milliseconds: number, name: string): string {
  const why = {
    eos: "the text ended",
    length: "enough tokens",
    stop: "a stop text",
    criterion: "a criterion",
    time: "the time that was given",
    aborted: "stopped",
  }[reason]
  return `${name}: ${count} tokens, ${Math.round((1000 * count) / milliseconds)} a second; ended by ${message ?? why}`
}
