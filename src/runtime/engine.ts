// One device at work: leaves get memory, programs are compiled once per structure and run, results become values.

import { compilePasses, compileProgram, type Job, type Program, type Slot } from "../compiler/compile.ts"
import type { Precision } from "../compiler/precision.ts"
import { attributeKey, identityOf } from "../compiler/simplify.ts"
import { HeedError } from "../tensor/errors.ts"
import { isComputed, reachable } from "../tensor/graph.ts"
import { sizeOf } from "../tensor/shape.ts"
import { createNode, dropHistory, type HostArray, hostArray, type Node, Tensor, type Value } from "../tensor/tensor.ts"
import type { LoadedProgram, ProgramDevice, Storage } from "./device.ts"

/** Options of one engine; see CompileOptions. */
export interface EngineOptions {
  readonly verify?: boolean
  readonly fuse?: boolean
  readonly reuse?: boolean
}

/** A compiled job, loaded on a device. */
export interface Executable {
  readonly program: Program
  readonly loaded: LoadedProgram
}

const cacheSize = 256

/** Milliseconds that compiling may take before others have their turn. */
const longestTurn = 8

/** Lets the event loop go on. */
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve))

/** Runs graphs on one device. */
export class Engine {
  readonly device: ProgramDevice
  readonly #options: EngineOptions
  readonly #cache = new Map<string, { executable: Executable; leaves: readonly number[] }>()
  /** Which run in progress updates a storage in place. */
  readonly #writing = new Map<Storage, Promise<unknown>>()
  /** Ends when the last call so far has started its run. */
  #started: Promise<unknown> = Promise.resolve()
  /** Arena memory, shared by programs that run one after another. */
  #arena: Storage | null = null

  constructor(device: ProgramDevice, options: EngineOptions = {}) {
    this.device = device
    this.#options = options
  }

  /** Compiles a job for this device at once. */
  compile(job: Job, precision: Precision): Executable {
    return this.#load(compileProgram(job, { kernels: this.device.kernels, precision, ...this.#options }))
  }

