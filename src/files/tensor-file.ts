// Tensors in files, whatever the format: names, what each is, and its numbers when asked. Shards of a model are joined as one.
import { join } from "node:path"
import { FileError, quote } from "./errors.ts"
import type { HostTensor, HostType } from "./host.ts"
import { findTensor } from "./safetensors-bytes.ts"
import { readJsonFile } from "./text.ts"

/** What is known of a tensor before it is read. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: HostType
  readonly shape: readonly number[]
  /** Length in bytes. */
  readonly bytes: number
}

/** Tensors in files, read one by one. */
export interface TensorFile {
  /** What was opened: a file, or the folder of a sharded model. */
  readonly path: string
  /** Names, in the order of their bytes (sharded: of their shards). */
  readonly names: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** dtype and shape. Throws FileError for an unknown name. */
  info(name: string): StoredTensor
  /**
   * Reads one tensor into fresh memory, or into `into`, which begins at a multiple of the element size and has its length. Throws
   * FileError for an unknown name or when the file changed since it was opened.
   */
  read(name: string, into?: Uint8Array): Promise<HostTensor>
  /** Closes the files; reading afterwards throws. Closing twice is fine. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Throws FileError where the memory to read a tensor into has another length. */
export function checkInto(what: string, bytes: number, into: Uint8Array): void {
  if (into.length === bytes) return
  throw new FileError(
    `${what}: expected memory of ${bytes} bytes to read into, but got ${into.length}`,
    "info(name).bytes is the length of a tensor",
  )
}

/** Opens all shards of an index (`ending` is what their names end with) as one. Throws FileError where index and shards disagree. */
export async function openShards(
  folder: string,
  indexPath: string,
  ending: string,
  open: (path: string) => Promise<TensorFile>,
): Promise<TensorFile> {
  const shardOf = shardsOf(await readJsonFile(indexPath), indexPath, ending)
  const files: TensorFile[] = []
  try {
    for (const shard of [...new Set(shardOf.values())].sort()) files.push(await open(join(folder, shard)))
    return joinShards(folder, indexPath, shardOf, files)
  } catch (cause) {
    await Promise.all(files.map(file => file.close()))
    throw cause
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
    read: async (name, into) => findTensor(holder, name, folder).read(name, into),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** An index's table of names to shards. Shards are plain names in the same folder: a path could leave it. Throws FileError. */
export function shardsOf(value: unknown, path: string, ending: string): Map<string, string> {
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
    const isPlain = typeof shard === "string" && /^[^./\\\0:][^/\\\0:]*$/.test(shard) && shard.endsWith(ending)
    if (!isPlain)
      throw new FileError(
        `${path}: expected tensor ${quote(name)} in a ${ending} file of the same folder, but got ${quote(JSON.stringify(shard) ?? "nothing")}`,
        "shards stand beside their index; a path that leads elsewhere is refused",
      )
    shardOf.set(name, shard)
  }
  return shardOf
}
