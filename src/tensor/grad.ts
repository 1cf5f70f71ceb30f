// Gradients as graph transforms: reverse accumulation over recorded nodes. What comes out is ordinary tensors, so gradients
// have gradients. An operation without a `grad` rule is differentiated through its definition.

import { checkFunction, checkTensorLists, checkTensors } from "./arguments.ts"
import { HeedError, ShapeError } from "./errors.ts"
import { reachable, rewrite } from "./graph.ts"
import { apply, applyOne, composeNode, type OpRecord } from "./op.ts"
import { add, full } from "./ops/pointwise.ts"
import { formatShape } from "./shape.ts"
import { type Attributes, type Node, nextNodeId, placeholder, Tensor } from "./tensor.ts"

/** Gradients of the nodes' outputs, collected while walking backwards. */
class Collected {
  readonly #byNode = new Map<Node, (Tensor | null)[]>()

  add(target: Tensor, gradient: Tensor): void {
    const list = this.#byNode.get(target.node) ?? target.node.outputs.map(() => null)
    const before = list[target.index]
    list[target.index] = before ? add(before, gradient) : gradient
    this.#byNode.set(target.node, list)
  }

  of(node: Node): (Tensor | null)[] | undefined {
    return this.#byNode.get(node)
  }
}

/**
 * Vector-Jacobian product: gradients of Σ ⟨outputs[i], upstream[i]⟩ with respect to `targets`; null where there is no
 * connection. `stopAtTargets` treats targets as independent even where one is computed from another.
 */
export function vectorJacobian(
  outputs: readonly Tensor[],
  upstream: readonly (Tensor | null)[],
  targets: readonly Tensor[],
  stopAtTargets = false,
): (Tensor | null)[] {
  checkTensorLists("vectorJacobian", { outputs, targets })
  if (!Array.isArray(upstream) || upstream.length !== outputs.length)
    throw new HeedError(`vectorJacobian: expected one gradient (or null) for each of ${outputs.length} outputs`)
  checkTensors("vectorJacobian", {}, Object.fromEntries(upstream.map((g, i) => [`upstream[${i}]`, g])))
  const goals = targets.map(t => t.current())
  const goalNodes = new Set(goals.map(t => t.node))
  const nodes = reachable(outputs, stopAtTargets ? { stopAt: goalNodes } : {})
  const dependent = new Set<Node>()
  for (const node of nodes) {
    const behind =
      stopAtTargets && goalNodes.has(node) ? false : !node.op?.flat && node.inputs.some(x => dependent.has(x.node))
    if (goalNodes.has(node) || behind) dependent.add(node)
  }
  const collected = new Collected()
  for (const [i, output] of outputs.entries()) {
    const g = upstream[i]
    if (g && dependent.has(output.node)) collected.add(output.current(), g)
  }
  for (const node of nodes.reverse()) {
    const gradients = collected.of(node)
    if (!gradients || !node.op || node.op.flat || (stopAtTargets && goalNodes.has(node))) continue
    const needed = node.inputs.map(x => dependent.has(x.node))
    if (!needed.includes(true)) continue
    for (const [i, g] of inputGradients(node, gradients, needed).entries()) {
      if (g && needed[i]) collected.add(node.inputs[i]!, g)
    }
  }
  return goals.map(t => collected.of(t.node)?.[t.index] ?? null)
}

function inputGradients(
  node: Node,
  gradients: readonly (Tensor | null)[],
  needed: readonly boolean[],
): readonly (Tensor | null)[] {
  const op = node.op!
  if (op.grad) {
    const outputs = node.outputs.map((_, i) => new Tensor(node, i))
    return op.grad(gradients, node.inputs, outputs, node.attributes, needed)
  }
  if (op.compose) {
    const composed = composeNode(op, node.inputs, node.attributes)
    return vectorJacobian(composed, gradients, node.inputs, true)
  }
  throw new HeedError(
    `grad: expected an operation with a gradient, but got ${op.name} ${formatShape(node.outputs[0]!.shape)}`,
    "stopGradient(x) treats a value as constant",
  )
}

