// Every operation on one tensor as a method, so that formulas read from left to right: x.sub(mean).div(deviation).

import { type GeluForm, gelu } from "./ops/activation.ts"
import { lowerTriangle, upperTriangle } from "./ops/create.ts"
import {
  type EmbeddingOptions,
  embedding,
  gather,
  oneHot,
  scatterAdd,
  scatterAddAlong,
  takeAlong,
} from "./ops/gather.ts"
import { matmul } from "./ops/matmul.ts"
import { broadcastTo, flatten, permute, reshape, squeeze, transpose, unsqueeze } from "./ops/move.ts"
import { layerNorm, type NormOptions, rmsNorm } from "./ops/norm.ts"
import { contiguous, flip, pad, repeat, roll, select, slice, split, unstack, windows } from "./ops/pieces.ts"
import {
  abs,
  add,
  cast,
  clamp,
  cos,
  div,
  eq,
  erf,
  exp,
  expm1,
  floor,
  ge,
  gt,
  le,
  log,
  log1p,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  neg,
  type Operand,
  pow,
  relu,
  round,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  stopGradient,
  sub,
  tanh,
} from "./ops/pointwise.ts"
import { dropout } from "./ops/random.ts"
import {
  type Axes,
  all,
  any,
  argmax,
  argmin,
  logsumexp,
  max,
  mean,
  min,
  prod,
  type ReduceOptions,
  sum,
  variance,
} from "./ops/reduce.ts"
import { logSoftmax, softmax } from "./ops/softmax.ts"
import { argsort, cumsum, sort, topk } from "./ops/sort.ts"
import { type AxisSizes, rearrange } from "./rearrange.ts"
import type { Shape } from "./shape.ts"
import { tap } from "./tap.ts"
import { type DType, Tensor } from "./tensor.ts"

/** Operations as methods; the functions of the same names say more. */
export interface TensorMethods {
  /** The same numbers in another element type. */
  cast(dtype: DType): Tensor
  /** Without a gradient: whatever is computed from it counts as constant. */
  stopGradient(): Tensor
  /** The same as stopGradient. */
  detach(): Tensor
  /** this + b */
  add(b: Operand): Tensor
  /** this - b */
  sub(b: Operand): Tensor
  /** this · b */
  mul(b: Operand): Tensor
  /** this / b */
  div(b: Operand): Tensor
  /** this to the power of b */
  pow(b: Operand): Tensor
  /** The larger of this and b. */
  maximum(b: Operand): Tensor
  /** The smaller of this and b. */
  minimum(b: Operand): Tensor
  /** this == b */
  eq(b: Operand): Tensor
  /** this != b */
  ne(b: Operand): Tensor
  /** this < b */
  lt(b: Operand): Tensor
  /** this <= b */
  le(b: Operand): Tensor
  /** this > b */
  gt(b: Operand): Tensor
  /** this >= b */
  ge(b: Operand): Tensor
  /** Both are true. */
  and(b: Tensor): Tensor
  /** At least one is true. */
  or(b: Tensor): Tensor
  /** Exactly one is true. */
  xor(b: Tensor): Tensor
  /** True where this is false. */
  not(): Tensor
  /** -this */
  neg(): Tensor
  /** Absolute value. */
  abs(): Tensor
  /** -1, 0 or 1. */
  sign(): Tensor
  /** eˣ */
  exp(): Tensor
  /** Natural logarithm. */
  log(): Tensor
  /** log(1 + x) */
  log1p(): Tensor
  /** eˣ - 1 */
  expm1(): Tensor
  /** Square root. */
  sqrt(): Tensor
  /** 1 / √x */
  rsqrt(): Tensor
  /** Sine. */
  sin(): Tensor
  /** Cosine. */
  cos(): Tensor
  /** Hyperbolic tangent. */
  tanh(): Tensor
  /** 1 / (1 + e⁻ˣ) */
  sigmoid(): Tensor
  /** Error function. */
  erf(): Tensor
  /** max(x, 0) */
  relu(): Tensor
  /** x · sigmoid(x) */
  silu(): Tensor
  /** log(1 + eˣ) */
  softplus(): Tensor
  /** Largest whole number <= x. */
  floor(): Tensor
  /** Nearest whole number, halves to even. */
  round(): Tensor
  /** Held between low and high. */
  clamp(low?: number, high?: number): Tensor
  /** Sum over axes. */
  sum(axes?: Axes, options?: ReduceOptions): Tensor
  /** Product over axes. */
  prod(axes?: Axes, options?: ReduceOptions): Tensor
  /** Mean over axes. */
  mean(axes?: Axes, options?: ReduceOptions): Tensor
  /** Largest value over axes. */
  max(axes?: Axes, options?: ReduceOptions): Tensor
  /** Smallest value over axes. */
  min(axes?: Axes, options?: ReduceOptions): Tensor
  /** Whether any value is true. */
  any(axes?: Axes, options?: ReduceOptions): Tensor
  /** Whether all values are true. */
  all(axes?: Axes, options?: ReduceOptions): Tensor
  /** log Σ eˣ over axes. */
  logsumexp(axes?: Axes, options?: ReduceOptions): Tensor
  /** Variance over axes. */
  variance(axes?: Axes, options?: ReduceOptions & { correction?: number }): Tensor
  /** Index of the first largest value. */
  argmax(axis?: number, options?: ReduceOptions): Tensor
  /** Index of the first smallest value. */
  argmin(axis?: number, options?: ReduceOptions): Tensor
  /** The same elements in another shape; one size may be -1. */
  reshape(shape: Shape): Tensor
  /** Axes from..to merged into one. */
  flatten(from?: number, to?: number): Tensor
  /** A new axis of size 1 before `axis`. */
  unsqueeze(axis: number): Tensor
  /** Without an axis of size 1, or without all of them. */
  squeeze(axis?: number): Tensor
  /** Axes in another order. */
  permute(axes: readonly number[]): Tensor
  /** Two axes exchanged, the last two by default. */
  transpose(a?: number, b?: number): Tensor
  /** Repeated along missing axes and axes of size 1. */
  broadcastTo(shape: Shape): Tensor
  /** Elements start, start+step, … before end along an axis. */
  slice(axis: number, start?: number, end?: number, step?: number): Tensor
  /** The part at one index of an axis, without that axis. */
  select(axis: number, index: number): Tensor
  /** Reversed along axes. */
  flip(axes?: number | readonly number[]): Tensor
  /** Cut along an axis. */
  split(sizes: number | readonly number[], axis?: number): Tensor[]
  /** The parts at each index of an axis. */
  unstack(count?: number, axis?: number): Tensor[]
  /** Surrounded by a value. */
  pad(widths: readonly (readonly [number, number])[], value?: number): Tensor
  /** Rotated along an axis. */
  roll(shift: number, axis: number): Tensor
  /** Laid end to end along each axis. */
  repeat(counts: readonly number[]): Tensor
  /** The same values row-major in memory of their own. */
  contiguous(): Tensor
  /** Sliding windows along an axis, in a new last axis. */
  windows(axis: number, size: number, options?: { step?: number; dilation?: number }): Tensor
  /** Axes split, moved and merged by name. */
  rearrange(pattern: string, sizes?: AxisSizes): Tensor
  /** Matrix product over the last two axes. */
  matmul(b: Tensor): Tensor
  /** Softmax over one axis, the last by default. */
  softmax(axis?: number): Tensor
  /** Logarithm of the softmax over one axis. */
  logSoftmax(axis?: number): Tensor
  /** Layer normalization over the last axis or `axes`. */
  layerNorm(weight?: Tensor | null, bias?: Tensor | null, options?: NormOptions): Tensor
  /** Root-mean-square normalization over the last axis or `axes`. */
  rmsNorm(weight?: Tensor | null, options?: NormOptions & { shift?: number }): Tensor
  /** Parts along an axis in the order of indices. */
  gather(indices: Tensor, axis?: number): Tensor
  /** Picked along one axis by indices of the same rank. */
  takeAlong(indices: Tensor, axis: number): Tensor
  /** Rows of this weight [V D] for ids. */
  embedding(ids: Tensor, options?: EmbeddingOptions): Tensor
  /** 1 at each index and 0 elsewhere, in a new last axis. */
  oneHot(classes: number, dtype?: "f32" | "i32" | "bool"): Tensor
  /** This with values added where indices say. */
  scatterAdd(indices: Tensor, values: Tensor, axis?: number): Tensor
  /** This with values added along one axis at indices of the same shape. */
  scatterAddAlong(indices: Tensor, values: Tensor, axis: number): Tensor
  /** In order along an axis, the last by default. */
  sort(axis?: number, options?: { descending?: boolean }): Tensor
  /** The indices that sort an axis. */
  argsort(axis?: number, options?: { descending?: boolean }): Tensor
  /** The largest values along an axis and their indices. */
  topk(count: number, axis?: number, options?: { smallest?: boolean }): { values: Tensor; indices: Tensor }
  /** Running sums along an axis. */
  cumsum(axis?: number, options?: { reverse?: boolean }): Tensor
  /** On and below a diagonal of the last two axes. */
  lowerTriangle(diagonal?: number): Tensor
  /** On and above a diagonal of the last two axes. */
  upperTriangle(diagonal?: number): Tensor
  /** Elements set to 0 at a rate, the others scaled up. */
  dropout(rate: number, key: Tensor, stream?: number): Tensor
  /** Under a label that can be asked for. */
  tap(label: string): Tensor
  /** Gaussian error linear unit: exact ("erf"), its tanh approximation, or x · sigmoid(1.702 x) ("quick"). */
  gelu(form?: GeluForm): Tensor
}

