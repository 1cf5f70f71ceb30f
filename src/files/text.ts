// Text files in chunks: bounded memory for a corpus of any size, no character cut in two, wrong bytes named by their place.
import { isUtf8 } from "node:buffer"
import { open, readFile, stat } from "node:fs/promises"
import { deepestNesting, isTooDeep } from "../config/index.ts"
import { explain } from "./atomic.ts"
import { FileError, formatBytes, quote } from "./errors.ts"
import { firstInvalidUtf8, incompleteTail } from "./utf8.ts"

/** How to read a text. */
export interface ReadTextOptions {
  /** Bytes read at a time, 4 or more; a chunk of text is at most this long. Default 1 MiB. */
  readonly chunkBytes?: number
  /** Stops the reading with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * The text of a UTF-8 file, chunk by chunk, in memory of a few chunks. Chunks end between characters (but not between lines); a
 * byte order mark at the start is dropped. Throws FileError naming the byte offset where the file is not UTF-8.
 */
export async function* readTextFile(path: string, options: ReadTextOptions = {}): AsyncGenerator<string, void, void> {
  const { chunkBytes = 1 << 20, signal } = options
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 4)
    throw new FileError(
      `readTextFile: expected chunkBytes of 4 or more, but got ${chunkBytes}`,
      "the default is 1048576",
    )
  const handle = await openToRead(path)
  try {
    const buffer = Buffer.alloc(chunkBytes)
    let held = 0 // bytes of a character that the last read cut, at the start of the buffer
    let offset = 0 // of the buffer's start in the file
    for (;;) {
      signal?.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, held, chunkBytes - held, null)
      const filled = buffer.subarray(0, held + bytesRead)
      const tail = bytesRead === 0 ? 0 : incompleteTail(filled)
      const whole = filled.subarray(0, filled.length - tail)
      if (!isUtf8(whole)) throw notUtf8(path, whole, offset)
      const skip = offset === 0 && whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf ? 3 : 0
      if (whole.length > skip) yield whole.toString("utf8", skip)
      if (bytesRead === 0) return
      offset += whole.length
      buffer.copyWithin(0, whole.length, filled.length)
      held = tail
    }
  } catch (cause) {
    throw await explain(cause, path, "read")
  } finally {
    await handle.close()
  }
}

const maxJsonBytes = 256_000_000

/** A JSON file's value. Throws FileError saying what was expected where the text is no JSON or the file is not there. */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > maxJsonBytes)
      throw new FileError(
        `${path}: expected a JSON file of at most ${formatBytes(maxJsonBytes)}, but got ${formatBytes(size)}`,
        "this is no configuration or tokenizer",
      )
    text = await readFile(path, "utf8")
  } catch (cause) {
    throw await explain(cause, path, "read")
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new FileError(
      `${path}: expected JSON, but ${(cause as Error).message}`,
      text.trim() === "" ? "the file is empty" : "the file is damaged: write it again",
      { cause },
    )
  }
  if (isTooDeep(value))
    throw new FileError(
      `${path}: expected lists and objects nested at most ${deepestNesting} deep, but got deeper ones`,
      "no configuration or tokenizer is: fetch it again",
    )
  return value
}

async function openToRead(path: string) {
  try {
    if ((await stat(path)).isDirectory())
      throw new FileError(`reading ${path}: expected a text file, but this is a folder`, "name a file in it")
    return await open(path, "r")
  } catch (cause) {
    throw await explain(cause, path, "read")
  }
}

function notUtf8(path: string, bytes: Uint8Array, offset: number): FileError {
  const at = firstInvalidUtf8(bytes)
  const shown = [...bytes.subarray(at, at + 4)].map(byte => byte.toString(16).padStart(2, "0")).join(" ")
  const start = offset === 0 ? `${bytes[0]?.toString(16)} ${bytes[1]?.toString(16)}` : ""
  let hint = `convert it, for example: iconv -f latin1 -t utf-8 ${quote(path)}`
  if (start === "ff fe" || start === "fe ff") hint = `this looks like UTF-16: iconv -f utf-16 -t utf-8 ${quote(path)}`
  if (start === "1f 8b") hint = "this looks like a gzip archive: unpack it first"
  return new FileError(`${path}: expected UTF-8 text, but byte ${offset + at} begins ${shown}, which is none`, hint)
}
