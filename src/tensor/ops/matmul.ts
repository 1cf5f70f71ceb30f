// Matrix products: batched, broadcast over leading axes, with either operand transposed by its strides, and the linear layer.

import { checkTensors } from "../arguments.ts"
import { ShapeError, TypeMismatchError } from "../errors.ts"
import { applyOne, type KernelCall, type KernelChoice, type OpRecord } from "../op.ts"
import {
  broadcastLayout,
  broadcastShapes,
  formatShape,
  isContiguous,
  type Layout,
  reshapeLayout,
  sizeOf,
} from "../shape.ts"
import type { DType, Signature, Tensor } from "../tensor.ts"
import { reshape, transpose, unsqueeze } from "./move.ts"
import { add, cast } from "./pointwise.ts"
import { sum } from "./reduce.ts"

/** How products are made: in fp32, or of numbers rounded to bf16 with sums in fp32. */
export type Compute = "f32" | "bf16"

interface MatmulAttributes {
  readonly compute: Compute
}

const floating: readonly DType[] = ["f32", "bf16", "f16"]

function checkMatrices(name: string, a: Tensor, b: Tensor): void {
  for (const x of [a, b])
    if (!floating.includes(x.dtype))
      throw new TypeMismatchError(
        `${name}: expected floating-point operands, but got ${a.dtype} and ${b.dtype}`,
        'cast first: x.cast("f32")',
      )
  if (a.rank < 2 || b.rank < 2 || a.shape.at(-1) !== b.shape.at(-2))
    throw new ShapeError(
      `${name}: expected [… m k] times [… k n], but got ${formatShape(a.shape)} times ${formatShape(b.shape)}`,
      a.shape.at(-1) === b.shape.at(-1) ? "the second operand may need a transpose" : undefined,
    )
}

/** The kernel call of C = A B (+ bias) from the layouts of A [… m k], B [… k n] and C [… m n]. */
export function matmulCall(
  [a, b, c]: readonly [Layout, Layout, Layout],
  [aType, bType, cType]: readonly [DType, DType, DType],
  compute: Compute,
  bias = false,
): KernelCall {
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!]
  const lead = c.shape.slice(0, -2)
  const wide = (x: Layout): Layout => broadcastLayout(x, [...lead, ...x.shape.slice(-2)])
  const [A, B, C] = [wide(a), wide(b), c]
  const matrices = {
    a: { input: 0 },
    b: { input: 1 },
    ...(bias ? { bias: { input: 2 } } : {}),
    c: { output: 0 },
    aType,
    bType,
    cType,
    n,
    k,
    aColumn: A.strides.at(-1)!,
    bRow: B.strides.at(-2)!,
    bColumn: B.strides.at(-1)!,
    alpha: 1,
    accumulate: 0,
    compute: compute === "bf16" ? 1 : 0,
  }
  // B is the same for the whole batch and rows of A follow each other evenly: one tall product
  const tall = B.strides.slice(0, -2).every((s, i) => s === 0 || lead[i] === 1)
  const rows = sizeOf(lead) * m
  const flatA = tall ? reshapeLayout(A, [rows, k]) : null
  const flatC = tall ? reshapeLayout(C, [rows, n]) : null
  if (flatA && flatC && (k === 0 || n === 0 || rows === 0 || flatC.strides[1] === 1 || n === 1))
    return {
      name: "matmul",
      fields: {
        ...matrices,
        m: rows,
        aRow: flatA.strides[0]!,
        aColumn: flatA.strides[1]!,
        cRow: flatC.strides[0]!,
        batch: [],
        batchStrides: [],
      },
    }
  return {
    name: "matmul",
    fields: {
      ...matrices,
      m,
      aRow: A.strides.at(-2)!,
      cRow: C.strides.at(-2)!,
      batch: lead,
      batchStrides: [...A.strides.slice(0, -2), ...B.strides.slice(0, -2), ...C.strides.slice(0, -2)],
    },
  }
}

const columnsAdjacent = (_: number, layout: Layout): boolean => layout.strides.at(-1) === 1
const rowsAdjacent = (layout: Layout): boolean =>
  isContiguous(layout) || (layout.shape.at(-1)! > 1 && layout.strides.at(-1)! >= 0 && layout.strides.at(-1)! <= 1)

