// Pieces: slices, parts and windows cut out of a value, and values put together. Cutting is a view; putting together copies once.

import { checkNumberLists, checkOptions, checkTensorLists, checkTensors } from "../arguments.ts"
import { ShapeError, TypeMismatchError, ValueError } from "../errors.ts"
import { apply, applyOne, type KernelCall, type OpRecord } from "../op.ts"
import {
  checkInteger,
  contiguousLayout,
  formatShape,
  type Layout,
  normalizeAxes,
  normalizeAxis,
  sameShape,
  sizeOf,
} from "../shape.ts"
import { bytesPerElement, type Tensor } from "../tensor.ts"
import { full } from "./constant.ts"
import { opcodeOf } from "./instructions.ts"
import { broadcastTo, forEachOffset, reshape, same, unsqueeze, viewLoop } from "./move.ts"

interface SliceAttributes {
  readonly axis: number
  readonly start: number
  readonly step: number
  readonly size: number
}

const sliceLayout = (input: Layout, { axis, start, step, size }: SliceAttributes): Layout => ({
  shape: input.shape.map((n, i) => (i === axis ? size : n)),
  strides: input.strides.map((n, i) => (i === axis ? n * step : n)),
  offset: input.offset + start * input.strides[axis]!,
})

const sliceRecord = viewLoop<SliceAttributes>({
  name: "slice",
  shape: ([x], { axis, size }) =>
    same(
      x!,
      x!.shape.map((n, i) => (i === axis ? size : n)),
    ),
  view: (input, attributes) => sliceLayout(input, attributes),
  grad: ([g], [x], _, attributes) => [
    applyOne(placeRecord, [g!], { ...attributes, count: x!.shape[attributes.axis]! }),
  ],
})

/** One copy from a layout to another of the same shape. */
export function copyCall(width: number, input: Layout, output: Layout, from: number, to: number): KernelCall {
  return {
    name: "copy",
    fields: {
      input: { input: from, at: input.offset },
      output: { output: to, at: output.offset },
      width,
      shape: input.shape,
      inputStrides: input.strides,
      outputStrides: output.strides,
    },
  }
}

/** Zeros everywhere in output 0, whose elements have four bytes. */
function zeroCall(layout: Layout): KernelCall {
  return {
    name: "pointwise",
    fields: {
      operands: [{ output: 0 }],
      types: ["i32"],
      outputs: 1,
      shape: [sizeOf(layout.shape)],
      strides: [1],
      code: [opcodeOf("constant.i32"), 0, 0, 0, 0],
      constants: [0],
      results: [0],
    },
  }
}

// x put into zeros at the places a slice would read: the slice's gradient.
const placeRecord: OpRecord<SliceAttributes & { count: number }> = {
  name: "place",
  shape: ([x], { axis, count }) =>
    same(
      x!,
      x!.shape.map((n, i) => (i === axis ? count : n)),
    ),
  kernel: ([x], attributes) =>
    bytesPerElement[x!.dtype] !== 4
      ? null
      : {
          uses: ["pointwise", "copy"],
          accepts: () => true,
          calls: ([input], [output]) => [
            zeroCall(output!),
            copyCall(4, input!, sliceLayout(output!, attributes), 0, 0),
          ],
        },
  loop: ([x], [out], attributes) => {
    out!.data.fill(0)
    forEachOffset(sliceLayout(contiguousLayout(out!.shape), attributes), (offset, i) => {
      out!.data[offset] = x!.data[i]!
    })
  },
  compose: ([x], { axis, start, step, size, count }) => {
    // through a type of four bytes
    const wide = applyOne(placeRecord, [x!.cast("f32")], { axis, start, step, size, count })
    return wide.cast(x!.dtype)
  },
  grad: ([g], _, __, { axis, start, step, size }) => [applyOne(sliceRecord, [g!], { axis, start, step, size })],
}

