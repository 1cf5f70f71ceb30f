// Elements picked by indices, and the opposite: elements added where indices say. Each is the gradient of the other. An index out of
// range is an error when the program runs.

import { checkOptions, checkTensors } from "../arguments.ts"
import { HeedError, ShapeError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { broadcastShapes, checkInteger, formatShape, normalizeAxis, type Shape, sizeOf } from "../shape.ts"
import { bytesPerElement, type DType, type Tensor } from "../tensor.ts"
import { arange } from "./create.ts"
import { broadcastTo, permute, unsqueeze } from "./move.ts"
import { add, cast, eq, where } from "./pointwise.ts"
import { floating, wholeNumbers } from "./types.ts"

function checkIndex(what: string, index: number, count: number): number {
  if (!(index >= 0 && index < count))
    throw new HeedError(`${what}: expected indices in 0..${count - 1}, but got ${index}`)
  return index
}

// inputs source [count …], indices [any]; output [any …]
const gatherRecord: OpRecord<{ dtype: DType }> = {
  name: "gather",
  shape: ([source, indices], { dtype }) => ({ shape: [...indices!.shape, ...source!.shape.slice(1)], dtype }),
  loop: ([source, indices], [out]) => {
    const size = sizeOf(source!.shape.slice(1))
    for (const [i, index] of indices!.data.entries()) {
      const from = checkIndex("gather", index, source!.shape[0]!) * size
      out!.data.set(source!.data.subarray(from, from + size), i * size)
    }
  },
  kernel: ([source, indices], { dtype }) => ({
    uses: ["gather_rows"],
    calls: () => [
      {
        name: "gather_rows",
        fields: {
          source: { input: 0 },
          indices: { input: 1 },
          output: { output: 0 },
          count: source!.shape[0]!,
          rows: sizeOf(indices!.shape),
          size: sizeOf(source!.shape.slice(1)),
          type: source!.dtype,
          outputType: dtype,
        },
      },
    ],
  }),
  grad: ([g], [source, indices]) => [scatterRows(g!, indices!, source!.shape[0]!), null],
}

// inputs x [any …], indices [any]; output [count …]
const scatterRecord: OpRecord<{ count: number; rank: number }> = {
  name: "scatterAdd",
  shape: ([x], { count, rank }) => ({ shape: [count, ...x!.shape.slice(rank)], dtype: "f32" }),
  loop: ([x, indices], [out], { count, rank }) => {
    const size = sizeOf(x!.shape.slice(rank))
    out!.data.fill(0)
    for (const [i, index] of indices!.data.entries()) {
      const to = checkIndex("scatterAdd", index, count) * size
      for (let j = 0; j < size; j++) out!.data[to + j]! += x!.data[i * size + j]!
    }
  },
  kernel: ([x, indices], { count, rank }) => ({
    uses: ["scatter_add_rows"],
    calls: () => [
      {
        name: "scatter_add_rows",
        fields: {
          x: { input: 0 },
          indices: { input: 1 },
          output: { output: 0 },
          count,
          rows: sizeOf(indices!.shape),
          size: sizeOf(x!.shape.slice(rank)),
        },
      },
    ],
  }),
  grad: ([g], [, indices]) => [applyOne(gatherRecord, [g!, indices!], { dtype: "f32" }), null],
}

/** Zeros [count …] with the rows of x [indices' shape …] added at their indices. */
function scatterRows(x: Tensor, indices: Tensor, count: number): Tensor {
  return applyOne(scatterRecord, [floating("scatterAdd", x), indices], { count, rank: indices.rank })
}

/** Parts of x along an axis, in the order of `indices` (any shape, which replaces the axis). Throws HeedError at run time for an index out of range. */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  checkTensors("gather", { x, indices })
  const at = normalizeAxis("gather", axis, x.rank)
  const index = wholeNumbers("gather", indices)
  const rest = x.shape.map((_, i) => i).filter(i => i !== at)
  const y = applyOne(gatherRecord, [permute(x, [at, ...rest]), index], { dtype: x.dtype })
  // the indices' axes stand first: move them behind the `at` axes before
  const own = Array.from({ length: index.rank }, (_, i) => i)
  const others = rest.map((_, i) => index.rank + i)
  return permute(y, [...others.slice(0, at), ...own, ...others.slice(at)])
}

/** Options of embeddings: `paddingIndex` is a row whose look-ups give it no gradient. */
export interface EmbeddingOptions {
  readonly paddingIndex?: number
}

