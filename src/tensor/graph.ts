// Walking and rewriting graphs of nodes. Inputs always have smaller ids than their node, so sorting by id is a topological order.

import { createNode, type Node, Tensor } from "./tensor.ts"

/** Every node the tensors depend on, themselves included, inputs first. Values that are already computed are not looked behind when `stopAtValues`. */
export function reachable(
  outputs: readonly Tensor[],
  options: { stopAtValues?: boolean; stopAt?: ReadonlySet<Node> } = {},
): Node[] {
  const seen = new Set<Node>()
  const stack = outputs.map(t => t.node)
  while (stack.length > 0) {
    const node = stack.pop()!
    if (seen.has(node)) continue
    seen.add(node)
    if (options.stopAt?.has(node)) continue
    if (options.stopAtValues && isComputed(node)) continue
    for (const input of node.inputs) if (!seen.has(input.node)) stack.push(input.node)
  }
  return [...seen].sort((a, b) => a.id - b.id)
}

/** Whether all outputs of a node have values. */
export function isComputed(node: Node): boolean {
  return node.values.length > 0 && node.values.every(value => value !== null)
}

/** The same operation with other inputs; the node itself when nothing changed. */
export function withInputs(node: Node, inputs: readonly Tensor[]): Node {
  if (inputs.every((x, i) => x.node === node.inputs[i]!.node && x.index === node.inputs[i]!.index)) return node
  return createNode(node.op, inputs, node.attributes, node.outputs, { scope: node.scope, name: node.name })
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
  const done = new Map<Node, readonly Tensor[]>()
  const lookup = (t: Tensor): Tensor => done.get(t.node)![t.index]!
  for (const node of reachable(outputs, options)) {
    const stop = options.stopAt?.has(node) || (options.stopAtValues && isComputed(node))
    const inputs = stop ? node.inputs : node.inputs.map(lookup)
    const replaced = visit(node, inputs)
    if (replaced) {
      done.set(node, replaced)
      continue
    }
    const kept = stop ? node : withInputs(node, inputs)
    const tensors = node.outputs.map((_, i) => new Tensor(kept, i))
    done.set(node, tensors)
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
      return node.outputs.map((_, i) => new Tensor(copy, i))
    },
    { stopAtValues: true },
  )
}
