// Tensors as they stand in files and in plain memory: a dtype, a shape, a typed array. No node:*, no tensor core.
import { FileError } from "./errors.ts"
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./halves.ts"

/** The typed array that holds each dtype; 16-bit floats as their raw bits, 8-bit and odd ones as raw bytes. */
export interface HostData {
  f64: Float64Array
  f32: Float32Array
  f16: Uint16Array
  bf16: Uint16Array
  i64: BigInt64Array
  u64: BigUint64Array
  i32: Int32Array
  u32: Uint32Array
  i16: Int16Array
  u16: Uint16Array
  i8: Int8Array
  u8: Uint8Array
  bool: Uint8Array
  f8_e4m3: Uint8Array
  f8_e5m2: Uint8Array
  f8_e8m0: Uint8Array
  f6_e2m3: Uint8Array
  f6_e3m2: Uint8Array
  f4: Uint8Array
  c64: Uint8Array
}

/** An element type that a file may hold. */
export type HostType = keyof HostData

/** A tensor in plain memory. `data` has one element per value (raw bytes for f8, f6, f4 and c64), row-major. */
export type HostTensor<D extends HostType = HostType> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: HostData[K] }
}[D]

/** Bits of one element. */
export const bitsOf: Readonly<Record<HostType, number>> = {
  f64: 64,
  f32: 32,
  f16: 16,
  bf16: 16,
  i64: 64,
  u64: 64,
  i32: 32,
  u32: 32,
  i16: 16,
  u16: 16,
  i8: 8,
  u8: 8,
  bool: 8,
  f8_e4m3: 8,
  f8_e5m2: 8,
  f8_e8m0: 8,
  f6_e2m3: 6,
  f6_e3m2: 6,
  f4: 4,
  c64: 64,
}

const arrayOf = {
  f64: Float64Array,
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  i32: Int32Array,
  u32: Uint32Array,
  i16: Int16Array,
  u16: Uint16Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
  f8_e4m3: Uint8Array,
  f8_e5m2: Uint8Array,
  f8_e8m0: Uint8Array,
  f6_e2m3: Uint8Array,
  f6_e3m2: Uint8Array,
  f4: Uint8Array,
  c64: Uint8Array,
} as const

/** True for a name in the list of dtypes. */
export function isHostType(name: string): name is HostType {
  return Object.hasOwn(bitsOf, name)
}

/** Number of values of a shape; the empty shape (a scalar) has one. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1)
}

/**
 * A typed array of `dtype` over little-endian bytes, sharing their memory. The bytes must start at a multiple of the element size
 * (a fresh buffer does). Throws FileError on a big-endian machine, where the numbers would come out wrong.
 */
export function dataFromBytes<D extends HostType>(dtype: D, bytes: Uint8Array): HostData[D] {
  const kind = arrayOf[dtype]
  if (kind.BYTES_PER_ELEMENT > 1) requireLittleEndian()
  return new kind(
    bytes.buffer as ArrayBuffer,
    bytes.byteOffset,
    bytes.byteLength / kind.BYTES_PER_ELEMENT,
  ) as HostData[D]
}

/** The little-endian bytes of a typed array, sharing its memory. */
export function bytesOf(data: HostData[HostType]): Uint8Array {
  if (data.BYTES_PER_ELEMENT > 1) requireLittleEndian()
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function requireLittleEndian(): void {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1)
    throw new FileError(
      "tensor files: expected a little-endian machine, but this one is big-endian",
      "read and write weights on x86-64 or Arm",
    )
}

