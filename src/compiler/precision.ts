// Pass: which sums of products are made of shorter numbers. Everything else stays in fp32.

import { rewrite } from "../tensor/graph.ts"
import { createNode, Tensor } from "../tensor/tensor.ts"

/** "fp32", or "bf16": products of numbers rounded to bf16, sums and everything else in fp32. */
export type Precision = "fp32" | "bf16"

/** Marks contractions to compute in the given precision. */
export function setPrecision(outputs: readonly Tensor[], precision: Precision): Tensor[] {
  if (precision === "fp32") return [...outputs]
  return rewrite(
    outputs,
    (node, inputs) => {
      if (!node.op?.contraction || node.attributes.compute === "bf16") return null
      const attributes = { ...node.attributes, compute: "bf16" }
      const marked = createNode(node.op, inputs, attributes, node.outputs, { scope: node.scope })
      return node.outputs.map((_, i) => new Tensor(marked, i))
    },
    { stopAtValues: true },
  )
}
