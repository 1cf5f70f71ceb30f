// The golden cases: folders of a published model with inputs and the numbers of the original (see the README of the data).

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSafetensors, toFloat32 } from "../../src/files/pure.ts"
import type { SafetensorsBytes } from "../../src/files/safetensors-bytes.ts"
import { families, type PublishedConfig } from "../../src/models/index.ts"
import { fromHost, type HostArray, type Tensor } from "../../src/tensor/index.ts"

/** HEED_REFERENCE names another folder of the same layout. */
export const root = process.env.HEED_REFERENCE ?? import.meta.dirname

/** One call of the original model. */
export interface Run {
  readonly name: string
  readonly call: string
  readonly inputs: Readonly<Record<string, unknown>>
  readonly kwargs?: Readonly<Record<string, unknown>>
  readonly outputs: readonly string[]
  readonly output_shapes?: Readonly<Record<string, readonly number[]>>
  readonly atol?: Readonly<Record<string, number>>
  readonly compare_where?: string | null
  /** The run whose memories this one goes on from (Transformer-XL). */
  readonly mems_from?: string | null
  /** What the run drew at random, by name and block (Reformer's rotations). */
  readonly lsh?: Readonly<Record<string, unknown>>
}

/** One folder. */
export interface Case {
  readonly name: string
  readonly folder: string
  readonly config: PublishedConfig
  readonly runs: readonly Run[]
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"))

/** A safetensors file of a case, or null. */
export function openFile(one: Case, file: string): SafetensorsBytes | null {
  const path = join(one.folder, file)
  return existsSync(path) ? parseSafetensors(new Uint8Array(readFileSync(path)), path) : null
}

/** Every case of the folder. */
export const cases: readonly Case[] = readdirSync(root)
  .map(name => ({ name, folder: join(root, name) }))
  .filter(({ folder }) => existsSync(join(folder, "config.json")) && existsSync(join(folder, "inputs.json")))
  .sort((a, b) => (a.name < b.name ? -1 : 1))
  .map(({ name, folder }) => ({
    name,
    folder,
    config: readJson(join(folder, "config.json")) as PublishedConfig,
    runs: (readJson(join(folder, "inputs.json")) as { runs: readonly Run[] }).runs,
  }))

/** Whether our families build the case: its model_type is known and its architecture is one of the family's. */
export function isBuilt({ config }: Case): boolean {
  const family = families.find(one => one.name === config.model_type)
  const [architecture] = (config.architectures as string[] | undefined) ?? []
  return !!family && (architecture === undefined || Object.values(family.architectures).flat().includes(architecture))
}

/** Nested lists of whole numbers as a tensor. */
export function integers(list: unknown): Tensor {
  const shape: number[] = []
  for (let level = list; Array.isArray(level); level = level[0]) shape.push(level.length)
  return fromHost(Int32Array.from((list as number[]).flat(Infinity) as number[]), shape, "i32")
}

/** An input: lists of whole numbers, or a tensor of the case's file of inputs. */
export function inputTensor(one: Case, value: unknown): Tensor {
  if (typeof value !== "object" || value === null || !("$tensor" in value)) return integers(value)
  const { data, shape, dtype } = openFile(one, "inputs.safetensors")!.read(value.$tensor as string)
  return dtype === "i32"
    ? fromHost(data as Int32Array, shape, "i32")
    : fromHost(Float32Array.from(data as HostArray), shape, "f32")
}

/** Of the large golden tensors of this repository, every so many-th number is kept (see scripts/sample-reference.mjs). */
const sampling = 5

/** The golden value of an output of a run; numbers that were not kept are NaN, and not compared. */
export function expectedValue(
  file: SafetensorsBytes,
  run: Run,
  key: string,
): { data: Float32Array; shape: readonly number[] } {
  const golden = file.read(key.startsWith("grad.") ? key : `${run.name}.${key}`)
  const kept = golden.dtype === "i32" ? Float32Array.from(golden.data as Int32Array) : toFloat32(golden)
  const shape = run.output_shapes?.[key] ?? golden.shape
  const size = shape.reduce((a, b) => a * b, 1)
  if (kept.length === size) return { data: kept, shape }
  if (kept.length !== Math.ceil(size / sampling))
    throw new Error(`${run.name} ${key}: expected ${size} numbers or every ${sampling}th, but got ${kept.length}`)
  const data = new Float32Array(size).fill(Number.NaN)
  for (const [i, x] of kept.entries()) data[i * sampling] = x
  return { data, shape }
}

/** `decoder_input_ids` as `decoderInputIds`. */
export const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Largest absolute difference; positions whose mask is 0 do not count. kind: what the output's name begins with. */
export function largestDifference(
  actual: HostArray,
  expected: Float32Array,
  shape: readonly number[],
  kind: string,
  mask: readonly (readonly number[])[] | null,
): number {
  const attention = kind.endsWith("attentions")
  const masked = mask && (attention || (shape.length >= 3 && shape[1] === mask[0]!.length))
  let largest = 0
  for (const [i, x] of expected.entries()) {
    if (Number.isNaN(x)) continue
    if (masked) {
      // [B T …], or [B H T S] of attention
      const inner = attention ? shape[3]! : shape.slice(2).reduce((a, b) => a * b, 1)
      const row = Math.floor(i / inner)
      const T = shape[attention ? 2 : 1]!
      const b = Math.floor(i / (expected.length / shape[0]!))
      if (mask[b]![row % T] === 0) continue
    }
    const distance = Math.abs(x - Number(actual[i]))
    if (!(distance <= largest)) largest = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance
  }
  return largest
}
