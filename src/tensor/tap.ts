// Taps: labels on values. A tap nobody asks for is an identity; asking for one is a rewrite of the graph that finds the label
// (opening composite nodes whose definition holds it) and may put another value in its place.

import { checkFunction, checkTensorLists, checkTensors, checkTexts } from "./arguments.ts"
import { ShapeError } from "./errors.ts"
import { reachable, rewrite } from "./graph.ts"
import { applyOne, composeNode, type OpRecord } from "./op.ts"
import { formatShape, sameShape } from "./shape.ts"
import type { Node, Tensor } from "./tensor.ts"

const tapRecord: OpRecord<{ label: string }> = {
  name: "tap",
  shape: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  view: input => input,
  loop: ([x], [out]) => out!.data.set(x!.data),
  grad: ([g]) => [g!],
  label: ({ label }) => label,
}

/** x under a label; its full name is the running module's path and the label, joined by a dot. */
export function tap(label: string, x: Tensor): Tensor {
  checkTensors("tap", { x })
  checkTexts("tap", { label })
  return applyOne(tapRecord, [x], { label })
}

/** What collectTaps gives: the outputs of the rewritten graph, and the values of the wanted taps by full name (a name met again gets "#2", "#3", …). */
export interface CollectedTaps {
  readonly outputs: Tensor[]
  readonly taps: Map<string, Tensor>
}

const fullName = (scope: string, label: string): string => (scope === "" ? label : `${scope}.${label}`)

/** Full names of all taps that the outputs depend on, those inside composite operations included, in the order they were recorded. */
export function tapNames(outputs: readonly Tensor[]): string[] {
  checkTensorLists("tapNames", { outputs })
  const names: string[] = []
  for (const node of reachable(outputs)) {
    const label = node.op?.label?.(node.attributes)
    for (const one of [...(label === undefined ? [] : [label]), ...(node.op?.taps ?? [])])
      names.push(fullName(node.scope, one))
  }
  return [...new Set(names)]
}

/**
 * Rewrites the graph of `outputs` so that every tap whose full name is `wanted` can be read. Composite operations that hold a wanted
 * tap are replaced by their definition. `replace` may give another value of the same shape for a tap; what follows then uses it.
 * Throws ShapeError when that value does not fit.
 */
export function collectTaps(
  outputs: readonly Tensor[],
  wanted: (name: string) => boolean,
  replace?: (name: string, x: Tensor) => Tensor,
): CollectedTaps {
  checkTensorLists("collectTaps", { outputs })
  checkFunction("collectTaps", "wanted", wanted)
  const taps = new Map<string, Tensor>()

  const keep = (name: string, x: Tensor): Tensor => {
    let unique = name
    for (let n = 2; taps.has(unique); n++) unique = `${name}#${n}`
    const value = replace ? replace(unique, x).current() : x
    if (!sameShape(value.shape, x.shape) || value.dtype !== x.dtype)
      throw new ShapeError(
        `tap ${unique}: expected a replacement ${x.dtype} ${formatShape(x.shape)}, but got ${value.dtype} ${formatShape(value.shape)}`,
      )
    taps.set(unique, value)
    return value
  }

  const visit = (node: Node, inputs: readonly Tensor[]): readonly Tensor[] | null => {
    const { op, scope } = node
    if (op?.compose && op.taps?.some(label => wanted(fullName(scope, label)))) {
      const composed = composeNode(op, inputs, node.attributes, scope)
      return rewrite(composed, visit, { stopAt: new Set(inputs.map(x => x.node)) })
    }
    const label = op?.label?.(node.attributes)
    if (label === undefined || !wanted(fullName(scope, label))) return null
    return [keep(fullName(scope, label), inputs[0]!)]
  }
  return { outputs: rewrite(outputs, visit), taps }
}
