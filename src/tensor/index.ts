// What to compute: tensors, operations and gradients.

import "./methods.ts"

export { type Nested, tensor } from "./create.ts"
export { einsum } from "./einsum.ts"
export { HeedError, ShapeError, TypeMismatchError, ValueError } from "./errors.ts"
export { checkpoint, grad, vectorJacobian } from "./grad.ts"
export type { TensorMethods } from "./methods.ts"
export { apply, applyOne, type OpRecord } from "./op.ts"
export { type GeluForm, gelu } from "./ops/activation.ts"
export { type AttentionOptions, attention } from "./ops/attention.ts"
export {
  type AttentionPattern,
  blockSparse,
  dilatedWindow,
  fixed,
  globalWindow,
  type PatternRule,
  slidingWindow,
  strided,
} from "./ops/attention-pattern.ts"
export * from "./ops/convolve.ts"
export { arange, eye, linspace, lowerTriangle, ones, triangle, upperTriangle, zeros } from "./ops/create.ts"
export { type CtcOptions, ctcLoss } from "./ops/ctc.ts"
export { readSlice, writeSlice } from "./ops/dynamic.ts"
export {
  type EmbeddingOptions,
  embedding,
  gather,
  oneHot,
  scatterAdd,
  scatterAddAlong,
  takeAlong,
} from "./ops/gather.ts"
export * from "./ops/loss.ts"
export { type Compute, linear, matmul } from "./ops/matmul.ts"
export { broadcastTo, flatten, permute, reshape, squeeze, transpose, unsqueeze } from "./ops/move.ts"
export { layerNorm, type NormOptions, rmsNorm } from "./ops/norm.ts"
export {
  concat,
  contiguous,
  flip,
  pad,
  repeat,
  roll,
  select,
  slice,
  split,
  stack,
  unstack,
  windows,
} from "./ops/pieces.ts"
export {
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
  full,
  ge,
  geluErf,
  geluQuick,
  geluTanh,
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
  where,
} from "./ops/pointwise.ts"
export {
  bernoulli,
  categorical,
  dropout,
  normal,
  permutation,
  randomBits,
  randomKey,
  uniform,
  withStreams,
} from "./ops/random.ts"
export {
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
export { logSoftmax, softmax } from "./ops/softmax.ts"
export { argsort, cumsum, sort, topk } from "./ops/sort.ts"
export { type AxisSizes, rearrange, reduceAxes, repeatAxes } from "./rearrange.ts"
export { type ReversibleStep, reversible } from "./reversible.ts"
export type { Shape } from "./shape.ts"
export { type CollectedTaps, collectTaps, tap, tapNames } from "./tap.ts"
export {
  currentScope,
  type DType,
  fromHost,
  type HostArray,
  type Node,
  Parameter,
  placeholder,
  Tensor,
  withScope,
} from "./tensor.ts"
