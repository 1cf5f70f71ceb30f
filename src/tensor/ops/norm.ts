// Layer normalization (Ba et al. 2016) and root-mean-square normalization (Zhang and Sennrich 2019). Records work on rows, the last
// axis; other axes are moved there. The gradients' definitions compute the statistics anew, so they can be differentiated again.

import { checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { apply, type OpRecord } from "../op.ts"
import { formatShape, normalizeAxes, type Shape, sizeOf } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { permute, reshape } from "./move.ts"
import { add, mul, rsqrt, sub } from "./pointwise.ts"
import { mean, sum } from "./reduce.ts"
import { floating } from "./types.ts"

interface LayerNormAttributes {
  readonly epsilon: number
  readonly weight: boolean
  readonly bias: boolean
}

const keep = { keepDims: true }

const rowsOf = (shape: Shape): { rows: number; size: number } => ({
  rows: sizeOf(shape.slice(0, -1)),
  size: shape.at(-1)!,
})

/** All axes but the last. */
const leading = (x: Tensor): number[] => Array.from({ length: x.rank - 1 }, (_, i) => i)

function layerStatistics(x: Tensor, epsilon: number): { centred: Tensor; average: Tensor; rstd: Tensor } {
  const average = mean(x, -1, keep)
  const centred = sub(x, average)
  return { centred, average, rstd: rsqrt(add(mean(mul(centred, centred), -1, keep), epsilon)) }
}

// inputs x, weight?, bias?; outputs y, mean, rstd
const layerNormRecord: OpRecord<LayerNormAttributes> = {
  name: "layerNorm",
  shape: ([x]) => {
    const rows = { shape: x!.shape.slice(0, -1), dtype: "f32" } as const
    return [{ shape: x!.shape, dtype: "f32" }, rows, rows]
  },
  compose: ([x, ...rest], { epsilon, weight, bias }) => {
    const { centred, average, rstd } = layerStatistics(x!, epsilon)
    const normal = mul(centred, rstd)
    const scaled = weight ? mul(normal, rest[0]!) : normal
    const rows = x!.shape.slice(0, -1)
    return [bias ? add(scaled, rest[weight ? 1 : 0]!) : scaled, reshape(average, rows), reshape(rstd, rows)]
  },
  kernel: ([x], { epsilon, weight, bias }) => ({
    uses: ["layer_norm"],
    calls: () => [
      {
        name: "layer_norm",
        fields: {
          x: { input: 0 },
          weight: weight ? { input: 1 } : null,
          bias: bias ? { input: weight ? 2 : 1 } : null,
          y: { output: 0 },
          mean: { output: 1 },
          rstd: { output: 2 },
          ...rowsOf(x!.shape),
          epsilon,
        },
      },
    ],
  }),
  grad: ([dy], [x, ...rest], [, average, rstd], attributes) => {
    const scale = attributes.weight ? [rest[0]!] : []
    return apply(layerNormBackwardRecord, [x!, average!, rstd!, dy!, ...scale], attributes)
  },
}

// inputs x, mean, rstd, dy, weight?; outputs dx, dweight?, dbias?
const layerNormBackwardRecord: OpRecord<LayerNormAttributes> = {
  name: "layerNorm_backward",
  shape: ([x], { weight, bias }) => {
    const row = { shape: x!.shape.slice(-1), dtype: "f32" } as const
    return [{ shape: x!.shape, dtype: "f32" }, ...(weight ? [row] : []), ...(bias ? [row] : [])]
  },
  compose: ([x, , , dy, scale], { epsilon, weight, bias }) => {
    const { centred, rstd } = layerStatistics(x!, epsilon)
    const normal = mul(centred, rstd)
    const g = weight ? mul(dy!, scale!) : dy!
    const dx = mul(rstd, sub(sub(g, mean(g, -1, keep)), mul(normal, mean(mul(g, normal), -1, keep))))
    return [dx, ...(weight ? [sum(mul(dy!, normal), leading(x!))] : []), ...(bias ? [sum(dy!, leading(x!))] : [])]
  },
  kernel: ([x], { weight, bias }) => ({
    uses: ["layer_norm_backward"],
    calls: () => [
      {
        name: "layer_norm_backward",
        fields: {
          x: { input: 0 },
          mean: { input: 1 },
          rstd: { input: 2 },
          dy: { input: 3 },
          weight: weight ? { input: 4 } : null,
          dx: { output: 0 },
          dweight: weight ? { output: 1 } : null,
          dbias: bias ? { output: weight ? 2 : 1 } : null,
          ...rowsOf(x!.shape),
        },
      },
    ],
  }),
}

interface RmsNormAttributes {
  readonly epsilon: number
  readonly shift: number
  readonly weight: boolean
}

const inverseRoot = (x: Tensor, epsilon: number): Tensor => rsqrt(add(mean(mul(x, x), -1, keep), epsilon))

const shiftedWeight = (weight: Tensor, shift: number): Tensor => (shift === 0 ? weight : add(weight, shift))

// inputs x, weight?; outputs y, rstd
const rmsNormRecord: OpRecord<RmsNormAttributes> = {
  name: "rmsNorm",
  shape: ([x]) => [
    { shape: x!.shape, dtype: "f32" },
    { shape: x!.shape.slice(0, -1), dtype: "f32" },
  ],
  compose: ([x, scale], { epsilon, shift, weight }) => {
    const rstd = inverseRoot(x!, epsilon)
    const normal = mul(x!, rstd)
    return [weight ? mul(normal, shiftedWeight(scale!, shift)) : normal, reshape(rstd, x!.shape.slice(0, -1))]
  },
  kernel: ([x], { epsilon, shift, weight }) => ({
    uses: ["rms_norm"],
    calls: () => [
      {
        name: "rms_norm",
        fields: {
          x: { input: 0 },
          weight: weight ? { input: 1 } : null,
          y: { output: 0 },
          rstd: { output: 1 },
          ...rowsOf(x!.shape),
          epsilon,
          shift,
        },
      },
    ],
  }),
  grad: ([dy], [x, scale], [, rstd], attributes) =>
    apply(rmsNormBackwardRecord, [x!, rstd!, dy!, ...(attributes.weight ? [scale!] : [])], attributes),
}

// inputs x, rstd, dy, weight?; outputs dx, dweight?
const rmsNormBackwardRecord: OpRecord<RmsNormAttributes> = {
  name: "rmsNorm_backward",
  shape: ([x], { weight }) => [
    { shape: x!.shape, dtype: "f32" },
    ...(weight ? [{ shape: x!.shape.slice(-1), dtype: "f32" } as const] : []),
  ],
  compose: ([x, , dy, scale], { epsilon, shift, weight }) => {
    const rstd = inverseRoot(x!, epsilon)
    const normal = mul(x!, rstd)
    const g = weight ? mul(dy!, shiftedWeight(scale!, shift)) : dy!
    const dx = mul(rstd, sub(g, mul(normal, mean(mul(g, normal), -1, keep))))
    return weight ? [dx, sum(mul(dy!, normal), leading(x!))] : [dx]
  },
  kernel: ([x], { shift, weight }) => ({
    uses: ["rms_norm_backward"],
    calls: () => [
      {
        name: "rms_norm_backward",
        fields: {
          x: { input: 0 },
          rstd: { input: 1 },
          dy: { input: 2 },
          weight: weight ? { input: 3 } : null,
          dx: { output: 0 },
          dweight: weight ? { output: 1 } : null,
          ...rowsOf(x!.shape),
          shift,
        },
      },
    ],
  }),
}

/** Options of normalizations: what is added to the variance, and the axes (default: the last) that are normalized together. */
export interface NormOptions {
  readonly epsilon?: number
  readonly axes?: number | readonly number[]
}

/** Moves the normalized axes into one last axis, runs `rows`, and moves them back. */
function overRows(
  what: string,
  x: Tensor,
  parameters: readonly (Tensor | null)[],
  { epsilon = 1e-5, axes = -1 }: NormOptions,
  rows: (x: Tensor, parameters: (Tensor | null)[], epsilon: number) => Tensor,
): Tensor {
  if (!(Number.isFinite(epsilon) && epsilon >= 0))
    throw new ValueError(`${what}: expected epsilon >= 0, but got ${epsilon}`)
  const own = normalizeAxes(what, axes, x.rank)
  if (own.length === 0) throw new ShapeError(`${what}: expected at least one axis, but got none`)
  const others = x.shape.map((_, axis) => axis).filter(axis => !own.includes(axis))
  const sizes = own.map(axis => x.shape[axis]!)
  const flat = parameters.map((parameter, i) => {
    if (!parameter) return null
    if (formatShape(parameter.shape) !== formatShape(sizes))
      throw new ShapeError(
        `${what}: expected ${i === 0 ? "a weight" : "a bias"} ${formatShape(sizes)} for x ${formatShape(x.shape)}, but got ${formatShape(parameter.shape)}`,
      )
    return reshape(floating(what, parameter), [sizeOf(sizes)])
  })
  const input = floating(what, x)
  if (x.size === 0) return input
  const order = [...others, ...own]
  const moved = permute(input, order)
  const y = rows(reshape(moved, [...others.map(axis => x.shape[axis]!), sizeOf(sizes)]), flat, epsilon)
  return permute(
    reshape(y, moved.shape),
    order.map((_, axis) => order.indexOf(axis)),
  )
}

/** (x - mean) / √(variance + epsilon) · weight + bias, over the last axis or the given `axes`; weight and bias have those axes' sizes. epsilon: 1e-5. */
export function layerNorm(
  x: Tensor,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: NormOptions = {},
): Tensor {
  checkTensors("layerNorm", { x }, { weight, bias })
  checkOptions("layerNorm", { options }, ["epsilon", "axes"])
  return overRows("layerNorm", x, [weight, bias], options, (rows, [w, b], epsilon) => {
    const inputs = [rows, ...(w ? [w] : []), ...(b ? [b] : [])]
    return apply(layerNormRecord, inputs, { epsilon, weight: !!w, bias: !!b })[0]!
  })
}

/** x / √(mean(x²) + epsilon) · (weight + shift), over the last axis or the given `axes`. epsilon: 1e-5; shift: 0, or 1 for Gemma. */
export function rmsNorm(
  x: Tensor,
  weight: Tensor | null = null,
  options: NormOptions & { shift?: number } = {},
): Tensor {
  checkTensors("rmsNorm", { x }, { weight })
  checkOptions("rmsNorm", { options }, ["epsilon", "axes", "shift"])
  const { shift = 0 } = options
  if (!Number.isFinite(shift)) throw new ValueError(`rmsNorm: expected a finite shift, but got ${shift}`)
  return overRows(
    "rmsNorm",
    x,
    [weight],
    options,
    (rows, [w], epsilon) =>
      apply(rmsNormRecord, [rows, ...(w ? [w] : [])], { epsilon, shift: w ? shift : 0, weight: !!w })[0]!,
  )
}