/** Rows of weight [V D] for ids [any] -> [any D], f32. Throws HeedError at run time for an id outside 0..V-1. */
export function embedding(weight: Tensor, ids: Tensor, options: EmbeddingOptions = {}): Tensor {
  checkTensors("embedding", { weight, ids })
  checkOptions("embedding", { options }, ["paddingIndex"])
  if (weight.rank !== 2)
    throw new ShapeError(`embedding: expected a weight [V D], but got ${formatShape(weight.shape)}`)
  const index = wholeNumbers("embedding", ids)
  if (!["f32", "bf16", "f16"].includes(weight.dtype)) floating("embedding", weight)
  const rows = applyOne(gatherRecord, [weight, index], { dtype: "f32" })
  const { paddingIndex } = options
  if (paddingIndex === undefined) return rows
  checkInteger("embedding", "paddingIndex", paddingIndex, 0, weight.shape[0]! - 1)
  return applyOne(keepRowsRecord, [rows, index], { paddingIndex })
}

// The rows as they are; their gradient is 0 where the index is the padding.
const keepRowsRecord: OpRecord<{ paddingIndex: number }> = {
  name: "paddingRows",
  shape: ([rows]) => ({ shape: rows!.shape, dtype: rows!.dtype }),
  compose: ([rows]) => rows!,
  grad: ([g], [, index], _, { paddingIndex }) => [where(unsqueeze(eq(index!, paddingIndex), -1), 0, g!), null],
}

interface AlongAttributes {
  readonly axis: number
}

/** [outer n inner] around one axis. */
function blocks(shape: Shape, axis: number): { outer: number; n: number; inner: number } {
  return { outer: sizeOf(shape.slice(0, axis)), n: shape[axis]!, inner: sizeOf(shape.slice(axis + 1)) }
}

/** Calls fn(place in [outer size inner], place in [outer count inner]) for every index. */
function eachAlong(
  what: string,
  indices: { readonly shape: Shape; readonly data: Float64Array },
  axis: number,
  count: number,
  fn: (i: number, j: number) => void,
): void {
  const { outer, n, inner } = blocks(indices.shape, axis)
  for (let o = 0; o < outer; o++)
    for (let k = 0; k < n; k++)
      for (let i = 0; i < inner; i++) {
        const place = (o * n + k) * inner + i
        fn(place, (o * count + checkIndex(what, indices.data[place]!, count)) * inner + i)
      }
}

const takeAlongRecord: OpRecord<AlongAttributes> = {
  name: "takeAlong",
  shape: ([source, indices]) => ({ shape: indices!.shape, dtype: source!.dtype }),
  loop: ([source, indices], [out], { axis }) =>
    eachAlong("takeAlong", indices!, axis, source!.shape[axis]!, (i, j) => {
      out!.data[i] = source!.data[j]!
    }),
  kernel: ([source, indices], { axis }) => {
    const { outer, n, inner } = blocks(indices!.shape, axis)
    return {
      uses: ["take_along"],
      calls: () => [
        {
          name: "take_along",
          fields: {
            source: { input: 0 },
            indices: { input: 1 },
            output: { output: 0 },
            outer,
            count: source!.shape[axis]!,
            size: n,
            inner,
            width: bytesPerElement[source!.dtype],
          },
        },
      ],
    }
  },
  grad: ([g], [source, indices], _, { axis }) => [scatterAlong(g!, indices!, axis, source!.shape[axis]!), null],
}

const scatterAlongRecord: OpRecord<AlongAttributes & { count: number }> = {
  name: "scatterAddAlong",
  shape: ([x], { axis, count }) => ({ shape: x!.shape.map((n, i) => (i === axis ? count : n)), dtype: "f32" }),
  loop: ([x, indices], [out], { axis, count }) => {
    out!.data.fill(0)
    eachAlong("scatterAddAlong", indices!, axis, count, (i, j) => {
      out!.data[j]! += x!.data[i]!
    })
  },
  kernel: ([, indices], { axis, count }) => {
    const { outer, n, inner } = blocks(indices!.shape, axis)
    return {
      uses: ["scatter_add_along"],
      calls: () => [
        {
          name: "scatter_add_along",
          fields: { x: { input: 0 }, indices: { input: 1 }, output: { output: 0 }, outer, count, size: n, inner },
        },
      ],
    }
  },
  grad: ([g], [, indices], _, { axis }) => [applyOne(takeAlongRecord, [g!, indices!], { axis }), null],
}

