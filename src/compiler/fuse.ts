// Pass: neighbouring elementwise nodes of one shape become a group that runs block by block in cache; an elementwise group
// whose only use is a reduction runs inside it, one that is the only user of a product runs on parts of the product while they
// are near. Only the values somebody outside asks for are stored.

import { isComputed, reachable } from "../tensor/graph.ts"
import { sameShape } from "../tensor/shape.ts"
import type { DType, Node, Tensor } from "../tensor/tensor.ts"

/** Elementwise nodes that run together, in order; `outputs` are those whose values are stored. */
export interface Group {
  readonly members: readonly Node[]
  readonly outputs: readonly Node[]
  /** The reduction that takes the only output in, if any. */
  readonly reduction: Node | null
  /** The node whose kernel runs the group on what it gives, if any. */
  readonly product: Node | null
}

const limits = { members: 40, inputs: 14, outputs: 6 }
const storageTypes: readonly DType[] = ["bf16", "f16", "u8"]

/** Whether a node is an elementwise constant: it is repeated in every group that uses it. */
export function isConstant(node: Node): boolean {
  return node.op?.pointwise !== undefined && node.inputs.length === 0
}

/** Groups by member. `roots` are values asked for from outside. `fuse: false` makes a group of every node. */
export function* findGroups(roots: readonly Tensor[], fuse: boolean): Generator<undefined, Map<Node, Group>> {
  const nodes = reachable(roots, { stopAtValues: true })
  const users = new Map<Node, Node[]>()
  for (const node of nodes)
    if (!isComputed(node))
      for (const input of node.inputs) {
        const list = users.get(input.node)
        if (list) list.push(node)
        else users.set(input.node, [node])
      }
  const asked = new Set(roots.map(t => t.node))
  const clusterOf = new Map<Node, Cluster>()
  for (const [i, node] of nodes.entries()) {
    if (i % 64 === 63) yield // the longest pass: others may go on in between
    if (!node.op?.pointwise || isComputed(node) || (isConstant(node) && !asked.has(node) && !needsMemory(node, users)))
      continue
    let cluster = newCluster([node])
    if (fuse)
      for (const input of node.inputs) {
        const other = clusterOf.get(input.node)
        if (!other || other === cluster || !joinable(input, node)) continue
        if (other.members.size + cluster.members.size > limits.members) continue
        const union = newCluster([...other.members, ...cluster.members])
        if (externalInputs(union.members) <= limits.inputs && independent(union, clusterOf)) cluster = union
      }
    if (cluster.members.size > 1 && storedCount(cluster.members, users, asked) > limits.outputs)
      cluster = newCluster([node])
    for (const member of cluster.members) clusterOf.set(member, cluster)
  }
  const groups = new Map<Node, Group>()
  for (const { members: set } of new Set(clusterOf.values())) {
    const members = [...set].sort((a, b) => a.id - b.id)
    const outputs = members.filter(node => isStored(node, set, users, asked))
    const only = outputs.length === 1 ? outputs[0]! : null
    const use = only && !asked.has(only) ? users.get(only) : undefined
    const absorbed =
      fuse && use?.length === 1 && use[0]!.op?.prologue && !storageTypes.includes(only!.outputs[0]!.dtype)
    const reduction = absorbed ? use[0]! : null
    const product = fuse && only && !reduction ? productOf(set, only, users, asked) : null
    const group = { members, outputs, reduction, product }
    for (const member of members) groups.set(member, group)
  }
  return groups
}

/** The last node that nobody else reads and that can run the group in its kernel, so that its value is never stored. */
function productOf(
  members: ReadonlySet<Node>,
  only: Node,
  users: ReadonlyMap<Node, readonly Node[]>,
  asked: ReadonlySet<Node>,
): Node | null {
  const { shape, dtype } = only.outputs[0]!
  let found: Node | null = null
  for (const member of members)
    for (const { node } of member.inputs) {
      if (!node.op?.epilogue || members.has(node) || isComputed(node) || asked.has(node)) continue
      const made = node.outputs[0]!
      if (made.dtype !== "f32" || dtype !== "f32" || !sameShape(made.shape, shape)) continue
      if (users.get(node)!.every(user => members.has(user)) && node.id > (found?.id ?? -1)) found = node
    }
  return found
}

/** A group that is still growing, and the first and last id of its members. */
interface Cluster {
  readonly members: ReadonlySet<Node>
  readonly oldest: number
  readonly newest: number
}

function newCluster(nodes: readonly Node[]): Cluster {
  let oldest = Infinity
  let newest = 0
  for (const { id } of nodes) {
    if (id < oldest) oldest = id
    if (id > newest) newest = id
  }
  return { members: new Set(nodes), oldest, newest }
}

/** Constants are stored only for users that are not elementwise. */
function needsMemory(node: Node, users: ReadonlyMap<Node, readonly Node[]>): boolean {
  return (users.get(node) ?? []).some(user => !user.op?.pointwise)
}

function joinable(input: Tensor, node: Node): boolean {
  // a value rounded for storage must be read back as stored
  return sameShape(input.shape, node.outputs[0]!.shape) && !storageTypes.includes(input.dtype)
}

function externalInputs(members: ReadonlySet<Node>): number {
  const outside = new Set<string>()
  for (const member of members)
    for (const input of member.inputs)
      if (!members.has(input.node) && !isConstant(input.node)) outside.add(`${input.node.id}.${input.index}`)
  return outside.size
}

/**
 * Whether no input from outside depends on a member: then all inputs can be computed before the group. Other groups count as
 * one: whoever depends on one of their members depends on all their inputs.
 */
function independent({ members, oldest }: Cluster, clusterOf: ReadonlyMap<Node, Cluster>): boolean {
  const seen = new Set<Node>()
  const stack: Node[] = []
  // what can depend on a member: younger than the oldest, or in a group that is
  const open = (node: Node): boolean => !seen.has(node) && (clusterOf.get(node)?.newest ?? node.id) >= oldest
  const enter = (node: Node): boolean => {
    for (const { node: input } of node.inputs) {
      if (members.has(input)) return false
      if (open(input)) stack.push(input)
    }
    return true
  }
  for (const member of members)
    for (const { node: input } of member.inputs) if (!members.has(input) && open(input)) stack.push(input)
  while (stack.length > 0) {
    const node = stack.pop()!
    if (seen.has(node) || isComputed(node)) continue
    seen.add(node)
    const cluster = clusterOf.get(node)
    // a node that left this very group has no group of its own any more
    for (const one of !cluster || members.has(cluster.members.values().next().value!) ? [node] : cluster.members) {
      seen.add(one)
      if (!enter(one)) return false
    }
  }
  return true
}

function isStored(
  node: Node,
  members: ReadonlySet<Node>,
  users: ReadonlyMap<Node, readonly Node[]>,
  asked: ReadonlySet<Node>,
): boolean {
  return asked.has(node) || (users.get(node) ?? []).some(user => !members.has(user))
}

function storedCount(
  members: ReadonlySet<Node>,
  users: ReadonlyMap<Node, readonly Node[]>,
  asked: ReadonlySet<Node>,
): number {
  let count = 0
  for (const member of members) if (isStored(member, members, users, asked)) count++
  return count
}
