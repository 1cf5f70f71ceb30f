// Whole files as bytes: pictures, sound, anything that is decoded in one piece.
import { open } from "node:fs/promises"
import { explain } from "./atomic.ts"
import { FileError, formatBytes } from "./errors.ts"

/** The bytes of a file, at most `limit` of them (2 GB by default). Throws FileError for folders, larger files and what cannot be read. */
export async function readFileBytes(path: string | URL, limit = 2_000_000_000): Promise<Uint8Array> {
  const name = String(path)
  try {
    const handle = await open(path, "r")
    try {
      const info = await handle.stat()
      if (info.isDirectory())
        throw new FileError(`reading ${name}: expected a file, but this is a folder`, "name a file in it")
      if (!info.isFile()) throw new FileError(`reading ${name}: expected a file, but this is a device or a pipe`)
      if (info.size > limit)
        throw new FileError(
          `reading ${name}: expected at most ${formatBytes(limit)}, but got ${formatBytes(info.size)}`,
        )
      return new Uint8Array(await handle.readFile())
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw await explain(cause, name, "read")
  }
}