declare module "./tensor.ts" {
  interface Tensor extends TensorMethods {}
}

/** Each method's function, whose first argument is the tensor. */
const functions: {
  readonly [name in keyof TensorMethods]: (
    x: Tensor,
    ...rest: Parameters<TensorMethods[name]>
  ) => ReturnType<TensorMethods[name]>
} = {
  cast,
  stopGradient,
  detach: stopGradient,
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  and: logicalAnd,
  or: logicalOr,
  xor: logicalXor,
  not: logicalNot,
  neg,
  abs,
  sign,
  exp,
  log,
  log1p,
  expm1,
  sqrt,
  rsqrt,
  sin,
  cos,
  tanh,
  sigmoid,
  erf,
  relu,
  silu,
  softplus,
  floor,
  round,
  clamp,
  sum,
  prod,
  mean,
  max,
  min,
  any,
  all,
  logsumexp,
  variance,
  argmax,
  argmin,
  reshape,
  flatten,
  unsqueeze,
  squeeze,
  permute,
  transpose,
  broadcastTo,
  slice,
  select,
  flip,
  split,
  unstack,
  pad,
  roll,
  repeat,
  contiguous,
  windows,
  rearrange,
  matmul,
  softmax,
  logSoftmax,
  layerNorm,
  rmsNorm,
  gather,
  takeAlong,
  embedding,
  oneHot,
  scatterAdd,
  scatterAddAlong,
  sort,
  argsort,
  topk,
  cumsum,
  lowerTriangle,
  upperTriangle,
  dropout,
  tap: (x, label) => tap(label, x),
  gelu,
}

for (const [name, fn] of Object.entries<(x: Tensor, ...rest: never[]) => unknown>(functions)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: never[]) {
      return fn(this, ...rest)
    },
    writable: true,
    configurable: true,
  })
}
