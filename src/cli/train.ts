// heed train: a new run from a text, or the continuation of one, bit for bit. All that a run needs stands in its folder.

import { stat } from "node:fs/promises"
import { basename, extname, join, resolve } from "node:path"
import type { Command } from "commander"
import { ConfigError } from "../config/index.ts"
import { createRun, openRun, type Run, readJsonFile } from "../files/index.ts"
import { type TrainingConfig, trainingConfig, trainingOptions } from "../train/index.ts"
import { addFlags, type Flags, flagName, flagsGiven, valuesOf } from "./flags.ts"
import { chooseMachine, machineOptions } from "./machine.ts"
import { openTokenizer, runsFolder } from "./models.ts"
import {
  type Corpus,
  type DataValues,
  dataOptions,
  makeModel,
  openCorpus,
  type ShapeValues,
  shapeOptions,
} from "./session.ts"
import { asCalled, CommandError, colours } from "./terminal.ts"
import { sampler, trainInTerminal } from "./training.ts"

/** What a run is made from: the content of its config.json. */
export interface Plan {
  readonly data: DataValues
  readonly model: ShapeValues
  readonly training: TrainingConfig
}

interface OwnFlags {
  readonly out?: string
  readonly resume?: string
  readonly config?: string
}

/** Gives the command its flags and what it does. */
export function registerTrain(command: Command): void {
  command
    .argument("[file]", "a text file, .jsonl or .csv to learn from; the tiny world unless given")
    .option("--out <folder>", `folder of the new run (${runsFolder}/ and the name of the data)`)
    .option("--resume <folder>", "go on with a run from its newest checkpoint, bit for bit")
    .option("--config <file>", "JSON with options by name, such as the config.json of a run; flags go first")
  addFlags(command, dataOptions, shapeOptions, trainingOptions, machineOptions)
  command.action(async (file: string | undefined, all: OwnFlags & Flags) => {
    const { out, resume, config, ...rest } = all
    chooseMachine(rest)
    const flags: Flags = file === undefined ? rest : withFile(rest, file)
    if (resume !== undefined) await goOn(resume, { out, config, flags })
    else await begin(await planOf(flags, config), out)
  })
}

function withFile(flags: Flags, file: string): Flags {
  if (flags.data !== undefined && flags.data !== file)
    throw new CommandError(`train: expected one file of data, but got ${file} and --data ${String(flags.data)}`)
  return { ...flags, data: file }
}

/** The plan of a new run: flags, over a file, over defaults. Throws ConfigError, CommandError. */
async function planOf(flags: Flags, file: string | undefined): Promise<Plan> {
  const given = file === undefined ? {} : optionsOf(await readJsonFile(file), file)
  const part = (declaration: Parameters<typeof valuesOf>[0]) =>
    Object.fromEntries(Object.entries(given).filter(([name]) => declaration.keyOf(name) !== undefined))
  const data = valuesOf(dataOptions, flags, part(dataOptions))
  return {
    // a run may be resumed from another folder
    data: { ...data, ...(data.data === undefined ? {} : { data: resolve(data.data) }) },
    model: valuesOf(shapeOptions, flags, part(shapeOptions)),
    training: trainingConfig(valuesOf(trainingOptions, flags, part(trainingOptions))),
  }
}

/** Options of a configuration file, in one list or in the groups of a run's config.json. Throws for names that no option has. */
function optionsOf(content: unknown, file: string): Readonly<Record<string, unknown>> {
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw new CommandError(`${file}: expected an object with options, but got ${JSON.stringify(content).slice(0, 60)}`)
  const flat = Object.entries(content).flatMap(([name, value]) =>
    ["data", "model", "training"].includes(name) && typeof value === "object" && value !== null
      ? Object.entries(value as object)
      : [[name, value] as [string, unknown]],
  )
  const declarations = [dataOptions, shapeOptions, trainingOptions]
  for (const [name] of flat)
    if (!declarations.some(declaration => declaration.keyOf(name) !== undefined)) refuseName(name, file)
  return Object.fromEntries(flat)
}

/** Throws the error of the declaration that has the nearest name. */
function refuseName(name: string, file: string): never {
  const problems = [trainingOptions, shapeOptions, dataOptions].map(declaration => {
    try {
      declaration.parse({ [name]: 0 }, file)
    } catch (problem) {
      return problem as ConfigError
    }
    return new ConfigError(file, [])
  })
  throw problems.find(problem => problem.hint.startsWith("did you mean")) ?? problems[0]!
}

/** A new run. */
async function begin(plan: Plan, out: string | undefined): Promise<void> {
  const folder =
    out ?? join(runsFolder, plan.data.data === undefined ? "world" : basename(plan.data.data, extname(plan.data.data)))
  await refuseExisting(folder)
  const session = await open(plan)
  const run = await createRun(folder, plan, { saveTotalLimit: plan.training.saveTotalLimit })
  await follow(session, plan, run, false)
}

