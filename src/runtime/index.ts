// Where numbers are made: choosing a device, computing tensors, compiling functions, reading results.

import type { Precision } from "../compiler/precision.ts"
import { HeedError, ValueError } from "../tensor/errors.ts"
import { connectEvaluator, type DType, type HostArray, hostArray, type Tensor } from "../tensor/tensor.ts"
import { type CompiledFunction, compileFunction, type FunctionOptions } from "./compiled.ts"
import type { DeviceInfo, ProgramDevice } from "./device.ts"
import { Engine, type EngineOptions } from "./engine.ts"
import { HostBlock } from "./host-block.ts"
import { evaluateReference } from "./reference.ts"

/** Devices by name; "auto" is native where it is built, else wasm. */
export type DeviceName = "native" | "wasm" | "reference"

/** What a device is asked for. */
export interface DeviceOptions extends EngineOptions {
  readonly threads?: number
  /** Of the native device: the instructions it uses ("avx512", "avx2", "baseline", "neon"); default: the best ones of this machine. */
  readonly tier?: string
}
const optionNames: readonly string[] = [
  "threads",
  "tier",
  "verify",
  "fuse",
  "reuse",
] satisfies readonly (keyof DeviceOptions)[]

const engines = new Map<string, Promise<Engine>>()
let chosen: { name: DeviceName | "auto"; options: DeviceOptions } = { name: "auto", options: {} }

/** Chooses the device that computes from now on. Throws ValueError for an unknown name or option. */
export function useDevice(name: DeviceName | "auto", options: DeviceOptions = {}): void {
  if (!["auto", "native", "wasm", "reference"].includes(name))
    throw new ValueError(`device: expected auto, native, wasm or reference, but got ${String(name)}`)
  const unknown = Object.keys(options).find(key => !optionNames.includes(key))
  if (unknown !== undefined)
    throw new ValueError(`device: expected the options ${optionNames.join(", ")}, but got ${unknown}`)
  if (options.tier !== undefined && name !== "native")
    throw new ValueError(
      `device: expected no tier for ${name}, but got ${options.tier}`,
      'only the native device has tiers: useDevice("native", { tier })',
    )
  chosen = { name, options }
}

/** The name of the chosen device, as it was asked for. */
export function chosenDevice(): DeviceName | "auto" {
  return chosen.name
}

async function openDevice(name: "native" | "wasm" | "auto", options: DeviceOptions): Promise<ProgramDevice> {
  const threads = options.threads === undefined ? {} : { threads: options.threads }
  const node = typeof process === "object" && process.versions?.node !== undefined
  let problem = "there is no native device in a browser"
  if (node && name !== "wasm") {
    const native = await import("./native.ts")
    problem = native.nativeProblem() ?? ""
    if (!problem) return native.openNative(options.tier === undefined ? threads : { ...threads, tier: options.tier })
  }
  if (name === "native")
    throw new HeedError(`device: expected native, but ${problem}`, "run npm rebuild, or use the wasm device")
  const wasm = await import("./wasm.ts")
  return wasm.openWasm(name === "auto" ? { ...threads, why: problem } : threads)
}

/** The engine of a machine device, opened once per name and options. */
export function engineOf(name: "native" | "wasm" | "auto" = "auto", options: DeviceOptions = {}): Promise<Engine> {
  const key = `${name} ${JSON.stringify(options)}`
  const known = engines.get(key)
  if (known) return known
  const opening = openDevice(name, options).then(device => new Engine(device, options))
  engines.set(key, opening)
  opening.catch(() => engines.delete(key))
  return opening
}

function chosenEngine(): Promise<Engine> {
  if (chosen.name === "reference")
    throw new HeedError("compile: expected a device that runs programs, but reference was chosen", 'useDevice("auto")')
  return engineOf(chosen.name, chosen.options)
}

/** Gives blocks of memory for numbers on their way to the chosen device; zeroed. */
export async function hostBlocks(): Promise<(bytes: number) => HostBlock> {
  const engine = chosen.name === "reference" ? null : await chosenEngine()
  return bytes => new HostBlock(bytes, engine)
}

/** What the chosen device is and why it was chosen. */
export async function deviceInfo(): Promise<DeviceInfo> {
  return (await chosenEngine()).device.info
}

/** Computes tensors and keeps their values: they become leaves, and what they were computed from can be forgotten. */
export async function evaluate(...tensors: Tensor[]): Promise<void> {
  await (await chosenEngine()).evaluate(tensors, "fp32")
}

/** Copies out a tensor's elements, row-major; computes them when needed, and keeps nothing. */
export async function read(tensor: Tensor): Promise<HostArray> {
  if (chosen.name === "reference") return (await evaluateOn("reference", [tensor]))[0]!
  return (await chosenEngine()).read(tensor, "fp32")
}

/** Copies out the elements of tensors that a function compiled for `device` gave; without one, for the chosen device. */
export async function readOn(device: DeviceName | undefined, tensors: readonly Tensor[]): Promise<HostArray[]> {
  if (device) return evaluateOn(device, tensors)
  if (chosen.name === "reference") return evaluateOn("reference", tensors)
  return (await chosenEngine()).readAll(tensors, "fp32")
}

/** Copies out tensors' elements as computed on one device, whatever is chosen. */
export async function evaluateOn(
  name: DeviceName,
  tensors: readonly Tensor[],
  options: DeviceOptions & { precision?: Precision } = {},
): Promise<HostArray[]> {
  const { precision = "fp32", ...rest } = options
  if (name === "reference") {
    return evaluateReference(tensors).map((data, i) => toHost(data, tensors[i]!.dtype))
  }
  return (await engineOf(name, rest)).readAll(tensors, precision)
}

/** Numbers of the reference device as an array of their type. */
function toHost(data: Float64Array, dtype: DType): HostArray {
  const host = hostArray(dtype, data.length)
  if (dtype === "f16")
    throw new ValueError("reference: expected a type other than f16 to read", 'cast it: x.cast("f32")')
  if (dtype !== "bf16") host.set(data)
  else for (const [i, bits] of new Uint32Array(Float32Array.from(data).buffer).entries()) host[i] = bits >>> 16
  return host
}

/** Records `fn` once per signature of its arguments and replays the program. Parameters it assigns are updated in place. */
export function compile<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: FunctionOptions & { readonly device?: "native" | "wasm" | "auto" } = {},
): CompiledFunction<A, R> {
  const open = options.device ? () => engineOf(options.device) : async () => chosenEngine()
  return compileFunction(open, fn, options)
}

/** Lets `tensor.read()` use the chosen device. */
export function connectRuntime(): void {
  connectEvaluator({ read })
}

export { type CallOptions, type CompiledFunction, type FunctionOptions, scalar } from "./compiled.ts"
export type { DeviceInfo } from "./device.ts"
export { type Dump, type DumpKind, dumpTo } from "./dump.ts"
export { aligned, type HostBlock, type Place } from "./host-block.ts"
