// Pass: nodes become steps. Views are resolved to layouts of buffers, elementwise groups to code of the elementwise machine,
// and inputs that a kernel cannot read as they lie are copied to row-major order.

import { HeedError } from "../tensor/errors.ts"
import { isComputed, reachable } from "../tensor/graph.ts"
import type { KernelChoice } from "../tensor/op.ts"
import { copyCall } from "../tensor/ops/pieces.ts"
import { contiguousLayout, formatShape, isContiguous, sizeOf } from "../tensor/shape.ts"
import { bytesPerElement, type DType, type Node, Tensor } from "../tensor/tensor.ts"
import { elementwiseChoice } from "./elementwise.ts"
import { type Group, isConstant } from "./fuse.ts"
import { chooseKernel } from "./select.ts"
import type { Buffer, Placed, Step } from "./step.ts"

/** Steps of a graph, not yet in order, and where each asked value lies. */
export interface Lowered {
  readonly steps: Step[]
  readonly buffers: Buffer[]
  readonly place: (t: Tensor) => Placed
  /** A row-major copy into a buffer of its own. */
  readonly copy: (from: Placed, dtype: DType, label: string) => Placed
}

const keyOf = (t: Tensor): string => `${t.node.id}.${t.index}`

/** Lowers everything `roots` depend on, elementwise nodes as `groups` says. Throws HeedError when a node cannot be computed with these kernels. */
export function lower(
  roots: readonly Tensor[],
  kernels: ReadonlySet<string>,
  groups: ReadonlyMap<Node, Group>,
): Lowered {
  const steps: Step[] = []
  const buffers: Buffer[] = []
  const places = new Map<string, Placed>()
  const copies = new Map<string, Placed>()
  let order = 0

  const newBuffer = (dtype: DType, elements: number, label: string, leaf: Tensor | null): Buffer => {
    const buffer: Buffer = { id: buffers.length, dtype, elements, label, leaf, within: null, slot: null, offset: 0 }
    buffers.push(buffer)
    return buffer
  }
  const place = (t: Tensor): Placed => {
    const found = places.get(keyOf(t))
    if (!found) throw new HeedError(`lower: expected ${t} to be computed before it is used, but it is not`)
    return found
  }
  const copy = (from: Placed, dtype: DType, label: string): Placed => {
    const layout = contiguousLayout(from.layout.shape)
    const to = { buffer: newBuffer(dtype, sizeOf(layout.shape), label, null), layout }
    const width = bytesPerElement[dtype]
    const choice: KernelChoice = {
      uses: ["copy"],
      calls: ([input], [output]) => [copyCall(width, input!, output!, 0, 0)],
    }
    steps.push({ label, choice, inputs: [from], outputs: [to], order, placed: [] })
    return to
  }
  const rowMajor = (t: Tensor): Placed => {
    const at = place(t)
    if (isContiguous(at.layout)) return at
    const key = `${at.buffer.id}:${at.layout.offset}:${at.layout.shape}:${at.layout.strides}`
    const known = copies.get(key)
    if (known) return known
    const made = copy(at, t.dtype, `copy ${formatShape(t.shape)}`)
    copies.set(key, made)
    return made
  }
  const readable = (choice: KernelChoice, t: Tensor, input: number): Placed => {
    const at = place(t)
    if (choice.accepts ? choice.accepts(input, at.layout) : isContiguous(at.layout)) return at
    return rowMajor(t)
  }
  const addStep = (label: string, choice: KernelChoice, inputs: readonly Tensor[], node: Node): void => {
    const read = inputs.map((t, i) => readable(choice, t, i))
    const outputs = node.outputs.map((signature, i) => {
      const layout = choice.outputs?.[i] ?? contiguousLayout(signature.shape)
      return { buffer: newBuffer(signature.dtype, sizeOf(signature.shape), label, null), layout }
    })
    for (const [i, output] of outputs.entries()) places.set(`${node.id}.${i}`, output)
    steps.push({ label, choice, inputs: read, outputs, order, placed: read.map(() => false) })
  }
  const addView = (node: Node): void => {
    const input = node.inputs[0]!
    for (const [i, signature] of node.outputs.entries()) {
      const at = place(input)
      const seen = node.op!.view!(at.layout, node.attributes, signature.shape, i)
      const moved = seen ? at : rowMajor(input)
      const layout = seen ?? node.op!.view!(moved.layout, node.attributes, signature.shape, i)
      if (!layout)
        throw new HeedError(`${node.op!.name}: expected a view of row-major elements, but the record gives none`)
      places.set(`${node.id}.${i}`, { buffer: moved.buffer, layout })
    }
  }
  const addGroup = (group: Group): void => {
    const { choice, inputs, label } = elementwiseChoice(group, kernels)
    if (group.reduction) addStep(label, choice, inputs, group.reduction)
    else {
      const read = inputs.map((t, i) => readable(choice, t, i))
      const outputs = group.outputs.map(node => {
        const { shape, dtype } = node.outputs[0]!
        const placed = { buffer: newBuffer(dtype, sizeOf(shape), label, null), layout: contiguousLayout(shape) }
        places.set(`${node.id}.0`, placed)
        return placed
      })
      steps.push({ label, choice, inputs: read, outputs, order, placed: [] })
    }
  }

  const nodes = reachable(roots, { stopAtValues: true })
  const rank = new Map(nodes.map((node, i) => [node, i]))
  for (const unit of inOrder(nodes, groups)) {
    const node = unit.nodes.at(-1)!
    order = rank.get(node)!
    if (unit.group) addGroup(unit.group)
    else if (isComputed(node) || node.leaf) {
      for (const [i, { shape, dtype }] of node.outputs.entries()) {
        const buffer = newBuffer(dtype, sizeOf(shape), node.name || "leaf", new Tensor(node, i))
        places.set(`${node.id}.${i}`, { buffer, layout: contiguousLayout(shape) })
      }
    } else if (node.op!.view) addView(node)
    else if (!isConstant(node)) {
      const choice = chooseKernel(node, kernels)
      if (!choice) throw new HeedError(`lower: expected a kernel for ${node.op!.name}, but the device has none`)
      addStep(`${node.op!.name} ${formatShape(node.outputs[0]!.shape)}`, choice, node.inputs, node)
    }
  }
  return { steps, buffers, place, copy }
}

