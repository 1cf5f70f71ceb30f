// Convolution and pooling in one or two dimensions, as sliding windows (a view) and one matrix product. Channels come before
// positions; in one dimension the work is done with channels last, where windows are overlapping rows and nothing is copied.

import { checkNumberLists, checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { checkInteger, formatShape, sizeOf } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { type Compute, linear, matmul, product } from "./matmul.ts"
import { permute, reshape, transpose, unsqueeze } from "./move.ts"
import { contiguous, flip, pad, slice, windows } from "./pieces.ts"
import { add } from "./pointwise.ts"
import { max, mean, sum } from "./reduce.ts"
import { floating } from "./types.ts"

/** One number for all position axes, or one for each. */
export type PerAxis = number | readonly number[]

/** Options of convolutions: steps between windows (1), zeros around (0), spacing inside a window (1), groups of channels (1). */
export interface ConvolveOptions {
  readonly stride?: PerAxis
  readonly padding?: PerAxis
  readonly dilation?: PerAxis
  readonly groups?: number
}

function perAxis(
  what: string,
  name: string,
  value: PerAxis | undefined,
  count: number,
  fallback: number,
  low: number,
): number[] {
  if (value !== undefined && typeof value !== "number") checkNumberLists(what, { [name]: value })
  const list =
    value === undefined || typeof value === "number" ? new Array<number>(count).fill(value ?? fallback) : [...value]
  if (list.length !== count)
    throw new ValueError(`${what}: expected one ${name} or one for each of ${count} axes, but got ${formatShape(list)}`)
  for (const n of list) checkInteger(what, name, n, low)
  return list
}

function checkOperands(
  what: string,
  dims: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  transposed: boolean,
  groups: number,
): void {
  checkInteger(what, "groups", groups, 1)
  const positions = dims === 1 ? "L" : "Y X"
  const order = transposed ? "C O" : "O C"
  const got = `x ${formatShape(x.shape)} and weight ${formatShape(w.shape)}`
  if (x.rank !== dims + 2 || w.rank !== dims + 2)
    throw new ShapeError(`${what}: expected x [B C ${positions}] and weight [${order} ${positions}], but got ${got}`)
  const [channels, outputs] = transposed ? [w.shape[0]!, w.shape[1]! * groups] : [w.shape[1]! * groups, w.shape[0]!]
  if (x.shape[1] !== channels || channels % groups !== 0 || outputs % groups !== 0)
    throw new ShapeError(
      `${what}: expected x with ${channels} channels (and channels that divide into ${groups} groups), but got ${got}`,
      groups === 1 ? undefined : "with groups the weight holds the channels of one group",
    )
  if (bias && (bias.rank !== 1 || bias.shape[0] !== outputs))
    throw new ShapeError(`${what}: expected a bias [${outputs}], but got ${formatShape(bias.shape)}`)
}

/** Zeros (or `value`) around the position axes of [B C …]. */
function padPositions(x: Tensor, widths: readonly number[], value = 0): Tensor {
  return widths.every(n => n === 0) ? x : pad(x, [[0, 0], [0, 0], ...widths.map(n => [n, n] as const)], value)
}

/** [B C positions…] -> [B C counts… sizes…] */
function slide(x: Tensor, sizes: readonly number[], strides: readonly number[], dilations: readonly number[]): Tensor {
  return sizes.reduce(
    (t: Tensor, size, i) => windows(t, 2 + i, size, { step: strides[i]!, dilation: dilations[i]! }),
    x,
  )
}

function withBias(y: Tensor, bias: Tensor | null): Tensor {
  return bias ? add(y, reshape(bias, [-1, ...new Array<number>(y.rank - 2).fill(1)])) : y
}

function convolve(
  what: string,
  dims: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  options: ConvolveOptions,
): Tensor {
  const { groups = 1 } = options
  checkOperands(what, dims, x, w, bias, false, groups)
  const strides = perAxis(what, "stride", options.stride, dims, 1, 1)
  const padding = perAxis(what, "padding", options.padding, dims, 0, 0)
  const dilations = perAxis(what, "dilation", options.dilation, dims, 1, 1)
  const kernel = w.shape.slice(2)
  const [batch, channels] = [x.shape[0]!, x.shape[1]!]
  const counts = kernel.map((size, i) => {
    const span = (size - 1) * dilations[i]! + 1
    const count = Math.floor((x.shape[2 + i]! + 2 * padding[i]! - span) / strides[i]!) + 1
    if (count < 1)
      throw new ShapeError(
        `${what}: expected at least ${span} positions on axis ${2 + i}, but got x ${formatShape(x.shape)} and weight ${formatShape(w.shape)}`,
        "pad more, or use a smaller kernel",
      )
    return count
  })
  if (dims === 1)
    return alongRows(floating(what, x), floating(what, w), bias, {
      groups,
      padding: padding[0]!,
      step: strides[0]!,
      dilation: dilations[0]!,
    })
  const seen = slide(padPositions(floating(what, x), padding), kernel, strides, dilations)
  // columns: [B groups (channels kernel) positions]
  const places = kernel.map((_, i) => 2 + i)
  const inside = kernel.map((_, i) => 2 + dims + i)
  const inner = (channels / groups) * sizeOf(kernel)
  const columns = reshape(permute(seen, [0, 1, ...inside, ...places]), [batch, groups, inner, sizeOf(counts)])
  const filters = reshape(floating(what, w), [groups, w.shape[0]! / groups, inner])
  return withBias(reshape(matmul(filters, columns), [batch, w.shape[0]!, ...counts]), bias)
}

interface RowSizes {
  readonly groups: number
  readonly padding: number
  readonly step: number
  readonly dilation: number
}

/** Windows of K rows that follow each other, as rows: [… L C] -> [… L' K·C], a view. */
function windowRows(rows: Tensor, K: number, { step, dilation }: Pick<RowSizes, "step" | "dilation">): Tensor {
  const seen = windows(rows, rows.rank - 2, K, { step, dilation }) // [… L' C K]
  const lead = seen.shape.slice(0, -2)
  return reshape(permute(seen, [...lead.keys(), lead.length + 1, lead.length]), [...lead, K * rows.shape.at(-1)!])
}

/** Zeros around the positions of [… L C]. */
function padRows(rows: Tensor, n: number): Tensor {
  return n === 0 ? contiguous(rows) : pad(rows, [...rows.shape.slice(0, -2).map(() => [0, 0] as const), [n, n], [0, 0]])
}

interface WideAttributes {
  readonly kernel: number
  readonly dilation: number
  readonly compute: Compute
}

// Steps of 1: x [B groups L C], w [groups K·C O] -> [B groups L' O]. The gradient of x is such a convolution of g with the turned
// weights; windows of it would be K times as large.
const wideRecord: OpRecord<WideAttributes> = {
  name: "convolveWide",
  contraction: true,
  shape: ([x, w], { kernel, dilation }) => {
    const [B, groups, L] = x!.shape as [number, number, number]
    return { shape: [B, groups, L - (kernel - 1) * dilation, w!.shape[2]!], dtype: "f32" }
  },
  compose: ([x, w], { kernel, dilation, compute }) =>
    product(windowRows(x!, kernel, { step: 1, dilation }), w!, compute),
  grad: ([g], [x, w], _, attributes, needed) => {
    const { kernel, dilation, compute } = attributes
    const [groups, , O] = w!.shape as [number, number, number]
    const C = x!.shape[3]!
    const turned = (): Tensor =>
      reshape(permute(flip(reshape(w!, [groups, kernel, C, O]), 1), [0, 1, 3, 2]), [groups, kernel * O, C])
    return [
      needed[0] ? applyOne(wideRecord, [padRows(g!, (kernel - 1) * dilation), turned()], attributes) : null,
      needed[1] ? sum(product(transpose(windowRows(x!, kernel, { step: 1, dilation })), g!, compute), 0) : null,
    ]
  },
}

/** x [B C L], w [O C/groups K] -> [B O L'], with positions as rows of channels: a window is then K rows that follow each other. */
function alongRows(x: Tensor, w: Tensor, bias: Tensor | null, sizes: RowSizes): Tensor {
  const { groups, padding, step, dilation } = sizes
  const [B, , L] = x.shape as [number, number, number]
  const [O, C, K] = w.shape as [number, number, number]
  const wide = step === 1 && K >= 8
  if (groups === 1 && !wide) {
    const rows = padding === 0 ? permute(x, [0, 2, 1]) : padRows(permute(x, [0, 2, 1]), padding)
    const filters = reshape(permute(w, [0, 2, 1]), [O, K * C])
    return permute(linear(windowRows(rows, K, sizes), filters, bias ?? undefined), [0, 2, 1])
  }
  // the channels of a group side by side, so that its windows are rows too
  const rows = padRows(permute(reshape(x, [B, groups, C, L]), [0, 1, 3, 2]), padding)
  const filters = reshape(permute(reshape(w, [groups, O / groups, C, K]), [0, 3, 2, 1]), [groups, K * C, O / groups])
  const y = wide
    ? applyOne(wideRecord, [rows, filters], { kernel: K, dilation, compute: "f32" })
    : matmul(windowRows(rows, K, sizes), filters) // [B groups L' O/groups]
  return withBias(reshape(permute(y, [0, 1, 3, 2]), [B, O, -1]), bias)
}

/** x [B C L] with weight [O C/groups K] and bias [O] -> [B O L']. Throws ShapeError, ValueError. */
export function convolve1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvolveOptions = {},
): Tensor {
  checkTensors("convolve1d", { x, weight }, { bias })
  checkOptions("convolve1d", { options }, ["stride", "padding", "dilation", "groups"])
  return convolve("convolve1d", 1, x, weight, bias, options)
}