/** Elements start, start+step, … before end along one axis, as Python's x[start:end:step]: negative numbers count from the end, a negative step runs backwards. */
export function slice(x: Tensor, axis: number, start?: number, end?: number, step = 1): Tensor {
  checkTensors("slice", { x })
  const at = normalizeAxis("slice", axis, x.rank)
  if (!Number.isSafeInteger(step) || step === 0)
    throw new ValueError(`slice: expected a step that is a whole number other than 0, but got ${step}`)
  const n = x.shape[at]!
  const bound = (value: number | undefined, fallback: number): number => {
    if (value === undefined) return fallback
    if (!Number.isInteger(value)) throw new ValueError(`slice: expected whole numbers, but got ${value}`)
    const low = step > 0 ? 0 : -1
    return Math.min(Math.max(value < 0 ? value + n : value, low), step > 0 ? n : n - 1)
  }
  const from = bound(start, step > 0 ? 0 : n - 1)
  const to = bound(end, step > 0 ? n : -1)
  const size = Math.max(0, Math.ceil((to - from) / step))
  if (size === n && step === 1) return x.current()
  return applyOne(sliceRecord, [x], { axis: at, start: size === 0 ? 0 : from, step, size })
}

/** The part at one index of an axis, without that axis; -1 is the last. */
export function select(x: Tensor, axis: number, index: number): Tensor {
  checkTensors("select", { x })
  const at = normalizeAxis("select", axis, x.rank)
  const n = x.shape[at]!
  checkInteger("select", "the index", index, -n, n - 1)
  const i = index < 0 ? index + n : index
  return reshape(
    slice(x, at, i, i + 1),
    x.shape.filter((_, j) => j !== at),
  )
}

/** Reversed along the given axes (all by default). */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  checkTensors("flip", { x })
  return normalizeAxes("flip", axes, x.rank).reduce(
    (t: Tensor, axis) => slice(t, axis, undefined, undefined, -1),
    x.current(),
  )
}

const splitRecord = viewLoop<{ axis: number; sizes: readonly number[] }>({
  name: "split",
  shape: ([x], { axis, sizes }) =>
    sizes.map(size =>
      same(
        x!,
        x!.shape.map((n, i) => (i === axis ? size : n)),
      ),
    ),
  view: (input, { axis, sizes }, _, index) =>
    sliceLayout(input, { axis, start: sizes.slice(0, index).reduce((a, b) => a + b, 0), step: 1, size: sizes[index]! }),
  grad: (gradients, _, outputs, { axis }) => [
    concat(
      gradients.map((g, i) => g ?? full(outputs[i]!.shape, 0)),
      axis,
    ),
  ],
})

/** Cut along an axis into parts of the given sizes, or of one size. Throws ShapeError when they do not add up. */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  checkTensors("split", { x })
  const at = normalizeAxis("split", axis, x.rank)
  const n = x.shape[at]!
  if (typeof sizes === "number") checkInteger("split", "the size", sizes, 1)
  else checkNumberLists("split", { sizes })
  const list =
    typeof sizes === "number"
      ? Array.from({ length: Math.ceil(n / sizes) }, (_, i) => Math.min(sizes, n - i * sizes))
      : [...sizes]
  if (list.some(size => !Number.isInteger(size) || size < 0) || list.reduce((a, b) => a + b, 0) !== n)
    throw new ShapeError(
      `split: expected sizes that add up to ${n}, the size of axis ${axis}, but got ${formatShape(list)}`,
    )
  return apply(splitRecord, [x], { axis: at, sizes: list })
}

/** The parts at each index of an axis, without that axis. `count` checks how many there are. */
export function unstack(x: Tensor, count?: number, axis = 0): Tensor[] {
  checkTensors("unstack", { x })
  const at = normalizeAxis("unstack", axis, x.rank)
  if (count !== undefined && x.shape[at] !== count)
    throw new ShapeError(`unstack: expected axis ${axis} of size ${count}, but got ${formatShape(x.shape)}`)
  return split(x, 1, at).map(part =>
    reshape(
      part,
      x.shape.filter((_, i) => i !== at),
    ),
  )
}