/** Gradients of a scalar with respect to tensors or parameters, of their shapes; zeros where there is no connection. Throws ShapeError when `loss` is not a scalar. */
export function grad(loss: Tensor, targets: readonly Tensor[]): Tensor[] {
  checkTensors("grad", { loss })
  checkTensorLists("grad", { targets })
  if (loss.size !== 1)
    throw new ShapeError(
      `grad: expected a loss of one element, but got ${formatShape(loss.shape)}`,
      "reduce it first: loss.mean()",
    )
  const found = vectorJacobian([loss], [full(loss.shape, 1)], targets)
  if (found.includes(null)) {
    const dropped = reachable([loss]).find(node => node.dropped)
    if (dropped)
      throw new HeedError(
        `grad: expected a loss that still knows how it was computed, but a value of ${formatShape(dropped.outputs[0]!.shape)} it depends on was evaluated before`,
        "call grad before evaluate, or compute both in one compile(fn)",
      )
  }
  return found.map((g, i) => g ?? full(targets[i]!.shape, 0))
}

/** x, but not before `wait` is known: what is computed from it is computed late. */
export const later = (x: Tensor, wait: Tensor): Tensor => applyOne(barrierRecord, [x, wait], {})

const barrierRecord: OpRecord<Attributes> = {
  name: "barrier",
  shape: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  view: input => input,
  loop: ([x], [out]) => out!.data.set(x!.data),
  grad: ([g]) => [g!, null],
}

/** A function that was recorded once: its own inputs, then what it uses from outside, and its outputs. */
export interface Recorded {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
}

/** The recorded function applied to other inputs. */
export function replay({ inputs, outputs }: Recorded, actual: readonly Tensor[]): Tensor[] {
  const given = new Map<Node, Tensor[]>()
  for (const [i, input] of inputs.entries()) {
    const list = given.get(input.node) ?? []
    list[input.index] = actual[i]!
    given.set(input.node, list)
  }
  return rewrite(outputs, node => given.get(node) ?? null, { stopAt: new Set(given.keys()) })
}

const checkpointRecord: OpRecord<Recorded> = {
  name: "checkpoint",
  shape: (_, { outputs }) => outputs.map(t => ({ shape: t.shape, dtype: t.dtype })),
  compose: (inputs, attributes) => replay(attributes, inputs),
  grad: (gradients, inputs, _, attributes, needed) => {
    // reading the inputs through a barrier that waits for the gradient makes the second computation a late one
    const wait = gradients.find(g => g !== null)!
    const late = inputs.map(x => later(x, wait))
    const targets = late.filter((_, i) => needed[i])
    const found = vectorJacobian(replay(attributes, late), gradients, targets, true)
    let next = 0
    return inputs.map((_, i) => (needed[i] ? found[next++]! : null))
  },
}

/**
 * A function whose inner values are not kept for the backward pass but computed again (Chen et al. 2016, "Training deep nets
 * with sublinear memory cost"). Parameters and other tensors it uses from outside are found by themselves.
 */
export function checkpoint<I extends readonly Tensor[]>(fn: (...inputs: I) => Tensor): (...inputs: I) => Tensor
export function checkpoint<I extends readonly Tensor[]>(fn: (...inputs: I) => Tensor[]): (...inputs: I) => Tensor[]
export function checkpoint(fn: (...inputs: Tensor[]) => Tensor | Tensor[]) {
  checkFunction("checkpoint", "fn", fn)
  return (...inputs: Tensor[]): Tensor | Tensor[] => {
    const { recorded, outside, single } = record(fn, inputs)
    const replayed = apply(checkpointRecord, [...inputs, ...outside], recorded)
    return single ? replayed[0]! : replayed
  }
}

/** Records fn for inputs of these shapes and types, and finds the tensors it uses from outside. */
export function record(
  fn: (...inputs: Tensor[]) => Tensor | Tensor[],
  like: readonly Tensor[],
): { recorded: Recorded; outside: readonly Tensor[]; single: boolean } {
  const start = nextNodeId()
  const own = like.map(x => placeholder(x.shape, x.dtype))
  const result = fn(...own)
  const outputs = (result instanceof Tensor ? [result] : result).map(t => t.current())
  const found = new Map<string, Tensor>()
  const note = (t: Tensor): void => {
    if (t.node.id < start) found.set(`${t.node.id}.${t.index}`, t)
  }
  outputs.forEach(note)
  const border = new Set<Node>()
  for (const node of reachable(outputs)) if (node.id < start) border.add(node)
  for (const node of reachable(outputs, { stopAt: border })) if (node.id >= start) node.inputs.forEach(note)
  const outside = [...found.values()]
  return { recorded: { inputs: [...own, ...outside], outputs }, outside, single: result instanceof Tensor }
}
