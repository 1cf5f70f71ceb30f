// Safetensors in memory: reading from bytes, and the bytes to write as a stream of chunks. Pure, for browsers too.
import { FileError, formatBytes, quote } from "./errors.ts"
import {
  bitsOf,
  bytesOf,
  castFloats,
  checkHostTensor,
  countOf,
  dataFromBytes,
  type FloatType,
  type HostTensor,
  type HostType,
  isFloat,
  isHostType,
} from "./host.ts"
import { dtypeNames, headerLength, maxHeaderBytes, parseHeader, type TensorInfo } from "./safetensors-header.ts"

/** Tensors opened from bytes in memory. */
export interface SafetensorsBytes {
  /** Names in the order of their bytes. */
  readonly names: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** dtype, shape and place of one tensor; throws FileError for an unknown name. */
  info(name: string): TensorInfo
  /** A copy of one tensor; throws FileError for an unknown name. */
  read(name: string): HostTensor
}

/** Opens safetensors bytes; everything is checked here. `source` names them in errors. Throws FileError. */
export function parseSafetensors(bytes: Uint8Array, source = "safetensors"): SafetensorsBytes {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, source)
  const { metadata, tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length - 8 - length, source)
  return {
    names: [...tensors.keys()],
    metadata,
    info: name => findTensor(tensors, name, source),
    read: name => {
      const info = findTensor(tensors, name, source)
      return hostTensor(info, bytes.slice(info.offset, info.offset + info.bytes))
    },
  }
}

/** The tensor of that name, or a FileError that names the nearest. */
export function findTensor<T>(tensors: ReadonlyMap<string, T>, name: string, source: string): T {
  const found = tensors.get(name)
  if (found !== undefined) return found
  const last = name.split(".").slice(-2).join(".")
  const near = [...tensors.keys()].filter(other => other.endsWith(last)).slice(0, 5)
  const shown = near.length > 0 ? near : [...tensors.keys()].slice(0, 5)
  throw new FileError(
    `${source}: expected a tensor ${quote(name)}, but the file's ${tensors.size} tensors have no such name`,
    shown.length === 0 ? "the file is empty" : `there is ${shown.map(other => quote(other)).join(", ")}, …`,
  )
}

/** A tensor record over its own bytes (which must begin at a multiple of the element size). */
export function hostTensor(info: TensorInfo, bytes: Uint8Array): HostTensor {
  return { dtype: info.dtype, shape: info.shape, data: dataFromBytes(info.dtype, bytes) } as HostTensor
}

/** A tensor that is loaded when its turn to be written comes, so that not all stand in memory at once. */
export interface LazyTensor {
  readonly dtype: HostType
  readonly shape: readonly number[]
  readonly load: () => HostTensor | Promise<HostTensor>
}

/** Tensors to write, by name. */
export type TensorRecord = Readonly<Record<string, HostTensor | LazyTensor>>

/** Content of known size that comes in chunks. */
export interface SizedContent extends AsyncIterable<Uint8Array> {
  /** Total length in bytes. */
  readonly bytes: number
}

/** How to write tensors. */
export interface SafetensorsOptions {
  /** Floating tensors are written in this dtype; integers stay. Default: as they are. */
  readonly dtype?: FloatType
  /** Texts in the header. Default `{ format: "pt" }`, which Hugging Face libraries ask for. */
  readonly metadata?: Readonly<Record<string, string>>
}

/**
 * The bytes of a safetensors file, one tensor in memory at a time. The same tensors give the same bytes: wide dtypes first,
 * then by name, metadata sorted. Throws FileError for a tensor whose dtype, shape and data disagree.
 */
export function safetensorsContent(tensors: TensorRecord, options: SafetensorsOptions = {}): SizedContent {
  const { dtype: wanted, metadata = { format: "pt" } } = options
  if (wanted !== undefined && wanted !== "f32" && wanted !== "bf16" && wanted !== "f16")
    throw new FileError(
      `safetensors: expected to write f32, bf16 or f16, but got dtype ${quote(String(wanted))}`,
      "choose one of the three, or leave dtype out to write tensors as they are",
    )
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    checkSource(name, tensor)
    const dtype = wanted !== undefined && isFloat(tensor.dtype) ? wanted : tensor.dtype
    return { name, tensor, dtype, bytes: (countOf(tensor.shape) * bitsOf[dtype]) / 8 }
  })
  entries.sort((a, b) => bitsOf[b.dtype] - bitsOf[a.dtype] || (a.name < b.name ? -1 : 1))
  const header = encodeHeader(entries, metadata)
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield header
    for (const { name, tensor, dtype } of entries) yield* tensorChunks(name, await loadTensor(name, tensor), dtype)
  }
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, header.length)
  return { bytes, [Symbol.asyncIterator]: chunks }
}

