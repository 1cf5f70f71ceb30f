// Weights of models, in and out: filled from files under published names, and given under them to be written.

import { bf16ToF32, castFloats, type HostTensor, isFloat, type LazyTensor, toFloat32 } from "../files/pure.ts"
import { hostMemory, read } from "../runtime/index.ts"
import { fromHost, HeedError, type HostArray, type Parameter, ShapeError } from "../tensor/index.ts"
import { formatShape, type Shape, sameShape } from "../tensor/shape.ts"
import { hostArray } from "../tensor/tensor.ts"
import type { ModelFamily } from "./definition.ts"
import type { Model } from "./model.ts"
import { isExtra, match, type PublishedPart, publishedParts, storedNames } from "./weight-names.ts"

/** Where weights come from: an opened safetensors file or folder, or bytes in memory. */
export interface WeightSource {
  readonly names: readonly string[]
  info(name: string): { readonly shape: readonly number[]; readonly dtype?: string }
  /** A tensor; its numbers may be written to `into`, which has their length. */
  read(name: string, into?: Uint8Array): HostTensor | Promise<HostTensor>
  readonly path?: string
}

/** How weights are loaded. */
export interface LoadOptions {
  /** true: weights that are not in the file keep their random values (a new head on a trained stack). Default false. */
  readonly partial?: boolean
  readonly signal?: AbortSignal
}