/** Zeros with x added, along an axis, at the indices (which have x's shape). For gradients of other records. */
export function scatterAlong(x: Tensor, indices: Tensor, axis: number, count: number): Tensor {
  return applyOne(scatterAlongRecord, [floating("scatterAddAlong", x), indices], { axis, count })
}

/** The shapes of x and indices, made equal on all axes but one. */
function alignAlong(what: string, x: Tensor, indices: Tensor, at: number): [Tensor, Tensor] {
  if (x.rank !== indices.rank)
    throw new ShapeError(
      `${what}: expected indices of as many axes as x ${formatShape(x.shape)}, but got ${formatShape(indices.shape)}`,
    )
  const lone = (shape: Shape): Shape => shape.map((n, i) => (i === at ? 1 : n))
  const common = broadcastShapes(what, [lone(x.shape), lone(indices.shape)], ["x", "indices"])
  const grow = (t: Tensor): Tensor =>
    broadcastTo(
      t,
      common.map((n, i) => (i === at ? t.shape[i]! : n)),
    )
  return [grow(x), grow(indices)]
}

/** x picked along one axis: out[… i …] = x[… indices[… i …] …]. indices has x's rank; other axes broadcast. Throws HeedError at run time for an index out of range. */
export function takeAlong(x: Tensor, indices: Tensor, axis: number): Tensor {
  checkTensors("takeAlong", { x, indices })
  const at = normalizeAxis("takeAlong", axis, x.rank)
  const [source, index] = alignAlong("takeAlong", x, wholeNumbers("takeAlong", indices), at)
  return applyOne(takeAlongRecord, [source, index], { axis: at })
}

/** base with the parts of `values` added along an axis where `indices` (one axis) say: the opposite of gather. Equal indices add up. */
export function scatterAdd(base: Tensor, indices: Tensor, values: Tensor, axis = 0): Tensor {
  checkTensors("scatterAdd", { base, indices, values })
  const at = normalizeAxis("scatterAdd", axis, base.rank)
  const index = wholeNumbers("scatterAdd", indices)
  const wanted = base.shape.map((n, i) => (i === at ? (index.shape[0] ?? 1) : n))
  if (index.rank !== 1 || values.rank !== base.rank || values.shape.some((n, i) => n !== wanted[i]))
    throw new ShapeError(
      `scatterAdd: expected indices [n] and values ${formatShape(wanted)} for base ${formatShape(base.shape)}, but got ${formatShape(indices.shape)} and ${formatShape(values.shape)}`,
    )
  const order = [at, ...base.shape.map((_, i) => i).filter(i => i !== at)]
  const sums = scatterRows(permute(values, order), index, base.shape[at]!)
  return add(
    base,
    permute(
      sums,
      order.map((_, i) => order.indexOf(i)),
    ),
  )
}

/** base with `values` added along one axis at `indices` of the same shape: the opposite of takeAlong. Equal indices add up. */
export function scatterAddAlong(base: Tensor, indices: Tensor, values: Tensor, axis: number): Tensor {
  checkTensors("scatterAddAlong", { base, indices, values })
  const at = normalizeAxis("scatterAddAlong", axis, base.rank)
  const index = wholeNumbers("scatterAddAlong", indices)
  const fits = (t: Tensor): boolean => t.rank === base.rank && t.shape.every((n, i) => i === at || n === base.shape[i])
  if (!fits(index) || !fits(values) || index.shape[at] !== values.shape[at])
    throw new ShapeError(
      `scatterAddAlong: expected indices and values of one shape that fits base ${formatShape(base.shape)} beside axis ${axis}, but got ${formatShape(index.shape)} and ${formatShape(values.shape)}`,
    )
  return add(base, scatterAlong(values, index, at, base.shape[at]!))
}

/** 1 at each index and 0 elsewhere, in a new last axis of size `classes`; an index out of range gives a row of zeros. */
export function oneHot(indices: Tensor, classes: number, dtype: "f32" | "i32" | "bool" = "f32"): Tensor {
  checkTensors("oneHot", { indices })
  checkInteger("oneHot", "the number of classes", classes, 0)
  const index = wholeNumbers("oneHot", indices)
  if (!["f32", "i32", "bool"].includes(dtype))
    throw new ValueError(`oneHot: expected f32, i32 or bool, but got ${dtype}`)
  return cast(eq(unsqueeze(index, -1), arange(classes)), dtype)
}
