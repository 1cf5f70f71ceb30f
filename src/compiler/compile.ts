// The compiler: a graph becomes a flat program. The passes stand here in order.

import { copyGraph } from "../tensor/graph.ts"
import { isContiguous, sizeOf } from "../tensor/shape.ts"
import type { Assignment, Tensor } from "../tensor/tensor.ts"
import { emit } from "./emit.ts"
import { findGroups } from "./fuse.ts"
import { type Lowered, lower } from "./lower.ts"
import { type MemoryPlan, planMemory } from "./memory.ts"
import { placeParts } from "./place.ts"
import { type Precision, setPrecision } from "./precision.ts"
import { order, schedule } from "./schedule.ts"
import { select } from "./select.ts"
import { simplify } from "./simplify.ts"
import { type Buffer, bytesOf, isEmptyStep, type Placed, type Step } from "./step.ts"
import { verifyProgram } from "./verify.ts"

/** What a program shall compute. */
export interface Job {
  readonly outputs: readonly Tensor[]
  readonly updates: readonly Assignment[]
}

/** How to compile. `kernels`: what the device has. `reuse`, `fuse`: for tests, values never share memory, nodes never share a loop. */
export interface CompileOptions {
  readonly kernels: ReadonlySet<string>
  readonly precision?: Precision
  readonly reuse?: boolean
  readonly fuse?: boolean
  readonly verify?: boolean
}

/** What is bound to a slot when a program runs. */
export type Slot =
  | { readonly kind: "arena"; readonly bytes: number }
  | { readonly kind: "leaf"; readonly bytes: number; readonly leaf: Tensor }
  | { readonly kind: "output"; readonly bytes: number; readonly output: number }

/** A flat program and what to bind when it runs. */
export interface Program {
  readonly words: Float64Array
  readonly slots: readonly Slot[]
  /** Slot of each output. */
  readonly outputSlots: readonly number[]
  /** Slot of each update: the storage of the parameter, updated in place. */
  readonly updateSlots: readonly number[]
  readonly memory: MemoryPlan
  readonly calls: number
  /** The steps in order, for people. */
  readonly steps: readonly Step[]
}

/** Compiles a job at once. Throws HeedError when an operation cannot be computed with the device's kernels. */
export function compileProgram(job: Job, options: CompileOptions): Program {
  const passes = compilePasses(job, options)
  for (;;) {
    const { done, value } = passes.next()
    if (done) return value
  }
}

/** Compiles a job pass by pass: whoever runs this may do something else in between. */
export function* compilePasses(job: Job, options: CompileOptions): Generator<undefined, Program> {
  const { kernels, precision = "fp32", reuse = true, fuse = true, verify = false } = options
  const asked = [...job.outputs, ...job.updates.map(update => update.after)].map(t => t.current())
  let roots = setPrecision(copyGraph(asked), precision)
  yield
  roots = simplify(roots)
  yield
  roots = setPrecision(select(roots, kernels), precision) // definitions bring contractions of their own
  yield
  roots = simplify(roots)
  const before = job.updates.map(update => update.before)
  yield
  const groups = yield* findGroups([...roots, ...before], fuse)
  yield
  const lowered = lower([...roots, ...before], kernels, groups)
  yield
  const binding = bindResults(lowered, roots, job)
  placeParts(lowered.steps)
  const steps = schedule(lowered.steps, binding.overwrites).filter(step => !isEmptyStep(step))
  const memory = planMemory(steps, lowered.buffers, reuse)
  yield
  if (verify) verifyProgram(steps, memory.arenaBytes)
  const { words, calls } = emit(steps)
  const slots: Slot[] = [{ kind: "arena", bytes: memory.arenaBytes }, ...binding.slots]
  return { words, slots, outputSlots: binding.outputSlots, updateSlots: binding.updateSlots, memory, calls, steps }
}

interface Binding {
  readonly slots: Slot[]
  readonly outputSlots: number[]
  readonly updateSlots: number[]
  readonly overwrites: Map<Buffer, Buffer>
}

/** Leaves and results get slots; results that cannot be computed right in their storage are copied there at the end. */
function bindResults(lowered: Lowered, roots: readonly Tensor[], job: Job): Binding {
  const slots: Slot[] = []
  const addSlot = (slot: Slot): number => slots.push(slot)
  for (const buffer of lowered.buffers)
    if (buffer.leaf) buffer.slot = addSlot({ kind: "leaf", bytes: bytesOf(buffer), leaf: buffer.leaf })

  const outputSlots = job.outputs.map((_, output) => {
    const root = roots[output]!
    const placed = lowered.place(root)
    const direct = isWhole(placed) ? placed : lowered.copy(placed, root.dtype, `output ${output}`)
    return (direct.buffer.slot = addSlot({ kind: "output", bytes: bytesOf(direct.buffer), output }))
  })

  const targets = job.updates.map((update, i) => {
    const root = roots[job.outputs.length + i]!
    const before = lowered.place(update.before).buffer
    return { root, before, placed: lowered.place(root) }
  })
  const changed = targets.filter(target => target.placed.buffer !== target.before)
  const overwrites = new Map<Buffer, Buffer>()
  const claimed = new Set<Buffer>()
  for (const { placed, before } of changed)
    if (isWhole(placed) && !claimed.has(placed.buffer) && mayOverwrite(lowered.steps, placed.buffer, before)) {
      overwrites.set(placed.buffer, before)
      claimed.add(placed.buffer)
    }
  if (!order(lowered.steps, overwrites)) overwrites.clear()
  for (const { root, placed, before } of changed) {
    if (overwrites.has(placed.buffer) && overwrites.get(placed.buffer) === before) {
      placed.buffer.slot = before.slot
      continue
    }
    // through the arena when the new value is another parameter's old one
    const source = placed.buffer.leaf ? lowered.copy(placed, root.dtype, `stage ${before.label}`) : placed
    const copied = lowered.copy(source, root.dtype, `update ${before.label}`)
    copied.buffer.slot = before.slot
    overwrites.set(copied.buffer, before)
  }
  return { slots, outputSlots, updateSlots: targets.map(target => target.before.slot!), overwrites }
}

/** Whether a value fills a buffer of its own that the compiler may bind to a storage. */
function isWhole({ buffer, layout }: Placed): boolean {
  return (
    !buffer.leaf &&
    buffer.slot === null &&
    layout.offset === 0 &&
    sizeOf(layout.shape) === buffer.elements &&
    isContiguous(layout)
  )
}

/** Whether the step that computes `next` may write over `before`: it does not read it, or reads each element before writing it. */
function mayOverwrite(steps: readonly Step[], next: Buffer, before: Buffer): boolean {
  const step = steps.find(one => one.outputs.some(output => output.buffer === next))
  if (!step) return false
  const output = step.outputs.findIndex(one => one.buffer === next)
  const contiguous = (placed: Placed): boolean => isContiguous(placed.layout) && placed.layout.offset === 0
  return step.inputs.every(
    (input, i) =>
      input.buffer !== before ||
      (contiguous(input) &&
        contiguous(step.outputs[output]!) &&
        (step.choice.inPlace ?? []).some(([a, b]) => a === i && b === output)),
  )
}
