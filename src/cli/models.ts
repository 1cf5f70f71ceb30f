// Which model a command means: a run folder (its best checkpoint, else its newest) or a Hugging Face folder.

import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { folderReader, isModelName, openRun, resolveModel } from "../files/index.ts"
import { loadModel, type Model } from "../models/index.ts"
import { openTokenizer as openFolderTokenizer, type Tokenizer } from "../text/index.ts"
import { CommandError } from "./terminal.ts"

/** Where runs go unless a command says otherwise. */
export const runsFolder = "runs"

/** A model and what belongs to it. */
export interface OpenedModel {
  readonly model: Model
  readonly tokenizer: Tokenizer
  /** The Hugging Face folder it was read from. */
  readonly folder: string
  /** What a person calls it: "step 800 of runs/world". */
  readonly name: string
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Opens a folder's tokenizer: tokenizer.json, or what older folders have instead. Throws FileError, TextError. */
export function openTokenizer(folder: string): Promise<Tokenizer> {
  return openFolderTokenizer(folderReader(folder), { name: folder })
}

/** The newest run under runs/, or null where there is none with a checkpoint. */
export async function newestRun(): Promise<string | null> {
  const names = await readdir(runsFolder).catch(() => [] as string[])
  let newest: { folder: string; time: number } | null = null
  for (const name of names) {
    const folder = join(runsFolder, name)
    const saved = await stat(join(folder, "latest.json")).catch(() => null)
    if (saved && saved.mtimeMs > (newest?.time ?? 0)) newest = { folder, time: saved.mtimeMs }
  }
  return newest?.folder ?? null
}

/** The folder that a checkpoint or a Hugging Face model lies in. Throws CommandError, FileError. */
async function locate(folder: string): Promise<{ folder: string; name: string }> {
  if (await isThere(join(folder, "checkpoints"))) {
    const run = await openRun(folder, { readOnly: true })
    const checkpoint = (await run.best()) ?? (await run.latest())
    if (checkpoint) return { folder: checkpoint.folder, name: `step ${checkpoint.step} of ${folder}` }
    throw new CommandError(
      `${folder}: expected a run with a checkpoint, but it has none yet`,
      `go on with it until it saves one: heed train --resume ${folder}`,
    )
  }
  if (await isThere(join(folder, "config.json"))) return { folder, name: folder }
  if (isModelName(folder) && !(await isThere(folder))) return { folder: await resolveModel(folder), name: folder }
  const newest = await newestRun()
  throw new CommandError(
    `--model: expected a run folder, a Hugging Face folder or org/name of the hub, but ${folder} is ${(await isThere(folder)) ? "neither" : "not there"}`,
    newest ? `the newest run is ${newest}` : "train one: heed train",
  )
}

/** Opens the model that a command means: `folder`, or the newest run. Throws CommandError, FileError, HeedError. */
export async function openModel(folder?: string): Promise<OpenedModel> {
  const wanted = folder ?? (await newestRun())
  if (wanted === null)
    throw new CommandError("--model: expected a folder, but got none, and there is no run yet", "train one: heed train")
  const found = await locate(wanted)
  const model = await loadModel(found.folder)
  return { model, tokenizer: await openTokenizer(found.folder), ...found }
}