/** x [B C Y X] with weight [O C/groups Ky Kx] and bias [O] -> [B O Y' X']. Throws ShapeError, ValueError. */
export function convolve2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvolveOptions = {},
): Tensor {
  checkTensors("convolve2d", { x, weight }, { bias })
  checkOptions("convolve2d", { options }, ["stride", "padding", "dilation", "groups"])
  return convolve("convolve2d", 2, x, weight, bias, options)
}

/** Zeros put between the positions of an axis, so that neighbours stand `step` apart. */
function spread(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x
  const apart = unsqueeze(x, axis + 1)
  const padded = pad(
    apart,
    apart.shape.map((_, i) => [0, i === axis + 1 ? step - 1 : 0] as const),
  )
  const n = x.shape[axis]!
  const flat = reshape(
    padded,
    x.shape.map((size, i) => (i === axis ? size * step : size)),
  )
  return slice(flat, axis, 0, (n - 1) * step + 1)
}

/** Options of transposed convolutions: extraPadding lengthens the end of the result (PyTorch's output_padding). */
export interface ConvolveTransposedOptions extends ConvolveOptions {
  readonly extraPadding?: PerAxis
}

function convolveTransposed(
  what: string,
  dims: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  options: ConvolveTransposedOptions,
): Tensor {
  const { groups = 1 } = options
  checkOperands(what, dims, x, w, bias, true, groups)
  const strides = perAxis(what, "stride", options.stride, dims, 1, 1)
  const padding = perAxis(what, "padding", options.padding, dims, 0, 0)
  const dilations = perAxis(what, "dilation", options.dilation, dims, 1, 1)
  const extra = perAxis(what, "extraPadding", options.extraPadding, dims, 0, 0)
  const kernel = w.shape.slice(2)
  for (const [i, n] of extra.entries())
    if (n > 0 && n >= strides[i]! && n >= dilations[i]!)
      throw new ValueError(`${what}: expected extraPadding below the stride or the dilation, but got ${n}`)
  // every position spreads the kernel around itself: a plain convolution of the spread positions with the turned kernel
  const wide = kernel.reduce(
    (t: Tensor, size, i) => {
      const axis = 2 + i
      const [before, after] = [
        (size - 1) * dilations[i]! - padding[i]!,
        (size - 1) * dilations[i]! - padding[i]! + extra[i]!,
      ]
      const grown = pad(
        spread(t, axis, strides[i]!),
        t.shape.map((_, j) => (j === axis ? ([Math.max(before, 0), Math.max(after, 0)] as const) : ([0, 0] as const))),
      )
      const end = grown.shape[axis]! + Math.min(after, 0)
      if (end - Math.max(-before, 0) < (size - 1) * dilations[i]! + 1)
        throw new ShapeError(
          `${what}: expected a result of at least one position, but got x ${formatShape(x.shape)} and padding ${padding[i]}`,
        )
      return slice(grown, axis, Math.max(-before, 0), end)
    },
    floating(what, x),
  )
  const [channels, outputs] = [w.shape[0]!, w.shape[1]!]
  const grouped = reshape(floating(what, w), [groups, channels / groups, outputs, ...kernel])
  const places = kernel.map((_, i) => 3 + i)
  const swapped = reshape(permute(grouped, [0, 2, 1, ...places]), [groups * outputs, channels / groups, ...kernel])
  const turned = flip(
    swapped,
    kernel.map((_, i) => 2 + i),
  )
  return convolve(what, dims, wide, turned, bias, { dilation: dilations, groups })
}

