// Reductions over any axes. One record reduces one run of neighbouring axes; several runs are reduced one after another.

import { checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { applyOne, type KernelChoice, type OpRecord } from "../op.ts"
import { formatShape, type Layout, normalizeAxes, normalizeAxis, reshapeLayout, type Shape, sizeOf } from "../shape.ts"
import type { DType, Tensor } from "../tensor.ts"
import { broadcastTo, reshape } from "./move.ts"
import { add, cast, div, eq, exp, log, mul, ne, opcodeOf, promote, stopGradient, sub, where } from "./pointwise.ts"

/** Kinds of reduction, as kernels/table.ts codes them. */
export type Reduction = "sum" | "max" | "min" | "prod" | "argmax" | "argmin" | "any" | "all"

/** Attributes of the reduction record. */
export interface ReduceAttributes {
  readonly kind: Reduction
  /** First axis of the run, and the first axis behind it. */
  readonly from: number
  readonly to: number
}

/** [outer n inner] of a run of axes. */
function blockShape(shape: Shape, from: number, to: number): [number, number, number] {
  return [sizeOf(shape.slice(0, from)), sizeOf(shape.slice(from, to)), sizeOf(shape.slice(to))]
}

const resultType = (kind: Reduction, dtype: DType): DType =>
  kind === "argmax" || kind === "argmin" ? "i32" : kind === "any" || kind === "all" ? "bool" : dtype

const folds: Readonly<Record<Reduction, (data: Float64Array, start: number, step: number, n: number) => number>> = {
  sum: fold(0, (a, b) => a + b),
  prod: fold(1, (a, b) => a * b),
  max: fold(-Infinity, Math.max),
  min: fold(Infinity, Math.min),
  any: fold(0, (a, b) => (a || b ? 1 : 0)),
  all: fold(1, (a, b) => (a && b ? 1 : 0)),
  argmax: place((x, best) => x > best || (Number.isNaN(x) && !Number.isNaN(best))),
  argmin: place((x, best) => x < best || (Number.isNaN(x) && !Number.isNaN(best))),
}

function fold(start: number, step: (a: number, b: number) => number) {
  return (data: Float64Array, from: number, stride: number, n: number): number => {
    let value = start
    for (let i = 0; i < n; i++) value = step(value, data[from + i * stride]!)
    return value
  }
}

function place(better: (x: number, best: number) => boolean) {
  return (data: Float64Array, from: number, stride: number, n: number): number => {
    let at = 0
    for (let i = 1; i < n; i++) if (better(data[from + i * stride]!, data[from + at * stride]!)) at = i
    return at
  }
}

const without = (shape: Shape, from: number, to: number): number[] => [...shape.slice(0, from), ...shape.slice(to)]

/** The value of a reduction as it stood before, repeated over the reduced axes. */
function spread(y: Tensor, x: Tensor, { from, to }: ReduceAttributes): Tensor {
  const kept = x.shape.map((n, i) => (i >= from && i < to ? 1 : n))
  return broadcastTo(reshape(y, kept), x.shape)
}

/** Elementwise code that gives the value to reduce, as kernels/table.ts describes it; `types` are those of its operands. */
export interface ReductionCode {
  readonly types: readonly DType[]
  readonly code: readonly number[]
  readonly constants: readonly number[]
  readonly result: number
}

/** The kernel call that reduces a run of axes of what elementwise code gives, for operands of `shape`. */
export function reduceChoice(
  shape: Shape,
  { kind, from, to }: ReduceAttributes,
  outputType: DType,
  code: ReductionCode,
): KernelChoice {
  const block = blockShape(shape, from, to)
  const [outer, size, inner] = block
  const blocked = (layout: Layout): Layout | null => reshapeLayout(layout, block)
  return {
    uses: ["reduce"],
    accepts: (_, layout) => blocked(layout) !== null,
    calls: inputs => [
      {
        name: "reduce",
        fields: {
          ...code,
          operands: inputs.map((_, i) => ({ input: i })),
          strides: inputs.flatMap(layout => blocked(layout)!.strides),
          output: { output: 0 },
          outputType,
          kind,
          outer,
          size,
          inner,
        },
      },
    ],
  }
}

/** The reduction record; `fuse` embeds elementwise producers through its code. */
export const reduceRecord: OpRecord<ReduceAttributes> = {
  name: "reduce",
  prologue: true,
  shape: ([x], { kind, from, to }) => ({ shape: without(x!.shape, from, to), dtype: resultType(kind, x!.dtype) }),
  kernel: ([x], attributes, [y]) =>
    reduceChoice(x!.shape, attributes, y!.dtype, {
      types: [x!.dtype],
      code: [opcodeOf(`copy.${promote([x!.dtype])}`), 1, 0, 0, 0],
      constants: [],
      result: 1,
    }),
  loop: ([x], [out], { kind, from, to }) => {
    const [outer, n, inner] = blockShape(x!.shape, from, to)
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) out!.data[o * inner + i] = folds[kind](x!.data, o * n * inner + i, inner, n)
  },
  grad: ([g], [x], [y], attributes) => {
    const up = spread(g!, x!, attributes)
    if (attributes.kind === "sum") return [up]
    if (attributes.kind === "prod") return [prodGradient(x!, up, attributes)]
    if (attributes.kind === "max" || attributes.kind === "min") {
      // equal extremes share the gradient
      const hit = cast(eq(x!, spread(y!, x!, attributes)), "f32")
      const share = spread(applyOne(reduceRecord, [hit], { ...attributes, kind: "sum" }), x!, attributes)
      return [mul(up, stopGradient(div(hit, share)))]
    }
    return [null]
  },
}

