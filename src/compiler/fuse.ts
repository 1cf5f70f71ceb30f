// Pass: neighbouring elementwise nodes of one shape become a group that runs block by block in cache; an elementwise group
// whose only use is a reduction runs inside it. Only the values somebody outside asks for are stored.

import { isComputed, reachable } from "../tensor/graph.ts"
import { sameShape } from "../tensor/shape.ts"
import type { DType, Node, Tensor } from "../tensor/tensor.ts"

/** Elementwise nodes that run together, in order; `outputs` are those whose values are stored. */
export interface Group {
  readonly members: readonly Node[]
  readonly outputs: readonly Node[]
  /** The reduction that takes the only output in, if any. */
  readonly reduction: Node | null
}

const limits = { members: 40, inputs: 14, outputs: 6 }
const storageTypes: readonly DType[] = ["bf16", "f16", "u8"]

/** Whether a node is an elementwise constant: it is repeated in every group that uses it. */
export function isConstant(node: Node): boolean {
  return node.op?.pointwise !== undefined && node.inputs.length === 0
}

/** Groups by member. `roots` are values asked for from outside. `fuse: false` makes a group of every node. */
export function findGroups(roots: readonly Tensor[], fuse: boolean): Map<Node, Group> {
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
  const groupOf = new Map<Node, Set<Node>>()
  for (const node of nodes) {
    if (!node.op?.pointwise || isComputed(node) || (isConstant(node) && !asked.has(node) && !needsMemory(node, users)))
      continue
    let members = new Set([node])
    if (fuse)
      for (const input of node.inputs) {
        const other = groupOf.get(input.node)
        if (!other || other === members || !joinable(input, node)) continue
        const union = new Set([...other, ...members])
        if (union.size <= limits.members && externalInputs(union) <= limits.inputs && independent(union, groupOf))
          members = union
      }
    if (members.size > 1 && storedCount(members, users, asked) > limits.outputs) members = new Set([node])
    for (const member of members) groupOf.set(member, members)
  }
  const groups = new Map<Node, Group>()
  for (const set of new Set(groupOf.values())) {
    const members = [...set].sort((a, b) => a.id - b.id)
    const outputs = members.filter(node => isStored(node, set, users, asked))
    const only = outputs.length === 1 ? outputs[0]! : null
    const use = only && !asked.has(only) ? users.get(only) : undefined
    const reduction =
      fuse && use?.length === 1 && use[0]!.op?.prologue && !storageTypes.includes(only!.outputs[0]!.dtype)
        ? use[0]!
        : null
    const group = { members, outputs, reduction }
    for (const member of members) groups.set(member, group)
  }
  return groups
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
function independent(members: ReadonlySet<Node>, groupOf: ReadonlyMap<Node, ReadonlySet<Node>>): boolean {
  let oldest = Infinity
  for (const member of members) oldest = Math.min(oldest, member.id)
  const seen = new Set<Node>()
  const stack: Node[] = []
  const enter = (node: Node): boolean => {
    for (const input of node.inputs) {
      if (members.has(input.node)) return false
      if (!seen.has(input.node)) stack.push(input.node)
    }
    return true
  }
  for (const member of members) for (const input of member.inputs) if (!members.has(input.node)) stack.push(input.node)
  while (stack.length > 0) {
    const node = stack.pop()!
    if (seen.has(node) || isComputed(node)) continue
    seen.add(node)
    const group = groupOf.get(node)
    if (!group || group.size === 1 || members.has(group.values().next().value!)) {
      if (node.id >= oldest && !enter(node)) return false
      continue
    }
    let newest = 0
    for (const one of group) newest = Math.max(newest, one.id)
    if (newest < oldest) continue
    for (const one of group) {
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
