// Order and running sums: sort, argsort, the k largest, cumulative sums.

import { checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError } from "../errors.ts"
import { apply, applyOne, type OpRecord } from "../op.ts"
import { checkInteger, formatShape, normalizeAxis, sizeOf } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { scatterAlong } from "./gather.ts"
import { transpose } from "./move.ts"
import { cast, promote } from "./pointwise.ts"

interface SortAttributes {
  readonly keep: number
  readonly descending: boolean
}

// Rows of the last axis; outputs values, indices: the first `keep` of each row. Stable, NaN last.
const sortRecord: OpRecord<SortAttributes> = {
  name: "sort",
  shape: ([x], { keep }) => {
    const shape = [...x!.shape.slice(0, -1), keep]
    return [
      { shape, dtype: x!.dtype },
      { shape, dtype: "i32" },
    ]
  },
  loop: ([x], [values, indices], { keep, descending }) => {
    const size = x!.shape.at(-1)!
    const order = Array.from({ length: size }, (_, i) => i)
    for (let row = 0; row * size < x!.data.length; row++) {
      const at = (i: number): number => x!.data[row * size + i]!
      const sorted = [...order].sort((a, b) => {
        const [p, q] = [at(a), at(b)]
        if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(p)) - Number(Number.isNaN(q))
        return p === q ? 0 : p < q === descending ? 1 : -1
      })
      for (let i = 0; i < keep; i++) {
        values!.data[row * keep + i] = at(sorted[i]!)
        indices!.data[row * keep + i] = sorted[i]!
      }
    }
  },
  kernel: ([x], { keep, descending }) => ({
    uses: ["sort_rows"],
    calls: () => [
      {
        name: "sort_rows",
        fields: {
          x: { input: 0 },
          values: { output: 0 },
          indices: { output: 1 },
          rows: sizeOf(x!.shape.slice(0, -1)),
          size: x!.shape.at(-1)!,
          keep,
          descending: descending ? 1 : 0,
          type: x!.dtype,
        },
      },
    ],
  }),
  grad: ([g], [x], [, indices]) => [g ? scatterAlong(g, indices!, x!.rank - 1, x!.shape.at(-1)!) : null],
}

/** The type that sorting and sums work in: f32 or i32. */
function widened(x: Tensor): Tensor {
  const type = promote([x.dtype])
  return cast(x, type === "bool" ? "i32" : type)
}

function sorted(what: string, x: Tensor, axis: number, descending: boolean, count?: number): [Tensor, Tensor] {
  const at = normalizeAxis(what, axis, x.rank)
  const [values, indices] = apply(sortRecord, [transpose(widened(x), at, -1)], {
    keep: count ?? x.shape[at]!,
    descending,
  })
  return [transpose(values!, at, -1), transpose(indices!, at, -1)]
}

/** x in ascending order along an axis (the last), or descending. Equal values keep their order; NaN comes last. */
export function sort(x: Tensor, axis = -1, options: { descending?: boolean } = {}): Tensor {
  checkTensors("sort", { x })
  checkOptions("sort", { options }, ["descending"])
  return sorted("sort", x, axis, options.descending ?? false)[0]
}

/** The indices that sort x along an axis (the last), i32. Equal values keep their order; NaN comes last. */
export function argsort(x: Tensor, axis = -1, options: { descending?: boolean } = {}): Tensor {
  checkTensors("argsort", { x })
  checkOptions("argsort", { options }, ["descending"])
  return sorted("argsort", x, axis, options.descending ?? false)[1]
}

/** The `count` largest values (smallest with `smallest`) along an axis (the last), in order, and their indices (i32). */
export function topk(
  x: Tensor,
  count: number,
  axis = -1,
  options: { smallest?: boolean } = {},
): { values: Tensor; indices: Tensor } {
  checkTensors("topk", { x })
  checkOptions("topk", { options }, ["smallest"])
  const n = x.shape[normalizeAxis("topk", axis, x.rank)]!
  checkInteger("topk", "the count", count, 0)
  if (count > n)
    throw new ShapeError(
      `topk: expected a count up to ${n}, the size of axis ${axis} of ${formatShape(x.shape)}, but got ${count}`,
    )
  const [values, indices] = sorted("topk", x, axis, !(options.smallest ?? false), count)
  return { values, indices }
}

const cumsumRecord: OpRecord<{ axis: number; reverse: boolean }> = {
  name: "cumsum",
  shape: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  loop: ([x], [out], { axis, reverse }) => {
    const [n, inner] = [x!.shape[axis]!, sizeOf(x!.shape.slice(axis + 1))]
    for (let i = 0; i < x!.data.length; i += n * inner)
      for (let j = 0; j < inner; j++) {
        let total = 0
        for (let k = 0; k < n; k++) {
          const at = i + (reverse ? n - 1 - k : k) * inner + j
          total += x!.data[at]!
          out!.data[at] = total
        }
      }
  },
  kernel: ([x], { axis, reverse }) => ({
    uses: ["cumulative_sum"],
    calls: () => [
      {
        name: "cumulative_sum",
        fields: {
          x: { input: 0 },
          output: { output: 0 },
          outer: sizeOf(x!.shape.slice(0, axis)),
          size: x!.shape[axis]!,
          inner: sizeOf(x!.shape.slice(axis + 1)),
          reverse: reverse ? 1 : 0,
          type: x!.dtype,
        },
      },
    ],
  }),
  grad: ([g], _, __, { axis, reverse }) => [applyOne(cumsumRecord, [g!], { axis, reverse: !reverse })],
}

/** Running sums along an axis (the last); `reverse` runs from the end. */
export function cumsum(x: Tensor, axis = -1, options: { reverse?: boolean } = {}): Tensor {
  checkTensors("cumsum", { x })
  checkOptions("cumsum", { options }, ["reverse"])
  const at = normalizeAxis("cumsum", axis, x.rank)
  return applyOne(cumsumRecord, [widened(x)], { axis: at, reverse: options.reverse ?? false })
}
