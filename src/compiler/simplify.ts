// Pass: equal operations are shared, casts that change nothing and arithmetic with neutral constants disappear.

import { rewrite } from "../tensor/graph.ts"
import type { Op } from "../tensor/op.ts"
import { sameShape } from "../tensor/shape.ts"
import type { Attributes, Node, Tensor } from "../tensor/tensor.ts"

const identities = new WeakMap<object, number>()
let identityCount = 0

/** A number that stands for an object, the same each time. */
export function identityOf(object: object): number {
  const known = identities.get(object)
  if (known !== undefined) return known
  identities.set(object, ++identityCount)
  return identityCount
}

const attributeKeys = new WeakMap<Attributes, string>()

/** Attributes as text: equal attributes give equal text; objects that are not plain data count by identity. */
export function attributeKey(attributes: Attributes): string {
  const known = attributeKeys.get(attributes)
  if (known !== undefined) return known
  const key = attributeText(attributes)
  attributeKeys.set(attributes, key)
  return key
}

function attributeText(attributes: Attributes): string {
  return JSON.stringify(attributes, (_, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value)) return `#${value}`
    if (Object.is(value, -0)) return "#-0"
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value
    const prototype = Object.getPrototypeOf(value)
    return prototype === Object.prototype || prototype === null ? value : `@${identityOf(value)}`
  })
}

function nodeKey(op: Op, attributes: Attributes, inputs: readonly Tensor[], scope: string): string {
  const from = inputs.map(t => `${t.node.id}.${t.index}`).join(",")
  return `${identityOf(op)}|${op.taps || op.label ? scope : ""}|${attributeKey(attributes)}|${from}`
}

/** Shares equal nodes and drops what computes nothing. Gives the new outputs. */
export function simplify(outputs: readonly Tensor[]): Tensor[] {
  const known = new Map<string, readonly Tensor[]>()
  return rewrite(
    outputs,
    (node, inputs) => {
      if (!node.op || node.op.unique) return null
      const shorter = node.op.simplify?.(inputs, node.attributes) ?? null
      if (shorter && fits(node, shorter)) return [shorter]
      const key = nodeKey(node.op, node.attributes, inputs, node.scope)
      const before = known.get(key)
      if (before) return before
      return null
    },
    {
      stopAtValues: true,
      kept: (node, inputs, tensors) => {
        if (node.op && !node.op.unique) known.set(nodeKey(node.op, node.attributes, inputs, node.scope), tensors)
      },
    },
  )
}

function fits(node: Node, t: Tensor): boolean {
  const wanted = node.outputs[0]!
  return node.outputs.length === 1 && t.dtype === wanted.dtype && sameShape(t.shape, wanted.shape)
}
