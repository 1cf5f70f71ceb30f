// The WASM device: the kernels of the native device compiled to WebAssembly, on workers that share one memory with JavaScript.
// The calling thread reads and writes storages in that memory directly; programs run in a worker, so it never waits.
import { kernelNames } from "../kernels/table.ts"
import { HeedError, ValueError } from "../tensor/errors.ts"
import type { DeviceInfo, LoadedProgram, ProgramDevice, ProgramImage, Storage } from "./device.ts"
import { checkPart, checkSlots, checkSpan, kernelFailure, tableText } from "./device.ts"
import type { FromThread, ToThread, WasmExports } from "./wasm-worker.ts"
import { wasmImports, wasmThread } from "./wasm-worker.ts"

/** A worker as the device sees it, in Node or in a browser. */
export interface WasmThread {
  send(message: ToThread): void
  onMessage(handle: (message: FromThread) => void): void
  onError(handle: (message: string) => void): void
  /** Whether this worker keeps the process alive. */
  hold(on: boolean): void
  stop(): void
}

/** What the device needs of its surroundings. */
export interface WasmHost {
  threads(): number
  binary(url: URL): Promise<BufferSource>
  /** Starts a worker; `source` gives its code from two expressions: how it receives and how it sends messages. */
  start(source: (receive: string, send: string) => string): WasmThread
}

/** Options of the WASM device. */
export interface WasmOptions {
  /** How many threads compute; default: what the host says is there. */
  readonly threads?: number
  /** Where heed.wasm and heed-relaxed.wasm lie; default: beside the kernels of this package. */
  readonly folder?: URL
  /** One sentence for `info.why`. */
  readonly why?: string
}

const stackBytes = 1 << 20
const rebuild = "in a clone of the repository run `npm run build:wasm`"
const mostPages = 65535

const browserHost: WasmHost = {
  threads: () => Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1),
  async binary(url) {
    const response = await fetch(url)
    if (!response.ok)
      throw new HeedError(`wasm device: expected ${url.href}, but the server answered ${response.status}`)
    return response.arrayBuffer()
  },
  start(source) {
    const code = source("handle => { onmessage = event => handle(event.data) }", "message => postMessage(message)")
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }))
    const worker = new Worker(url, { name: "heed" })
    URL.revokeObjectURL(url)
    return {
      send: message => worker.postMessage(message),
      onMessage: handle => worker.addEventListener("message", event => handle(event.data as FromThread)),
      onError: handle => worker.addEventListener("error", event => handle(event.message)),
      hold: () => {},
      stop: () => worker.terminate(),
    }
  },
}

/** Relaxed SIMD (fused multiply-add) in this host: a module with the one instruction f32x4.relaxed_madd is valid. */
function hasRelaxedSimd(): boolean {
  const probe = "0061736d0100000001080160037b7b7b017b030201000a0d010b00200020012002fd85020b"
  return WebAssembly.validate(Uint8Array.from(probe.match(/../g) ?? [], byte => Number.parseInt(byte, 16)))
}

/** Compiles the best binary that is there and that the host can run. */
async function compileBest(host: WasmHost, folder: URL): Promise<{ module: WebAssembly.Module; tier: string }> {
  const relaxed = { file: "heed-relaxed.wasm", tier: "relaxed-simd" }
  const plain = { file: "heed.wasm", tier: "simd128" }
  let problem: unknown
  for (const { file, tier } of hasRelaxedSimd() ? [relaxed, plain] : [plain]) {
    try {
      return { module: await WebAssembly.compile(await host.binary(new URL(file, folder))), tier }
    } catch (error) {
      problem = error
    }
  }
  throw new HeedError(
    `wasm device: expected its binary in ${folder.href}, but got: ${problem instanceof Error ? problem.message : problem}`,
    rebuild,
    { cause: problem },
  )
}

/** Opens the WASM device. Throws a HeedError where the host has no shared memory or the binary is missing. */
export async function openWasm(options: WasmOptions = {}): Promise<ProgramDevice> {
  const node = typeof process !== "undefined" && process.versions?.node !== undefined
  if (typeof SharedArrayBuffer === "undefined")
    throw new HeedError(
      "wasm device: expected shared memory, but this page has no SharedArrayBuffer",
      "serve the page with `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`",
    )
  const host = node ? (await import("./native-wasm.ts")).nodeHost : browserHost
  const threads = options.threads ?? host.threads()
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    throw new ValueError(`wasm device: expected 1 to 256 threads, but got ${threads}`)
  const { module, tier } = await compileBest(host, options.folder ?? new URL("../kernels/generated/", import.meta.url))
  const memory = new WebAssembly.Memory({ initial: 256, maximum: mostPages, shared: true })
  const instance = await WebAssembly.instantiate(module, wasmImports(module, memory))
  const exports = instance.exports as unknown as WasmExports
  exports._initialize()
  const table = exports.table() >>> 0
  const bytes = new Uint8Array(memory.buffer).slice(table, table + 8192)
  if (new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))) !== tableText())
    throw new HeedError("wasm device: expected kernels of this version, but heed.wasm was built from others", rebuild)
  const engine = exports.engine(threads) >>> 0
  const pool = await Promise.all(
    Array.from({ length: threads }, (_, thread) => startThread(host, { module, memory, engine, thread, exports })),
  )
  const info: DeviceInfo = {
    name: "wasm",
    why: options.why ?? "it was asked for",
    threads,
    tier,
    bf16: false,
  }
  return new WasmMachine(info, memory, exports, engine, pool)
}

