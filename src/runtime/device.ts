// What the rest of heed sees of a machine: memory, programs, and one call that runs a program. `native` and `wasm` implement it.

import { type FieldKind, kernels } from "../kernels/table.ts"
import { HeedError, ValueError } from "../tensor/errors.ts"

/** Storages begin at multiples of this many bytes. */
export const alignment = 64

/** Memory of one device, 64-byte aligned and zeroed. Garbage collected: what nobody holds, and no run uses, is given back. */
export interface Storage {
  /** The size that was asked for. */
  readonly bytes: number
}

/** A flat program as the emitter writes it. */
export interface ProgramImage {
  /** Per call: kernel index, then its arguments in the order of kernels/table.ts: a buffer is slot, byte offset (slot -1: absent); a list is its length, then its items. */
  readonly words: Float64Array
  /** The least size in bytes of the storage bound to each slot; slot 0 is the program's arena. Checked at every run. */
  readonly slotBytes: readonly number[]
}

/** A program that one device has checked and decoded. */
export interface LoadedProgram {
  /**
   * Runs the program with `slots[i]` bound to slot i (slot 0 included). Runs of one device start in the order they were asked for.
   * Rejects with `signal.reason` after an abort (the storages written by the program are then undefined),
   * and with a HeedError when a kernel met a bad index.
   */
  run(slots: readonly Storage[], signal?: AbortSignal): Promise<void>
}

/** What a device is and why it was chosen. */
export interface DeviceInfo {
  readonly name: "native" | "wasm"
  /** One sentence for people: why this device serves. */
  readonly why: string
  readonly threads: number
  /** Instruction tier: "avx512", "avx2", "baseline", "neon", "simd128" or "relaxed-simd". */
  readonly tier: string
  /** Whether bf16 products run at full speed; otherwise kernels asked for bf16 compute in fp32. */
  readonly bf16: boolean
}

/** A machine that runs programs. */
export interface ProgramDevice {
  readonly info: DeviceInfo
  /** Names of the kernels this build has. */
  readonly kernels: ReadonlySet<string>
  /** Zeroed memory; throws a HeedError when there is not enough. */
  allocate(bytes: number): Storage
  /** The same memory from byte `offset` (a multiple of 64) on, as a storage of its own: parts that programs write must not overlap. */
  part(storage: Storage, offset: number, bytes: number): Storage
  /** The storage's own bytes, where they are plain memory that may be written in place; absent where a device has memory of another kind. */
  bytesOf?(storage: Storage): Uint8Array
  /** Copies `data` to byte `offset` of the storage. Do not write what a run in progress uses. */
  write(storage: Storage, offset: number, data: ArrayBufferView): void
  /** Copies bytes from `offset` of the storage into `into`. Await the runs that write the storage first. */
  read(storage: Storage, offset: number, into: ArrayBufferView): void
  /** Checks and decodes a program; throws a HeedError naming what is wrong. */
  load(image: ProgramImage): LoadedProgram
}

const fieldLetters: Readonly<Record<FieldKind, string>> = {
  in: "b",
  out: "b",
  inout: "b",
  "in?": "o",
  "out?": "o",
  buffers: "B",
  int: "n",
  float: "f",
  ints: "N",
  floats: "F",
}

/** The kernel table as one text, as builds of the kernels carry it: a build with another table must not run our programs. */
export function tableText(): string {
  return Object.entries(kernels)
    .map(
      ([name, fields]) =>
        `${name} ${Object.values(fields)
          .map(kind => fieldLetters[kind])
          .join("")}\n`,
    )
    .join("")
}

/** Throws unless there is one storage for each slot and each is large enough. */
export function checkSlots(slots: readonly Storage[], slotBytes: Float64Array): void {
  if (slots.length !== slotBytes.length)
    throw new HeedError(`program: expected ${slotBytes.length} storages, but got ${slots.length}`)
  for (let slot = 0; slot < slots.length; slot++)
    if (slots[slot]!.bytes < slotBytes[slot]!)
      throw new HeedError(`program: expected ${slotBytes[slot]} bytes in slot ${slot}, but got ${slots[slot]!.bytes}`)
}

/** Throws unless `bytes` bytes at `offset` lie inside the storage. */
export function checkSpan(what: string, storage: Storage, offset: number, bytes: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + bytes > storage.bytes)
    throw new ValueError(`${what}: expected bytes inside 0..${storage.bytes}, but got ${bytes} bytes at ${offset}`)
}

/** Throws unless a part of a storage lies inside it and begins where storages may. */
export function checkPart(storage: Storage, offset: number, bytes: number): void {
  checkSpan("part", storage, offset, bytes)
  if (offset % alignment !== 0)
    throw new ValueError(`part: expected an offset that is a multiple of ${alignment}, but got ${offset}`)
}

/** The error of a kernel that met a value outside 0..limit-1 at run time. */
export function kernelFailure(kernel: string, what: string, position: number, value: number, limit: number): HeedError {
  const range = limit > 0 ? `in 0..${limit - 1}` : "for an axis that is not empty"
  return new ValueError(`${kernel}: expected ${what} ${range}, but got ${value} at position ${position}`)
}
