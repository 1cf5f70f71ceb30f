// PyTorch checkpoints on disk (pytorch_model.bin, .pt): the zip archives of torch 1.6 and later, and the row of pickles before.
// Opening reads names and places only; `read` reads one tensor's numbers. Formats: torch/serialization.py and the ZIP notes.
import type { FileHandle } from "node:fs/promises"
import { explain } from "./atomic.ts"
import { openParts, readAt, readInto } from "./bytes-at.ts"
import { FileError, formatBytes, quote } from "./errors.ts"
import { bitsOf, bytesOf, countOf, dataFromBytes, type HostTensor } from "./host.ts"
import { PickleCut, PickleDict, type PickleValue, unpickle } from "./pickle.ts"
import { findTensor } from "./safetensors-bytes.ts"
import { checkInto, type StoredTensor, type TensorFile } from "./tensor-file.ts"
import {
  gatherTensor,
  isRowMajor,
  spanOf,
  type TorchStorage,
  type TorchTensor,
  torchNames,
  torchTensors,
} from "./torch-tensors.ts"
import { readZip, zipEntryStart } from "./zip.ts"

const maxPickleBytes = 256_000_000
const hint = "the file is damaged or was made to mislead: download or save it again"

/** Where a storage's numbers begin in the file; checked to be all there. */
type Locate = (tensor: TorchTensor) => Promise<number>

/**
 * Opens a checkpoint of `torch.save`. Nothing in it is run: a pickle that asks for more than tensors and containers is refused by
 * the name it asks for. Throws FileError.
 */
export async function openTorch(path: string): Promise<TensorFile> {
  const handle = await openParts(path, "PyTorch checkpoint", "pytorch_model.bin")
  try {
    const { size } = await handle.stat()
    const start = await readAt(handle, 0, Math.min(8, size), path)
    const isZip = start[0] === 0x50 && start[1] === 0x4b
    const { value, locate } = isZip ? await openArchive(handle, size, path) : await openRow(handle, size, start, path)
    return tensorFile(path, torchTensors(value, Math.max(size, 1 << 20), path), locate, handle)
  } catch (cause) {
    await handle.close()
    throw await explain(cause, path, "read")
  }
}

interface Opened {
  readonly value: PickleValue
  readonly locate: Locate
}