/** d prod / dx: the product of the others, which for one zero is the product without it. */
function prodGradient(x: Tensor, up: Tensor, attributes: ReduceAttributes): Tensor {
  const isZero = eq(x, 0)
  const zeros = spread(applyOne(reduceRecord, [cast(isZero, "f32")], { ...attributes, kind: "sum" }), x, attributes)
  const filled = where(isZero, 1, x)
  const nonzero = spread(applyOne(reduceRecord, [filled], { ...attributes, kind: "prod" }), x, attributes)
  const others = where(isZero, where(eq(zeros, 1), nonzero, 0), where(eq(zeros, 0), div(nonzero, filled), 0))
  return mul(up, others)
}

/** Axes to reduce over: one, several, or all when left out. */
export type Axes = number | readonly number[]

/** keepDims: reduced axes stay with size 1. */
export interface ReduceOptions {
  readonly keepDims?: boolean
}

function reduce(kind: Reduction, x: Tensor, axes: Axes | undefined, options: ReduceOptions = {}): Tensor {
  checkTensors(kind, { x })
  checkOptions(kind, { options }, ["keepDims"])
  const { keepDims = false } = options
  const list = normalizeAxes(kind, axes, x.rank)
  if (kind !== "sum" && kind !== "prod" && kind !== "any" && kind !== "all" && list.some(axis => x.shape[axis] === 0))
    throw new ShapeError(`${kind}: expected at least one element along the axes, but got ${formatShape(x.shape)}`)
  const bool = kind === "any" || kind === "all"
  let y = bool ? (x.dtype === "bool" ? x.current() : ne(x, 0)) : widen(x)
  let end = list.length
  while (end > 0) {
    let begin = end - 1
    while (begin > 0 && list[begin - 1] === list[begin]! - 1) begin--
    y = applyOne(reduceRecord, [y], { kind, from: list[begin]!, to: list[end - 1]! + 1 })
    end = begin
  }
  return keepDims
    ? reshape(
        y,
        x.shape.map((n, i) => (list.includes(i) ? 1 : n)),
      )
    : y
}

/** Values in a type that sums do not overflow: bool as i32, storage types as what they compute in. */
function widen(x: Tensor): Tensor {
  const type = promote([x.dtype])
  return cast(x, type === "bool" ? "i32" : type)
}

/** Sum over axes. */
export const sum = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("sum", x, axes, options)
/** Product over axes. */
export const prod = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("prod", x, axes, options)
/** Largest value over axes; NaN when there is one. */
export const max = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("max", x, axes, options)
/** Smallest value over axes; NaN when there is one. */
export const min = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("min", x, axes, options)
/** Whether any value is true (not 0). */
export const any = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("any", x, axes, options)
/** Whether all values are true (not 0). */
export const all = (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => reduce("all", x, axes, options)

/** Mean over axes. */
export function mean(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  checkTensors("mean", { x })
  const count = sizeOf(normalizeAxes("mean", axes, x.rank).map(axis => x.shape[axis]!))
  return mul(sum(cast(x, "f32"), axes, options), 1 / count)
}

/** Variance over axes, around the mean; `correction` is subtracted from the count (1: unbiased). */
export function variance(x: Tensor, axes?: Axes, options: ReduceOptions & { correction?: number } = {}): Tensor {
  checkTensors("variance", { x })
  checkOptions("variance", { options }, ["keepDims", "correction"])
  const { correction = 0, keepDims = false } = options
  if (!Number.isFinite(correction))
    throw new ValueError(`variance: expected a finite correction, but got ${correction}`)
  const count = sizeOf(normalizeAxes("variance", axes, x.rank).map(axis => x.shape[axis]!))
  const centred = sub(x, mean(x, axes, { keepDims: true }))
  return mul(sum(mul(centred, centred), axes, { keepDims }), 1 / (count - correction))
}

/** log Σ eˣ over axes, without overflow. */
export function logsumexp(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  checkTensors("logsumexp", { x })
  checkOptions("logsumexp", { options }, ["keepDims"])
  const { keepDims = false } = options
  const top = max(x, axes, { keepDims: true })
  // an infinite top would give Infinity - Infinity
  const shift = stopGradient(where(eq(top, Infinity), 0, where(eq(top, -Infinity), 0, top)))
  const y = add(log(sum(exp(sub(x, shift)), axes, { keepDims: true })), shift)
  const list = normalizeAxes("logsumexp", axes, x.rank)
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => !list.includes(i)),
      )
}

function index(kind: "argmax" | "argmin", x: Tensor, axis: number | undefined, options: ReduceOptions = {}): Tensor {
  checkTensors(kind, { x })
  checkOptions(kind, { options }, ["keepDims"])
  const { keepDims = false } = options
  if (x.dtype === "bool") return index(kind, cast(x, "i32"), axis, { keepDims })
  if (axis === undefined) return reduce(kind, reshape(x, [x.size]), 0)
  return reduce(kind, x, normalizeAxis(kind, axis, x.rank), { keepDims })
}

/** Index of the first largest value along an axis (of all elements when left out), i32. */
export const argmax = (x: Tensor, axis?: number, options?: ReduceOptions): Tensor => index("argmax", x, axis, options)
/** Index of the first smallest value along an axis (of all elements when left out), i32. */
export const argmin = (x: Tensor, axis?: number, options?: ReduceOptions): Tensor => index("argmin", x, axis, options)
