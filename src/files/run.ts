// A run folder: config.json, metrics.jsonl, samples.jsonl, checkpoints/<step>/, and the pointers latest.json and best.json.
// A checkpoint is a Hugging Face folder (model.safetensors, config.json, tokenizer.json) plus what resuming needs. It appears whole
// or not at all; which is newest and which is best stands in each checkpoint's own checkpoint.json, so a kill cannot make them disagree.
import { mkdir, readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import {
  explain,
  type FileWriter,
  isTemporaryName,
  nameBeforeAside,
  removeFolderAtomic,
  removeLeftovers,
  writeFileAtomic,
  writeFolderAtomic,
} from "./atomic.ts"
import { FileError } from "./errors.ts"
import { jsonText } from "./json.ts"
import { JsonLines, type Row } from "./jsonl.ts"
import { readJsonFile } from "./text.ts"

/** What made a checkpoint the best so far. */
export interface BestMark {
  readonly metric: string
  readonly value: number
}

/** A complete checkpoint on disk. */
export interface Checkpoint {
  readonly step: number
  /** Path of its folder. */
  readonly folder: string
  /** Its files and their sizes in bytes. */
  readonly files: Readonly<Record<string, number>>
  /** Counts the saves of a run: the highest is the newest, also when a run went back to an earlier step. */
  readonly sequence: number
  /** Set when it was the best at its time. */
  readonly best?: BestMark
}

/** How to keep a run. */
export interface RunOptions {
  /** Keep this many newest checkpoints (1 or more), and always the best. Default: all. */
  readonly saveTotalLimit?: number
  /** Change nothing on disk, not even leftovers of a killed run: for watching a run that is going on. Default false. */
  readonly readOnly?: boolean
}

const manifestName = "checkpoint.json"

/** Begins a run in a new or empty folder and writes its config.json. Throws FileError when something stands there already. */
export async function createRun(folder: string, config: unknown, options: RunOptions = {}): Promise<Run> {
  checkOptions(options)
  if (options.readOnly)
    throw new FileError(`creating run ${folder}: expected to write, but got readOnly`, "openRun can open read-only")
  const text = `${jsonText(config, `config of run ${folder}`)}\n`
  try {
    await mkdir(join(folder, "checkpoints"), { recursive: true })
    const inside = (await readdir(folder)).filter(name => name !== "checkpoints" && !isTemporaryName(name))
    const saved = await readdir(join(folder, "checkpoints"))
    if (inside.length > 0 || saved.some(name => !isTemporaryName(name)))
      throw new FileError(
        `creating run ${folder}: expected a new or empty folder, but it holds ${[...inside, ...saved].slice(0, 5).join(", ")}`,
        inside.includes("config.json")
          ? "resume the run that is there, or choose another folder"
          : "choose another folder",
      )
  } catch (cause) {
    throw await explain(cause, folder)
  }
  await removeLeftovers(folder)
  await writeFileAtomic(join(folder, "config.json"), text)
  return new Run(folder, JSON.parse(text), options)
}

/** Opens a run and clears what a killed process left. Throws FileError when the folder holds none. */
export async function openRun(folder: string, options: RunOptions = {}): Promise<Run> {
  checkOptions(options)
  if (!(await isThere(join(folder, "config.json"))))
    throw new FileError(
      `${folder}: expected a run folder with a config.json, but got ${(await isThere(folder)) ? "a folder without" : "no such folder"}`,
      "name the folder that the training printed",
    )
  const config = await readJsonFile(join(folder, "config.json"))
  if (!options.readOnly) {
    await removeLeftovers(folder)
    if (await isThere(join(folder, "checkpoints"))) await removeLeftovers(join(folder, "checkpoints"))
  }
  return new Run(folder, config, options)
}

/** A run folder in use by one process at a time (readers may watch). Made by `createRun` and `openRun`. */
export class Run {
  readonly folder: string
  /** The content of config.json. */
  readonly config: unknown
  private readonly options: RunOptions
  private readonly metrics: JsonLines
  private readonly samples: JsonLines
  private queue: Promise<unknown> = Promise.resolve()

  constructor(folder: string, config: unknown, options: RunOptions) {
    this.folder = folder
    this.config = config
    this.options = options
    this.metrics = new JsonLines(join(folder, "metrics.jsonl"), { nonFinite: "text" })
    this.samples = new JsonLines(join(folder, "samples.jsonl"))
  }

  /** Appends one row of metrics, such as `{ step, loss }`; NaN survives. Throws FileError. */
  async appendMetrics(row: Row): Promise<void> {
    this.checkWritable()
    await this.metrics.append(row)
  }

  /** All rows of metrics; a last line that a kill cut is dropped. */
  readMetrics(): Promise<Row[]> {
    return this.metrics.read()
  }

  /** Appends one sample, such as `{ step, text }`. Throws FileError. */
  async appendSample(row: Row): Promise<void> {
    this.checkWritable()
    await this.samples.append(row)
  }

  /** All samples, like `readMetrics`. */
  readSamples(): Promise<Row[]> {
    return this.samples.read()
  }

  /**
   * Saves a checkpoint: its files appear together under checkpoints/<step>, or nothing changes. A checkpoint of the same step is
   * replaced. `best` marks it as the best so far. Older ones beyond `saveTotalLimit` (that of the run unless given) are then removed,
   * never the best or this one.
   * Throws FileError: a full disk leaves the earlier checkpoints as they were.
   */
  async saveCheckpoint(
    step: number,
    files: Readonly<Record<string, FileWriter>>,
    options: { readonly best?: BestMark; readonly saveTotalLimit?: number } = {},
  ): Promise<Checkpoint> {
    const { best, saveTotalLimit = this.options.saveTotalLimit } = options
    this.checkWritable()
    checkOptions(options)
    this.checkCheckpoint(step, files, best)
    const result = this.queue.then(() => this.save(step, files, best, saveTotalLimit))
    this.queue = result.catch(() => {})
    return result
  }

  /** Complete checkpoints, oldest first. Folders that are damaged or unfinished are left out. */
  async checkpoints(): Promise<Checkpoint[]> {
    const root = join(this.folder, "checkpoints")
    const names = await readdir(root).catch(async cause => {
      if (cause.code === "ENOENT") return [] as string[]
      throw await explain(cause, root, "read")
    })
    const found: Checkpoint[] = []
    for (const name of names) {
      const original = nameBeforeAside(name) // being replaced: it counts until its successor is there
      if (original !== undefined && names.includes(original)) continue
      const step = original ?? name
      if (!/^(0|[1-9]\d*)$/.test(step)) continue
      const checkpoint = await readCheckpoint(join(root, name), Number(step))
      if (checkpoint) found.push(checkpoint)
    }
    return found.sort((a, b) => a.sequence - b.sequence)
  }

  /** Folders of checkpoints that are damaged: a file is missing or not of its size. Newest step first. */
  async damaged(): Promise<string[]> {
    const root = join(this.folder, "checkpoints")
    const names = await readdir(root).catch(() => [] as string[])
    const steps = names.filter(name => /^(0|[1-9]\d*)$/.test(name)).map(Number)
    const folders: string[] = []
    for (const step of steps.sort((a, b) => b - a)) {
      const folder = join(root, String(step))
      if (!(await readCheckpoint(folder, step))) folders.push(folder)
    }
    return folders
  }

  /** The newest complete checkpoint. */
  async latest(): Promise<Checkpoint | undefined> {
    return (await this.checkpoints()).at(-1)
  }

  /** The newest checkpoint that was marked as the best. */
  async best(): Promise<Checkpoint | undefined> {
    return (await this.checkpoints()).findLast(checkpoint => checkpoint.best !== undefined)
  }

  /** Forgets metrics and samples after `step`, so that a run resumed from there does not record them twice. */
  async rewind(step: number): Promise<void> {
    this.checkWritable()
    const upTo = (row: Row) => !(typeof row.step === "number" && row.step > step)
    await this.metrics.keep(upTo)
    await this.samples.keep(upTo)
  }

  /** Waits for pending writes and closes the files. */
  async close(): Promise<void> {
    await this.queue
    await this.metrics.close()
    await this.samples.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async save(
    step: number,
    files: Readonly<Record<string, FileWriter>>,
    best: BestMark | undefined,
    saveTotalLimit: number | undefined,
  ): Promise<Checkpoint> {
    await this.metrics.flush()
    await this.samples.flush()
    const before = await this.checkpoints()
    const sequence = (before.at(-1)?.sequence ?? 0) + 1
    const folder = join(this.folder, "checkpoints", String(step))
    const sizes: Record<string, number> = {}
    const writers = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, measured(name, file, sizes)]))
    // written last, when the sizes of the others are known
    const manifest = () => `${jsonText({ step, sequence, ...(best && { best }), files: sizes }, manifestName)}\n`
    await mkdir(join(this.folder, "checkpoints"), { recursive: true })
    await writeFolderAtomic(folder, { ...writers, [manifestName]: manifest })
    const saved: Checkpoint = { step, folder, files: sizes, sequence, ...(best && { best }) }
    await this.point("latest.json", { step, folder: `checkpoints/${step}` })
    if (best) await this.point("best.json", { step, folder: `checkpoints/${step}`, ...best })
    await this.prune([...before.filter(other => other.step !== step), saved], saveTotalLimit)
    return saved
  }

  private async point(name: string, value: Row): Promise<void> {
    await writeFileAtomic(join(this.folder, name), `${jsonText(value, name)}\n`)
  }

  private async prune(checkpoints: readonly Checkpoint[], saveTotalLimit: number | undefined): Promise<void> {
    if (saveTotalLimit === undefined) return
    const best = checkpoints.findLast(checkpoint => checkpoint.best !== undefined)
    for (const checkpoint of checkpoints.slice(0, -saveTotalLimit))
      if (checkpoint !== best) await removeFolderAtomic(checkpoint.folder)
  }

  private checkWritable(): void {
    if (!this.options.readOnly) return
    throw new FileError(
      `run ${this.folder}: expected to write, but it was opened read-only`,
      "open it without readOnly",
    )
  }

  private checkCheckpoint(step: number, files: Readonly<Record<string, FileWriter>>, best?: BestMark): void {
    const what = `checkpoint of run ${this.folder}`
    if (!Number.isSafeInteger(step) || step < 0)
      throw new FileError(`${what}: expected a step of 0 or more, but got ${step}`, "steps are whole numbers")
    if (Object.keys(files).length === 0)
      throw new FileError(`${what} at step ${step}: expected files to save, but got none`, "pass at least one")
    if (Object.hasOwn(files, manifestName))
      throw new FileError(
        `${what} at step ${step}: expected other names than ${manifestName}, which lists the files`,
        "rename the file",
      )
    if (best !== undefined && !Number.isFinite(best.value))
      throw new FileError(
        `${what} at step ${step}: expected a finite ${best.metric} to be the best, but got ${best.value}`,
        "do not mark a step whose loss is not a number",
      )
  }
}