/** A node of its own, or a group with the product it follows and the reduction that takes it in. */
interface Unit {
  readonly nodes: readonly Node[]
  readonly group: Group | null
  done: boolean
}

/** Units such that whatever a unit needs comes before it; otherwise in the order they were recorded. */
function inOrder(nodes: readonly Node[], groups: ReadonlyMap<Node, Group>): Unit[] {
  const units = new Map<number, Unit>()
  for (const group of new Set(groups.values())) {
    const around = [group.product ?? [], group.members, group.reduction ?? []]
    const members = around.flat()
    const unit = { nodes: members, group, done: false }
    for (const node of members) units.set(node.id, unit)
  }
  const unitOf = (node: Node): Unit => {
    let found = units.get(node.id)
    if (!found) units.set(node.id, (found = { nodes: [node], group: null, done: false }))
    return found
  }
  const order: Unit[] = []
  const stack: Unit[] = []
  for (const start of nodes) {
    stack.push(unitOf(start))
    while (stack.length > 0) {
      const unit = stack.at(-1)!
      const { length } = stack
      if (!unit.done)
        for (const node of unit.nodes) {
          if (isComputed(node)) continue
          for (const input of node.inputs) {
            const before = unitOf(input.node)
            if (before !== unit && !before.done) stack.push(before)
          }
        }
      if (stack.length > length) continue
      if (!unit.done) order.push(unit)
      unit.done = true
      stack.pop()
    }
  }
  return order
}
