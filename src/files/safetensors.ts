// Safetensors on disk: random access to one file or to a sharded folder, and atomic streaming writes.
// Opening reads the header only, so a 5 GB file costs its names; `read` reads one tensor's bytes.
import { type FileHandle, open, stat } from "node:fs/promises"
import { join } from "node:path"
import { explain, writeFileAtomic } from "./atomic.ts"
import { FileError, formatBytes, quote } from "./errors.ts"
import type { HostTensor } from "./host.ts"
import {
  findTensor,
  hostTensor,
  type SafetensorsOptions,
  safetensorsContent,
  type TensorRecord,
} from "./safetensors-bytes.ts"
import { headerLength, parseHeader, type TensorInfo } from "./safetensors-header.ts"
import { readJsonFile } from "./text.ts"

/** Tensors in files, read one by one. */
export interface TensorFile {
  /** What was opened: a file, or the folder of a sharded model. */
  readonly path: string
  /** Names, in the order of their bytes (sharded: of their shards). */
  readonly names: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** dtype, shape, place. Throws FileError for an unknown name. */
  info(name: string): TensorInfo
  /** Reads one tensor into fresh memory. Throws FileError for an unknown name or when the file changed since it was opened. */
  read(name: string): Promise<HostTensor>
  /** Closes the files; reading afterwards throws. Closing twice is fine. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Opens one safetensors file; its header is checked whole. Throws FileError naming the tensor at fault. */
export async function openSafetensors(path: string): Promise<TensorFile> {
  let handle: FileHandle
  try {
    const status = await stat(path) // before opening: a pipe would wait for its writer
    if (!status.isFile())
      throw new FileError(
        `${path}: expected a safetensors file, but this is ${status.isDirectory() ? "a folder" : "no regular file"}`,
        status.isDirectory() ? "open the folder's model.safetensors" : "name a file",
      )
    handle = await open(path, "r")
  } catch (cause) {
    throw await explain(cause, path, "read")
  }
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

/**
 * Opens a model's weights in a Hugging Face folder: `model.safetensors`, or `model.safetensors.index.json` with its shards, as one.
 * Throws FileError where neither is there, or where index and shards disagree.
 */
export async function openWeights(folder: string): Promise<TensorFile> {
  const single = join(folder, "model.safetensors")
  if (await exists(single)) return openSafetensors(single)
  const indexPath = `${single}.index.json`
  if (!(await exists(folder)))
    throw new FileError(`${folder}: expected the folder of a model, but there is no such folder`, "check the path")
  if (!(await exists(indexPath)))
    throw new FileError(
      `${folder}: expected model.safetensors or model.safetensors.index.json, but got neither`,
      "name the folder of a model; weights in .bin or .pt must be saved with safetensors first",
    )
  const shardOf = readIndex(await readJsonFile(indexPath), indexPath)
  const files: TensorFile[] = []
  try {
    for (const shard of [...new Set(shardOf.values())].sort()) files.push(await openSafetensors(join(folder, shard)))
    return joinShards(folder, indexPath, shardOf, files)
  } catch (cause) {
    await Promise.all(files.map(file => file.close()))
    throw cause
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
    read: async name => {
      const info = findTensor(tensors, name, path)
      const what = `${path}: tensor ${quote(name)}`
      if (!open)
        throw new FileError(`${what}: expected an open file, but it was closed`, "close it after the last read")
      try {
        return hostTensor(info, await readAt(handle, info.offset, info.bytes, what))
      } catch (cause) {
        throw await explain(cause, path, "read", info.bytes)
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function joinShards(
  folder: string,
  indexPath: string,
  shardOf: ReadonlyMap<string, string>,
  files: readonly TensorFile[],
): TensorFile {
  const holder = new Map<string, TensorFile>()
  for (const file of files)
    for (const name of file.names) {
      const wanted = shardOf.get(name)
      if (wanted === undefined || join(folder, wanted) !== file.path)
        throw new FileError(
          `${indexPath}: expected tensor ${quote(name)} of ${file.path} to be listed there, but the index says ${wanted === undefined ? "nothing" : quote(wanted)}`,
          "index and shards are of different models: download them together",
        )
      holder.set(name, file)
    }
  for (const [name, shard] of shardOf)
    if (!holder.has(name))
      throw new FileError(
        `${indexPath}: expected tensor ${quote(name)} in ${quote(shard)}, but it is not there`,
        "index and shards are of different models: download them together",
      )
  const close = async () => {
    await Promise.all(files.map(file => file.close()))
  }
  return {
    path: folder,
    names: [...holder.keys()],
    metadata: files[0]?.metadata ?? {},
    info: name => findTensor(holder, name, folder).info(name),
    read: async name => findTensor(holder, name, folder).read(name),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The index's table of names to shards. Shards are plain names in the same folder: a path could leave it. */
function readIndex(value: unknown, path: string): Map<string, string> {
  const isRecord = (x: unknown): x is Record<string, unknown> =>
    typeof x === "object" && x !== null && !Array.isArray(x)
  const table = isRecord(value) ? value.weight_map : undefined
  if (!isRecord(table))
    throw new FileError(
      `${path}: expected an object with weight_map, a table of tensor names to files`,
      "the file is damaged: download it again",
    )
  const shardOf = new Map<string, string>()
  for (const [name, shard] of Object.entries(table)) {
    if (typeof shard !== "string" || !/^[^/\\\0:]+\.safetensors$/.test(shard) || shard.startsWith("."))
      throw new FileError(
        `${path}: expected tensor ${quote(name)} in a .safetensors file of the same folder, but got ${quote(JSON.stringify(shard) ?? "nothing")}`,
        "shards stand beside their index; a path that leads elsewhere is refused",
      )
    shardOf.set(name, shard)
  }
  return shardOf
}

/** `length` bytes at `offset`, in fresh memory. */
async function readAt(handle: FileHandle, offset: number, length: number, what: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(length)
  } catch (cause) {
    throw new FileError(
      `${what}: expected memory for ${formatBytes(length)}, but there is not enough`,
      "close other programs, or use a machine with more memory",
      { cause },
    )
  }
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(length - at, 1 << 28), offset + at)
    if (bytesRead === 0)
      throw new FileError(
        `${what}: expected ${formatBytes(length)} at byte ${offset}, but the file ended after ${formatBytes(at)}`,
        "the file was cut short or changed while it was open: open it again",
      )
    at += bytesRead
  }
  return bytes
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return false
    throw await explain(cause, path, "read")
  }
}
