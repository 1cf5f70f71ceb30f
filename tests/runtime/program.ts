// Flat programs written by hand: kernel calls with named arguments, encoded as the emitter does.
import { elementCodes, type FieldKind, type KernelName, kernelNames, kernels } from "../../src/kernels/table.ts"
import type { ProgramImage } from "../../src/runtime/device.ts"

/** A buffer argument: slot, byte offset. */
export type At = readonly [slot: number, offset: number]

/** Arguments of a call by name; buffers are `At` (null: absent), lists are arrays. */
export type Arguments = Readonly<Record<string, number | At | null | readonly number[] | readonly At[]>>

/** Encodes calls for the given slots. */
export function program(slotBytes: readonly number[], ...calls: readonly [KernelName, Arguments][]): ProgramImage {
  const words = calls.flatMap(([name, values]) => [
    kernelNames.indexOf(name),
    ...Object.entries(kernels[name]).flatMap(([field, kind]) => encode(kind, values[field])),
  ])
  return { words: Float64Array.from(words), slotBytes }
}

function encode(kind: FieldKind, value: Arguments[string] | undefined): number[] {
  switch (kind) {
    case "int":
    case "float":
      return [value as number]
    case "ints":
    case "floats":
      return [(value as readonly number[]).length, ...(value as readonly number[])]
    case "buffers":
      return [(value as readonly At[]).length, ...(value as readonly At[]).flat()]
    default:
      return value == null ? [-1, 0] : [...(value as At)]
  }
}

/** out[0..count) = start + i · step. */
export function iota(output: At, count: number, start = 0, step = 1): [KernelName, Arguments] {
  return ["iota", { output, count, start, step }]
}

/** c [m n] = a [m k] · b [k n], all f32 and row-major. */
export function matmul(a: At, b: At, c: At, m: number, n: number, k: number): [KernelName, Arguments] {
  const type = elementCodes.f32
  const strides = { aRow: k, aColumn: 1, bRow: n, bColumn: 1, cRow: n }
  const rest = { batch: [], batchStrides: [], alpha: 1, accumulate: 0, compute: 0 }
  return ["matmul", { a, b, bias: null, c, aType: type, bType: type, cType: type, m, n, k, ...strides, ...rest }]
}

/** output [rows size] = source [count size] at indices [rows], f32. */
export function gatherRows(
  source: At,
  indices: At,
  output: At,
  count: number,
  rows: number,
  size: number,
): [KernelName, Arguments] {
  const type = elementCodes.f32
  return ["gather_rows", { source, indices, output, count, rows, size, type, outputType: type }]
}
