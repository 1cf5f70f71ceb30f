// Movement: the same elements in another shape or order. Every record is a view: strides change, nothing is copied.

import { checkNumberLists, checkTensors } from "../arguments.ts"
import { ShapeError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import {
  broadcastLayout,
  broadcastShapes,
  contiguousLayout,
  formatShape,
  type Layout,
  normalizeAxis,
  reshapeLayout,
  type Shape,
  sameShape,
  sizeOf,
} from "../shape.ts"
import type { Signature, Tensor } from "../tensor.ts"
import { constantOf, full } from "./constant.ts"
import { promote } from "./instructions.ts"

/** Calls fn with the buffer offset of each element of a layout, in row-major order. */
export function forEachOffset(layout: Layout, fn: (offset: number, i: number) => void): void {
  const { shape, strides } = layout
  const count = sizeOf(shape)
  const index = new Array<number>(shape.length).fill(0)
  let offset = layout.offset
  for (let i = 0; i < count; i++) {
    fn(offset, i)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      offset -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
}

/** A view's record with the loop that follows its layout. */
export function viewLoop<A>(record: OpRecord<A>): OpRecord<A> {
  const view = record.view!
  return {
    ...record,
    loop: ([x], outputs, attributes) => {
      for (const [index, out] of outputs.entries()) {
        const layout = view(contiguousLayout(x!.shape), attributes, out.shape, index)!
        forEachOffset(layout, (offset, i) => {
          out.data[i] = x!.data[offset]!
        })
      }
    },
  }
}

/** x's element type in another shape. */
export const same = (x: Tensor, shape: Shape): Signature => ({ shape, dtype: x.dtype })

/** A constant in another shape is a constant. */
function respread(x: Tensor, shape: Shape): Tensor | null {
  const constant = constantOf(x)
  return constant === null ? null : full(shape, constant, promote([x.dtype]))
}

const reshapeRecord = viewLoop<{ shape: Shape }>({
  name: "reshape",
  simplify: ([x], { shape }) => respread(x!, shape),
  shape: ([x], { shape }) => same(x!, shape),
  view: (input, { shape }) => reshapeLayout(input, shape),
  grad: ([g], [x]) => [reshape(g!, x!.shape)],
})

/** The same elements in another shape; one size may be -1. Throws ShapeError when the counts differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensors("reshape", { x })
  checkNumberLists("reshape", { shape })
  const unknown = shape.filter(n => n === -1).length
  const rest = sizeOf(shape.filter(n => n !== -1))
  const target = shape.map(n => (n === -1 ? (rest === 0 ? 0 : x.size / rest) : n))
  if (unknown > 1 || target.some(n => !Number.isInteger(n) || n < 0) || sizeOf(target) !== x.size)
    throw new ShapeError(
      `reshape: expected ${x.size} elements of ${formatShape(x.shape)}, but got ${formatShape(shape)}`,
      unknown > 1 ? "at most one size may be -1" : undefined,
    )
  return sameShape(target, x.shape) ? x.current() : applyOne(reshapeRecord, [x], { shape: target })
}

/** Axes from..to merged into one. */
export function flatten(x: Tensor, from = 0, to = -1): Tensor {
  checkTensors("flatten", { x })
  if (x.rank === 0) return reshape(x, [1])
  const [a, b] = [normalizeAxis("flatten", from, x.rank), normalizeAxis("flatten", to, x.rank)]
  return reshape(x, [...x.shape.slice(0, a), sizeOf(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)])
}

/** A new axis of size 1 before axis `axis` (-1: at the end). */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  checkTensors("unsqueeze", { x })
  const at = normalizeAxis("unsqueeze", axis, x.rank + 1)
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
}

/** Without one axis of size 1, or without all of them. Throws ShapeError when the axis is larger. */
export function squeeze(x: Tensor, axis?: number): Tensor {
  checkTensors("squeeze", { x })
  if (axis === undefined)
    return reshape(
      x,
      x.shape.filter(n => n !== 1),
    )
  const at = normalizeAxis("squeeze", axis, x.rank)
  if (x.shape[at] !== 1)
    throw new ShapeError(`squeeze: expected axis ${axis} of size 1, but got ${formatShape(x.shape)}`)
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  )
}

const permuteRecord = viewLoop<{ axes: readonly number[] }>({
  name: "permute",
  shape: ([x], { axes }) =>
    same(
      x!,
      axes.map(axis => x!.shape[axis]!),
    ),
  view: (input, { axes }) => ({
    shape: axes.map(axis => input.shape[axis]!),
    strides: axes.map(axis => input.strides[axis]!),
    offset: input.offset,
  }),
  grad: ([g], _, __, { axes }) => [
    permute(
      g!,
      axes.map((_, i) => axes.indexOf(i)),
    ),
  ],
})

/** Axes in another order: axis i of the result is axis `axes[i]` of x. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  checkTensors("permute", { x })
  checkNumberLists("permute", { axes })
  const order = axes.map(axis => normalizeAxis("permute", axis, x.rank))
  if (order.length !== x.rank || new Set(order).size !== x.rank)
    throw new ShapeError(`permute: expected each of ${x.rank} axes once, but got ${formatShape(axes)}`)
  return order.every((axis, i) => axis === i) ? x.current() : applyOne(permuteRecord, [x], { axes: order })
}

/** Two axes exchanged, the last two by default. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  checkTensors("transpose", { x })
  const [i, j] = [normalizeAxis("transpose", a, x.rank), normalizeAxis("transpose", b, x.rank)]
  const axes = x.shape.map((_, axis) => (axis === i ? j : axis === j ? i : axis))
  return permute(x, axes)
}

const broadcastRecord = viewLoop<{ shape: Shape }>({
  name: "broadcastTo",
  simplify: ([x], { shape }) => respread(x!, shape),
  shape: ([x], { shape }) => same(x!, shape),
  view: (input, { shape }) => broadcastLayout(input, shape),
  grad: ([g], [x]) => {
    const lead = g!.rank - x!.rank
    const axes = g!.shape.flatMap((n, i) => (i < lead || (x!.shape[i - lead] === 1 && n !== 1) ? [i] : []))
    return [reshape(g!.sum(axes), x!.shape)]
  },
})

/** Repeated along missing axes and axes of size 1 until it has `shape`. Throws ShapeError when it cannot. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkTensors("broadcastTo", { x })
  checkNumberLists("broadcastTo", { shape })
  if (sameShape(x.shape, shape)) return x.current()
  const reached = broadcastShapes("broadcastTo", [x.shape, shape])
  if (!sameShape(reached, shape))
    throw new ShapeError(
      `broadcastTo: expected a shape that ${formatShape(x.shape)} can grow to, but got ${formatShape(shape)}`,
    )
  return applyOne(broadcastRecord, [x], { shape: [...shape] })
}
