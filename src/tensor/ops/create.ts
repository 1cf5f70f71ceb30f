// New tensors from nothing: repeated numbers, counted numbers, identity and triangles.

import { checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { checkInteger, formatShape, type Shape } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { unsqueeze } from "./move.ts"
import { add, cast, eq, full, le, mul, where } from "./pointwise.ts"

const iotaRecord: OpRecord<{ count: number; start: number; step: number }> = {
  name: "iota",
  shape: (_, { count }) => ({ shape: [count], dtype: "i32" }),
  loop: (_, [out], { start, step }) => {
    for (let i = 0; i < out!.data.length; i++) out!.data[i] = start + i * step
  },
  kernel: (_, { count, start, step }) => ({
    uses: ["iota"],
    calls: () => [{ name: "iota", fields: { output: { output: 0 }, count, start, step } }],
  }),
  flat: true,
}

/** Whole numbers start, start + step, … before end, i32; `arange(n)` counts 0 .. n-1. Throws ValueError. */
export function arange(start: number, end?: number, step = 1): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end]
  for (const [name, value] of [
    ["start", from],
    ["end", to],
    ["step", step],
  ] as const)
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 31 || (name === "step" && value === 0))
      throw new ValueError(
        `arange: expected ${name} to be a whole number${name === "step" ? " other than 0" : ""} of 32 bits, but got ${value}`,
        "for fractions use linspace",
      )
  const count = Math.max(0, Math.ceil((to - from) / step))
  return applyOne(iotaRecord, [], { count, start: from, step })
}

/** A tensor of zeros. */
export const zeros = (shape: Shape, dtype: "f32" | "i32" | "bool" = "f32"): Tensor => full(shape, 0, dtype)

/** A tensor of ones. */
export const ones = (shape: Shape, dtype: "f32" | "i32" | "bool" = "f32"): Tensor => full(shape, 1, dtype)

/** `count` numbers from start to end, both included, f32. Throws ValueError. */
export function linspace(start: number, end: number, count: number): Tensor {
  if (!Number.isFinite(start) || !Number.isFinite(end))
    throw new ValueError(`linspace: expected finite ends, but got ${start} and ${end}`)
  checkInteger("linspace", "the count", count, 1)
  const step = count === 1 ? 0 : (end - start) / (count - 1)
  return add(mul(cast(arange(count), "f32"), step), start)
}

/** Whether each place of [rows columns] lies on or below the diagonal `diagonal` places right of the main one, bool. */
export function triangle(rows: number, columns: number, diagonal = 0): Tensor {
  checkInteger("triangle", "the number of rows", rows, 0)
  checkInteger("triangle", "the number of columns", columns, 0)
  if (!Number.isInteger(diagonal)) throw new ValueError(`triangle: expected a whole diagonal, but got ${diagonal}`)
  return le(arange(columns), unsqueeze(add(arange(rows), diagonal), 1))
}

/** The identity matrix, or ones on another diagonal. */
export function eye(rows: number, columns = rows, diagonal = 0): Tensor {
  checkInteger("eye", "the number of rows", rows, 0)
  checkInteger("eye", "the number of columns", columns, 0)
  return cast(eq(arange(columns), unsqueeze(add(arange(rows), diagonal), 1)), "f32")
}

function matrixSides(what: string, x: Tensor): [number, number] {
  if (x.rank < 2) throw new ShapeError(`${what}: expected at least two axes, but got ${formatShape(x.shape)}`)
  return [x.shape.at(-2)!, x.shape.at(-1)!]
}

/** x on and below a diagonal of its last two axes, 0 above. */
export function lowerTriangle(x: Tensor, diagonal = 0): Tensor {
  checkTensors("lowerTriangle", { x })
  return where(triangle(...matrixSides("lowerTriangle", x), diagonal), x, 0)
}

/** x on and above a diagonal of its last two axes, 0 below. */
export function upperTriangle(x: Tensor, diagonal = 0): Tensor {
  checkTensors("upperTriangle", { x })
  return where(triangle(...matrixSides("upperTriangle", x), diagonal - 1), 0, x)
}