/** Checks that dtype, shape and typed array of a tensor agree; throws FileError naming the tensor. */
export function checkHostTensor(name: string, tensor: HostTensor): void {
  const { dtype, shape, data } = tensor
  if (!isHostType(dtype)) {
    throw new FileError(
      `tensor ${quoted(name)}: expected a known dtype, but got ${quoted(String(dtype))}`,
      `known are ${Object.keys(bitsOf).join(", ")}`,
    )
  }
  const bad = shape.find(size => !Number.isSafeInteger(size) || size < 0)
  if (bad !== undefined)
    throw new FileError(
      `tensor ${quoted(name)}: expected a shape of whole numbers from 0, but got [${shape.join(" ")}]`,
      "every size of a shape is 0 or more",
    )
  const kind = arrayOf[dtype]
  if (!(data instanceof kind))
    throw new FileError(
      `tensor ${quoted(name)}: expected ${kind.name} for dtype ${dtype}, but got ${Object.prototype.toString.call(data).slice(8, -1)}`,
      dtype === "f16" || dtype === "bf16"
        ? "16-bit floats are held as raw bits; convert with f32ToBf16 or f32ToF16"
        : "make the typed array match the dtype",
    )
  const bits = countOf(shape) * bitsOf[dtype]
  if (bits % 8 !== 0 || bits / 8 !== data.byteLength)
    throw new FileError(
      `tensor ${quoted(name)}: expected ${bits / 8} bytes for ${dtype} [${shape.join(" ")}], but got ${data.byteLength}`,
      "the typed array must hold exactly the product of the shape",
    )
}

const quoted = (name: string) => JSON.stringify(name)

/** The values as f32: exact from f16, bf16 and small integers, rounded from f64 and 64-bit integers. Shares memory when already f32. */
export function toFloat32(tensor: HostTensor, name = "tensor"): Float32Array {
  switch (tensor.dtype) {
    case "f32":
      return tensor.data
    case "bf16":
      return bf16ToF32(tensor.data)
    case "f16":
      return f16ToF32(tensor.data)
    case "f64":
    case "i32":
    case "u32":
    case "i16":
    case "u16":
    case "i8":
    case "u8":
    case "bool":
      return new Float32Array(tensor.data)
    case "i64":
    case "u64": {
      const out = new Float32Array(tensor.data.length)
      for (let i = 0; i < out.length; i++) out[i] = Number(tensor.data[i])
      return out
    }
    default:
      return refuse(name, tensor.dtype, "float32")
  }
}

/** The values as i32. Integer dtypes only; throws FileError naming the first value that does not fit. Shares memory when already i32. */
export function toInt32(tensor: HostTensor, name = "tensor"): Int32Array {
  switch (tensor.dtype) {
    case "i32":
      return tensor.data
    case "i16":
    case "u16":
    case "i8":
    case "u8":
    case "bool":
      return new Int32Array(tensor.data)
    case "u32":
    case "i64":
    case "u64": {
      const out = new Int32Array(tensor.data.length)
      for (let i = 0; i < out.length; i++) {
        const value = tensor.data[i]!
        out[i] = Number(value)
        if (BigInt(out[i]!) !== BigInt(value))
          throw new FileError(
            `${name}: expected ${tensor.dtype} values that fit 32-bit integers, but got ${value} at position ${i}`,
            "read the raw tensor instead of converting it",
          )
      }
      return out
    }
    default:
      return refuse(name, tensor.dtype, "int32")
  }
}

function refuse(name: string, dtype: HostType, wanted: string): never {
  const quantized = /^f[864]|^c64/.test(dtype)
  throw new FileError(
    `${name}: expected a dtype that converts to ${wanted}, but got ${dtype}`,
    quantized
      ? "convert the checkpoint to f32, f16 or bf16 with the tool that made it"
      : "floats do not become integers silently: use toFloat32 and round",
  )
}

/** Floating dtypes a file can be written in. */
export type FloatType = "f32" | "bf16" | "f16"

/** Floats in another floating dtype (through f32); integers and bool come back unchanged. */
export function castFloats(tensor: HostTensor, dtype: FloatType): HostTensor {
  if (tensor.dtype === dtype || !isFloat(tensor.dtype)) return tensor
  const { shape } = tensor
  const values = toFloat32(tensor)
  if (dtype === "bf16") return { dtype, shape, data: f32ToBf16(values) }
  if (dtype === "f16") return { dtype, shape, data: f32ToF16(values) }
  return { dtype, shape, data: values }
}

/** True for dtypes that `castFloats` changes. */
export function isFloat(dtype: HostType): boolean {
  return dtype === "f64" || dtype === "f32" || dtype === "f16" || dtype === "bf16"
}
