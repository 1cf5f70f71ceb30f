// Walking and rewriting graphs of nodes. Inputs always have smaller ids than their node, so sorting by id is a topological order.

import { createNode, type Node, Tensor } from "./tensor.ts"

let walks = 0

/** Every node the tensors depend on, themselves included, inputs first. Values that are already computed are not looked behind when `stopAtValues`. */
export function reachable(
  outputs: readonly Tensor[],
  options: { stopAtValues?: boolean; stopAt?: ReadonlySet<Node> } = {},
): Node[] {
  const { stopAt, stopAtValues = false } = options
  const walk = ++walks
  const found: Node[] = []
  const enter = (tensors: readonly Tensor[]): void => {
    for (let i = 0; i < tensors.length; i++) {
      const { node } = tensors[i]!
      if (node.walk === walk) continue
      node.walk = walk
      found.push(node)
    }
  }
  enter(outputs)
  for (let at = 0; at < found.length; at++) {
    const node = found[at]!
    if (!(stopAt?.has(node) || (stopAtValues && isComputed(node)))) enter(node.inputs)
  }
  return sortById(found)
}

/** In the order of their ids: as plain numbers, each id beside its node's place, which sort without calling anybody. */
function sortById(nodes: readonly Node[]): Node[] {
  const { length } = nodes
  const keys = new Float64Array(length)
  for (let i = 0; i < length; i++) keys[i] = nodes[i]!.id * length + i
  keys.sort()
  const sorted: Node[] = []
  for (let i = 0; i < length; i++) sorted.push(nodes[keys[i]! % length]!)
  return sorted
}

/** Whether all outputs of a node have values. */
export function isComputed(node: Node): boolean {
  const { values } = node
  for (let i = 0; i < values.length; i++) if (values[i] === null) return false
  return values.length > 0
}

/** The same operation with other inputs; the node itself when nothing changed. */
export function withInputs(node: Node, inputs: readonly Tensor[]): Node {
  if (sameInputs(node.inputs, inputs)) return node
  return createNode(node.op, inputs, node.attributes, node.outputs, { scope: node.scope, name: node.name })
}

function sameInputs(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  if (a === b) return true
  for (let i = 0; i < a.length; i++) if (a[i]!.node !== b[i]!.node || a[i]!.index !== b[i]!.index) return false
  return true
}

/** One tensor for each output of a node. */
function tensorsOf(node: Node): readonly Tensor[] {
  const { length } = node.outputs
  if (length === 1) return [new Tensor(node)]
  return Array.from({ length }, (_, i) => new Tensor(node, i))
}

/**
 * Rebuilds what `outputs` depend on, inputs first. `visit` sees each node with its rewritten inputs and gives the tensors that
 * stand for its outputs, or null to keep the operation (with the new inputs).
 */
export function rewrite(
  outputs: readonly Tensor[],
  visit: (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | null,
  options: {
    stopAtValues?: boolean
    stopAt?: ReadonlySet<Node>
    /** Told of every node that was kept: its inputs and the tensors that now stand for it. */
    kept?: (node: Node, inputs: readonly Tensor[], tensors: readonly Tensor[]) => void
  } = {},
): Tensor[] {
  const done = new Map<number, readonly Tensor[]>()
  const lookup = (t: Tensor): Tensor => done.get(t.node.id)![t.index]!
  for (const node of reachable(outputs, options)) {
    const stop =
      node.inputs.length === 0 || options.stopAt?.has(node) || (options.stopAtValues === true && isComputed(node))
    const inputs = stop ? node.inputs : node.inputs.map(lookup)
    const replaced = visit(node, inputs)
    if (replaced) {
      done.set(node.id, replaced)
      continue
    }
    const tensors = tensorsOf(withInputs(node, inputs))
    done.set(node.id, tensors)
    options.kept?.(node, inputs, tensors)
  }
  return outputs.map(t => lookup(t.current()))
}

/** The same graph in nodes of its own, which stay as they are when somebody computes the original ones; leaves are shared. */
export function copyGraph(outputs: readonly Tensor[]): Tensor[] {
  return rewrite(
    outputs,
    (node, inputs) => {
      if (!node.op || isComputed(node)) return null
      const copy = createNode(node.op, inputs, node.attributes, node.outputs, { scope: node.scope, name: node.name })
      return tensorsOf(copy)
    },
    { stopAtValues: true },
  )
}
