// Softmax and its logarithm over one axis. Along the last axis a kernel does whole rows; elsewhere the definition runs.

import { checkTensors } from "../arguments.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { normalizeAxis, sizeOf } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { div, exp, log, mul, stopGradient, sub } from "./pointwise.ts"
import { max, sum } from "./reduce.ts"
import { floating } from "./types.ts"

interface SoftmaxAttributes {
  readonly axis: number
}

const keep = { keepDims: true }

const rowsOf = (shape: readonly number[]): { rows: number; size: number } => ({
  rows: sizeOf(shape.slice(0, -1)),
  size: shape.at(-1)!,
})

function softmaxRecords(name: string, logarithm: 0 | 1, parts: Pick<OpRecord<SoftmaxAttributes>, "compose">) {
  const slope: OpRecord<SoftmaxAttributes> = {
    name: `${name}_backward`,
    shape: ([y]) => ({ shape: y!.shape, dtype: "f32" }),
    compose: ([y, g], { axis }) =>
      logarithm ? sub(g!, mul(exp(y!), sum(g!, axis, keep))) : mul(y!, sub(g!, sum(mul(g!, y!), axis, keep))),
    kernel: ([y], { axis }) =>
      axis !== y!.shape.length - 1
        ? null
        : {
            uses: ["softmax_rows_backward"],
            calls: () => [
              {
                name: "softmax_rows_backward",
                fields: { y: { input: 0 }, dy: { input: 1 }, dx: { output: 0 }, ...rowsOf(y!.shape), log: logarithm },
              },
            ],
          },
  }
  const record: OpRecord<SoftmaxAttributes> = {
    name,
    shape: ([x]) => ({ shape: x!.shape, dtype: "f32" }),
    ...parts,
    kernel: ([x], { axis }) =>
      axis !== x!.shape.length - 1
        ? null
        : {
            uses: ["softmax_rows"],
            calls: () => [
              {
                name: "softmax_rows",
                fields: { x: { input: 0 }, y: { output: 0 }, ...rowsOf(x!.shape), log: logarithm },
              },
            ],
          },
    grad: ([g], _, [y], attributes) => [applyOne(slope, [y!, g!], attributes)],
  }
  return record
}

// shift by the max, or exp overflows
const shifted = (x: Tensor, axis: number): Tensor => sub(x, stopGradient(max(x, axis, keep)))

const softmaxRecord = softmaxRecords("softmax", 0, {
  compose: ([x], { axis }) => {
    const e = exp(shifted(x!, axis))
    return div(e, sum(e, axis, keep))
  },
})

const logSoftmaxRecord = softmaxRecords("logSoftmax", 1, {
  compose: ([x], { axis }) => {
    const s = shifted(x!, axis)
    return sub(s, log(sum(exp(s), axis, keep)))
  },
})

/** Softmax over one axis, the last by default; the shape is kept. */
export function softmax(x: Tensor, axis = -1): Tensor {
  checkTensors("softmax", { x })
  const at = normalizeAxis("softmax", axis, x.rank)
  const input = floating("softmax", x)
  return x.size === 0 ? input : applyOne(softmaxRecord, [input], { axis: at })
}

/** Logarithm of the softmax over one axis, the last by default; the shape is kept. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  checkTensors("logSoftmax", { x })
  const at = normalizeAxis("logSoftmax", axis, x.rank)
  const input = floating("logSoftmax", x)
  return x.size === 0 ? input : applyOne(logSoftmaxRecord, [input], { axis: at })
}
