// One JSON object a line, appended as a run goes on. A kill in the middle of a line costs that line: readers drop it, the next
// writer removes it.
import { type FileHandle, open } from "node:fs/promises"
import { explain, writeContent, writeFileAtomic } from "./atomic.ts"
import { FileError, formatBytes } from "./errors.ts"
import { jsonText, parseJsonRow } from "./json.ts"

/** One line: a JSON object. */
export type Row = { readonly [key: string]: unknown }

const newline = 10
const maxLine = 64_000_000
const blockBytes = 1 << 16

/** A file of JSON rows. Calls may overlap: appends keep their order. */
export class JsonLines {
  readonly path: string
  private readonly nonFinite: "refuse" | "text"
  private handle: FileHandle | undefined
  private queue: Promise<unknown> = Promise.resolve()

  /** `nonFinite: "text"` lets NaN and infinities through: they stand as texts in the file and come back as numbers. */
  constructor(path: string, { nonFinite = "refuse" }: { readonly nonFinite?: "refuse" | "text" } = {}) {
    this.path = path
    this.nonFinite = nonFinite
  }

  /** Appends one row; it survives a kill of the process once this resolves. Throws FileError (a full disk, a value JSON cannot hold). */
  async append(row: Row): Promise<void> {
    const line = this.line(row)
    await this.inTurn(async () => {
      try {
        this.handle ??= await openToAppend(this.path)
        await writeContent(this.handle, line, this.path)
      } catch (cause) {
        await this.drop() // part of the line may stand there: the next append repairs it
        throw await explain(cause, this.path)
      }
    })
  }

  /** Puts what was appended onto the disk, to survive a crash of the machine too. */
  async flush(): Promise<void> {
    await this.inTurn(async () => {
      try {
        await this.handle?.datasync()
      } catch (cause) {
        // pipes and devices have nothing to synchronise
        if ((cause as NodeJS.ErrnoException).code !== "EINVAL") throw await explain(cause, this.path)
      }
    })
  }

  /** All rows. A missing file has none; a last line without its end is dropped. Throws FileError naming a broken line elsewhere. */
  async read(): Promise<Row[]> {
    const rows: Row[] = []
    for await (const row of this.rows()) rows.push(row)
    return rows
  }

  /** The rows one by one, in bounded memory; otherwise like `read`. */
  async *rows(): AsyncGenerator<Row, void, void> {
    let number = 0
    for await (const { bytes, ended } of lines(this.path)) {
      number++
      const row = parseRow(bytes, this.nonFinite)
      if (row !== undefined) yield row
      else if (ended && bytes.length > 0)
        throw new FileError(
          `${this.path}: expected a JSON object on line ${number}, but got ${JSON.stringify(bytes.toString("utf8", 0, 60))}`,
          "the file was changed by something else: correct or delete the line",
        )
    }
  }

  /** Keeps only the rows for which `wanted` is true, by replacing the file atomically. */
  async keep(wanted: (row: Row) => boolean): Promise<void> {
    await this.inTurn(async () => {
      await this.drop()
      const rows = this.rows()
      const kept = async function* (this: JsonLines) {
        for await (const row of rows) if (wanted(row)) yield Buffer.from(this.line(row))
      }
      await writeFileAtomic(this.path, kept.call(this))
    })
  }

  /** Closes the file after what was appended; appending again opens it again. */
  async close(): Promise<void> {
    await this.inTurn(() => this.drop())
  }

  private line(row: Row): string {
    return `${jsonText(row, `a row of ${this.path}`, { indent: 0, nonFinite: this.nonFinite })}\n`
  }

  private async drop(): Promise<void> {
    const handle = this.handle
    this.handle = undefined
    await handle?.close()
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work)
    this.queue = result.catch(() => {})
    return result
  }
}

function parseRow(bytes: Buffer, nonFinite: "refuse" | "text" = "refuse"): Row | undefined {
  try {
    const text = bytes.toString("utf8")
    const value: unknown = nonFinite === "text" ? parseJsonRow(text) : JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Row) : undefined
  } catch {
    return undefined
  }
}

/** Opens for appending, after a last line that a kill cut is removed (or ended, if only its line end is missing). */
async function openToAppend(path: string): Promise<FileHandle> {
  const handle = await open(path, "a+")
  try {
    const status = await handle.stat()
    if (!status.isFile() || status.size === 0) return handle
    const { start, bytes } = await lastLine(handle, status.size)
    if (bytes.length === 0) return handle
    if (parseRow(bytes) === undefined) await handle.truncate(start)
    else await handle.write("\n")
    return handle
  } catch (cause) {
    await handle.close()
    throw cause
  }
}

/** What follows the last line end, and where it starts. */
async function lastLine(handle: FileHandle, size: number): Promise<{ start: number; bytes: Buffer }> {
  const blocks: Buffer[] = []
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - blockBytes)
    const block = Buffer.alloc(end - begin)
    await handle.read(block, 0, block.length, begin)
    const at = block.lastIndexOf(newline)
    blocks.unshift(block.subarray(at + 1))
    if (at >= 0) return { start: begin + at + 1, bytes: Buffer.concat(blocks) }
    end = begin
  }
  return { start: 0, bytes: Buffer.concat(blocks) }
}

async function* lines(path: string): AsyncGenerator<{ bytes: Buffer; ended: boolean }, void, void> {
  let handle: FileHandle
  try {
    handle = await open(path, "r")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return
    throw await explain(cause, path, "read")
  }
  try {
    let pieces: Buffer[] = []
    let held = 0
    for (;;) {
      const block = Buffer.alloc(blockBytes)
      const { bytesRead } = await handle.read(block, 0, blockBytes, null)
      if (bytesRead === 0) break
      let begin = 0
      for (;;) {
        const at = block.subarray(0, bytesRead).indexOf(newline, begin)
        const piece = block.subarray(begin, at < 0 ? bytesRead : at)
        pieces.push(piece)
        held += piece.length
        if (held > maxLine)
          throw new FileError(
            `${path}: expected lines of at most ${formatBytes(maxLine)}, but got a longer one`,
            "this is no file of metrics or samples",
          )
        if (at < 0) break
        yield { bytes: Buffer.concat(pieces), ended: true }
        pieces = []
        held = 0
        begin = at + 1
      }
    }
    if (held > 0) yield { bytes: Buffer.concat(pieces), ended: false }
  } catch (cause) {
    throw await explain(cause, path, "read")
  } finally {
    await handle.close()
  }
}