/** A whole safetensors file in memory: `safetensorsContent` gathered. */
export async function safetensorsBytes(tensors: TensorRecord, options: SafetensorsOptions = {}): Promise<Uint8Array> {
  const content = safetensorsContent(tensors, options)
  const out = new Uint8Array(content.bytes)
  let at = 0
  for await (const chunk of content) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

function checkSource(name: string, tensor: HostTensor | LazyTensor): void {
  if (name === "__metadata__")
    throw new FileError(
      'safetensors: expected tensor names, but got "__metadata__", which the format keeps for itself',
      "rename it",
    )
  if ("data" in tensor) {
    checkHostTensor(name, tensor)
    return
  }
  const { dtype, shape } = tensor
  const fits = isHostType(dtype) && shape.every(size => Number.isSafeInteger(size) && size >= 0)
  if (!fits || (countOf(shape) * bitsOf[dtype]) % 8 !== 0)
    throw new FileError(
      `tensor ${quote(name)}: expected a known dtype and a shape of whole bytes, but got ${String(dtype)} [${shape.join(" ")}]`,
      `known dtypes are ${Object.keys(bitsOf).join(", ")}`,
    )
}

async function loadTensor(name: string, tensor: HostTensor | LazyTensor): Promise<HostTensor> {
  if ("data" in tensor) return tensor
  const loaded = await tensor.load()
  checkHostTensor(name, loaded)
  const same = loaded.shape.length === tensor.shape.length && loaded.shape.every((size, i) => size === tensor.shape[i])
  if (loaded.dtype !== tensor.dtype || !same)
    throw new FileError(
      `tensor ${quote(name)}: expected ${tensor.dtype} [${tensor.shape.join(" ")}] as announced, but load() gave ${loaded.dtype} [${loaded.shape.join(" ")}]`,
      "a lazy tensor must announce what it loads",
    )
  return loaded
}

/** Values converted at a time, so that a conversion needs megabytes, not the tensor's size again. */
const slice = 1 << 20

function* tensorChunks(name: string, tensor: HostTensor, dtype: HostType): Generator<Uint8Array> {
  if (tensor.dtype === dtype) yield bytesOf(tensor.data)
  else if (dtype !== "f32" && dtype !== "bf16" && dtype !== "f16")
    throw new FileError(`tensor ${quote(name)}: expected a floating dtype to write, but got ${dtype}`)
  else
    for (let at = 0; at < tensor.data.length; at += slice) {
      const data = tensor.data.subarray(at, at + slice)
      yield bytesOf(castFloats({ dtype: tensor.dtype, shape: [data.length], data } as HostTensor, dtype).data)
    }
}

const formatName = Object.fromEntries(Object.entries(dtypeNames).map(([name, dtype]) => [dtype, name]))

function encodeHeader(
  entries: readonly { name: string; tensor: { shape: readonly number[] }; dtype: HostType; bytes: number }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = []
  const keys = Object.keys(metadata).sort()
  for (const key of keys) {
    if (typeof metadata[key] === "string") continue
    throw new FileError(
      `safetensors metadata ${quote(key)}: expected a text, but got ${typeof metadata[key]}`,
      "the format holds only texts: JSON.stringify the value",
    )
  }
  if (keys.length > 0)
    fields.push(
      `"__metadata__":{${keys.map(key => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`).join(",")}}`,
    )
  let offset = 0
  for (const { name, tensor, dtype, bytes } of entries) {
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${formatName[dtype]}","shape":[${tensor.shape.join(",")}],"data_offsets":[${offset},${offset + bytes}]}`,
    )
    offset += bytes
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`)
  const padded = Math.ceil(json.length / 8) * 8 // so that the data begins at a multiple of 8
  if (padded > maxHeaderBytes)
    throw new FileError(
      `safetensors: expected names that fit a header of ${formatBytes(maxHeaderBytes)}, but got ${formatBytes(padded)}`,
      "write the tensors into several files",
    )
  const out = new Uint8Array(8 + padded).fill(32)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.set(json, 8)
  return out
}
