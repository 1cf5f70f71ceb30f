// Reading parts of a large file: so many bytes from there, into fresh memory, or a plain word on why not.
import { type FileHandle, open, stat } from "node:fs/promises"
import { explain } from "./atomic.ts"
import { FileError, formatBytes } from "./errors.ts"

/** Opens a file to read parts of it. `kind` names what it should be. Throws FileError for a folder, a pipe, nothing. */
export async function openParts(path: string, kind: string, inFolder: string): Promise<FileHandle> {
  try {
    const status = await stat(path) // before opening: a pipe would wait for its writer
    if (!status.isFile())
      throw new FileError(
        `${path}: expected a ${kind} file, but this is ${status.isDirectory() ? "a folder" : "no regular file"}`,
        status.isDirectory() ? `open the folder's ${inFolder}` : "name a file",
      )
    return await open(path, "r")
  } catch (cause) {
    throw await explain(cause, path, "read")
  }
}

/** Reads at most this much at once: larger reads would hold one of libuv's few threads for long. */
const readBytes = 1 << 25

/** `length` bytes at `offset`, in fresh memory. `what` names them in errors. Throws FileError where the file ends before. */
export async function readAt(handle: FileHandle, offset: number, length: number, what: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    // every byte is read or the memory is dropped: no zeros need to be written first
    bytes = length > 4096 ? Buffer.allocUnsafeSlow(length) : new Uint8Array(length)
  } catch (cause) {
    throw new FileError(
      `${what}: expected memory for ${formatBytes(length)}, but there is not enough`,
      "close other programs, or use a machine with more memory",
      { cause },
    )
  }
  await readInto(handle, offset, bytes, what)
  return bytes
}

/** Fills `bytes` from `offset`. Throws FileError where the file ends before. */
export async function readInto(handle: FileHandle, offset: number, bytes: Uint8Array, what: string): Promise<void> {
  const { length } = bytes
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(length - at, readBytes), offset + at)
    if (bytesRead === 0)
      throw new FileError(
        `${what}: expected ${formatBytes(length)} at byte ${offset}, but the file ended after ${formatBytes(at)}`,
        "the file was cut short or changed while it was open: open it again",
      )
    at += bytesRead
  }
}

/** Whether there is a file or folder of that name. Throws FileError where that cannot be told. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return false
    throw await explain(cause, path, "read")
  }
}
