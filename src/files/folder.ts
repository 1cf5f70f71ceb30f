// The small files of a folder (a tokenizer's, a configuration's), read whole by their names.
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { explain } from "./atomic.ts"
import { FileError, quote } from "./errors.ts"

/** Reads files of a folder as bytes; null where there is none of that name. Throws FileError, also for names that lead elsewhere. */
export function folderReader(folder: string): (name: string) => Promise<Uint8Array | null> {
  return async name => {
    if (/[/\\]/.test(name) || name === "..")
      throw new FileError(`${folder}: expected the name of a file in the folder, but got ${quote(name)}`)
    const path = join(folder, name)
    try {
      return await readFile(path)
    } catch (problem) {
      if ((problem as { code?: string }).code === "ENOENT") return null
      throw await explain(problem, path, "read")
    }
  }
}
