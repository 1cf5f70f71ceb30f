// The native device: C++ kernels through Node-API. Runs go to a runner thread with its own pool of threads; JavaScript never waits.
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { HeedError, ValueError } from "../tensor/errors.ts"
import type { DeviceInfo, LoadedProgram, ProgramDevice, ProgramImage, Storage } from "./device.ts"
import { checkPart, checkSlots, checkSpan, kernelFailure, tableText } from "./device.ts"

type Handle = { readonly handle: unique symbol }

/** What build/Release/heed.node exports; see src/kernels/addon.cpp. */
interface Addon {
  readonly table: string
  open(threads: number, tier: string, onDone: OnDone): Handle
  describe(engine: Handle): [tier: string, bf16: boolean, ...kernels: string[]]
  allocate(bytes: number): ArrayBuffer | null
  address(memory: ArrayBuffer): number
  load(engine: Handle, words: Float64Array, slotBytes: Float64Array): Handle
  run(engine: Handle, program: Handle, id: number, addresses: Float64Array): void
  abort(engine: Handle, id: number): void
  profile(engine: Handle, on: boolean): void
  nanoseconds(engine: Handle): (string | number)[]
  peak(kind: number, threads: number): number
}

/** Called at the end of a run; outcome 0 done, 1 aborted, 2 failed (then the rest says where). */
type OnDone = (
  id: number,
  outcome: number,
  kernel?: string,
  what?: string,
  position?: number,
  value?: number,
  limit?: number,
) => void

/** Options of the native device. */
export interface NativeOptions {
  /** How many threads compute; default: what the machine and its control group allow. */
  readonly threads?: number
  /** Instruction tier ("avx512", "avx2", "baseline", "neon"); default: the best one this machine runs. */
  readonly tier?: string
}

/** The native device, with a profile of its kernels. */
export interface NativeDevice extends ProgramDevice {
  /** Starts (true) or stops counting the time spent in each kernel; no run may be in progress. */
  profile(on: boolean): void
  /** Milliseconds spent in each kernel since `profile(true)`. */
  profiled(): Map<string, number>
}

/** HEED_ADDON names another build of the addon: one with sanitizers, for instance. */
const addonFile = process.env.HEED_ADDON ?? fileURLToPath(new URL("../../build/Release/heed.node", import.meta.url))

/** Why the native device cannot be opened here, or null when it can. */
export function nativeProblem(): string | null {
  if (!existsSync(addonFile))
    return "the native addon is not built (no C++ compiler at install time, or HEED_SKIP_NATIVE=1)"
  try {
    if (loadAddon().table === tableText()) return null
    return "the native addon was built from other sources than these (npm run build:native)"
  } catch (error) {
    return `the native addon does not load: ${error instanceof Error ? error.message : String(error)}`
  }
}

function loadAddon(): Addon {
  return createRequire(import.meta.url)(addonFile) as Addon
}

/** Opens the native device. Throws a HeedError when the addon is not built or the thread count is out of range. */
export function openNative(options: NativeOptions = {}): NativeDevice {
  const threads = options.threads ?? defaultThreads()
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new ValueError(`native device: expected 1 to 1024 threads, but got ${threads}`)
  const problem = nativeProblem()
  if (problem !== null)
    throw new HeedError(
      `native device: ${problem}`,
      "run `npm rebuild heed` (in a clone `npm run build:native`) with a C++ compiler installed, or use the wasm device",
    )
  return new NativeMachine(loadAddon(), threads, options.tier ?? "")
}

const peakKinds = { f32: 0, bf16: 1, read: 2 } as const

/**
 * The machine's limit, measured: fp32 or bf16 FLOP/s, or bytes read from memory per second; 0 where the processor has no such
 * instruction. Takes about 0.1 s, in which JavaScript waits.
 */
export function measurePeak(kind: keyof typeof peakKinds, threads: number = defaultThreads()): number {
  const problem = nativeProblem()
  if (problem !== null) throw new HeedError(`measurePeak: ${problem}`)
  return loadAddon().peak(peakKinds[kind], threads)
}

/** Processors this process may use: its affinity and its control group's quota. */
export function defaultThreads(): number {
  const quota = readQuota("/sys/fs/cgroup/cpu.max") ?? Number.POSITIVE_INFINITY
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota)))
}

function readQuota(file: string): number | null {
  try {
    const [quota, period] = readFileSync(file, "utf8").trim().split(/\s+/).map(Number)
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : null
  } catch {
    return null
  }
}

class NativeStorage implements Storage {
  readonly bytes: number
  readonly address: number
  readonly view: Uint8Array
  constructor(view: Uint8Array, address: number) {
    this.bytes = view.length
    this.address = address
    this.view = view
  }
}

