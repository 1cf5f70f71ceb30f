// The commands of heed. A command's file is loaded only when the command is named, so that help comes at once.

import { readFileSync } from "node:fs"
import { Command, CommanderError } from "commander"
import { nearestName } from "../config/nearest.ts"
import { asCalled, CommandError, colours, report } from "./terminal.ts"

interface Entry {
  readonly name: string
  readonly summary: string
  /** What gives the command its flags; `words` is what stands behind its name. */
  readonly load: () => Promise<(command: Command, words: readonly string[]) => void>
}

const entries: readonly Entry[] = [
  {
    name: "start",
    summary: "the quick start: train a GPT on the tiny world, read what it writes, see where it looks",
    load: async () => (await import("./start.ts")).registerStart,
  },
  {
    name: "train",
    summary: "train a model on a text file or on the tiny world, or go on with a run",
    load: async () => (await import("./train.ts")).registerTrain,
  },
  {
    name: "generate",
    summary: "let a model write on from a prompt",
    load: async () => (await import("./generate.ts")).registerGenerate,
  },
  {
    name: "run",
    summary: "any task with a model: classify, answer, summarize, translate, caption, transcribe",
    load: async () => (await import("./run.ts")).registerRun,
  },
  {
    name: "explain",
    summary: "draw the attention of every layer and head for a sentence: who looks at whom",
    load: async () => (await import("./explain.ts")).registerExplain,
  },
  {
    name: "pull",
    summary: "download a model of the Hugging Face hub, or go on with a download",
    load: async () => (await import("./pull.ts")).registerPull,
  },
  {
    name: "list",
    summary: "the downloaded models and the room they take",
    load: async () => (await import("./list.ts")).registerList,
  },
  {
    name: "remove",
    summary: "delete a downloaded model",
    load: async () => (await import("./remove.ts")).registerRemove,
  },
  {
    name: "devices",
    summary: "what computes here: the chosen device and why, threads, instructions, measured peak",
    load: async () => (await import("./devices.ts")).registerDevices,
  },
  {
    name: "dump",
    summary: "print the graph and the program of a model's forward pass or training step",
    load: async () => (await import("./dump.ts")).registerDump,
  },
]

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
  return (JSON.parse(text) as { version: string }).version
}

/** What is wrong with a command line, with the nearest that would be right. */
function explain(error: CommanderError, command: Command): CommandError {
  const given = /'([^']*)'/.exec(error.message)?.[1] ?? ""
  const where = command.parent ? command.name() : "heed"
  if (error.code === "commander.unknownOption") {
    const options = command.createHelp().visibleOptions(command)
    const name = given.replace(/=.*$/s, "")
    const near = nearestName(name, [...options.map(option => option.long ?? option.flags), "--help"])
    const hint = near?.close ? `did you mean ${near.name}?` : `the nearest is ${near?.name}`
    return new CommandError(
      `${where}: expected an option that exists, but got ${name}`,
      `${hint}; all of them: ${command.parent ? `heed ${command.name()}` : "heed"} --help`,
    )
  }
  if (error.code === "commander.unknownCommand") {
    const names = entries.map(entry => entry.name)
    const near = nearestName(given, names)
    const hint = near?.close ? `did you mean ${near.name}?` : `there is ${names.join(", ")}`
    return new CommandError(`expected a command, but got ${given}`, hint)
  }
  return new CommandError(
    `${where}: ${error.message.replace(/^error: /, "")}`,
    command.parent ? `heed ${where} --help` : "heed --help",
  )
}

/** Runs a command line (without node and the script). Sets the exit code; never throws. */
export async function run(argv: readonly string[]): Promise<void> {
  const program = new Command("heed")
    .description("Transformers in TypeScript: build them, train them, run them, look inside.")
    .version(version())
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", `\n${colours.dim(asCalled("heed train --help lists all options of a command"))}`)
  const named = argv[0] === "help" ? argv[1] : argv.find(argument => !argument.startsWith("-"))
  let chosen = program
  try {
    for (const { name, summary, load } of entries) {
      const command = program.command(name).description(summary)
      if (name !== named) continue
      chosen = command
      ;(await load())(command, argv.slice(argv.indexOf(name) + 1))
    }
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(argv, { from: "user" })
  } catch (error) {
    if (!(error instanceof CommanderError)) report(error)
    else if (error.exitCode !== 0) report(explain(error, chosen))
  }
}
