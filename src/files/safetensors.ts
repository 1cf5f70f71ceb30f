// Safetensors on disk: random access to one file, and atomic streaming writes.
// Opening reads the header only, so a 5 GB file costs its names; `read` reads one tensor's bytes.
import type { FileHandle } from "node:fs/promises"
import { explain, writeFileAtomic } from "./atomic.ts"
import { openParts, readAt, readInto } from "./bytes-at.ts"
import { FileError, quote } from "./errors.ts"
import {
  findTensor,
  hostTensor,
  type SafetensorsOptions,
  safetensorsContent,
  type TensorRecord,
} from "./safetensors-bytes.ts"
import { headerLength, parseHeader, type TensorInfo } from "./safetensors-header.ts"
import { checkInto, type TensorFile } from "./tensor-file.ts"

/** Opens one safetensors file; its header is checked whole. Throws FileError naming the tensor at fault. */
export async function openSafetensors(path: string): Promise<TensorFile> {
  const handle = await openParts(path, "safetensors", "model.safetensors")
  try {
    const { size } = await handle.stat()
    const start = await readAt(handle, 0, Math.min(8, size), path)
    const length = headerLength(start, size, path)
    const { metadata, tensors } = parseHeader(await readAt(handle, 8, length, path), size - 8 - length, path)
    return tensorFile(path, metadata, tensors, handle)
  } catch (cause) {
    await handle.close()
    throw await explain(cause, path, "read")
  }
}

/** Writes tensors as one safetensors file, atomically and one tensor at a time. Throws FileError; an old file is then untouched. */
export async function writeSafetensors(
  path: string,
  tensors: TensorRecord,
  options: SafetensorsOptions = {},
): Promise<void> {
  await writeFileAtomic(path, safetensorsContent(tensors, options))
}

function tensorFile(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, TensorInfo>,
  handle: FileHandle,
): TensorFile {
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    await handle.close()
  }
  return {
    path,
    names: [...tensors.keys()],
    metadata,
    info: name => findTensor(tensors, name, path),
    read: async (name, into) => {
      const info = findTensor(tensors, name, path)
      const what = `${path}: tensor ${quote(name)}`
      if (!open)
        throw new FileError(`${what}: expected an open file, but it was closed`, "close it after the last read")
      try {
        if (!into) return hostTensor(info, await readAt(handle, info.offset, info.bytes, what))
        checkInto(what, info.bytes, into)
        await readInto(handle, info.offset, into, what)
        return hostTensor(info, into)
      } catch (cause) {
        throw await explain(cause, path, "read", info.bytes)
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
