// Constants: one number, repeated. Elementwise code takes them in, so they rarely take memory.

import { checkNumberLists, describeValue } from "../arguments.ts"
import { TypeMismatchError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { checkShape, type Shape } from "../shape.ts"
import type { Tensor } from "../tensor.ts"

const fullRecord: OpRecord<{ shape: Shape; value: number; dtype: "f32" | "i32" | "bool" }> = {
  name: "full",
  shape: (_, { shape, dtype }) => ({ shape, dtype }),
  pointwise: { opcode: (_, { dtype }) => (dtype === "f32" ? "constant.f32" : "constant.i32") },
  loop: (_, [out], { value }) => void out!.data.fill(value),
  grad: () => [],
}

/** A tensor of one repeated number. */
export function full(shape: Shape, value: number, dtype: "f32" | "i32" | "bool" = "f32"): Tensor {
  checkNumberLists("full", { shape })
  checkShape("full", shape)
  if (dtype !== "f32" && dtype !== "i32" && dtype !== "bool")
    throw new TypeMismatchError(`full: expected f32, i32 or bool, but got ${String(dtype)}`)
  if (typeof value !== "number") throw new TypeMismatchError(`full: expected a number, but got ${describeValue(value)}`)
  if (dtype !== "f32" && !Number.isInteger(value))
    throw new ValueError(`full: expected a whole number for ${dtype}, but got ${value}`)
  return applyOne(fullRecord, [], { shape: [...shape], value, dtype })
}

/** The number a constant tensor repeats, or null. */
export function constantOf(x: Tensor): number | null {
  return (x.node.op as unknown) === fullRecord ? (x.node.attributes.value as number) : null
}
