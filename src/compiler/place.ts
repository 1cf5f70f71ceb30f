// Pass: values that only become a part of a larger one (concat, stack) are computed right there instead of being copied.

import { contiguousStrides, isContiguous, type Layout, reshapeLayout, sizeOf } from "../tensor/shape.ts"
import type { Buffer, Step } from "./step.ts"

/** Rewrites steps in place: producers write into parts of larger buffers where their kernels can. */
export function placeParts(steps: readonly Step[]): void {
  const readers = new Map<Buffer, number>()
  const producer = new Map<Buffer, { step: Step; index: number }>()
  for (const step of steps) {
    for (const input of step.inputs) readers.set(input.buffer, (readers.get(input.buffer) ?? 0) + 1)
    for (const [index, output] of step.outputs.entries()) producer.set(output.buffer, { step, index })
  }
  // last first, so that a part of a part finds its final place
  for (const step of [...steps].reverse()) {
    if (!step.choice.parts) continue
    const target = step.outputs[0]!
    const parts = step.choice.parts(target.layout)
    for (const [i, input] of step.inputs.entries()) {
      const { buffer, layout } = input
      const made = producer.get(buffer)
      if (!made || buffer.leaf || buffer.slot !== null || buffer.within || readers.get(buffer) !== 1) continue
      if (layout.offset !== 0 || sizeOf(layout.shape) !== buffer.elements || !isContiguous(layout)) continue
      const own = made.step.outputs[made.index]!
      const moved = follow(own.layout, parts[i]!)
      if (!moved || !made.step.choice.writes?.(made.index, moved)) continue
      buffer.within = { buffer: target.buffer, layout: moved }
      const outputs = [...made.step.outputs]
      outputs[made.index] = { buffer, layout: moved }
      replaceOutputs(made.step, outputs)
      step.placed[i] = true
    }
  }
}

function replaceOutputs(step: Step, outputs: Step["outputs"]): void {
  Object.assign(step, { outputs })
}

/** The layout a kernel must write so that its row-major elements fill `part`; null when strides cannot say it. */
function follow(own: Layout, part: Layout): Layout | null {
  // own is row-major up to an order of axes: sort them by stride to see the order in memory
  const axes = own.shape.map((_, axis) => axis).sort((a, b) => own.strides[b]! - own.strides[a]! || a - b)
  const physical = axes.map(axis => own.shape[axis]!)
  const rowMajor = contiguousStrides(physical)
  if (axes.some((axis, i) => own.shape[axis] !== 1 && own.strides[axis] !== rowMajor[i])) return null
  const seen = reshapeLayout(part, physical)
  if (!seen) return null
  const strides = new Array<number>(own.shape.length)
  for (const [i, axis] of axes.entries()) strides[axis] = seen.strides[i]!
  return { shape: own.shape, strides, offset: seen.offset }
}