/** rows × columns turned into columns × rows. */
function turn<A extends HostArray>(data: A, [rows, columns]: readonly [number, number]): A {
  const out = new (data.constructor as new (size: number) => A)(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!
  return out
}

/** The shape a part is published with. */
function publishedShape({ shape }: Parameter, { rows, transposed }: PublishedPart): Shape {
  if (transposed) return [shape[1]!, shape[0]!]
  return rows ? [rows[1] - rows[0], ...shape.slice(1)] : shape
}

function hostValues(tensor: HostTensor, parameter: Parameter, name: string): HostArray {
  if (!isFloat(tensor.dtype))
    throw new HeedError(
      `weights: expected floats for ${name}, but got ${tensor.dtype}`,
      "the file holds no model of this family",
    )
  if (parameter.dtype !== "bf16") return toFloat32(tensor, name)
  return castFloats(tensor, "bf16").data as HostArray
}

function listed(names: readonly string[]): string {
  return names.slice(0, 8).join(", ") + (names.length > 8 ? ` and ${names.length - 8} more` : "")
}

/** A part and the name it has in a file. */
interface Located extends PublishedPart {
  readonly stored: string
}

/** Where each weight is found. Throws HeedError for unknown and missing names, ShapeError for shapes that differ. */
function locate(
  model: Model,
  family: ModelFamily,
  source: WeightSource,
  partial: boolean,
): Map<Parameter, readonly Located[]> {
  const where = source.path ?? "weights"
  const table = family.weightsOf(model.config)
  const { prefix = "", optional = [] } = table
  const stored = storedNames(table, source.names)
  const unclaimed = new Set(stored.keys())
  const found = new Map<Parameter, readonly Located[]>()
  const missing: string[] = []
  const own = model.state()
  for (const [path, parameter] of own) {
    const parts = publishedParts(model, family, path).map(part => {
      const other = part.name.startsWith(prefix) ? part.name.slice(prefix.length) : prefix + part.name
      return { ...part, stored: !stored.has(part.name) && stored.has(other) ? other : part.name }
    })
    const absent = parts.filter(part => !stored.has(part.stored))
    for (const part of parts) unclaimed.delete(part.stored)
    missing.push(...absent.map(part => part.name).filter(name => !optional.some(pattern => match(pattern, name))))
    if (absent.length === 0)
      found.set(
        parameter,
        parts.map(part => ({ ...part, stored: stored.get(part.stored)! })),
      )
  }
  const unknown = [...unclaimed].filter(name => !isExtra(table, name))
  if (unknown.length > 0)
    throw new HeedError(
      `${where}: expected weights of a ${family.name} model, but got unknown ${listed(unknown)}`,
      "the configuration does not fit the weights, or they are of another head",
    )
  if (missing.length > 0 && !partial)
    throw new HeedError(
      `${where}: expected all ${own.size} weights of the model, but got no ${listed(missing)}`,
      "{ partial: true } begins missing weights at random",
    )
  for (const [parameter, parts] of found)
    for (const part of parts) {
      const expected = publishedShape(parameter, part)
      const got = source.info(part.stored).shape
      if (!sameShape(expected, got))
        throw new ShapeError(`${where}: expected ${part.stored} ${formatShape(expected)}, but got ${formatShape(got)}`)
    }
  return found
}

/**
 * Fills a model with published weights. Unknown and missing names are errors that list them (`partial` allows missing ones), so are
 * shapes that differ, named with both.
 */
export async function loadWeights<M extends Model>(
  model: M,
  family: ModelFamily,
  source: WeightSource,
  options: LoadOptions = {},
): Promise<M> {
  const memory = await hostMemory()
  const queue = [...locate(model, family, source, options.partial ?? false)].reverse()
  const work = async (): Promise<void> => {
    const scratch = new Scratch()
    for (let next = queue.pop(); next; next = queue.pop()) {
      options.signal?.throwIfAborted()
      await loadParameter(...next, source, memory, scratch)
    }
  }
  const workers = Array.from({ length: readsAtOnce }, () => work().finally(() => queue.splice(0)))
  const failed = (await Promise.allSettled(workers)).find(end => end.status === "rejected")
  if (failed) throw failed.reason
  return model
}

/** Reads under way at a time: each is copied by a thread of its own. */
const readsAtOnce = 4

/** Memory for numbers that are converted right away, used again and again: fresh memory costs more than reading into it. */
class Scratch {
  #memory = new ArrayBuffer(0)

  take(bytes: number): Uint8Array {
    if (this.#memory.byteLength < bytes) this.#memory = new ArrayBuffer(bytes)
    return new Uint8Array(this.#memory, 0, bytes)
  }
}

/** Reads one of our weights to where the device will compute from it. */
async function loadParameter(
  parameter: Parameter,
  parts: readonly Located[],
  source: WeightSource,
  memory: (bytes: number) => ArrayBuffer,
  scratch: Scratch,
): Promise<void> {
  const { shape, dtype, name } = parameter
  const rowSize = parameter.size / shape[0]!
  const kind = hostArray(dtype, 0).constructor as new (memory: ArrayBuffer) => HostArray
  const buffer = memory(parameter.size * hostArray(dtype, 0).BYTES_PER_ELEMENT)
  const data = new kind(buffer)
  for (const { stored, rows, transposed } of parts) {
    const part = rows ? data.subarray(rows[0] * rowSize, rows[1] * rowSize) : data
    const storedType = source.info(stored).dtype
    const isAsStored = !transposed && storedType === dtype
    const tensor = isAsStored
      ? await source.read(stored, new Uint8Array(buffer, part.byteOffset, part.byteLength))
      : await source.read(stored, storedType === "bf16" ? scratch.take(part.length * 2) : undefined)
    if (isAsStored && tensor.data.buffer === buffer) continue
    if (!transposed && tensor.dtype === "bf16" && part instanceof Float32Array) bf16ToF32(tensor.data, part)
    else {
      const values = hostValues(tensor, parameter, stored)
      part.set(transposed ? turn(values, [shape[1]!, shape[0]!]) : values)
    }
  }
  parameter.assign(fromHost(data, shape, dtype, name))
}

/** A model's weights under published names, each read when its turn to be written comes. */
export function publishedWeights(model: Model, family: ModelFamily): Record<string, LazyTensor> {
  const record: Record<string, LazyTensor> = {}
  for (const [path, parameter] of model.state())
    for (const part of publishedParts(model, family, path)) {
      const dtype = parameter.dtype as "f32" | "bf16"
      const shape = publishedShape(parameter, part)
      const rowSize = parameter.size / parameter.shape[0]!
      const load = async (): Promise<HostTensor> => {
        const all = await read(parameter)
        const { rows, transposed } = part
        const data = rows
          ? all.slice(rows[0] * rowSize, rows[1] * rowSize)
          : transposed
            ? turn(all, [parameter.shape[0]!, parameter.shape[1]!])
            : all
        return { dtype, shape, data } as HostTensor
      }
      record[part.name] = { dtype, shape, load }
    }
  return record
}
