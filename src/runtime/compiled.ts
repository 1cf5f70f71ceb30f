// compile(fn): a function of tensors is recorded once per signature and its program replayed. Parameters it assigns are updated
// in place; numbers are run-time scalars, never part of the signature.

import type { Program } from "../compiler/compile.ts"
import type { Precision } from "../compiler/precision.ts"
import { HeedError, TypeMismatchError } from "../tensor/errors.ts"
import { formatShape } from "../tensor/shape.ts"
import { type Assignment, fromHost, placeholder, record, Tensor } from "../tensor/tensor.ts"
import type { Storage } from "./device.ts"
import { dumpRecorded } from "./dump.ts"
import { type Engine, type Executable, type Residence, valueTensor } from "./engine.ts"

/** Arguments and results of compiled functions: tensors in arrays and plain objects. */
export type Structure = unknown

/** What a caller passes: a number (f32 scalar) may stand for a tensor. */
export type Given<A> = A extends Tensor
  ? Tensor | number
  : A extends number
    ? number
    : A extends readonly unknown[]
      ? { [K in keyof A]: Given<A[K]> }
      : A extends object
        ? { [K in keyof A]: Given<A[K]> }
        : A

/** A list of what a caller passes. */
export type GivenList<A extends unknown[]> = { [K in keyof A]: Given<A[K]> }

/** How a function is compiled. */
export interface FunctionOptions {
  /** "fp32" (default) or "bf16" products. */
  readonly precision?: Precision
}

/** How one call runs. */
export interface CallOptions {
  /** Stops the program between two kernels; parameters it updates may then be partly updated. */
  readonly signal?: AbortSignal
}

/** A function that replays a program. */
export interface CompiledFunction<A extends unknown[], R> {
  (...args: GivenList<A>): Promise<R>
  /** The same with options. */
  run(args: GivenList<A>, options?: CallOptions): Promise<R>
  /** The programs recorded so far, by signature. */
  programs(): ReadonlyMap<string, Program>
}

interface Recorded {
  readonly executable: Executable
  readonly assignments: readonly Assignment[]
  readonly result: Structure
  readonly outputs: readonly Tensor[]
  /** For each slot: position of the argument bound there, or -1. */
  readonly argumentSlots: readonly number[]
  /** Storage of leaves that never change, by slot. */
  readonly fixed: (Storage | null)[]
}

/** Tensors of a structure in a fixed order. */
function flatten(value: unknown, out: unknown[], path: string, paths: string[]): void {
  if (value === null || value === undefined) return
  if (value instanceof Tensor || typeof value === "number") {
    out.push(value)
    paths.push(path)
  } else if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) flatten(one, out, `${path}[${i}]`, paths)
  } else if (typeof value === "object") {
    for (const key of Object.keys(value).sort())
      flatten((value as Record<string, unknown>)[key], out, `${path}.${key}`, paths)
  } else {
    throw new TypeMismatchError(
      `compile: expected tensors, numbers, arrays or plain objects, but got ${typeof value} at ${path}`,
      "values that change what is computed belong to the function, not to its arguments",
    )
  }
}

/** The same structure with each tensor or number replaced. */
function mapStructure(value: unknown, fn: (leaf: Tensor | number) => Tensor): Structure {
  if (value === null || value === undefined) return value
  if (value instanceof Tensor || typeof value === "number") return fn(value)
  if (Array.isArray(value)) return value.map(one => mapStructure(one, fn))
  const entries = Object.keys(value as object)
    .sort()
    .map(key => [key, mapStructure((value as Record<string, unknown>)[key], fn)] as const)
  return Object.fromEntries(entries)
}

/** A scalar argument: a 0-d tensor of one number. */
export function scalar(value: number, dtype: "f32" | "i32" = "f32"): Tensor {
  return fromHost(dtype === "f32" ? Float32Array.of(value) : Int32Array.of(value), [], dtype)
}

