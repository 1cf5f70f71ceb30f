// Shapes, strides and layouts: the arithmetic of where elements lie.

import { ShapeError, TypeMismatchError, ValueError } from "./errors.ts"

/** Sizes of each axis, [] for a scalar. */
export type Shape = readonly number[]

/** Where the elements of a value lie in a buffer: strides and offset in elements. */
export interface Layout {
  readonly shape: Shape
  readonly strides: readonly number[]
  readonly offset: number
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const n of shape) size *= n
  return size
}

/** Strides in elements of a row-major buffer. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

/** The row-major layout of a shape. */
export function contiguousLayout(shape: Shape): Layout {
  return { shape, strides: contiguousStrides(shape), offset: 0 }
}

/** Whether the elements lie row-major without gaps (axes of size 1 do not matter); the offset may be anything. */
export function isContiguous(layout: Layout): boolean {
  let step = 1
  for (let i = layout.shape.length - 1; i >= 0; i--) {
    const n = layout.shape[i]!
    if (n === 0) return true
    if (n !== 1 && layout.strides[i] !== step) return false
    step *= n
  }
  return true
}

/** Two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

/** "[2 3]". */
export function formatShape(shape: Shape): string {
  return `[${shape.join(" ")}]`
}

/** Checks that every size is a non-negative integer. Throws ShapeError. */
export function checkShape(what: string, shape: Shape): Shape {
  if (!Array.isArray(shape))
    throw new TypeMismatchError(`${what}: expected a shape as a list of sizes, but got ${String(shape)}`)
  for (const n of shape) {
    if (!Number.isSafeInteger(n) || n < 0)
      throw new ShapeError(`${what}: expected sizes that are whole numbers >= 0, but got ${formatShape(shape)}`)
  }
  if (!Number.isSafeInteger(sizeOf(shape)))
    throw new ShapeError(`${what}: expected fewer than 2^53 elements, but got ${formatShape(shape)}`)
  return shape
}

/** Counts an axis from the front: -1 is the last. Throws ShapeError when there is no such axis. */
export function normalizeAxis(what: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range = rank === 0 ? "expected a tensor with axes" : `expected an axis in ${-rank}..${rank - 1}`
    throw new ShapeError(`${what}: ${range}, but got ${rank === 0 ? "a scalar and " : ""}axis ${axis}`)
  }
  return axis < 0 ? axis + rank : axis
}

/** The axes as sorted numbers from the front; undefined means all. Throws ShapeError on a repeated one. */
export function normalizeAxes(what: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i)
  if (typeof axes !== "number" && !Array.isArray(axes))
    throw new TypeMismatchError(`${what}: expected an axis or a list of axes, but got ${String(axes)}`)
  const list = (typeof axes === "number" ? [axes] : axes).map(axis => normalizeAxis(what, axis, rank))
  if (new Set(list).size !== list.length)
    throw new ShapeError(`${what}: expected each axis once, but got ${formatShape(list)}`)
  return list.sort((a, b) => a - b)
}

/** The shape that all given shapes broadcast to. `names` label the shapes in the error. Throws ShapeError. */
export function broadcastShapes(what: string, shapes: readonly Shape[], names?: readonly string[]): number[] {
  const rank = Math.max(0, ...shapes.map(s => s.length))
  const out = new Array<number>(rank).fill(1)
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i
      const n = shape[i]!
      if (n === out[axis] || n === 1) continue
      if (out[axis] !== 1) {
        const list = shapes.map((s, j) => `${names?.[j] ?? ""} ${formatShape(s)}`.trim()).join(" and ")
        throw new ShapeError(
          `${what}: expected shapes that broadcast, but got ${list}`,
          "sizes must be equal or 1, counted from the last axis",
        )
      }
      out[axis] = n
    }
  }
  return out
}

/** The layout of the same buffer seen with a larger shape: repeated axes get stride 0. */
export function broadcastLayout(layout: Layout, shape: Shape): Layout {
  const lead = shape.length - layout.shape.length
  const strides = shape.map((n, i) => {
    const own = i - lead
    return own < 0 || (layout.shape[own] === 1 && n !== 1) ? 0 : layout.strides[own]!
  })
  return { shape, strides, offset: layout.offset }
}

/** The layout of the same buffer after a reshape, or null when the elements would have to move. */
export function reshapeLayout(layout: Layout, shape: Shape): Layout | null {
  if (sizeOf(shape) === 0) return contiguousLayout(shape)
  const from = layout.shape.map((n, i) => [n, layout.strides[i]!] as const).filter(([n]) => n !== 1)
  const strides = new Array<number>(shape.length).fill(0)
  let i = 0
  let j = 0
  while (i < from.length) {
    // one run of source axes that matches one run of target axes
    let have = from[i]![0]
    let end = i + 1
    let want = 1
    const start = j
    while (j < shape.length && want < have) want *= shape[j++]!
    while (want !== have) {
      if (want < have) {
        want *= shape[j++]!
      } else {
        have *= from[end]![0]
        end++
      }
    }
    for (let k = i; k + 1 < end; k++) if (from[k]![1] !== from[k + 1]![1] * from[k + 1]![0]) return null
    let step = from[end - 1]![1]
    for (let k = j - 1; k >= start; k--) {
      strides[k] = step
      step *= shape[k]!
    }
    i = end
  }
  return { shape, strides, offset: layout.offset }
}

/** Throws ValueError unless `value` is a whole number in low..high. */
export function checkInteger(what: string, name: string, value: number, low: number, high = Infinity): number {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    const range = high === Infinity ? `>= ${low}` : `in ${low}..${high}`
    throw new ValueError(`${what}: expected ${name} to be a whole number ${range}, but got ${value}`)
  }
  return value
}