/** A product of `count` inputs and, on request, elementwise code on what it gives: inside the kernel where that is one matrix. */
function productChoice(
  count: number,
  accepts: (input: number, layout: Layout) => boolean,
  call: (inputs: readonly Layout[], output: Layout) => KernelCall,
): KernelChoice {
  return {
    uses: ["matmul"],
    accepts,
    writes: columnsAdjacent,
    calls: (inputs, [c]) => [call(inputs, c!)],
    followedBy: code => ({
      uses: ["matmul", "matmul_then", "pointwise"],
      accepts: (i, layout) => (i < count ? accepts(i, layout) : rowsAdjacent(layout)),
      writes: columnsAdjacent,
      calls: (inputs, [c]) => {
        const product = call(inputs.slice(0, count), c!)
        const elementwise = code(inputs.slice(count), c!)
        const { batch, batchStrides: _, ...matrices } = product.fields
        return (batch as readonly number[]).length === 0 && isContiguous(c!)
          ? [{ name: "matmul_then", fields: { ...matrices, ...elementwise } }]
          : [product, { name: "pointwise", fields: { ...elementwise, outputs: 1 } }]
      },
    }),
  }
}

/** dA = G Bᵀ and dB = Aᵀ G, summed over what was broadcast. */
function matmulGradients(
  g: Tensor,
  a: Tensor,
  b: Tensor,
  needed: readonly boolean[],
  compute: Compute,
): (Tensor | null)[] {
  const product = (x: Tensor, y: Tensor): Tensor => applyOne(matmulRecord, [x, y], { compute })
  const da = needed[0] ? sumTo(product(g, transpose(b)), a) : null
  if (!needed[1]) return [da, null]
  // B shared by the whole batch: one product over all rows instead of one each and a sum
  if (sizeOf(b.shape.slice(0, -2)) === 1) {
    const lead = [...g.shape.slice(0, -2)]
    const rows = (x: Tensor): Tensor => reshape(x, [-1, x.shape.at(-1)!])
    if (sizeOf(lead) === sizeOf(a.shape.slice(0, -2)))
      return [da, reshape(product(transpose(rows(a)), rows(g)), b.shape)]
  }
  return [da, sumTo(product(transpose(a), g), b)]
}

/** Sums over the leading axes that `like` does not have, or has with size 1. */
function sumTo(x: Tensor, like: Tensor): Tensor {
  const lead = x.rank - like.rank
  const axes = x.shape.flatMap((n, i) => (i < lead || (like.shape[i - lead] === 1 && n !== 1) ? [i] : []))
  return axes.length === 0 ? x : reshape(sum(x, axes), like.shape)
}

function matmulShape(name: string, a: Tensor, b: Tensor): Signature {
  checkMatrices(name, a, b)
  const lead = broadcastShapes(name, [a.shape.slice(0, -2), b.shape.slice(0, -2)], ["leading axes", "leading axes"])
  return { shape: [...lead, a.shape.at(-2)!, b.shape.at(-1)!], dtype: "f32" }
}

const matmulRecord: OpRecord<MatmulAttributes> = {
  name: "matmul",
  contraction: true,
  epilogue: true,
  shape: ([a, b]) => matmulShape("matmul", a!, b!),
  kernel: ([a, b], { compute }, [c]) =>
    productChoice(
      2,
      () => true,
      ([x, y], z) => matmulCall([x!, y!, z], [a!.dtype, b!.dtype, c!.dtype], compute),
    ),
  loop: ([a, b], [out]) => {
    const [m, k, n] = [a!.shape.at(-2)!, a!.shape.at(-1)!, b!.shape.at(-1)!]
    const lead = out!.shape.slice(0, -2)
    const offsets = (shape: readonly number[]): number[] => {
      const { strides } = broadcastLayout({ shape: shape.slice(0, -2), strides: leadStrides(shape), offset: 0 }, lead)
      return Array.from({ length: sizeOf(lead) }, (_, i) => {
        let rest = i
        let offset = 0
        for (let axis = lead.length - 1; axis >= 0; axis--) {
          offset += (rest % lead[axis]!) * strides[axis]!
          rest = Math.floor(rest / lead[axis]!)
        }
        return offset
      })
    }
    const [atA, atB] = [offsets(a!.shape), offsets(b!.shape)]
    for (let batch = 0; batch < atA.length; batch++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let total = 0
          for (let p = 0; p < k; p++) total += a!.data[atA[batch]! + i * k + p]! * b!.data[atB[batch]! + p * n + j]!
          out!.data[(batch * m + i) * n + j] = total
        }
  },
  grad: ([g], [a, b], _, { compute }, needed) => matmulGradients(g!, a!, b!, needed, compute),
}

