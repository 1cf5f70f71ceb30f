// Pass: what computes each node. Elementwise nodes and views stay, a node whose kernels the device has stays, every other
// node is replaced by its definition, again and again until only those remain.

import { HeedError } from "../tensor/errors.ts"
import { rewrite } from "../tensor/graph.ts"
import { composeNode, type KernelChoice } from "../tensor/op.ts"
import { formatShape } from "../tensor/shape.ts"
import type { Node, Tensor } from "../tensor/tensor.ts"

/** The kernels a node would call on a device that has `kernels`, or null. */
export function chooseKernel(node: Node, kernels: ReadonlySet<string>): KernelChoice | null {
  const choice = node.op?.kernel?.(
    node.inputs.map(x => ({ shape: x.shape, dtype: x.dtype })),
    node.attributes,
    node.outputs,
  )
  return choice?.uses.every(name => kernels.has(name)) ? choice : null
}

/** Expands definitions until every node is elementwise, a view, a leaf, or has a kernel. Throws HeedError when a node has none of them. */
export function select(outputs: readonly Tensor[], kernels: ReadonlySet<string>): Tensor[] {
  const expand = (node: Node, inputs: readonly Tensor[]): readonly Tensor[] | null => {
    const op = node.op
    if (!op || op.pointwise || op.view) return null
    const here = { ...node, inputs }
    if (chooseKernel(here, kernels)) return null
    if (!op.compose)
      throw new HeedError(
        `${op.name} ${formatShape(node.outputs[0]!.shape)}: expected a kernel of this device or a definition in other operations, but got neither`,
        `the device has: ${[...kernels].join(", ")}`,
      )
    const composed = composeNode(op, inputs, node.attributes, node.scope)
    return rewrite(composed, expand, { stopAtValues: true, stopAt: new Set(inputs.map(x => x.node)) })
  }
  return rewrite(outputs, expand, { stopAtValues: true })
}