function checkOptions({ saveTotalLimit }: RunOptions): void {
  if (saveTotalLimit === undefined || (Number.isSafeInteger(saveTotalLimit) && saveTotalLimit >= 1)) return
  throw new FileError(
    `run: expected saveTotalLimit of 1 or more, but got ${saveTotalLimit}`,
    "leave it out to keep all checkpoints",
  )
}

/** The same content, with its size noted in `sizes` as it passes by. */
function measured(name: string, file: FileWriter, sizes: Record<string, number>): FileWriter {
  return async () => {
    const content = typeof file === "function" ? await file() : file
    if (typeof content === "string" || content instanceof Uint8Array) {
      sizes[name] = typeof content === "string" ? Buffer.byteLength(content) : content.length
      return content
    }
    const chunks = async function* () {
      sizes[name] = 0
      for await (const chunk of content) {
        sizes[name] += chunk.length
        yield chunk
      }
    }
    return Object.assign(chunks(), content.bytes === undefined ? {} : { bytes: content.bytes })
  }
}

/** The checkpoint in a folder, or undefined when it is not complete: its list of files missing, or a file not of its size. */
async function readCheckpoint(folder: string, step: number): Promise<Checkpoint | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, manifestName), "utf8")) as Partial<Checkpoint> | null
    const { sequence, files, best } = manifest ?? {}
    if (typeof sequence !== "number" || typeof files !== "object" || files === null) return undefined
    for (const [name, bytes] of Object.entries(files))
      if ((await stat(join(folder, name))).size !== bytes) return undefined
    return { step, folder, files, sequence, ...(best && { best }) }
  } catch {
    return undefined // not there, or removed while it was looked at
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