/** A product of [… m k] and [… k n] in a composite operation that knows how its products are made. */
export function product(a: Tensor, b: Tensor, compute: Compute): Tensor {
  return applyOne(matmulRecord, [a, b], { compute })
}

/** Strides of the leading axes of a row-major stack of matrices. */
function leadStrides(shape: readonly number[]): number[] {
  let step = shape.at(-1)! * shape.at(-2)!
  return shape
    .slice(0, -2)
    .reverse()
    .map(n => {
      const stride = step
      step *= n
      return stride
    })
    .reverse()
}

/** Matrix product over the last two axes, broadcast over the others; vectors (rank 1) count as one row or one column. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  checkTensors("matmul", { a, b })
  if (a.rank === 0 || b.rank === 0)
    throw new ShapeError(
      `matmul: expected vectors or matrices, but got ${formatShape(a.shape)} times ${formatShape(b.shape)}`,
    )
  const x = a.rank === 1 ? unsqueeze(a, 0) : a
  const y = b.rank === 1 ? unsqueeze(b, 1) : b
  const z = applyOne(matmulRecord, [x, y], { compute: "f32" })
  const shape = z.shape.filter((_, i) => !(a.rank === 1 && i === z.rank - 2) && !(b.rank === 1 && i === z.rank - 1))
  return reshape(z, shape)
}

const linearRecord: OpRecord<MatmulAttributes> = {
  name: "linear",
  contraction: true,
  epilogue: true,
  shape: ([x, w, bias]) => {
    if (w!.rank !== 2 || x!.rank < 1 || x!.shape.at(-1) !== w!.shape[1])
      throw new ShapeError(
        `linear: expected x [… in] and weight [out in], but got x ${formatShape(x!.shape)} and weight ${formatShape(w!.shape)}`,
      )
    if (bias && (bias.rank !== 1 || bias.shape[0] !== w!.shape[0]))
      throw new ShapeError(`linear: expected bias [${w!.shape[0]}], but got ${formatShape(bias.shape)}`)
    return { shape: [...x!.shape.slice(0, -1), w!.shape[0]!], dtype: "f32" }
  },
  compose: ([x, w, bias], { compute }) => {
    const rows = x!.rank === 1 ? unsqueeze(x!, 0) : x!
    const y = applyOne(matmulRecord, [rows, transpose(w!)], { compute })
    const z = x!.rank === 1 ? reshape(y, [y.shape.at(-1)!]) : y
    return bias ? add(z, bias) : z
  },
  kernel: ([x, w, bias], { compute }, [y]) =>
    x!.shape.length < 2
      ? null
      : productChoice(
          bias ? 3 : 2,
          (i, layout) => i < 2 || isContiguous(layout),
          ([a, b], c) => {
            const turned: Layout = {
              shape: [b!.shape[1]!, b!.shape[0]!],
              strides: [b!.strides[1]!, b!.strides[0]!],
              offset: b!.offset,
            }
            return matmulCall([a!, turned, c], [x!.dtype, w!.dtype, y!.dtype], compute, bias !== undefined)
          },
        ),
  grad: ([g], [x, w, bias], _, { compute }, needed) => {
    const rows = (t: Tensor): Tensor => reshape(t, [-1, t.shape.at(-1)!])
    const product = (a: Tensor, b: Tensor): Tensor => applyOne(matmulRecord, [a, b], { compute })
    const up = rows(g!)
    return [
      needed[0] ? reshape(product(up, w!), x!.shape) : null,
      needed[1] ? product(transpose(up), rows(x!)) : null,
      ...(bias ? [needed[2] ? sum(up, 0) : null] : []),
    ]
  },
}

/** x · weightᵀ + bias: x [… in], weight [out in], bias [out] -> [… out]. Throws ShapeError, TypeMismatchError. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkTensors("linear", { x, weight }, { bias })
  const input = floating.includes(x.dtype) ? x : cast(x, "f32")
  return applyOne(linearRecord, bias ? [input, weight, bias] : [input, weight], { compute: "f32" })
}
