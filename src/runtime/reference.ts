// The specification: graphs computed by plain loops in double precision, rounded to the element type after each operation. Slow and
// obviously right; every other device is tested against it.

import { HeedError } from "../tensor/errors.ts"
import { composeNode, type Elements } from "../tensor/op.ts"
import { formatShape, sizeOf } from "../tensor/shape.ts"
import { type DType, type HostArray, hostArray, type Node, type Signature, type Tensor } from "../tensor/tensor.ts"

/** `float`: how f32 values are kept: rounded to "f32" (default), or in full precision, "f64", for finite differences. `bind`: values of placeholders (one array per leaf node). */
export interface ReferenceOptions {
  readonly float?: "f32" | "f64"
  readonly bind?: ReadonlyMap<Node, Float64Array>
}

const words = new Uint32Array(1)
const floats = new Float32Array(words.buffer)

/** The nearest bf16 number, ties to even. */
function toBf16(x: number): number {
  floats[0] = x
  if (Number.isNaN(x)) return x
  words[0] = (words[0]! + 0x7fff + ((words[0]! >>> 16) & 1)) & 0xffff0000
  return floats[0]!
}

/** The nearest f16 number, ties to even. */
function toF16(x: number): number {
  const a = Math.abs(x)
  if (!(a < Infinity) || a === 0) return x
  // one unit in the last place: 2^-10 of the leading bit, 2^-24 for subnormals
  const unit = 2 ** (Math.max(Math.floor(Math.log2(a)), -14) - 10)
  const steps = a / unit
  const down = Math.floor(steps)
  const rest = steps - down
  const rounded = (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down) * unit
  return Math.sign(x) * (rounded > 65504 ? Infinity : rounded)
}

const rounding: Readonly<Record<DType, (x: number) => number>> = {
  f32: Math.fround,
  i32: x => x | 0,
  bool: x => (x ? 1 : 0),
  u8: x => x & 255,
  bf16: toBf16,
  f16: toF16,
}

function roundTo(data: Float64Array, dtype: DType, float: "f32" | "f64"): void {
  if (float === "f64" && (dtype === "f32" || dtype === "bf16" || dtype === "f16")) return
  const round = rounding[dtype]
  for (let i = 0; i < data.length; i++) data[i] = round(data[i]!)
}

function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function bitsOfF16(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  const a = Math.abs(toF16(x))
  if (Number.isNaN(a)) return 0x7e00
  if (a === Infinity) return sign | 0x7c00
  if (a < 2 ** -14) return sign | (a * 2 ** 24)
  const exponent = Math.floor(Math.log2(a))
  return sign | ((exponent + 15) << 10) | ((a / 2 ** exponent - 1) * 1024)
}

function bitsOfBf16(x: number): number {
  floats[0] = toBf16(x)
  return words[0]! >>> 16
}

function fromBf16(bits: number): number {
  words[0] = bits << 16
  return floats[0]!
}

/** Host data as numbers. */
function decode(data: HostArray, dtype: DType): Float64Array {
  if (dtype === "bf16") return Float64Array.from(data, fromBf16)
  if (dtype === "f16") return Float64Array.from(data, fromF16)
  return Float64Array.from(data)
}

/** Numbers as host data of a type: the opposite of reading host data. */
export function fromElements(data: Float64Array, dtype: DType): HostArray {
  const out = hostArray(dtype, data.length)
  for (const [i, x] of data.entries()) out[i] = dtype === "bf16" ? bitsOfBf16(x) : dtype === "f16" ? bitsOfF16(x) : x
  return out
}

/** Whether every output of a node lies in host memory. */
const isKnown = (node: Node): boolean => node.values.every(value => value?.host && !value.consumed)

const known = (node: Node): Float64Array[] => node.outputs.map(({ dtype }, i) => decode(node.values[i]!.host!, dtype))

const elements = ({ shape, dtype }: Signature, data: Float64Array): Elements => ({ shape, dtype, data })

/** Computes tensors without a device: plain loops, definitions where there is no loop. Elements in row-major order. Throws HeedError for a placeholder without a value and for indices out of range. */
export function evaluateReference(outputs: readonly Tensor[], options: ReferenceOptions = {}): Float64Array[] {
  const { float = "f32", bind } = options
  const values = new Map<Node, Float64Array[]>()
  const look = (tensor: Tensor): Float64Array => values.get(tensor.node)![tensor.index]!

  const given = (node: Node): Float64Array[] | null => {
    const bound = bind?.get(node)
    if (!bound) return isKnown(node) ? known(node) : null
    const { shape } = node.outputs[0]!
    if (bound.length !== sizeOf(shape))
      throw new HeedError(
        `evaluate: expected ${sizeOf(shape)} numbers for ${formatShape(shape)}, but got ${bound.length}`,
      )
    return [bound]
  }

  const compute = (node: Node): Float64Array[] => {
    const { op } = node
    if (!op)
      throw new HeedError(
        `evaluate: expected a value for the leaf ${node.name || node.id} ${formatShape(node.outputs[0]!.shape)}, but there is none in host memory`,
      )
    if (op.loop) {
      const results = node.outputs.map(signature => new Float64Array(sizeOf(signature.shape)))
      op.loop(
        node.inputs.map(x => elements(x, look(x))),
        node.outputs.map((signature, i) => elements(signature, results[i]!)),
        node.attributes,
      )
      for (const [i, { dtype }] of node.outputs.entries()) roundTo(results[i]!, dtype, float)
      return results
    }
    const composed = composeNode(op, node.inputs, node.attributes, node.scope)
    visit(composed)
    return composed.map(look)
  }

  const visit = (roots: readonly Tensor[]): void => {
    // nodes that have a value are not looked behind
    const missing = new Set<Node>()
    const stack = roots.map(x => x.node)
    while (stack.length > 0) {
      const node = stack.pop()!
      if (values.has(node) || missing.has(node)) continue
      const value = given(node)
      if (value) {
        values.set(node, value)
        continue
      }
      missing.add(node)
      for (const input of node.inputs) stack.push(input.node)
    }
    for (const node of [...missing].sort((a, b) => a.id - b.id)) values.set(node, compute(node))
  }

  const roots = outputs.map(output => output.current())
  visit(roots)
  return roots.map(look)
}
