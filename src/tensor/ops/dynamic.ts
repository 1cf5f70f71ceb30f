// Slices whose place is known only when the program runs: a key/value cache grows by them, and every step is the same program.
// Each is the gradient of the other.

import { checkTensors } from "../arguments.ts"
import { HeedError, ShapeError, TypeMismatchError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { checkInteger, formatShape, normalizeAxis, type Shape, sizeOf } from "../shape.ts"
import { bytesPerElement, type Tensor } from "../tensor.ts"
import { copyCall } from "./pieces.ts"
import { full } from "./pointwise.ts"
import { wholeNumbers } from "./types.ts"

interface SliceAttributes {
  readonly axis: number
}

interface Blocks {
  readonly outer: number
  readonly count: number
  readonly size: number
  readonly inner: number
}

/** base [outer count inner] around the axis, and how many rows of it the slice has. */
function blocksOf(base: Shape, size: number, axis: number): Blocks {
  return { outer: sizeOf(base.slice(0, axis)), count: base[axis]!, size, inner: sizeOf(base.slice(axis + 1)) }
}

function checkStart(what: string, start: number, { count, size }: Blocks): number {
  if (!(start >= 0 && start + size <= count))
    throw new HeedError(`${what}: expected a start in 0..${count - size}, but got ${start}`)
  return start
}

/** Calls fn with the element of the slice and of the whole for each element of the slice. */
function eachElement(
  { outer, count, size, inner }: Blocks,
  start: number,
  fn: (part: number, at: number) => void,
): void {
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size * inner; i++) fn(o * size * inner + i, (o * count + start) * inner + i)
}

// inputs base, value, start; output: base with the value in it, in base's memory where nobody needs the old one
const writeSliceRecord: OpRecord<SliceAttributes> = {
  name: "writeSlice",
  shape: ([base]) => ({ shape: base!.shape, dtype: base!.dtype }),
  loop: ([base, value, start], [out], { axis }) => {
    const blocks = blocksOf(base!.shape, value!.shape[axis]!, axis)
    const from = checkStart("writeSlice", start!.data[0]!, blocks)
    out!.data.set(base!.data)
    eachElement(blocks, from, (part, at) => {
      out!.data[at] = value!.data[part]!
    })
  },
  kernel: ([base, value], { axis }) => {
    const width = bytesPerElement[base!.dtype]
    return {
      uses: ["write_slice", "copy"],
      inPlace: [[0, 0]],
      calls: ([from], [output], placed) => [
        ...(placed[0] ? [] : [copyCall(width, from!, output!, 0, 0)]),
        {
          name: "write_slice",
          fields: {
            base: { output: 0 },
            value: { input: 1 },
            start: { input: 2 },
            ...blocksOf(base!.shape, value!.shape[axis]!, axis),
            width,
          },
        },
      ],
    }
  },
  grad: ([g], [base, value, start], _, { axis }, needed) => [
    needed[0] ? applyOne(writeSliceRecord, [g!, full(value!.shape, 0), start!], { axis }) : null,
    needed[1]
      ? applyOne(readSliceRecord, [g!, start!], { axis, size: value!.shape[axis]!, count: base!.shape[axis]! })
      : null,
    null,
  ],
}

// inputs base, start; output: `size` rows of base from start on
const readSliceRecord: OpRecord<SliceAttributes & { size: number; count: number }> = {
  name: "readSlice",
  shape: ([base], { axis, size }) => ({
    shape: base!.shape.map((n, i) => (i === axis ? size : n)),
    dtype: base!.dtype,
  }),
  loop: ([base, start], [out], { axis, size }) => {
    const blocks = blocksOf(base!.shape, size, axis)
    eachElement(blocks, checkStart("readSlice", start!.data[0]!, blocks), (part, at) => {
      out!.data[part] = base!.data[at]!
    })
  },
  kernel: ([base], { axis, size }) => ({
    uses: ["read_slice"],
    calls: () => [
      {
        name: "read_slice",
        fields: {
          base: { input: 0 },
          start: { input: 1 },
          output: { output: 0 },
          ...blocksOf(base!.shape, size, axis),
          width: bytesPerElement[base!.dtype],
        },
      },
    ],
  }),
  grad: ([g], [base, start], _, { axis }) => [
    applyOne(writeSliceRecord, [full(base!.shape, 0), g!, start!], { axis }),
    null,
  ],
}

function checkedStart(what: string, start: Tensor): Tensor {
  if (start.size !== 1)
    throw new ShapeError(`${what}: expected a start of one element, but got ${formatShape(start.shape)}`)
  return wholeNumbers(`${what} start`, start)
}

/**
 * base with `value` in place of its elements start, start + 1, … along an axis; start is an i32 scalar that is known when the program
 * runs. value has base's shape but for a size up to base's along the axis. Throws ShapeError, TypeMismatchError; HeedError at run
 * time where the value reaches beyond base.
 */
export function writeSlice(base: Tensor, value: Tensor, start: Tensor, axis = 0): Tensor {
  checkTensors("writeSlice", { base, value, start })
  const at = normalizeAxis("writeSlice", axis, base.rank)
  const fits =
    value.rank === base.rank && base.shape.every((n, i) => (i === at ? value.shape[i]! <= n : value.shape[i] === n))
  if (!fits)
    throw new ShapeError(
      `writeSlice: expected a value of base's shape ${formatShape(base.shape)} with up to ${base.shape[at]} along axis ${axis}, but got ${formatShape(value.shape)}`,
    )
  if (value.dtype !== base.dtype)
    throw new TypeMismatchError(
      `writeSlice: expected a value of base's type ${base.dtype}, but got ${value.dtype}`,
      `cast it: value.cast("${base.dtype}")`,
    )
  return applyOne(writeSliceRecord, [base, value, checkedStart("writeSlice", start)], { axis: at })
}

/** `size` elements of base along an axis from `start` on, an i32 scalar that is known when the program runs. Throws ShapeError; HeedError at run time where they reach beyond base. */
export function readSlice(base: Tensor, start: Tensor, size: number, axis = 0): Tensor {
  checkTensors("readSlice", { base, start })
  const at = normalizeAxis("readSlice", axis, base.rank)
  const count = base.shape[at]!
  checkInteger("readSlice", "the size", size, 0, count)
  return applyOne(readSliceRecord, [base, checkedStart("readSlice", start)], { axis: at, size, count })
}
