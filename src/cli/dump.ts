// heed dump: the graph that a model records and the program that the compiler makes of it, as text.

import type { Command } from "commander"
import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { TokenDataset, worldWords } from "../data/index.ts"
import { type LanguageModel, languageModel } from "../models/index.ts"
import { compile, dumpTo } from "../runtime/index.ts"
import { fromHost, type Tensor } from "../tensor/index.ts"
import { train } from "../train/index.ts"
import { addFlags, type Flags, flagName, valuesOf } from "./flags.ts"
import { chooseMachine, machineOptions } from "./machine.ts"
import { openModel } from "./models.ts"
import { makeModel, shapeOptions } from "./session.ts"
import { CommandError } from "./terminal.ts"

const dumpOptions = declare(
  {
    training: option(z.boolean(), "A whole training step instead of the forward pass", { default: false }),
    show: option(z.enum(["graph", "program", "both"]), "The graph as recorded, the program made of it, or both", {
      default: "both",
    }),
    rows: option(z.int().min(1), "Rows of the batch", { default: 2 }),
    context: option(z.int().min(1), "Tokens of a row", { default: 16 }),
    precision: option(z.enum(["fp32", "bf16"]), "Numbers that products are made of", { default: "fp32" }),
  },
  "dump",
)

/** Gives the command its flags and what it does. */
export function registerDump(command: Command): void {
  command.argument("[folder]", "a run folder or a Hugging Face folder; a new model of the flags unless given")
  addFlags(command, dumpOptions, shapeOptions, machineOptions)
  command.action(async (folder: string | undefined, flags: Flags) => {
    const { training, show, rows, context, precision } = valuesOf(dumpOptions, flags)
    const shape = valuesOf(shapeOptions, flags)
    chooseMachine(flags)
    refuseShape(folder, flags)
    const model =
      folder === undefined
        ? makeModel(shape, worldWords().length, context, 1)
        : languageModel("dump", (await openModel(folder)).model)
    model.adoptNames()
    dumpTo({ kinds: new Set(show === "both" ? ["graph", "program"] : [show]), write: text => console.log(`${text}\n`) })
    try {
      if (training) await trainOnce(model, rows, context, precision)
      else await runOnce(model, rows, context, precision)
    } finally {
      dumpTo(null)
    }
  })
}

function refuseShape(folder: string | undefined, flags: Flags): void {
  const given = Object.keys(flags).find(name => shapeOptions.keyOf(name) !== undefined)
  if (folder === undefined || given === undefined) return
  throw new CommandError(
    `dump: expected no ${flagName(given)} with ${folder}, but got it`,
    "the folder says what the model is; leave the folder out to see a new model",
  )
}

type Precision = "fp32" | "bf16"

async function runOnce(model: LanguageModel, rows: number, context: number, precision: Precision): Promise<void> {
  const forward = compile((ids: Tensor) => model.forward(ids).logits, { precision })
  model.eval()
  await forward(fromHost(new Int32Array(rows * context), [rows, context], "i32"))
}

async function trainOnce(
  model: LanguageModel,
  batchSize: number,
  context: number,
  precision: Precision,
): Promise<void> {
  const corpus = new TokenDataset(new Int32Array(context + 1), Number(model.config.vocabulary))
  for await (const _ of train({
    model,
    data: { train: corpus },
    config: { steps: 1, batchSize, context, precision },
  })) {
    // the events do not matter: the step is shown when it is recorded
  }
}