function partLayouts(output: Layout, axis: number, sizes: readonly number[]): Layout[] {
  let start = 0
  return sizes.map(size => {
    const part = sliceLayout(output, { axis, start, step: 1, size })
    start += size
    return part
  })
}

const concatRecord: OpRecord<{ axis: number }> = {
  name: "concat",
  shape: (inputs, { axis }) => {
    const first = inputs[0]!
    let total = 0
    for (const x of inputs) {
      if (x.dtype !== first.dtype)
        throw new TypeMismatchError(`concat: expected one element type, but got ${first.dtype} and ${x.dtype}`)
      if (x.rank !== first.rank || x.shape.some((n, i) => i !== axis && n !== first.shape[i]))
        throw new ShapeError(
          `concat: expected shapes that are equal except for axis ${axis}, but got ${inputs.map(t => formatShape(t.shape)).join(" and ")}`,
        )
      total += x.shape[axis]!
    }
    return same(
      first,
      first.shape.map((n, i) => (i === axis ? total : n)),
    )
  },
  kernel: (inputs, { axis }) => {
    const sizes = inputs.map(x => x.shape[axis]!)
    const width = bytesPerElement[inputs[0]!.dtype]
    return {
      uses: ["copy"],
      accepts: () => true,
      writes: () => true,
      parts: output => partLayouts(output, axis, sizes),
      calls: (layouts, [output], placed) => {
        const parts = partLayouts(output!, axis, sizes)
        return layouts.flatMap((layout, i) =>
          placed[i] || sizeOf(layout.shape) === 0 ? [] : [copyCall(width, layout, parts[i]!, i, 0)],
        )
      },
    }
  },
  loop: (inputs, [out], { axis }) => {
    const parts = partLayouts(
      contiguousLayout(out!.shape),
      axis,
      inputs.map(x => x.shape[axis]!),
    )
    for (const [i, x] of inputs.entries())
      forEachOffset(parts[i]!, (offset, j) => {
        out!.data[offset] = x.data[j]!
      })
  },
  grad: ([g], inputs, _, { axis }) =>
    split(
      g!,
      inputs.map(x => x.shape[axis]!),
      axis,
    ),
}

/** Joined along an existing axis. Throws ShapeError, TypeMismatchError when they do not fit. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  checkTensorLists("concat", { tensors })
  if (tensors.length === 0) throw new ShapeError("concat: expected at least one tensor, but got none")
  const at = normalizeAxis("concat", axis, tensors[0]!.rank)
  return tensors.length === 1 ? tensors[0]!.current() : applyOne(concatRecord, tensors, { axis: at })
}

/** Joined along a new axis. Throws ShapeError when the shapes differ. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  checkTensorLists("stack", { tensors })
  if (tensors.length === 0) throw new ShapeError("stack: expected at least one tensor, but got none")
  const shape = tensors[0]!.shape
  for (const x of tensors)
    if (!sameShape(x.shape, shape))
      throw new ShapeError(
        `stack: expected equal shapes, but got ${tensors.map(t => formatShape(t.shape)).join(" and ")}`,
      )
  const at = normalizeAxis("stack", axis, shape.length + 1)
  return concat(
    tensors.map(x => unsqueeze(x, at)),
    at,
  )
}

/** Surrounded by `value`: `widths[i]` = [before, after] for axis i. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  checkTensors("pad", { x })
  if (!Array.isArray(widths) || !widths.every(pair => Array.isArray(pair) && pair.length === 2))
    throw new TypeMismatchError("pad: expected a list of [before, after] for each axis, but got something else")
  if (widths.length !== x.rank)
    throw new ShapeError(`pad: expected [before, after] for each of ${x.rank} axes, but got ${widths.length}`)
  return widths.reduce((t: Tensor, [before, after], axis) => {
    checkInteger("pad", "the width before", before, 0)
    checkInteger("pad", "the width after", after, 0)
    const border = (size: number): Tensor[] => {
      const shape = t.shape.map((n, i) => (i === axis ? size : n))
      return size === 0 ? [] : [full(shape, value).cast(t.dtype)]
    }
    return concat([...border(before), t, ...border(after)], axis)
  }, x.current())
}

/** Rotated by `shift` places along an axis: what leaves at the end comes back at the start. */
export function roll(x: Tensor, shift: number, axis: number): Tensor {
  checkTensors("roll", { x })
  const at = normalizeAxis("roll", axis, x.rank)
  const n = x.shape[at]!
  if (!Number.isInteger(shift)) throw new ValueError(`roll: expected a whole number, but got ${shift}`)
  const by = n === 0 ? 0 : ((shift % n) + n) % n
  return by === 0 ? x.current() : concat([slice(x, at, n - by), slice(x, at, 0, n - by)], at)
}

