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
  let text = ""
  for (const name in attributes) {
    const value = attributes[name]
    if (value !== undefined) text += `${name}:${valueText(value)};`
  }
  return text
}

/** One value as text; what is text itself stands in quotes, so that it is taken for nothing else. */
function valueText(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value)
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "function") return `@${identityOf(value)}`
  if (typeof value !== "object" || value === null) return String(value)
  if (Array.isArray(value)) {
    let text = "["
    for (let i = 0; i < value.length; i++) text += `${valueText(value[i])},`
    return `${text}]`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
    ? `{${attributeText(value as Attributes)}}`
    : `@${identityOf(value)}`
}

function nodeKey(op: Op, attributes: Attributes, inputs: readonly Tensor[], scope: string): string {
  let key = `${identityOf(op)}|${op.taps || op.label ? scope : ""}|${attributeKey(attributes)}|`
  for (let i = 0; i < inputs.length; i++) key += `${inputs[i]!.node.id}.${inputs[i]!.index},`
  return key
}

/** Shares equal nodes and drops what computes nothing. Gives the new outputs. */
export function simplify(outputs: readonly Tensor[]): Tensor[] {
  const known = new Map<string, readonly Tensor[]>()
  let key = "" // of the node that is looked at
  return rewrite(
    outputs,
    (node, inputs) => {
      if (!node.op || node.op.unique) return null
      const shorter = node.op.simplify?.(inputs, node.attributes) ?? null
      if (shorter && fits(node, shorter)) return [shorter]
      key = nodeKey(node.op, node.attributes, inputs, node.scope)
      return known.get(key) ?? null
    },
    {
      stopAtValues: true,
      kept: (node, _, tensors) => {
        if (node.op && !node.op.unique) known.set(key, tensors)
      },
    },
  )
}

function fits(node: Node, t: Tensor): boolean {
  const wanted = node.outputs[0]!
  return node.outputs.length === 1 && t.dtype === wanted.dtype && sameShape(t.shape, wanted.shape)
}
