// Pass: steps become a flat list of numbers (see kernels/table.ts): per call the kernel's index, then its arguments.

import {
  distributionCodes,
  elementCodes,
  type FieldKind,
  type KernelName,
  kernelNames,
  kernels,
  reductionCodes,
} from "../kernels/table.ts"
import { HeedError } from "../tensor/errors.ts"
import type { BufferField, Coded, KernelCall } from "../tensor/op.ts"
import { bytesPerElement } from "../tensor/tensor.ts"
import { type Placed, rootOf, type Step } from "./step.ts"

const codes: Readonly<Record<string, number>> = { ...elementCodes, ...reductionCodes, ...distributionCodes }
const indexOf = new Map(kernelNames.map((name, i) => [name as string, i]))
const fieldsOf = new Map<string, readonly [string, FieldKind][]>(
  kernelNames.map(name => [name, Object.entries(kernels[name])]),
)

/** The calls of a step with what they work on. */
export function callsOf(step: Step): readonly KernelCall[] {
  const target = step.outputs[0]
  const shared = step.inputs.map(
    (input, i) => step.placed[i] === true || (target !== undefined && sameMemory(input, target)),
  )
  return step.choice.calls(
    step.inputs.map(x => x.layout),
    step.outputs.map(x => x.layout),
    shared,
  )
}

function sameMemory(a: Placed, b: Placed): boolean {
  const [x, y] = [rootOf(a.buffer), rootOf(b.buffer)]
  return slotOf(a) === slotOf(b) && x.offset === y.offset && a.layout.offset === b.layout.offset
}

function slotOf(placed: Placed): number {
  return rootOf(placed.buffer).slot ?? 0
}

/** Writes all calls of the steps as one flat program. Throws HeedError for a call that does not fit the kernel table. */
export function emit(steps: readonly Step[]): { words: Float64Array; calls: number } {
  const words: number[] = []
  let calls = 0
  for (const step of steps)
    for (const call of callsOf(step)) {
      emitCall(words, call, step)
      calls++
    }
  return { words: Float64Array.from(words), calls }
}

function emitCall(words: number[], call: KernelCall, step: Step): void {
  const index = indexOf.get(call.name)
  if (index === undefined) throw new HeedError(`emit: expected a kernel of the table, but got "${call.name}"`)
  const fields = kernels[call.name as KernelName]
  for (const name in call.fields)
    if (!(name in fields)) throw new HeedError(`emit: expected arguments of ${call.name}, but got "${name}"`)
  words.push(index)
  for (const [name, kind] of fieldsOf.get(call.name)!) {
    const value = call.fields[name]
    if (kind === "buffers") {
      const list = value as readonly BufferField[]
      words.push(list.length)
      for (const one of list) emitBuffer(words, one, step, call, name)
    } else if (isBuffer(kind)) {
      if (value === undefined && !kind.endsWith("?"))
        throw new HeedError(`emit: expected ${call.name}.${name}, but it is missing`)
      emitBuffer(words, (value ?? null) as BufferField, step, call, name)
    } else if (kind === "ints" || kind === "floats") {
      const list = value as readonly Coded[] | undefined
      if (!Array.isArray(list))
        throw new HeedError(`emit: expected a list for ${call.name}.${name}, but got ${String(value)}`)
      words.push(list.length)
      for (const one of list) words.push(numberOf(one, call, name))
    } else {
      words.push(numberOf(value as Coded, call, name))
    }
  }
}

function isBuffer(kind: FieldKind): boolean {
  return kind === "in" || kind === "in?" || kind === "out" || kind === "out?" || kind === "inout"
}

function numberOf(value: Coded, call: KernelCall, name: string): number {
  const number = typeof value === "string" ? codes[value] : value
  if (typeof number !== "number")
    throw new HeedError(`emit: expected a number or a known name for ${call.name}.${name}, but got ${String(value)}`)
  return number
}

function emitBuffer(words: number[], field: BufferField, step: Step, call: KernelCall, name: string): void {
  if (field === null) {
    words.push(-1, 0)
    return
  }
  const placed = "input" in field ? step.inputs[field.input] : step.outputs[field.output]
  if (!placed)
    throw new HeedError(`emit: expected an operand for ${call.name}.${name}, but the step has none with that number`)
  const width = bytesPerElement[placed.buffer.dtype]
  const base = rootOf(placed.buffer)
  words.push(base.slot ?? 0, base.offset + (field.at ?? placed.layout.offset) * width)
}