interface ThreadStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly engine: number
  readonly thread: number
  readonly exports: WasmExports
}

/** Starts one worker with its own stack and thread-local data, and waits until it has instantiated the module. */
async function startThread(host: WasmHost, start: ThreadStart): Promise<WasmThread> {
  const { module, memory, engine, thread, exports } = start
  // some loaders wrap functions in __name(…) to keep their names: the worker has no such function
  const keepName = "const __name = wrapped => wrapped;"
  const worker = host.start((receive, send) => `${keepName} (${wasmThread})(${wasmImports}, ${receive}, ${send})`)
  const localBytes = exports.__tls_size.value as number
  const local = localBytes > 0 ? exports.allocate(localBytes) >>> 0 : 0
  const stack = (exports.allocate(stackBytes) >>> 0) + stackBytes
  worker.hold(true)
  await new Promise<void>((resolve, reject) => {
    const fail = (message: string) => reject(new HeedError(`wasm device: thread ${thread} did not start: ${message}`))
    worker.onError(fail)
    worker.onMessage(message => {
      if (message.kind === "ready") resolve()
      else if (message.kind === "died") fail(message.message)
    })
    worker.send({ kind: "start", module, memory, thread, engine, stack, local })
  })
  worker.hold(false)
  return worker
}

class WasmStorage implements Storage {
  readonly bytes: number
  readonly address: number
  readonly memory: WebAssembly.Memory
  /** Untouched memory of the same size: the garbage collector weighs a storage by it, for it cannot see into the shared memory. */
  readonly weight: ArrayBuffer | null
  /** The storage that this is a part of. */
  readonly whole: WasmStorage | null
  constructor(bytes: number, address: number, memory: WebAssembly.Memory, whole: WasmStorage | null = null) {
    this.bytes = bytes
    this.address = address
    this.memory = memory
    this.weight = bytes >= 65536 && whole === null ? new ArrayBuffer(bytes) : null
    this.whole = whole
  }
}

/** A run in progress: what it needs stays alive until it ends. */
interface Pending {
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
  readonly device: ProgramDevice
  readonly slots: readonly Storage[]
  readonly program: object
  readonly signal: AbortSignal | undefined
  readonly abort: number
  readonly onAbort: (() => void) | undefined
}

/** Stops the workers of devices that nobody holds any more. */
const forgotten = new FinalizationRegistry<readonly WasmThread[]>(pool => {
  for (const worker of pool) worker.stop()
})

class WasmMachine implements ProgramDevice {
  readonly info: DeviceInfo
  readonly kernels: ReadonlySet<string>
  readonly #memory: WebAssembly.Memory
  readonly #exports: WasmExports
  readonly #engine: number
  readonly #runner: WasmThread
  readonly #pending = new Map<number, Pending>()
  readonly #storages: FinalizationRegistry<number>
  readonly #programs: FinalizationRegistry<number>
  readonly #broken: { reason: HeedError | null } = { reason: null }
  #nextId = 1