async function refuseExisting(folder: string): Promise<void> {
  const there = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    )
  if (!(await there(join(folder, "config.json")))) return
  let number = 2
  while (await there(`${folder}-${number}`)) number++
  throw new CommandError(
    `train: expected a new folder, but ${folder} holds a run already`,
    `go on with it: heed train --resume ${folder}, or begin another: --out ${folder}-${number}`,
  )
}

/** An old run. */
async function goOn(
  folder: string,
  given: { out: string | undefined; config: string | undefined; flags: Flags },
): Promise<void> {
  for (const name of ["out", "config"] as const)
    if (given[name] !== undefined)
      throw new CommandError(
        `train: expected no --${name} with --resume, but got ${given[name]}`,
        "a run goes on in its own folder with its own options",
      )
  const { data: moved, ...others } = {
    ...flagsGiven(dataOptions, given.flags),
    ...flagsGiven(shapeOptions, given.flags),
  }
  const decided = Object.keys(others)[0]
  if (decided !== undefined)
    throw new CommandError(
      `train: expected no ${flagName(decided)} with --resume, but got it`,
      "a run goes on with the data and the model that it began with; begin another with --out",
    )
  const saved = await readPlan(folder)
  const run = await openRun(folder, { saveTotalLimit: saved.training.saveTotalLimit })
  const newest = await run.latest()
  const before = newest
    ? ((await readJsonFile(join(newest.folder, "state.json"))) as { config: TrainingConfig }).config
    : saved.training
  const plan: Plan = {
    data: typeof moved === "string" ? { ...saved.data, data: moved } : saved.data,
    model: saved.model,
    training: trainingConfig(valuesOf(trainingOptions, given.flags, before)),
  }
  const session = await open(plan, newest?.folder)
  await follow(session, plan, run, true)
}

/** The plan in a run folder, checked. Throws FileError, ConfigError, CommandError. */
async function readPlan(folder: string): Promise<Plan> {
  const { config } = await openRun(folder, { readOnly: true })
  const { data, model, training } = (config ?? {}) as Partial<Plan>
  if (!data || !model || !training)
    throw new CommandError(
      `--resume: expected a run that heed train began, but ${folder}/config.json is something else`,
      "name the folder that the training printed",
    )
  const what = join(folder, "config.json")
  return {
    data: dataOptions.parse(data, what),
    model: shapeOptions.parse(model, what),
    training: trainingConfig(trainingOptions.parse(training, what)),
  }
}

/** The corpus and the model of a plan; the tokenizer is a checkpoint's where there is one. */
async function open({ data, model: shape, training }: Plan, checkpoint?: string) {
  const corpus = await openCorpus(
    data,
    training.context,
    checkpoint === undefined ? undefined : await openTokenizer(checkpoint),
  )
  const model = makeModel(shape, corpus.tokenizer.vocabularySize, training.context, training.seed)
  return { corpus, model }
}

async function follow(
  { corpus, model }: Awaited<ReturnType<typeof open>>,
  plan: Plan,
  run: Run,
  resume: boolean,
): Promise<void> {
  const { tokenizer, train, validation } = corpus
  console.log(
    `${plan.data.data ?? "the tiny world"}: ${train.length} tokens to learn from, ${validation.length} held out; ${tokenizer.kind}, ${tokenizer.vocabularySize} tokens`,
  )
  try {
    const sample = sampler(model, corpus)
    const { stopped, best } = await trainInTerminal({
      model,
      data: { train, validation },
      tokenizer,
      config: plan.training,
      run,
      resume,
      sample,
    })
    if (stopped) return
    console.log(
      colours.green(`saved in ${run.folder}`) +
        (best ? `: held-out loss ${best.loss.toFixed(4)} at step ${best.step}` : ""),
    )
    console.log(whatNext(run.folder, corpus))
  } finally {
    await run.close()
  }
}

/** What to try with a run; the words of the examples are the corpus's own. */
function whatNext(folder: string, corpus: Corpus): string {
  const { tokenizer, validation, isWorld } = corpus
  const text = tokenizer.decode(validation.tokens.subarray(0, 200))
  const lines = text.split("\n").map(line => line.replace(/["$`\\!]/g, " ").trim())
  const line = (lines.slice(1).find(one => one.length >= 12) ?? lines.find(one => one !== "") ?? "").slice(0, 60)
  const words = line.split(" ").slice(0, 2).join(" ")
  const sentence = isWorld ? "The dog did not cross the street because it was too tired." : line
  return asCalled(
    [
      "next, for example:",
      `  heed generate --model ${folder} "${isWorld ? "One day" : words}" --temperature 0.8`,
      `  heed explain "${sentence}" --model ${folder}`,
      `  heed train --help`,
    ].join("\n"),
  )
}
