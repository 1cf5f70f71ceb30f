// The code of the WASM device's threads. It is sent to workers as text, so both functions stand alone: they import nothing and
// use nothing of this file. Thread 0 runs programs, the others serve its pool.

/** What the device sends to a thread: first `start`, then, to thread 0 only, runs. */
export type ToThread =
  | {
      readonly kind: "start"
      readonly module: WebAssembly.Module
      readonly memory: WebAssembly.Memory
      readonly thread: number
      /** Addresses in the memory: the engine, the end of this thread's stack, its thread-local data. */
      readonly engine: number
      readonly stack: number
      readonly local: number
    }
  | {
      readonly kind: "run"
      readonly id: number
      readonly program: number
      /** Address of each slot's storage. */
      readonly slots: Uint32Array
      /** Address of the word that becomes 1 when the run is aborted, or 0. */
      readonly abort: number
    }

/** What a thread answers. */
export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "died"; readonly message: string }
  | { readonly kind: "done"; readonly id: number; readonly outcome: number; readonly failure: WasmFailure | null }

/** Where a kernel met bad data. */
export interface WasmFailure {
  readonly kernel: string
  readonly what: string
  readonly position: number
  readonly value: number
  readonly limit: number
}

/** The functions of the module; see src/kernels/wasm.cpp. Addresses are unsigned 32-bit numbers, returned as signed ones. */
export interface WasmExports {
  readonly __stack_pointer: WebAssembly.Global
  readonly __tls_size: WebAssembly.Global
  __wasm_init_tls(local: number): void
  _initialize(): void
  allocate(bytes: number): number
  release(address: number): void
  engine(threads: number): number
  serve(engine: number, thread: number): void
  table(): number
  has(engine: number, kernel: number): number
  load(engine: number, words: number, size: number, slotBytes: number, slots: number): number
  problem(): number
  unload(program: number): void
  run(engine: number, program: number, slots: number, abort: number): number
  failure(engine: number): number
}

/** The imports of the module: its memory, `die`, and refusals for what the C library would ask of an operating system. */
export function wasmImports(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const { module: room, name, kind } of WebAssembly.Module.imports(module)) {
    imports[room] ??= {}
    if (kind === "function") imports[room][name] = () => 52 // "not supported" in WASI
  }
  imports.env ??= {}
  imports.env.memory = memory
  imports.env.die = (address: number) => {
    const bytes = new Uint8Array(memory.buffer).slice(address >>> 0, (address >>> 0) + 240)
    throw new Error(new TextDecoder().decode(bytes.subarray(0, Math.max(0, bytes.indexOf(0)))))
  }
  return imports
}

/** The life of one thread. */
export function wasmThread(
  makeImports: typeof wasmImports,
  receive: (handle: (message: ToThread) => void) => void,
  send: (message: FromThread) => void,
): void {
  let instance: WasmExports
  let buffer: () => ArrayBufferLike
  let engine = 0
  let slotWords = 0
  let slotRoom = 0

  const text = (address: number) => {
    const bytes = new Uint8Array(buffer()).slice(address, address + 100)
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
  }
  const failure = (): WasmFailure => {
    const view = new DataView(buffer(), instance.failure(engine) >>> 0, 32)
    return {
      kernel: text(view.getUint32(0, true)),
      what: text(view.getUint32(4, true)),
      position: Number(view.getBigInt64(8, true)),
      value: Number(view.getBigInt64(16, true)),
      limit: Number(view.getBigInt64(24, true)),
    }
  }
  const act = (message: ToThread) => {
    if (message.kind === "start") {
      const { module, memory, thread } = message
      engine = message.engine
      buffer = () => memory.buffer
      instance = new WebAssembly.Instance(module, makeImports(module, memory)).exports as unknown as WasmExports
      instance.__stack_pointer.value = message.stack | 0
      if (message.local !== 0) instance.__wasm_init_tls(message.local)
      send({ kind: "ready" })
      if (thread > 0) instance.serve(engine, thread)
      return
    }
    const { slots } = message
    if (slots.length > slotRoom) {
      instance.release(slotWords)
      slotRoom = slots.length * 2
      slotWords = instance.allocate(slotRoom * 8) >>> 0
      if (slotWords === 0) throw new Error("no memory left")
    }
    const words = new Uint32Array(buffer(), slotWords, slots.length * 2)
    for (let i = 0; i < slots.length; i++) words[2 * i] = slots[i]!
    const outcome = instance.run(engine, message.program, slotWords, message.abort)
    send({ kind: "done", id: message.id, outcome, failure: outcome === 2 ? failure() : null })
  }
  receive(message => {
    try {
      act(message)
    } catch (error) {
      send({ kind: "died", message: error instanceof Error ? error.message : String(error) })
    }
  })
}
