// heed run <task>: any task from the command line, as pipeline() gives it to programs. Each task brings its own flags.

import type { Command } from "commander"
import { generationOptions } from "../generate/index.ts"
import { findTask, pipeline, pipelineOptions, type Task, type TaskName, tasks } from "../tasks/index.ts"
import { answerText } from "./answers.ts"
import { addFlags, type Flags, flagsGiven, valuesOf } from "./flags.ts"
import { piped } from "./input.ts"
import { CommandError, colours, interruptSignal } from "./terminal.ts"

interface OwnFlags {
  readonly model?: string
  readonly json?: boolean
}

/** Gives the command the flags of the task that `words` (what stands behind "run") name, and what it does. */
export function registerRun(command: Command, words: readonly string[]): void {
  command
    .usage("<task> --model <folder or org/name> [options] [inputs...]")
    .argument("[task]", "what to do")
    .argument("[inputs...]", "what to do it with; what is piped in unless given")
    .option("--model <model>", "a folder, or org/name of the hub (downloaded unless it is there)")
    .option("--json", "the answer as JSON, as pipeline() gives it")
  const named = words.find(word => !word.startsWith("-"))
  if (named === undefined) {
    command.addHelpText("after", () => `\nTasks:\n${taskList()}\n\nheed run <task> --help lists a task's options`)
    command.action(() => command.help())
    return
  }
  const task = findTask(named)
  command.description(task.summary)
  addFlags(command, task.options, pipelineOptions, ...(task.generates ? [generationOptions] : []))
  command.addHelpText("after", `\nInputs:\n${inputList(task)}`)
  command.action(async (_: string, inputs: string[], { model, json, ...flags }: OwnFlags & Flags) => {
    if (model === undefined)
      throw new CommandError(
        `run ${task.name}: expected a model, but got none`,
        "--model <folder>, or --model org/name for one of the hub",
      )
    const own = valuesOf(task.options, flags)
    const given = task.generates ? givenValues(generationOptions, flags) : {}
    const opening = valuesOf(pipelineOptions, flags)
    const { signal, release } = interruptSignal(() => {})
    try {
      const answer = await pipeline(named as TaskName, model, { ...opening, signal })
      const call = answer as unknown as (...all: unknown[]) => Promise<unknown>
      const texts = await inputsOf(task, inputs, own)
      const result = await call(...task.fromWords(texts, own), { ...own, ...given })
      console.log(json ? JSON.stringify(result) : answerText(result))
    } finally {
      release()
    }
  })
}

/** The values of flags that were given; defaults are left to the model. */
function givenValues(declaration: typeof generationOptions, flags: Flags): Readonly<Record<string, unknown>> {
  const values = valuesOf(declaration, flags) as Readonly<Record<string, unknown>>
  const keys = Object.keys(flagsGiven(declaration, flags)).map(name => declaration.keyOf(name)!)
  return Object.fromEntries(keys.map(key => [key, values[key]]))
}

/** The words of the command line, or what is piped in. Throws CommandError where some are missing or too many. */
async function inputsOf(
  task: Task,
  words: readonly string[],
  own: Readonly<Record<string, unknown>>,
): Promise<readonly string[]> {
  const needed = task.arguments
  const through = words.length < needed.length ? await piped() : null
  const all = through === null ? words : [...words, through]
  const names = needed.map(({ name, many }) => (many ? `${name}...` : name)).join(" ")
  if (all.length < needed.length || (all.length > needed.length && !needed.at(-1)?.many))
    throw new CommandError(
      `run ${task.name}: expected ${names}, but got ${["nothing", "one input"][all.length] ?? `${all.length} inputs`}`,
      `put texts with blanks in quotes; heed run ${task.name} --help`,
    )
  if (task.name === "zero-shot-classification" && own.candidateLabels === undefined)
    throw new CommandError(
      "run zero-shot-classification: expected labels to choose from, but got none",
      "for example --candidate-labels sport,politics",
    )
  return all
}

const taskList = (): string =>
  Object.values(tasks)
    .map(({ name, summary }) => `  ${name.padEnd(30)}${colours.dim(summary)}`)
    .join("\n")

const inputList = (task: Task): string =>
  task.arguments.map(({ name, help, many }) => `  ${(many ? `${name}...` : name).padEnd(16)}${help}`).join("\n")
