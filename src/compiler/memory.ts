// Pass: where each value lies in the arena. Values that are never needed at the same time share memory: largest first, each at
// the lowest offset that is free for its whole life.

import { isContiguous, sameShape } from "../tensor/shape.ts"
import { type Buffer, bytesOf, type Placed, rootOf, type Step } from "./step.ts"

/** Cache lines: every buffer starts on one. */
const alignment = 64

/** Sizes of a memory plan, in bytes. */
export interface MemoryPlan {
  readonly arenaBytes: number
  /** What the arena's values would take without sharing. */
  readonly intermediateBytes: number
}

interface Life {
  readonly buffers: Buffer[]
  readonly bytes: number
  first: number
  last: number
}

const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/** Gives every arena buffer its offset. `reuse: false` gives each memory of its own (the plan the other is tested against). */
export function planMemory(steps: readonly Step[], buffers: readonly Buffer[], reuse: boolean): MemoryPlan {
  const lives = new Map<Buffer, Life>()
  const touch = (buffer: Buffer, at: number): void => {
    const root = rootOf(buffer)
    if (root.leaf || root.slot !== null) return
    const life = lives.get(root)
    if (!life) lives.set(root, { buffers: [root], bytes: align(bytesOf(root)), first: at, last: at })
    else {
      life.first = Math.min(life.first, at)
      life.last = Math.max(life.last, at)
    }
  }
  for (const [at, step] of steps.entries()) {
    for (const { buffer } of step.inputs) touch(buffer, at)
    for (const { buffer } of step.outputs) touch(buffer, at)
  }
  const intermediateBytes = [...lives.values()].reduce((total, life) => total + life.bytes, 0)
  if (reuse) shareInPlace(steps, lives)
  const all = [...new Set(lives.values())]
  let arenaBytes = 0
  if (!reuse) {
    for (const life of all) {
      for (const buffer of life.buffers) buffer.offset = arenaBytes
      arenaBytes += life.bytes
    }
  } else {
    arenaBytes = pack(all)
  }
  for (const buffer of buffers) if (buffer.within) buffer.offset = rootOf(buffer).offset
  return { arenaBytes, intermediateBytes }
}

/** Outputs take over the memory of inputs that end with the step. */
function shareInPlace(steps: readonly Step[], lives: Map<Buffer, Life>): void {
  for (const [at, step] of steps.entries()) {
    const taken = new Set<number>()
    for (const [i, o] of step.choice.inPlace ?? []) {
      const input = step.inputs[i]!
      const output = step.outputs[o]!
      const from = lives.get(input.buffer)
      const to = lives.get(output.buffer)
      if (!from || !to || from === to || taken.has(o) || from.last !== at || to.first !== at || from.bytes !== to.bytes)
        continue
      if (!sameElements(input, output)) continue
      // another operand that looks at the same memory with other strides would see half-written values
      if (
        step.inputs.some(
          (other, j) => j !== i && lives.get(rootOf(other.buffer)) === from && !sameElements(other, output),
        )
      )
        continue
      taken.add(o)
      from.buffers.push(...to.buffers)
      from.last = to.last
      for (const buffer of to.buffers) lives.set(buffer, from)
    }
  }
}

function sameElements(a: Placed, b: Placed): boolean {
  return (
    a.buffer.dtype === b.buffer.dtype &&
    a.layout.offset === 0 &&
    b.layout.offset === 0 &&
    sameShape(a.layout.shape, b.layout.shape) &&
    isContiguous(a.layout) &&
    isContiguous(b.layout) &&
    !a.buffer.within &&
    !b.buffer.within
  )
}

/** Lowest free offset for each life, largest first. Gives the size of the arena. */
function pack(lives: readonly Life[]): number {
  const placed: { first: number; last: number; from: number; to: number }[] = []
  let size = 0
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const { first, last, bytes } = life
    let from = 0
    for (let i = 0; i < placed.length; i++) {
      const other = placed[i]!
      if (other.last < first || other.first > last) continue
      if (from + bytes <= other.from) break
      if (other.to > from) from = other.to
    }
    for (const buffer of life.buffers) buffer.offset = from
    const to = from + bytes
    let at = placed.length
    while (at > 0 && placed[at - 1]!.from > from) at--
    placed.splice(at, 0, { first, last, from, to })
    if (to > size) size = to
  }
  return size
}