/** A run in progress: what it needs stays alive until it ends. */
interface Pending {
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
  readonly device: ProgramDevice
  readonly slots: readonly Storage[]
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | undefined
}

class NativeMachine implements NativeDevice {
  readonly info: DeviceInfo
  readonly kernels: ReadonlySet<string>
  readonly #addon: Addon
  readonly #engine: Handle
  readonly #pending: Map<number, Pending>
  #addresses = new Float64Array(256)
  #nextId = 1

  constructor(addon: Addon, threads: number, wanted: string) {
    const pending = new Map<number, Pending>()
    this.#addon = addon
    this.#pending = pending
    // The callback must not hold this device: the engine holds the callback, and the device holds the engine.
    const onDone: OnDone = (id, outcome, kernel, what, position, value, limit) => {
      const run = pending.get(id)
      if (run === undefined) return
      pending.delete(id)
      if (run.onAbort !== undefined) run.signal?.removeEventListener("abort", run.onAbort)
      if (outcome === 0) run.resolve()
      else if (outcome === 1) run.reject(run.signal?.reason)
      else run.reject(kernelFailure(kernel ?? "", what ?? "", position ?? 0, value ?? 0, limit ?? 0))
    }
    try {
      this.#engine = addon.open(threads, wanted, onDone)
    } catch (error) {
      throw new ValueError(`native device: ${(error as Error).message}`, undefined, { cause: error })
    }
    const [tier, bf16, ...kernels] = addon.describe(this.#engine)
    this.kernels = new Set(kernels)
    this.info = {
      name: "native",
      why:
        wanted === ""
          ? `the C++ addon is built and this machine runs its ${tier} tier`
          : `the ${tier} tier was asked for`,
      threads,
      tier,
      bf16,
    }
  }

  allocate(bytes: number): Storage {
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new ValueError(`native device: expected a size in bytes, but got ${bytes}`)
    const memory = this.#addon.allocate(bytes)
    if (memory === null)
      throw new HeedError(`native device: expected memory for ${bytes} bytes, but the system has none left`)
    return new NativeStorage(new Uint8Array(memory), this.#addon.address(memory))
  }

  part(storage: Storage, offset: number, bytes: number): Storage {
    checkPart(storage, offset, bytes)
    const { view, address } = own(storage)
    return new NativeStorage(view.subarray(offset, offset + bytes), address + offset)
  }

  bytesOf(storage: Storage): Uint8Array {
    return own(storage).view
  }

  write(storage: Storage, offset: number, data: ArrayBufferView): void {
    checkSpan("write", storage, offset, data.byteLength)
    own(storage).view.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
  }

  read(storage: Storage, offset: number, into: ArrayBufferView): void {
    const { view } = own(storage)
    checkSpan("read", storage, offset, into.byteLength)
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(view.subarray(offset, offset + into.byteLength))
  }

  load(image: ProgramImage): LoadedProgram {
    const slotBytes = Float64Array.from(image.slotBytes)
    let program: Handle
    try {
      program = this.#addon.load(this.#engine, image.words, slotBytes)
    } catch (error) {
      throw new HeedError(`program: ${(error as Error).message}`, undefined, { cause: error })
    }
    return { run: (slots, signal) => this.#run(program, slotBytes, slots, signal) }
  }

  #run(
    program: Handle,
    slotBytes: Float64Array,
    slots: readonly Storage[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      checkSlots(slots, slotBytes)
      if (signal?.aborted === true) return reject(signal.reason)
      if (slots.length > this.#addresses.length) this.#addresses = new Float64Array(slots.length * 2)
      for (let i = 0; i < slots.length; i++) this.#addresses[i] = own(slots[i]!).address
      const id = this.#nextId++
      const onAbort = signal === undefined ? undefined : () => this.#addon.abort(this.#engine, id)
      this.#pending.set(id, { resolve, reject, device: this, slots, signal, onAbort })
      if (onAbort !== undefined) signal?.addEventListener("abort", onAbort)
      this.#addon.run(this.#engine, program, id, this.#addresses)
    })
  }

  profile(on: boolean): void {
    this.#addon.profile(this.#engine, on)
  }

  profiled(): Map<string, number> {
    const spent = this.#addon.nanoseconds(this.#engine)
    const table = new Map<string, number>()
    for (let i = 0; i < spent.length; i += 2) table.set(spent[i] as string, (spent[i + 1] as number) / 1e6)
    return table
  }
}

function own(storage: Storage): NativeStorage {
  if (storage instanceof NativeStorage) return storage
  throw new HeedError("native device: expected a storage of this device, but got one of another")
}