/** Records `fn` once per signature of its arguments (shapes, types, structure) and replays the program. */
export function compileFunction<A extends unknown[], R>(
  openEngine: () => Promise<Engine>,
  fn: (...args: A) => R,
  options: FunctionOptions = {},
): CompiledFunction<A, R> {
  const precision = options.precision ?? "fp32"
  const recorded = new Map<string, Recorded>()

  const run = async (args: readonly unknown[], { signal }: CallOptions = {}): Promise<R> => {
    signal?.throwIfAborted()
    const engine = await openEngine()
    const given: unknown[] = []
    const paths: string[] = []
    flatten(args, given, "argument ", paths)
    const tensors = given.map(one => (typeof one === "number" ? scalar(one) : (one as Tensor).current()))
    const lazy = tensors.filter(t => !t.node.values[t.index])
    if (lazy.length > 0) await engine.evaluate(lazy, precision, signal)
    const key = paths.map((path, i) => `${path}:${tensors[i]!.dtype}${formatShape(tensors[i]!.shape)}`).join(" ")
    let entry = recorded.get(key)
    if (!entry) {
      entry = await recordFunction(engine, fn as unknown as (...args: Structure[]) => Structure, args, precision)
      recorded.set(key, entry)
    }
    return (await replay(engine, entry, tensors, signal)) as R
  }

  const compiled = (...args: unknown[]): Promise<R> => run(args)
  const whole: unknown = Object.assign(compiled, {
    run,
    programs: () => new Map([...recorded].map(([key, entry]) => [key, entry.executable.program])),
  })
  return whole as CompiledFunction<A, R>
}

async function recordFunction(
  engine: Engine,
  fn: (...args: Structure[]) => Structure,
  args: readonly unknown[],
  precision: Precision,
): Promise<Recorded> {
  const inputs: Tensor[] = []
  const placeholders = args.map(arg =>
    mapStructure(arg, leaf => {
      const input = typeof leaf === "number" ? placeholder([], "f32") : placeholder(leaf.shape, leaf.dtype)
      inputs.push(input)
      return input
    }),
  )
  const { result, assignments } = record(() => {
    const value = fn(...placeholders)
    if (value instanceof Promise)
      throw new HeedError(
        "compile: expected a function that records tensors, but it is async",
        "compute nothing inside: only record operations",
      )
    // what a parameter holds now counts, not what it holds when somebody looks
    return mapStructure(value, t => (t as Tensor).current())
  })
  const outputs: Tensor[] = []
  mapStructure(result, t => {
    outputs.push(t as Tensor)
    return t as Tensor
  })
  const executable = engine.compile({ outputs, updates: assignments }, precision)
  dumpRecorded([...outputs, ...assignments.map(({ after }) => after)], executable.program)
  const positions = new Map(inputs.map((t, i) => [t.node, i]))
  const { slots } = executable.program
  const argumentSlots = slots.map(slot => (slot.kind === "leaf" ? (positions.get(slot.leaf.node) ?? -1) : -1))
  const fixed = slots.map((slot, i) =>
    slot.kind === "leaf" && !slot.leaf.node.parameter && argumentSlots[i] === -1 ? engine.storageOf(slot.leaf) : null,
  )
  return { executable, assignments, result, outputs, argumentSlots, fixed }
}

async function replay(
  engine: Engine,
  entry: Recorded,
  tensors: readonly Tensor[],
  signal?: AbortSignal,
): Promise<Structure> {
  const { executable, assignments, argumentSlots, fixed } = entry
  const { program, loaded } = executable
  await settleParameters(engine, program)
  for (const { parameter } of assignments) makeOwn(engine, parameter.value)
  const results: Storage[] = []
  const storages = engine.bind(
    program.slots,
    (slot, leaf) => {
      const argument = argumentSlots[slot]!
      return argument >= 0 ? engine.storageOf(tensors[argument]!) : (fixed[slot] ?? engine.storageOf(leaf))
    },
    results,
  )
  await loaded.run(storages, signal)
  for (const [i, { parameter }] of assignments.entries()) {
    const before = parameter.value
    const old = before.node.values[before.index]!
    const storage = storages[program.updateSlots[i]!]!
    if ((old.residence as Residence).storage === storage) old.consumed = true
    parameter.hold(valueTensor({ device: engine.device, storage }, before, parameter.name))
  }
  let next = 0
  return mapStructure(entry.result, t => engine.wrap(results[next++]!, t as Tensor))
}

/** Parameters hold computed values before a program reads them. */
async function settleParameters(engine: Engine, program: Program): Promise<void> {
  const lazy: Tensor[] = []
  for (const slot of program.slots) {
    const parameter = slot.kind === "leaf" ? slot.leaf.node.parameter : null
    if (parameter && !parameter.value.node.values[parameter.value.index]) lazy.push(parameter.value)
  }
  if (lazy.length > 0) await engine.evaluate(lazy, "fp32")
}

/** A value whose host copy would go stale is only kept on the device. */
function makeOwn(engine: Engine, value: Tensor): void {
  engine.storageOf(value)
  const kept = value.node.values[value.index]!
  kept.host = null
}
