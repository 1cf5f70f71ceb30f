// Weights of models, in and out: filled from files under published names, and given under them to be written.

import { castFloats, type HostTensor, isFloat, type LazyTensor, toFloat32 } from "../files/pure.ts"
import { aligned, type HostBlock, hostBlocks, type Place, read } from "../runtime/index.ts"
import { HeedError, type HostArray, type Parameter, ShapeError } from "../tensor/index.ts"
import { formatShape, type Shape, sameShape } from "../tensor/shape.ts"
import { bytesPerElement, type DType, hostArray } from "../tensor/tensor.ts"
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

function hostValues(tensor: HostTensor, dtype: DType, name: string): HostArray {
  if (!isFloat(tensor.dtype))
    throw new HeedError(
      `weights: expected floats for ${name}, but got ${tensor.dtype}`,
      "the file holds no model of this family",
    )
  if (dtype !== "bf16") return toFloat32(tensor, name)
  return castFloats(tensor, "bf16").data as HostArray
}

function listed(names: readonly string[]): string {
  return names.slice(0, 8).join(", ") + (names.length > 8 ? ` and ${names.length - 8} more` : "")
}

/** A part and the name it has in a file. */
interface StoredPart extends PublishedPart {
  readonly stored: string
}

/** Where each weight is found. Throws HeedError for unknown and missing names, ShapeError for shapes that differ. */
function locate(
  model: Model,
  family: ModelFamily,
  source: WeightSource,
  partial: boolean,
): Map<Parameter, readonly StoredPart[]> {
  const where = source.path ?? "weights"
  const table = family.weightsOf(model.config)
  const { prefix = "", optional = [] } = table
  const stored = storedNames(table, source.names)
  const unclaimed = new Set(stored.keys())
  const found = new Map<Parameter, readonly StoredPart[]>()
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
  const block = await hostBlocks()
  const batches = batchesOf(locate(model, family, source, options.partial ?? false), source, block(0).widens)
  const largest = Math.max(0, ...batches.filter(batch => batch.isShort).map(batch => batch.bytes))
  const spare: HostBlock[] = []
  await each(batches, batchesAtOnce, async ({ weights, bytes, isShort }) => {
    const memory = (isShort ? spare.pop() : undefined) ?? block(isShort ? largest : bytes)
    await each(weights, readsAtOnce, weight => {
      options.signal?.throwIfAborted()
      return readWeight(weight, source, memory.bytes)
    })
    const tensors = isShort ? await memory.widened(weights) : weights.map(weight => memory.tensor(weight, weight.dtype))
    for (const [i, { parameter }] of weights.entries()) parameter.assign(tensors[i]!)
    if (isShort) spare.push(memory) // fresh memory costs more than reading into it
  })
  return model
}

/** Batches on their way at a time: one is cast while the next is read. */
const batchesAtOnce = 2
/** Reads of one batch at a time: each is copied by a thread of its own. */
const readsAtOnce = 2
/** Bytes of a batch, unless one weight has more; what is cast is read to memory that is used again, the less the better. */
const batchBytes = 1 << 26
const shortBatchBytes = 1 << 24

/** Does work on items in their order, `count` at a time. After a failure nothing new begins; it is thrown when what had begun has ended. */
async function each<T>(items: readonly T[], count: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items].reverse()
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) await work(next)
  }
  const workers = Array.from({ length: count }, () => worker().finally(() => queue.splice(0)))
  const failed = (await Promise.allSettled(workers)).find(end => end.status === "rejected")
  if (failed) throw failed.reason
}

/** A weight, what it is made of, and where it is read to: as `dtype`. */
interface Located extends Place {
  readonly parameter: Parameter
  readonly parts: readonly StoredPart[]
  readonly dtype: DType
}

/** Weights that are read into one block. */
interface Batch {
  readonly weights: Located[]
  bytes: number
  /** Read as bf16, and cast by the device to the f32 they shall be. */
  readonly isShort: boolean
}

/** Sorts weights into batches. `canWiden`: the device casts. */
function batchesOf(
  found: ReadonlyMap<Parameter, readonly StoredPart[]>,
  source: WeightSource,
  canWiden: boolean,
): Batch[] {
  const batches: Batch[] = []
  const open = new Map<boolean, Batch>()
  for (const [parameter, parts] of found) {
    const { shape, name } = parameter
    const isShort =
      canWiden &&
      parameter.dtype === "f32" &&
      parts.every(({ stored, transposed }) => !transposed && source.info(stored).dtype === "bf16")
    const dtype = isShort ? "bf16" : parameter.dtype
    const bytes = aligned(parameter.size * bytesPerElement[dtype])
    let batch = open.get(isShort)
    if (!batch || batch.bytes + bytes > (isShort ? shortBatchBytes : batchBytes)) {
      batch = { weights: [], bytes: 0, isShort }
      open.set(isShort, batch)
      batches.push(batch)
    }
    batch.weights.push({ parameter, parts, dtype, shape, name, offset: batch.bytes })
    batch.bytes += bytes
  }
  return batches
}

/** Reads one of our weights to its place in a block. */
async function readWeight(
  { parameter, parts, dtype, offset }: Located,
  source: WeightSource,
  block: Uint8Array,
): Promise<void> {
  const { shape } = parameter
  const rowSize = parameter.size / shape[0]!
  const kind = hostArray(dtype, 0).constructor as new (
    memory: ArrayBufferLike,
    offset: number,
    size: number,
  ) => HostArray
  const data = new kind(block.buffer, block.byteOffset + offset, parameter.size)
  for (const { stored, rows, transposed } of parts) {
    const part = rows ? data.subarray(rows[0] * rowSize, rows[1] * rowSize) : data
    const isAsStored = !transposed && source.info(stored).dtype === dtype
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
    const tensor = await source.read(stored, isAsStored ? bytes : undefined)
    if (isAsStored && tensor.data.buffer === part.buffer) continue
    const values = hostValues(tensor, dtype, stored)
    part.set(transposed ? turn(values, [shape[1]!, shape[0]!]) : values)
  }
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