  /** Compiles a job pass by pass, so that the event loop goes on in between: a pause costs a millisecond, so not after each. */
  async compileGently(job: Job, precision: Precision): Promise<Executable> {
    const passes = compilePasses(job, { kernels: this.device.kernels, precision, ...this.#options })
    await pause() // recording took its time
    for (let since = performance.now(); ; ) {
      if (performance.now() - since > longestTurn) {
        await pause()
        since = performance.now()
      }
      const { done, value } = passes.next()
      if (done) return this.#load(value)
    }
  }

  #load(program: Program): Executable {
    const loaded = this.device.load({ words: program.words, slotBytes: program.slots.map(slot => slot.bytes) })
    return { program, loaded }
  }

  /** Memory for a program's arena; runs on a device follow each other, so programs share it. */
  arena(bytes: number): Storage {
    if (!this.#arena || this.#arena.bytes < bytes) this.#arena = this.device.allocate(Math.max(bytes, 64))
    return this.#arena
  }

  /** The device memory of a leaf's value; host data is copied there once. Throws HeedError for a placeholder. */
  storageOf(leaf: Tensor): Storage {
    const { node } = leaf
    if (node.parameter) return this.storageOf(node.parameter.value)
    const value = node.values[leaf.index]
    if (!value)
      throw new HeedError(`run: expected a value for ${leaf}, but it is a placeholder outside of its function`)
    return this.storageOfValue(value)
  }

  /** The device memory of a value. */
  storageOfValue(value: Value): Storage {
    if (value.consumed)
      throw new HeedError(
        "run: expected a value that still exists, but a compiled program updated it in place",
        "read or copy a parameter's value before the step that updates it",
      )
    const resident = value.residence as Residence | null
    if (resident?.device === this.device) return resident.storage
    if (!value.host)
      throw new HeedError(
        `run: expected a value on ${this.device.info.name}, but it lives on another device`,
        "read it and make a new tensor of the data",
      )
    const storage = this.#copyOf(value.host)
    value.residence = { device: this.device, storage } satisfies Residence
    return storage
  }

  #copyOf(data: ArrayBufferView): Storage {
    const storage = this.device.allocate(Math.max(1, data.byteLength))
    this.device.write(storage, 0, data)
    return storage
  }

  /** Does `start` after what was asked for before has started: calls take effect in the order they are made. */
  inTurn<R>(start: () => Promise<R>): Promise<R> {
    const started = this.#started.then(start)
    this.#started = started.catch(() => {}) // whoever called sees the error
    return started
  }

  /** Remembers that `running` updates a storage in place, so that nobody copies it out half updated. */
  updating(storage: Storage, running: Promise<unknown>): void {
    const end = running
      .catch(() => {}) // whoever asked for the run sees the error
      .then(() => {
        if (this.#writing.get(storage) === end) this.#writing.delete(storage)
      })
    this.#writing.set(storage, end)
  }

  /** Waits for the run in progress that updates a storage. */
  async settled(storage: Storage): Promise<void> {
    await this.#writing.get(storage)
  }

  /** Storages for the slots of a program; `inputs` binds placeholders, `results` collects the storages of outputs. */
  bind(slots: readonly Slot[], leafAt: (slot: number, leaf: Tensor) => Storage, results: Storage[]): Storage[] {
    return slots.map((slot, i) => {
      if (slot.kind === "arena") return this.arena(slot.bytes)
      if (slot.kind === "leaf") return leafAt(i, slot.leaf)
      const storage = this.device.allocate(Math.max(1, slot.bytes))
      results[slot.output] = storage
      return storage
    })
  }

  /** A leaf that holds device memory. */
  wrap(
    storage: Storage,
    like: { readonly shape: readonly number[]; readonly dtype: Tensor["dtype"] },
    name = "",
  ): Tensor {
    return valueTensor({ device: this.device, storage }, like, name)
  }

  /** Computes tensors that have no value yet; they become leaves when `keep`, else only the result is given. */
  async compute(tensors: readonly Tensor[], precision: Precision, signal?: AbortSignal): Promise<Storage[]> {
    const wanted = tensors.map(t => t.current())
    const missing = [
      ...new Map(wanted.filter(t => !t.node.values[t.index]).map(t => [`${t.node.id}.${t.index}`, t])).values(),
    ]
    const computed = new Map<string, Storage>()
    if (missing.length > 0) {
      const { executable, leaves } = this.#lookup(missing, precision)
      const results: Storage[] = []
      const bound = this.bind(executable.program.slots, slot => this.storageOf(leaves.get(slot)!), results)
      await executable.loaded.run(bound, signal)
      for (const [i, t] of missing.entries()) computed.set(`${t.node.id}.${t.index}`, results[i]!)
    }
    return wanted.map(t => computed.get(`${t.node.id}.${t.index}`) ?? this.storageOfValue(t.node.values[t.index]!))
  }

  /** A cached program of this structure, with this graph's leaf for each slot. */
  #lookup(outputs: readonly Tensor[], precision: Precision): { executable: Executable; leaves: Map<number, Tensor> } {
    const nodes = reachable(outputs, { stopAtValues: true })
    const position = new Map<Node, number>()
    const leaves: Tensor[] = []
    const parts: string[] = [precision]
    for (const node of nodes) {
      position.set(node, position.size)
      if (isComputed(node) || node.leaf) {
        parts.push(`leaf ${node.outputs.map(o => `${o.dtype}${o.shape}`)}`)
        for (const i of node.outputs.keys()) leaves.push(new Tensor(node, i))
      } else {
        const from = node.inputs.map(t => `${position.get(t.node)}.${t.index}`)
        const unique = node.op!.unique ? node.id : ""
        parts.push(
          `${identityOf(node.op!)}${unique} ${attributeKey(node.attributes)} ${from} ${node.outputs.map(o => o.shape)}`,
        )
      }
    }
    parts.push(outputs.map(t => `${position.get(t.node)}.${t.index}`).join())
    const key = parts.join("\n")
    const indexOf = new Map(leaves.map((t, i) => [`${t.node.id}.${t.index}`, i]))
    let entry = this.#cache.get(key)
    if (!entry) {
      const executable = this.compile({ outputs, updates: [] }, precision)
      const used = executable.program.slots.map(slot =>
        slot.kind === "leaf" ? indexOf.get(`${slot.leaf.node.id}.${slot.leaf.index}`)! : -1,
      )
      entry = { executable, leaves: used }
      this.#cache.set(key, entry)
      if (this.#cache.size > cacheSize) this.#cache.delete(this.#cache.keys().next().value!)
    }
    const bySlot = new Map<number, Tensor>()
    for (const [slot, leaf] of entry.leaves.entries()) if (leaf >= 0) bySlot.set(slot, leaves[leaf]!)
    return { executable: entry.executable, leaves: bySlot }
  }

  /** Computes tensors and keeps their values: they become leaves, and what they were computed from can be forgotten. */
  async evaluate(tensors: readonly Tensor[], precision: Precision, signal?: AbortSignal): Promise<void> {
    const storages = await this.compute(tensors, precision, signal)
    for (const [i, tensor] of tensors.entries()) {
      const { node, index } = tensor.current()
      node.values[index] ??= { host: null, residence: { device: this.device, storage: storages[i]! }, consumed: false }
    }
    for (const tensor of tensors) if (isComputed(tensor.node)) dropHistory(tensor.node)
  }

  /** Copies tensors' elements out, computed together where they are not there yet: what they share is computed once. */
  async readAll(tensors: readonly Tensor[], precision: Precision): Promise<HostArray[]> {
    const wanted = tensors.map(t => t.current())
    const hosts = wanted.map(({ node, index }) => {
      const value = node.values[index]
      return value?.host && !value.residence ? value.host : null
    })
    const storages = await this.compute(
      wanted.filter((_, i) => !hosts[i]),
      precision,
    )
    const out: HostArray[] = []
    for (const [i, t] of wanted.entries()) out.push(hosts[i]?.slice() ?? (await this.#copyOut(t, storages.shift()!)))
    return out
  }

  /** Copies a tensor's elements out, computing them when needed. */
  async read(tensor: Tensor, precision: Precision): Promise<HostArray> {
    return (await this.readAll([tensor], precision))[0]!
  }

  async #copyOut({ dtype, shape }: Tensor, storage: Storage): Promise<HostArray> {
    // looked at again right before copying: another update may have started while this waited
    while (this.#writing.has(storage)) await this.#writing.get(storage)
    const data = hostArray(dtype, sizeOf(shape))
    this.device.read(storage, 0, data)
    return data
  }
}

/** Memory of one device that holds a value. */
export interface Residence {
  readonly device: ProgramDevice
  readonly storage: Storage
}

/** A leaf over device memory. */
export function valueTensor(
  residence: Residence,
  { shape, dtype }: { readonly shape: readonly number[]; readonly dtype: Tensor["dtype"] },
  name = "",
): Tensor {
  const values: Value[] = [{ host: null, residence, consumed: false }]
  return new Tensor(createNode(null, [], {}, [{ shape, dtype }], { leaf: "value", name, values }))
}
