// Checks a scheduled and planned program: values are written before they are read, stay within their buffers, and are not
// overwritten while somebody still needs them.

import { HeedError } from "../tensor/errors.ts"
import { type Layout, sizeOf } from "../tensor/shape.ts"
import { bytesPerElement } from "../tensor/tensor.ts"
import { type Buffer, bytesOf, type Placed, rootOf, type Step } from "./step.ts"

/** First and last element a layout touches. */
function extent(layout: Layout): [number, number] {
  let [low, high] = [layout.offset, layout.offset]
  for (const [axis, n] of layout.shape.entries()) {
    const reach = (n - 1) * layout.strides[axis]!
    if (reach < 0) low += reach
    else high += reach
  }
  return [low, high]
}

function checkWithin(step: Step, placed: Placed): void {
  if (sizeOf(placed.layout.shape) === 0) return
  const root = rootOf(placed.buffer)
  const [low, high] = extent(placed.layout)
  const elements = bytesOf(root) / bytesPerElement[placed.buffer.dtype]
  if (low < 0 || high >= elements)
    throw new HeedError(
      `verify: expected "${step.label}" to stay within ${elements} elements, but it touches ${low}..${high}`,
    )
}

/** Throws HeedError when a step reads what is not written, leaves its buffers, or memory is shared by values that live together. */
export function verifyProgram(steps: readonly Step[], arenaBytes: number): void {
  const written = new Set<Buffer>()
  const owner = new Map<number, Buffer>() // 64-byte line of the arena -> the value that lies there
  const lines = (buffer: Buffer): [number, number] => {
    const root = rootOf(buffer)
    return [Math.floor(root.offset / 64), Math.ceil((root.offset + bytesOf(root)) / 64)]
  }
  for (const step of steps) {
    for (const input of step.inputs) {
      checkWithin(step, input)
      if (input.buffer.leaf) continue
      if (!written.has(input.buffer) && input.buffer.elements > 0)
        throw new HeedError(`verify: "${step.label}" reads "${input.buffer.label}" before it is computed`)
      const root = rootOf(input.buffer)
      if (root.slot !== null) continue
      const [from, to] = lines(root)
      for (let line = from; line < to; line++)
        if (owner.get(line) !== root)
          throw new HeedError(
            `verify: "${step.label}" needs "${root.label}", but "${owner.get(line)?.label}" lies over it`,
          )
    }
    for (const output of step.outputs) {
      checkWithin(step, output)
      written.add(output.buffer)
      const root = rootOf(output.buffer)
      if (root.slot !== null || root.leaf) continue
      const [from, to] = lines(root)
      if (to * 64 > arenaBytes)
        throw new HeedError(`verify: "${root.label}" ends at ${to * 64}, but the arena has ${arenaBytes} bytes`)
      for (let line = from; line < to; line++) owner.set(line, root)
    }
  }
}
