// Pass: the order of steps. A step comes after what it reads; a step that overwrites a parameter comes after everyone who reads
// the old value; otherwise steps run in the order they were recorded, which keeps values short-lived.

import { HeedError } from "../tensor/errors.ts"
import type { Buffer, Step } from "./step.ts"

/** Steps in a runnable order. `overwrites`: buffers that lie in a parameter's memory, by the buffer of the parameter's old value. Throws HeedError on a cycle. */
export function schedule(steps: readonly Step[], overwrites: ReadonlyMap<Buffer, Buffer>): Step[] {
  const found = order(steps, overwrites)
  if (!found) throw new HeedError("schedule: expected steps without a cycle, but some wait for each other")
  return found
}

/** Steps in a runnable order, or null when they wait for each other. */
export function order(steps: readonly Step[], overwrites: ReadonlyMap<Buffer, Buffer>): Step[] | null {
  const writers = new Map<Buffer, number[]>()
  for (const [i, step] of steps.entries())
    for (const output of step.outputs) {
      const list = writers.get(output.buffer)
      if (list) list.push(i)
      else writers.set(output.buffer, [i])
    }
  const after: number[][] = steps.map(() => [])
  const waiting = new Array<number>(steps.length).fill(0)
  const need = (first: number, second: number): void => {
    if (first === second) return
    after[first]!.push(second)
    waiting[second]!++
  }
  const readers = new Map<Buffer, number[]>()
  for (const [i, step] of steps.entries())
    for (const input of step.inputs) {
      for (const writer of writers.get(input.buffer) ?? []) need(writer, i)
      const list = readers.get(input.buffer)
      if (list) list.push(i)
      else readers.set(input.buffer, [i])
    }
  for (const [next, before] of overwrites)
    for (const writer of writers.get(next) ?? []) for (const reader of readers.get(before) ?? []) need(reader, writer)

  const ready = new Heap(steps.map(step => step.order))
  for (const [i, count] of waiting.entries()) if (count === 0) ready.push(i)
  const sorted: Step[] = []
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    sorted.push(steps[i]!)
    for (const next of after[i]!) if (--waiting[next]! === 0) ready.push(next)
  }
  return sorted.length === steps.length ? sorted : null
}

/** Smallest key first; equal keys by position. */
class Heap {
  readonly #keys: readonly number[]
  readonly #items: number[] = []

  constructor(keys: readonly number[]) {
    this.#keys = keys
  }

  #before(a: number, b: number): boolean {
    return this.#keys[a]! < this.#keys[b]! || (this.#keys[a] === this.#keys[b] && a < b)
  }

  push(item: number): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#before(item, items[up]!)) break
      items[at] = items[up]!
      at = up
    }
    items[at] = item
  }

  pop(): number | undefined {
    const items = this.#items
    const first = items[0]
    const item = items.pop()
    if (item === undefined || items.length === 0) return first
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= items.length) break
      if (down + 1 < items.length && this.#before(items[down + 1]!, items[down]!)) down++
      if (!this.#before(items[down]!, item)) break
      items[at] = items[down]!
      at = down
    }
    items[at] = item
    return first
  }
}
