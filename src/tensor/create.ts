// Tensors from numbers at hand: nested arrays, single numbers, typed arrays.

import { ShapeError, TypeMismatchError, ValueError } from "./errors.ts"
import { checkShape, formatShape, type Shape, sizeOf } from "./shape.ts"
import { type DType, fromHost, type HostArray, hostArray, type Tensor } from "./tensor.ts"

/** A number, a truth value, or arrays of them of equal lengths. */
export type Nested = number | boolean | readonly Nested[]

function shapeOf(value: Nested): number[] {
  const shape: number[] = []
  for (let at: Nested | undefined = value; Array.isArray(at); at = at[0]) shape.push(at.length)
  return shape
}

function flatten(value: Nested, shape: Shape, depth: number, out: (number | boolean)[]): void {
  const isArray = Array.isArray(value)
  if (isArray !== depth < shape.length || (isArray && value.length !== shape[depth]))
    throw new ShapeError(
      `tensor: expected nested arrays of equal lengths ${formatShape(shape)}, but got ${isArray ? `${value.length} entries` : "a number"} at depth ${depth}`,
    )
  if (isArray) for (const part of value) flatten(part, shape, depth + 1, out)
  else if (typeof value === "number" || typeof value === "boolean") out.push(value)
  else throw new TypeMismatchError(`tensor: expected numbers or truth values, but got ${typeof value}`)
}

function typeOfArray(data: HostArray): DType {
  if (data instanceof Float32Array) return "f32"
  if (data instanceof Int32Array) return "i32"
  if (data instanceof Uint8Array) return "u8"
  throw new TypeMismatchError(
    `tensor: expected a Float32Array, Int32Array or Uint8Array, but got ${(data as object).constructor.name}`,
    "a Uint16Array holds bf16 or f16 bits: say which as the third argument",
  )
}

/**
 * A tensor of given numbers: nested arrays, or a typed array (which is kept, not copied: do not change it afterwards) with a shape.
 * Types: what a typed array holds; for nested arrays f32, or bool when all are truth values; `dtype` says otherwise.
 * Throws ShapeError, TypeMismatchError, ValueError.
 */
export function tensor(data: Nested | HostArray, shape?: Shape, dtype?: DType): Tensor {
  if (ArrayBuffer.isView(data)) return fromHost(data, shape ?? [data.length], dtype ?? typeOfArray(data))
  const own = shapeOf(data)
  const flat: (number | boolean)[] = []
  flatten(data, own, 0, flat)
  const target = checkShape("tensor", shape ?? own)
  if (sizeOf(target) !== flat.length)
    throw new ShapeError(
      `tensor: expected ${sizeOf(target)} numbers for ${formatShape(target)}, but got ${flat.length}`,
    )
  const type = dtype ?? (flat.length > 0 && flat.every(x => typeof x === "boolean") ? "bool" : "f32")
  return fromHost(encode(flat, type), target, type)
}

const limits = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255], bool: [0, 1] } as const

function encode(flat: readonly (number | boolean)[], dtype: DType): HostArray {
  if (dtype === "bf16" || dtype === "f16")
    throw new TypeMismatchError(
      `tensor: expected f32, i32, u8 or bool for plain numbers, but got ${dtype}`,
      `make it f32 and cast: tensor(…).cast("${dtype}")`,
    )
  if (dtype !== "f32" && !Object.hasOwn(limits, dtype))
    throw new TypeMismatchError(`tensor: expected f32, i32, u8 or bool, but got ${String(dtype)}`)
  const out = hostArray(dtype, flat.length)
  const range = dtype === "f32" ? null : limits[dtype]
  for (const [i, value] of flat.entries()) {
    const x = Number(value)
    if (range && !(Number.isInteger(x) && x >= range[0] && x <= range[1]))
      throw new ValueError(`tensor: expected whole numbers in ${range[0]}..${range[1]} for ${dtype}, but got ${x}`)
    out[i] = x
  }
  return out
}
