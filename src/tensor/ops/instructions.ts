// The elementwise machine's vocabulary: instructions and the types they work on. kernels/generated/pointwise.h is made from it.

import { HeedError } from "../errors.ts"
import type { DType } from "../tensor.ts"

/** Types an instruction of the elementwise machine reads and gives: f float, i int, b bool, s select (bool, T, T -> T). */
export type InstructionSignature = "ff" | "ii" | "bb" | "fb" | "ib" | "sf" | "si" | "fi" | "if" | "bf" | "bi"

/** One instruction of the elementwise machine; its opcode is its place in `instructions`. */
export interface Instruction {
  readonly name: string
  readonly arity: number
  readonly signature: InstructionSignature
  /** C++ over the vector functions of kernels/vector.h, on a, b, c. */
  readonly cpp: string
}

/** All instructions in opcode order; the first two load constants. kernels/generated/pointwise.h is made from this list. */
export const instructions: Instruction[] = [
  { name: "constant.f32", arity: 0, signature: "ff", cpp: "" },
  { name: "constant.i32", arity: 0, signature: "ii", cpp: "" },
]

const opcodes = new Map<string, number>()

/** The opcode of an instruction name. */
export function opcodeOf(name: string): number {
  if (opcodes.size !== instructions.length) for (const [i, one] of instructions.entries()) opcodes.set(one.name, i)
  const opcode = opcodes.get(name)
  if (opcode === undefined) throw new HeedError(`elementwise machine: expected a known instruction, but got "${name}"`)
  return opcode
}

/** The type that values of an element type compute in. */
export const machineType: Readonly<Record<DType, "f32" | "i32" | "bool">> = {
  f32: "f32",
  bf16: "f32",
  f16: "f32",
  i32: "i32",
  u8: "i32",
  bool: "bool",
}

/** The type that values of these types compute in together: bool < i32 < f32; storage types compute as f32 (u8 as i32). */
export function promote(types: readonly DType[]): "f32" | "i32" | "bool" {
  const kinds = types.map(type => machineType[type])
  return kinds.includes("f32") ? "f32" : kinds.includes("i32") ? "i32" : "bool"
}
