// Code generation for the elementwise machine: a group of nodes becomes operands, instructions and registers
// (kernels/table.ts, `pointwise` and `reduce`).

import { HeedError } from "../tensor/errors.ts"
import type { KernelCall, KernelChoice } from "../tensor/op.ts"
import { constantOf, opcodeOf } from "../tensor/ops/pointwise.ts"
import { type ReduceAttributes, reduceChoice } from "../tensor/ops/reduce.ts"
import { formatShape, type Shape } from "../tensor/shape.ts"
import { type DType, type Node, Tensor } from "../tensor/tensor.ts"
import { type Group, isConstant } from "./fuse.ts"
import { chooseKernel } from "./select.ts"

interface Code {
  readonly inputs: readonly Tensor[]
  /** Five numbers per instruction: opcode, destination, a, b, c. */
  readonly words: readonly number[]
  readonly constants: readonly number[]
  /** Register of each stored value. */
  readonly results: readonly number[]
}

/** Instructions of a group, with registers given back after their last use. */
function generate(group: Group): Code {
  const inputs: Tensor[] = []
  const inputAt = new Map<string, number>()
  const members = new Set(group.members)
  for (const node of group.members)
    for (const t of node.inputs) {
      const key = `${t.node.id}.${t.index}`
      if (members.has(t.node) || isConstant(t.node) || inputAt.has(key)) continue
      inputAt.set(key, inputs.length)
      inputs.push(t)
    }
  const uses = new Map<Node, number>()
  for (const node of group.members) for (const t of node.inputs) uses.set(t.node, (uses.get(t.node) ?? 0) + 1)
  for (const node of group.outputs) uses.set(node, Infinity)

  const words: number[] = []
  const constants: number[] = []
  const registers = new Map<Node, number>()
  const free: number[] = []
  let top = inputs.length
  const take = (): number => free.pop() ?? top++
  const constantRegisters = new Map<string, number>()
  const registerOf = (t: Tensor): number => {
    const own = registers.get(t.node)
    if (own !== undefined) return own
    const input = inputAt.get(`${t.node.id}.${t.index}`)
    return input !== undefined ? input : constantRegister(t.node)
  }
  const constantRegister = (node: Node): number => {
    const value = constantOf(new Tensor(node))!
    const opcode = node.op!.pointwise!.opcode([], node.attributes)
    const key = `${opcode}:${Object.is(value, -0) ? "-0" : value}`
    const known = constantRegisters.get(key)
    if (known !== undefined) return known
    const register = top++ // constants stay for the whole group
    constantRegisters.set(key, register)
    words.push(opcodeOf(opcode), register, constants.length, 0, 0)
    constants.push(value)
    return register
  }
  for (const node of group.members) {
    if (isConstant(node)) {
      registers.set(node, constantRegister(node))
      continue
    }
    const [a = 0, b = 0, c = 0] = node.inputs.map(registerOf)
    for (const t of node.inputs) {
      const left = uses.get(t.node)! - 1
      uses.set(t.node, left)
      if (left === 0 && members.has(t.node) && !isConstant(t.node)) free.push(registers.get(t.node)!)
    }
    const destination = take()
    registers.set(node, destination)
    const types = node.inputs.map(t => t.dtype)
    words.push(opcodeOf(node.op!.pointwise!.opcode(types, node.attributes)), destination, a, b, c)
  }
  return { inputs, words, constants, results: group.outputs.map(node => registers.get(node)!) }
}

/** Axes of size 1 dropped and neighbours merged where every operand walks through them evenly. */
export function collapse(
  shape: Shape,
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const outShape: number[] = []
  const out: number[][] = strides.map(() => [])
  for (let axis = 0; axis < shape.length; axis++) {
    const n = shape[axis]!
    if (n === 1) continue
    const last = outShape.length - 1
    if (last >= 0 && strides.every((s, i) => out[i]![last] === s[axis]! * n)) {
      outShape[last]! *= n
      for (const [i, s] of strides.entries()) out[i]![last] = s[axis]!
    } else {
      outShape.push(n)
      for (const [i, s] of strides.entries()) out[i]!.push(s[axis]!)
    }
  }
  return { shape: outShape, strides: out }
}

/** How a group is computed. */
export interface ElementwiseChoice {
  readonly choice: KernelChoice
  readonly inputs: readonly Tensor[]
  readonly label: string
}

/** The kernel call of a group: `pointwise`, `reduce` when a reduction takes it in, or that of the product which runs it on what it gives. */
export function elementwiseChoice(group: Group, kernels: ReadonlySet<string>): ElementwiseChoice {
  const code = generate(group)
  const shape = group.outputs[0]!.outputs[0]!.shape
  const names = group.members.filter(node => !isConstant(node)).map(node => node.op!.name)
  const label = `${names.join(" ") || "constant"} ${formatShape(shape)}`
  const { reduction, product } = group
  if (reduction) {
    const facts = reduction.attributes as unknown as ReduceAttributes
    const choice = reduceChoice(shape, facts, reduction.outputs[0]!.dtype, {
      types: code.inputs.map(t => t.dtype),
      code: code.words,
      constants: code.constants,
      result: code.results[0]!,
    })
    return { choice, inputs: code.inputs, label: `reduce(${label})` }
  }
  if (product) return choiceAfter(product, code, label, kernels)
  const types: DType[] = [...code.inputs.map(t => t.dtype), ...group.outputs.map(node => node.outputs[0]!.dtype)]
  const choice: KernelChoice = {
    uses: ["pointwise"],
    accepts: () => true,
    writes: () => true,
    inPlace: code.inputs.flatMap((t, i) =>
      group.outputs.flatMap((node, o) => (node.outputs[0]!.dtype === t.dtype ? [[i, o] as const] : [])),
    ),
    calls: (inputs, outputs): KernelCall[] => {
      const flat = collapse(
        shape,
        [...inputs, ...outputs].map(layout => layout.strides),
      )
      return [
        {
          name: "pointwise",
          fields: {
            operands: [...inputs.map((_, i) => ({ input: i })), ...outputs.map((_, i) => ({ output: i }))],
            types,
            outputs: outputs.length,
            shape: flat.shape,
            strides: flat.strides.flat(),
            code: code.words,
            constants: code.constants,
            results: code.results,
          },
        },
      ]
    },
  }
  return { choice, inputs: code.inputs, label }
}

/** The kernels of a product with a group's code on what they give. */
function choiceAfter(product: Node, code: Code, label: string, kernels: ReadonlySet<string>): ElementwiseChoice {
  const own = chooseKernel(product, kernels)
  if (!own?.followedBy)
    throw new HeedError(`fuse: expected kernels of ${product.op!.name} to run elementwise code, but they do not`)
  const more = code.inputs.filter(t => t.node !== product)
  const inputs = [...product.inputs, ...more]
  const { shape, dtype } = product.outputs[0]!
  const choice = own.followedBy((layouts, output) => {
    const read = code.inputs.map(t => (t.node === product ? output : layouts[more.indexOf(t)]!))
    const flat = collapse(
      shape,
      [...read, output].map(layout => layout.strides),
    )
    return {
      operands: [
        ...code.inputs.map(t =>
          t.node === product ? { output: 0 } : { input: product.inputs.length + more.indexOf(t) },
        ),
        { output: 0 },
      ],
      types: [...code.inputs.map(t => t.dtype), dtype],
      shape: flat.shape,
      strides: flat.strides.flat(),
      code: code.words,
      constants: code.constants,
      results: code.results,
    }
  })
  return { choice, inputs, label: `${product.op!.name} then ${label}` }
}
