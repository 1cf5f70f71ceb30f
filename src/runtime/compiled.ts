// compile(fn): a function of tensors is recorded once per signature and its program replayed. Parameters it assigns are updated
// in place; numbers are run-time scalars, never part of the signature.

import type { Program } from "../compiler/compile.ts"
import type { Precision } from "../compiler/precision.ts"
import { describeValue } from "../tensor/arguments.ts"
import { HeedError, TypeMismatchError } from "../tensor/errors.ts"
import { formatShape } from "../tensor/shape.ts"
import { type Assignment, fromHost, type Parameter, placeholder, record, Tensor } from "../tensor/tensor.ts"
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

/** A run that was started, and what the call gives when it has ended. */
interface Call {
  readonly running: Promise<void>
  result(): Structure
}

/** Tensors of a structure in a fixed order. */
function flatten(value: unknown, out: unknown[], path: string, paths: string[]): void {
  if (value === null || value === undefined) return
  if (value instanceof Tensor || typeof value === "number") {
    out.push(value)
    paths.push(path)
  } else if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) flatten(one, out, `${path}[${i}]`, paths)
  } else if (isPlain(value)) {
    for (const key of Object.keys(value).sort())
      flatten((value as Record<string, unknown>)[key], out, `${path}.${key}`, paths)
  } else {
    throw new TypeMismatchError(
      `compile: expected tensors, numbers, arrays or plain objects, but got ${describeValue(value)} at ${path}`,
      ArrayBuffer.isView(value)
        ? "make it a tensor: tensor(data, shape)"
        : "values that change what is computed belong to the function, not to its arguments",
    )
  }
}

/** An object that is nothing but its fields. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Refuses results that no program can give. */
function checkResult(value: unknown, path: string): void {
  if (value === null || value === undefined || value instanceof Tensor) return
  if (Array.isArray(value)) for (const [i, one] of value.entries()) checkResult(one, `${path}[${i}]`)
  else if (isPlain(value)) for (const [key, one] of Object.entries(value)) checkResult(one, `${path}.${key}`)
  else
    throw new TypeMismatchError(
      `compile: expected a function that returns tensors in arrays and plain objects, but got ${describeValue(value)} as its ${path}`,
      typeof value === "number" ? "make it a tensor: full([], value)" : "return only what is computed",
    )
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
    const call = await engine.inTurn(() => start(engine, args, signal))
    await call.running
    return call.result() as R
  }

  const start = async (engine: Engine, args: readonly unknown[], signal?: AbortSignal): Promise<Call> => {
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
    return replay(engine, entry, tensors, signal)
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
    if (value instanceof Promise) {
      value.catch(() => {}) // this error says it
      throw new HeedError(
        "compile: expected a function that records tensors, but it is async",
        "compute nothing inside: only record operations",
      )
    }
    checkResult(value, "result")
    // what a parameter holds now counts, not what it holds when somebody looks
    return mapStructure(value, t => (t as Tensor).current())
  })
  const outputs: Tensor[] = []
  mapStructure(result, t => {
    outputs.push(t as Tensor)
    return t as Tensor
  })
  const executable = await engine.compileGently({ outputs, updates: assignments }, precision)
  dumpRecorded([...outputs, ...assignments.map(({ after }) => after)], executable.program)
  const positions = new Map(inputs.map((t, i) => [t.node, i]))
  const { slots } = executable.program
  const argumentSlots = slots.map(slot => (slot.kind === "leaf" ? (positions.get(slot.leaf.node) ?? -1) : -1))
  const fixed = slots.map((slot, i) =>
    slot.kind === "leaf" && !slot.leaf.node.parameter && argumentSlots[i] === -1 ? captured(engine, slot.leaf) : null,
  )
  return { executable, assignments, result, outputs, argumentSlots, fixed }
}

async function replay(
  engine: Engine,
  entry: Recorded,
  tensors: readonly Tensor[],
  signal?: AbortSignal,
): Promise<Call> {
  const { executable, assignments, argumentSlots, fixed } = entry
  const { program, loaded } = executable
  await settleParameters(engine, program)
  await settleShared(engine, assignments)
  for (const { parameter } of assignments) makeOwn(engine, parameter)
  const results: Storage[] = []
  const storages = engine.bind(
    program.slots,
    (slot, leaf) => {
      const argument = argumentSlots[slot]!
      return argument >= 0 ? given(engine, tensors[argument]!, assignments) : (fixed[slot] ?? engine.storageOf(leaf))
    },
    results,
  )
  const running = loaded.run(storages, signal)
  // Calls take effect in the order they are made: what is recorded from now on runs after this update and sees it.
  for (const [i, { parameter }] of assignments.entries()) {
    const before = parameter.value
    const old = before.node.values[before.index]!
    const storage = storages[program.updateSlots[i]!]!
    if ((old.residence as Residence).storage === storage) old.consumed = true
    parameter.hold(valueTensor({ device: engine.device, storage }, before, parameter.name))
    engine.updating(storage, running)
  }
  running.catch(() => {}) // the caller awaits it later
  return {
    running,
    result: () => {
      let next = 0
      return mapStructure(entry.result, t => engine.wrap(results[next++]!, t as Tensor))
    },
  }
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

/** Waits where a parameter is about to copy what another one's program is still updating. */
async function settleShared(engine: Engine, assignments: readonly Assignment[]): Promise<void> {
  for (const { parameter } of assignments) {
    const storage = engine.storageOf(parameter.value)
    if (owners.has(storage) && owners.get(storage) !== parameter) await engine.settled(storage)
  }
}

/** Whose value a storage is: only that parameter's programs may update it in place. */
const owners = new WeakMap<Storage, Parameter>()
/** Storages that recorded programs read as constants: never updated in place. */
const constants = new WeakSet<Storage>()

/** Lets a parameter hold memory of its own, which a program may update: two parameters, or one and a constant, never share it. */
function makeOwn(engine: Engine, parameter: Parameter): void {
  const { value } = parameter
  const storage = engine.storageOf(value)
  const kept = value.node.values[value.index]!
  if (owners.get(storage) !== parameter) {
    if (owners.has(storage) || constants.has(storage)) {
      const own = engine.device.allocate(storage.bytes)
      const bytes = new Uint8Array(storage.bytes)
      engine.device.read(storage, 0, bytes)
      engine.device.write(own, 0, bytes)
      owners.set(own, parameter)
      parameter.hold(valueTensor({ device: engine.device, storage: own }, value, parameter.name))
      return
    }
    owners.set(storage, parameter)
  }
  kept.host = null // it would go stale
}

/** Memory of a value that the function found outside: it stays what it is as long as the program lives. */
function captured(engine: Engine, leaf: Tensor): Storage {
  const storage = engine.storageOf(leaf)
  const owner = owners.get(storage)
  if (owner)
    throw new HeedError(
      `compile: expected a function that uses ${owner.name || "a parameter"} itself, but it captured its value ${leaf}, which programs update in place`,
      "use the parameter, or pass its value as an argument",
    )
  constants.add(storage)
  return storage
}

/** Memory of an argument. Refuses the value of a parameter that the program updates in place. */
function given(engine: Engine, argument: Tensor, assignments: readonly Assignment[]): Storage {
  const storage = engine.storageOf(argument)
  const owner = owners.get(storage)
  if (owner && assignments.some(({ parameter }) => parameter === owner))
    throw new HeedError(
      `compile: expected arguments other than the value of ${owner.name || "a parameter"}, which the function updates in place`,
      "use the parameter inside the function instead",
    )
  return storage
}