/** The transpose of convolve1d: x [B C L] with weight [C O/groups K] and bias [O] -> [B O L'], L' = (L-1)·stride - 2·padding + dilation·(K-1) + extraPadding + 1. */
export function convolveTransposed1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvolveTransposedOptions = {},
): Tensor {
  checkTensors("convolveTransposed1d", { x, weight }, { bias })
  checkOptions("convolveTransposed1d", { options }, ["stride", "padding", "dilation", "groups", "extraPadding"])
  return convolveTransposed("convolveTransposed1d", 1, x, weight, bias, options)
}

/** The transpose of convolve2d: x [B C Y X] with weight [C O/groups Ky Kx] and bias [O] -> [B O Y' X']. */
export function convolveTransposed2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvolveTransposedOptions = {},
): Tensor {
  checkTensors("convolveTransposed2d", { x, weight }, { bias })
  checkOptions("convolveTransposed2d", { options }, ["stride", "padding", "dilation", "groups", "extraPadding"])
  return convolveTransposed("convolveTransposed2d", 2, x, weight, bias, options)
}

/** Options of pooling: steps between windows (the window's size), padding (0). */
export interface PoolOptions {
  readonly stride?: PerAxis
  readonly padding?: PerAxis
}

function pool(what: string, dims: number, x: Tensor, size: PerAxis, options: PoolOptions, fill: number): Tensor {
  if (x.rank < dims + 1)
    throw new ShapeError(`${what}: expected x [… C ${dims === 1 ? "L" : "Y X"}], but got ${formatShape(x.shape)}`)
  const sizes = perAxis(what, "size", size, dims, 1, 1)
  const strides = options.stride === undefined ? sizes : perAxis(what, "stride", options.stride, dims, 1, 1)
  const padding = perAxis(what, "padding", options.padding, dims, 0, 0)
  for (const [i, n] of padding.entries())
    if (n * 2 > sizes[i]!) throw new ValueError(`${what}: expected padding up to half the window, but got ${n}`)
  const lead = x.shape.slice(0, -dims)
  const stacked = reshape(floating(what, x), [sizeOf(lead), 1, ...x.shape.slice(-dims)])
  const seen = slide(padPositions(stacked, padding, fill), sizes, strides, new Array<number>(dims).fill(1))
  const inside = sizes.map((_, i) => 2 + dims + i)
  const pooled = fill === 0 ? mean(seen, inside) : max(seen, inside)
  return reshape(pooled, [...lead, ...pooled.shape.slice(2)])
}

/** Largest value of each window of the last axis. Throws ShapeError, ValueError. */
export function maxPool1d(x: Tensor, size: number, options: PoolOptions = {}): Tensor {
  checkTensors("maxPool1d", { x })
  checkOptions("maxPool1d", { options }, ["stride", "padding"])
  return pool("maxPool1d", 1, x, size, options, -Infinity)
}

/** Largest value of each window of the last two axes. */
export function maxPool2d(x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor {
  checkTensors("maxPool2d", { x })
  checkOptions("maxPool2d", { options }, ["stride", "padding"])
  return pool("maxPool2d", 2, x, size, options, -Infinity)
}

/** Mean of each window of the last axis; padding counts as zeros. */
export function averagePool1d(x: Tensor, size: number, options: PoolOptions = {}): Tensor {
  checkTensors("averagePool1d", { x })
  checkOptions("averagePool1d", { options }, ["stride", "padding"])
  return pool("averagePool1d", 1, x, size, options, 0)
}

/** Mean of each window of the last two axes; padding counts as zeros. */
export function averagePool2d(x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor {
  checkTensors("averagePool2d", { x })
  checkOptions("averagePool2d", { options }, ["stride", "padding"])
  return pool("averagePool2d", 2, x, size, options, 0)
}
