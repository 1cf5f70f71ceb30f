// What programs are made of before they are flat: values in buffers, and steps that compute them.

import type { KernelChoice } from "../tensor/op.ts"
import { type Layout, sizeOf } from "../tensor/shape.ts"
import { bytesPerElement, type DType, type Tensor } from "../tensor/tensor.ts"

/** Memory that holds one value (or, through `part`, lies inside another buffer's memory). */
export interface Buffer {
  readonly id: number
  readonly dtype: DType
  readonly elements: number
  readonly label: string
  /** The leaf or computed value it is bound to; such memory is never reused. */
  readonly leaf: Tensor | null
  /** Set by the compiler: this memory is a part of another buffer. */
  within: { buffer: Buffer; layout: Layout } | null
  /** Set by the compiler: bound to storage outside the arena (an output, or the parameter it updates). */
  slot: number | null
  /** Set by the memory pass: byte offset in the arena. */
  offset: number
}

/** A value: a buffer and how its elements lie there. */
export interface Placed {
  readonly buffer: Buffer
  readonly layout: Layout
}

/** One node (or group) of the graph with the kernels that compute it. */
export interface Step {
  readonly label: string
  readonly choice: KernelChoice
  readonly inputs: readonly Placed[]
  readonly outputs: readonly Placed[]
  /** Where it was recorded; the schedule follows this where dependencies allow. */
  readonly order: number
  /** Whether input i was computed right into its part of output 0. */
  readonly placed: boolean[]
}

/** The buffer whose memory a buffer lies in. */
export function rootOf(buffer: Buffer): Buffer {
  let root = buffer
  while (root.within) root = root.within.buffer
  return root
}

/** Bytes a buffer's elements take. */
export function bytesOf(buffer: Buffer): number {
  return buffer.elements * bytesPerElement[buffer.dtype]
}

/** Whether nothing is computed: every output is empty. */
export function isEmptyStep(step: Step): boolean {
  return step.outputs.every(output => sizeOf(output.layout.shape) === 0)
}