/** Laid end to end `counts[i]` times along axis i (NumPy's tile). */
export function repeat(x: Tensor, counts: readonly number[]): Tensor {
  checkTensors("repeat", { x })
  checkNumberLists("repeat", { counts })
  if (counts.length !== x.rank)
    throw new ShapeError(`repeat: expected a count for each of ${x.rank} axes, but got ${counts.length}`)
  for (const count of counts) checkInteger("repeat", "the count", count, 0)
  const grown = broadcastTo(
    reshape(
      x,
      x.shape.flatMap(n => [1, n]),
    ),
    x.shape.flatMap((n, i) => [counts[i]!, n]),
  )
  return reshape(
    grown,
    x.shape.map((n, i) => n * counts[i]!),
  )
}

const contiguousRecord: OpRecord<object> = {
  name: "contiguous",
  shape: ([x]) => same(x!, x!.shape),
  kernel: ([x]) => ({
    uses: ["copy"],
    accepts: () => true,
    calls: ([input], [output]) => [copyCall(bytesPerElement[x!.dtype], input!, output!, 0, 0)],
  }),
  loop: ([x], [out]) => out!.data.set(x!.data),
  grad: ([g]) => [g!],
}

/** The same values row-major in memory of their own. */
export function contiguous(x: Tensor): Tensor {
  checkTensors("contiguous", { x })
  return applyOne(contiguousRecord, [x], {})
}

const windowsRecord = viewLoop<{ axis: number; size: number; step: number; dilation: number; count: number }>({
  name: "windows",
  shape: ([x], { axis, size, count }) => same(x!, [...x!.shape.map((n, i) => (i === axis ? count : n)), size]),
  view: (input, { axis, size, step, dilation, count }) => ({
    shape: [...input.shape.map((n, i) => (i === axis ? count : n)), size],
    strides: [...input.strides.map((n, i) => (i === axis ? n * step : n)), input.strides[axis]! * dilation],
    offset: input.offset,
  }),
  // each place inside the window is a strided slice: their gradients add up
  grad: ([g], [x], _, { axis, size, step, dilation, count }) => {
    const parts = unstack(g!, size, -1).map((part, i) =>
      applyOne(placeRecord, [part], { axis, start: i * dilation, step, size: count, count: x!.shape[axis]! }),
    )
    return [parts.reduce((a, b) => a.add(b))]
  },
})

/** Sliding windows of `size` elements along an axis, in a new last axis; the axis then counts windows. */
export function windows(
  x: Tensor,
  axis: number,
  size: number,
  options: { step?: number; dilation?: number } = {},
): Tensor {
  checkTensors("windows", { x })
  checkOptions("windows", { options }, ["step", "dilation"])
  const at = normalizeAxis("windows", axis, x.rank)
  const { step = 1, dilation = 1 } = options
  checkInteger("windows", "the size", size, 1)
  checkInteger("windows", "the step", step, 1)
  checkInteger("windows", "the dilation", dilation, 1)
  const span = (size - 1) * dilation + 1
  if (span > x.shape[at]!)
    throw new ShapeError(
      `windows: expected windows within axis ${axis} of ${formatShape(x.shape)}, but got a span of ${span}`,
    )
  const count = Math.floor((x.shape[at]! - span) / step) + 1
  return applyOne(windowsRecord, [x], { axis: at, size, step, dilation, count })
}