  constructor(
    info: DeviceInfo,
    memory: WebAssembly.Memory,
    exports: WasmExports,
    engine: number,
    pool: readonly WasmThread[],
  ) {
    this.info = info
    this.#memory = memory
    this.#exports = exports
    this.#engine = engine
    this.#runner = pool[0]!
    this.kernels = new Set(kernelNames.filter((_, index) => exports.has(engine, index) !== 0))
    this.#storages = new FinalizationRegistry(address => exports.release(address))
    this.#programs = new FinalizationRegistry(program => exports.unload(program))
    listen(pool, this.#pending, this.#broken, exports)
    forgotten.register(this, pool)
  }

  allocate(bytes: number): Storage {
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new ValueError(`wasm device: expected a size in bytes, but got ${bytes}`)
    const address = bytes < mostPages * 65536 ? this.#exports.allocate(bytes) >>> 0 : 0
    if (address === 0)
      throw new HeedError(
        `wasm device: expected memory for ${bytes} bytes, but of its 4 GiB ${this.#memory.buffer.byteLength} bytes are taken`,
        "use a smaller model or batch, or the native device",
      )
    const storage = new WasmStorage(bytes, address, this.#memory)
    this.#storages.register(storage, address)
    return storage
  }

  part(storage: Storage, offset: number, bytes: number): Storage {
    checkPart(storage, offset, bytes)
    const whole = own(storage, this.#memory)
    return new WasmStorage(bytes, whole.address + offset, this.#memory, whole)
  }

  write(storage: Storage, offset: number, data: ArrayBufferView): void {
    checkSpan("write", storage, offset, data.byteLength)
    this.#view(own(storage, this.#memory).address + offset, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    )
  }

  read(storage: Storage, offset: number, into: ArrayBufferView): void {
    checkSpan("read", storage, offset, into.byteLength)
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(
      this.#view(own(storage, this.#memory).address + offset, into.byteLength),
    )
  }

  /** Bytes of the shared memory. A thread may have grown it: growing by nothing shows this thread the new size. */
  #view(address: number, bytes: number): Uint8Array {
    if (address + bytes > this.#memory.buffer.byteLength) this.#memory.grow(0)
    return new Uint8Array(this.#memory.buffer, address, bytes)
  }

  load(image: ProgramImage): LoadedProgram {
    const slotBytes = Float64Array.from(image.slotBytes)
    const words = this.#copy(image.words)
    const sizes = this.#copy(slotBytes)
    const address = this.#exports.load(this.#engine, words, image.words.length, sizes, slotBytes.length) >>> 0
    this.#exports.release(words)
    this.#exports.release(sizes)
    if (address === 0) throw new HeedError(`program: ${this.#text(this.#exports.problem() >>> 0)}`)
    const program: LoadedProgram = {
      run: (slots, signal) => this.#run(program, address, slotBytes, slots, signal),
    }
    this.#programs.register(program, address)
    return program
  }

  #copy(numbers: Float64Array): number {
    const address = this.#exports.allocate(numbers.byteLength) >>> 0
    if (address === 0) throw new HeedError(`wasm device: expected memory for a program, but there is none left`)
    this.#view(address, numbers.byteLength).set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
    return address
  }

  #text(address: number): string {
    const bytes = this.#view(address, 240).slice()
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
  }

  #run(
    program: object,
    address: number,
    slotBytes: Float64Array,
    slots: readonly Storage[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      checkSlots(slots, slotBytes)
      if (this.#broken.reason !== null) throw this.#broken.reason
      if (signal?.aborted === true) return reject(signal.reason)
      const addresses = new Uint32Array(slots.length)
      for (let i = 0; i < slots.length; i++) addresses[i] = own(slots[i]!, this.#memory).address
      const id = this.#nextId++
      const abort = signal === undefined ? 0 : this.#exports.allocate(4) >>> 0
      const onAbort =
        abort === 0 ? undefined : () => void Atomics.store(new Int32Array(this.#memory.buffer), abort / 4, 1)
      if (onAbort !== undefined) signal?.addEventListener("abort", onAbort)
      this.#pending.set(id, { resolve, reject, device: this, slots, program, signal, abort, onAbort })
      this.#runner.hold(true)
      this.#runner.send({ kind: "run", id, program: address, slots: addresses, abort })
    })
  }
}

/** Settles runs as the threads report them. It does not hold the device, so that a forgotten device can go. */
function listen(
  pool: readonly WasmThread[],
  pending: Map<number, Pending>,
  broken: { reason: HeedError | null },
  exports: WasmExports,
): void {
  const settle = (id: number): Pending | undefined => {
    const run = pending.get(id)
    pending.delete(id)
    if (run?.onAbort !== undefined) {
      run.signal?.removeEventListener("abort", run.onAbort)
      exports.release(run.abort)
    }
    if (pending.size === 0) pool[0]?.hold(false)
    return run
  }
  const breakDown = (message: string) => {
    const reason = new HeedError(`wasm device: a thread died: ${message}`, "open the device again")
    broken.reason ??= reason
    for (const id of [...pending.keys()]) settle(id)?.reject(reason)
    for (const worker of pool) worker.stop()
  }
  for (const worker of pool) {
    worker.onError(breakDown)
    worker.onMessage(message => {
      if (message.kind === "died") breakDown(message.message)
      if (message.kind !== "done") return
      const run = settle(message.id)
      if (message.outcome === 0) run?.resolve()
      else if (message.failure === null) run?.reject(run.signal?.reason)
      else {
        const { kernel, what, position, value, limit } = message.failure
        run?.reject(kernelFailure(kernel, what, position, value, limit))
      }
    })
  }
}

function own(storage: Storage, memory: WebAssembly.Memory): WasmStorage {
  if (storage instanceof WasmStorage && storage.memory === memory) return storage
  throw new HeedError("wasm device: expected a storage of this device, but got one of another")
}