async function openArchive(handle: FileHandle, size: number, path: string): Promise<Opened> {
  const entries = await readZip(handle, size, path)
  const main = [...entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
  if (!main)
    throw new FileError(
      `${path}: expected an archive of torch.save with a data.pkl, but got ${
        [...entries.keys()]
          .slice(0, 4)
          .map(name => quote(name))
          .join(", ") || "no entries"
      }`,
      "this is another zip archive, or a TorchScript model: save the weights with safetensors",
    )
  const folder = main.name.slice(0, -"data.pkl".length)
  const bytesOf = async (name: string): Promise<Uint8Array | null> => {
    const entry = entries.get(folder + name)
    if (!entry) return null
    if (entry.bytes > maxPickleBytes) throw tooLong(path, entry.bytes)
    return readAt(handle, await zipEntryStart(handle, entry, size, path), entry.bytes, path)
  }
  const order = await bytesOf("byteorder")
  if (order !== null && new TextDecoder().decode(order) !== "little") throw bigEndian(path)
  const { value } = unpickle((await bytesOf("data.pkl"))!, torchNames, path)
  const starts = new Map<string, Promise<number>>()
  const locate: Locate = async ({ storage, dtype }) => {
    const entry = entries.get(`${folder}data/${storage.key}`)
    const wanted = (storage.count * bitsOf[storage.dtype ?? "u8"]) / 8
    if (entry === undefined || entry.bytes < wanted || storage.start !== 0)
      throw new FileError(
        `${path}: expected ${formatBytes(wanted)} of ${dtype} in ${quote(`data/${storage.key}`)}, but ${entry ? `it has ${formatBytes(entry.bytes)}` : "there is no such entry"}`,
        hint,
      )
    const start = starts.get(storage.key) ?? zipEntryStart(handle, entry, size, path)
    starts.set(storage.key, start)
    return start
  }
  return { value, locate }
}

const legacyMagic = 0x1950a86a20f9469cfc6cn

/** Before torch 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys; then the numbers. */
async function openRow(handle: FileHandle, size: number, start: Uint8Array, path: string): Promise<Opened> {
  if (start[0] !== 0x80) throw notTorch(start, size, path)
  let bytes: Uint8Array
  const storages = new Map<string, TorchStorage>()
  const names = {
    find: torchNames.find,
    load: (id: PickleValue): PickleValue => {
      const found = torchNames.load(id) as TorchStorage
      const whole = storages.get(found.key)
      if (whole && whole.dtype !== found.dtype)
        throw new FileError(`expected one type for storage ${quote(found.key)}`, hint)
      storages.set(found.key, found)
      return found
    },
  }
  let parts: { readonly values: readonly PickleValue[]; readonly end: number }
  for (let length = 1 << 20; ; length *= 4) {
    // how long the pickles are is not written down: more is read until they are whole
    bytes = await readAt(handle, 0, Math.min(length, size), path)
    try {
      parts = unpickleRow(bytes, names, path)
      break
    } catch (cause) {
      if (!(cause instanceof PickleCut) || bytes.length === size) throw cause
      if (length > maxPickleBytes) throw tooLong(path, length)
    }
  }
  const [magic, version, machine, value, keys] = parts.values
  if (magic !== legacyMagic || version !== 1001 || !Array.isArray(keys))
    throw new FileError(
      `${path}: expected a checkpoint of torch.save, but this pickle is something else`,
      "save the weights with safetensors",
    )
  if (machine instanceof PickleDict && machine.get("little_endian") === false) throw bigEndian(path)
  return { value: value!, locate: await rowPlaces(handle, size, path, keys, storages, parts.end) }
}

function unpickleRow(bytes: Uint8Array, names: typeof torchNames, path: string) {
  const values: PickleValue[] = []
  let end = 0
  while (values.length < 5) {
    const part = unpickle(bytes, names, path, end)
    values.push(part.value)
    end = part.end
    if (values.length === 1 && values[0] !== legacyMagic) break // some other pickle: do not look for four more
  }
  return { values, end }
}

/** Each storage is preceded by its number of elements. */
async function rowPlaces(
  handle: FileHandle,
  size: number,
  path: string,
  keys: readonly PickleValue[],
  storages: ReadonlyMap<string, TorchStorage>,
  end: number,
): Promise<Locate> {
  const places = new Map<string, { readonly start: number; readonly count: number }>()
  let at = end
  for (const key of keys) {
    const dtype = typeof key === "string" ? storages.get(key)?.dtype : null
    if (typeof key !== "string" || !dtype || places.has(key))
      throw new FileError(`${path}: expected the storages that its tensors use, but got another`, hint)
    const header = at + 8 <= size ? await readAt(handle, at, 8, path) : null
    const count = header ? Number(new DataView(header.buffer).getBigUint64(0, true)) : Number.NaN
    const next = at + 8 + (count * bitsOf[dtype]) / 8
    if (!(next <= size))
      throw new FileError(
        `${path}: expected storage ${quote(key)} within the file's ${formatBytes(size)}`,
        "the file was cut short: download or save it again",
      )
    places.set(key, { start: at + 8, count })
    at = next
  }
  return async ({ storage }) => {
    const place = places.get(storage.key)
    if (!place || storage.start + storage.count > place.count)
      throw new FileError(
        `${path}: expected ${storage.count} elements in storage ${quote(storage.key)}, but got ${place?.count ?? "none"}`,
        hint,
      )
    return place.start
  }
}

function tensorFile(
  path: string,
  tensors: ReadonlyMap<string, TorchTensor>,
  locate: Locate,
  handle: FileHandle,
): TensorFile {
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    await handle.close()
  }
  const infoOf = (name: string): StoredTensor => {
    const { dtype, shape } = findTensor(tensors, name, path)
    return { name, dtype, shape, bytes: (countOf(shape) * bitsOf[dtype]) / 8 }
  }
  return {
    path,
    names: [...tensors.keys()],
    metadata: { format: "pt" },
    info: infoOf,
    read: async (name, into): Promise<HostTensor> => {
      const tensor = findTensor(tensors, name, path)
      const what = `${path}: tensor ${quote(name)}`
      if (!open)
        throw new FileError(`${what}: expected an open file, but it was closed`, "close it after the last read")
      const size = bitsOf[tensor.dtype] / 8
      try {
        const start = (await locate(tensor)) + tensor.offset * size
        if (!into) return gatherTensor(tensor, await readAt(handle, start, spanOf(tensor) * size, what))
        checkInto(what, countOf(tensor.shape) * size, into)
        if (isRowMajor(tensor)) await readInto(handle, start, into, what)
        else into.set(bytesOf(gatherTensor(tensor, await readAt(handle, start, spanOf(tensor) * size, what)).data))
        return { dtype: tensor.dtype, shape: tensor.shape, data: dataFromBytes(tensor.dtype, into) } as HostTensor
      } catch (cause) {
        throw await explain(cause, path, "read", spanOf(tensor) * size)
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

const tooLong = (path: string, bytes: number) =>
  new FileError(
    `${path}: expected names and shapes in at most ${formatBytes(maxPickleBytes)}, but got ${formatBytes(bytes)}`,
    hint,
  )

const bigEndian = (path: string) =>
  new FileError(
    `${path}: expected numbers in little-endian order, but they were written on a big-endian machine`,
    "save the model again on x86-64 or Arm",
  )

function notTorch(start: Uint8Array, size: number, path: string): FileError {
  const text = String.fromCharCode(...start)
  const isTar = size > 512 && /^(pickle|sys_info|storages|tensors|\.\/)/.test(text)
  const seen = /^version /.test(text)
    ? "this looks like a Git LFS pointer: fetch the real file with `git lfs pull`"
    : text.startsWith("<")
      ? "this looks like a web page: the download got an error page instead of the file"
      : isTar
        ? "this looks like a tar archive of a PyTorch before 0.2: save it again with a newer one"
        : "the file is damaged or no checkpoint: download or save it again"
  return new FileError(`${path}: expected a checkpoint of torch.save, but it begins ${quote(text)}`, seen)
}
