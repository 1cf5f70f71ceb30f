// Weights under published names: one table, read from left to right when loading and from right to left when saving.

import { castFloats, type HostTensor, type LazyTensor, toFloat32 } from "../files/pure.ts"
import { fromHost, HeedError, type HostArray, type Parameter, ShapeError } from "../tensor/index.ts"
import { formatShape, type Shape, sameShape } from "../tensor/shape.ts"
import type { ModelFamily } from "./definition.ts"
import type { Model } from "./model.ts"

/** "transposed": published as [in out]. "tied": a copy of another weight that may stand in the file of a model that shares it. */
export type WeightMark = "transposed" | "tied"

/** A published name and ours; each `*` stands for one part between dots, the same in both. */
export type WeightRule = readonly [published: string, own: string, mark?: WeightMark]

/** The names of a family's weights. */
export interface WeightTable {
  /** The first rule that fits counts. */
  readonly rules: readonly WeightRule[]
  /** Beginning of published names that files of the bare model leave out. */
  readonly prefix?: string
  /** Published names of what is no weight (masks that old versions saved). */
  readonly skipped?: readonly string[]
}

/** Where weights come from: an opened safetensors file or folder, or bytes in memory. */
export interface WeightSource {
  readonly names: readonly string[]
  info(name: string): { readonly shape: readonly number[] }
  read(name: string): HostTensor | Promise<HostTensor>
  readonly path?: string
}

/** How weights are loaded. */
export interface LoadOptions {
  /** true: weights that are not in the file keep their random values (a new head on a trained stack). Default false. */
  readonly partial?: boolean
  readonly signal?: AbortSignal
}

/** The parts of `name` that the stars of `pattern` stand for, or null where it does not fit. */
function match(pattern: string, name: string): readonly string[] | null {
  const [a, b] = [pattern.split("."), name.split(".")]
  if (a.length !== b.length) return null
  const stars: string[] = []
  for (const [i, part] of a.entries()) {
    if (part === "*") stars.push(b[i]!)
    else if (part !== b[i]) return null
  }
  return stars
}

function fill(pattern: string, stars: readonly string[]): string {
  let next = 0
  return pattern.replace(/\*/g, () => stars[next++]!)
}

/** A name on the other side of the table. */
export interface Found {
  readonly name: string
  readonly mark: WeightMark | undefined
}

/** Our path of a published name; "skipped" for what is no weight, null for an unknown one. */
function ownPath(table: WeightTable, published: string): Found | "skipped" | null {
  const { prefix = "" } = table
  for (const name of published.startsWith(prefix) ? [published] : [published, prefix + published]) {
    if (table.skipped?.some(pattern => match(pattern, name))) return "skipped"
    for (const [pattern, own, mark] of table.rules) {
      const stars = match(pattern, name)
      if (stars) return { name: fill(own, stars), mark }
    }
  }
  return null
}

/** The published name of our path. Throws HeedError where the table lacks it. */
export function publishedPath(table: WeightTable, path: string): Found {
  for (const [published, own, mark] of table.rules) {
    const stars = match(own, path)
    if (stars) return { name: fill(published, stars), mark: mark === "tied" ? undefined : mark }
  }
  throw new HeedError(
    `weights: expected a published name for ${path}, but the table has none`,
    "add a rule to the family's table",
  )
}

/** rows × columns turned into columns × rows. */
function turn<A extends HostArray>(data: A, [rows, columns]: readonly [number, number]): A {
  const out = new (data.constructor as new (size: number) => A)(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!
  return out
}

const turned = (shape: Shape): [number, number] => [shape[1]!, shape[0]!]

function hostValues(tensor: HostTensor, parameter: Parameter, name: string): HostArray {
  if (parameter.dtype !== "bf16") return toFloat32(tensor, name)
  const short = castFloats(tensor, "bf16")
  if (short.dtype !== "bf16")
    throw new HeedError(
      `weights: expected floats for ${name}, but got ${tensor.dtype}`,
      "the file holds no model of this family",
    )
  return short.data
}

function listed(names: readonly string[]): string {
  return names.slice(0, 8).join(", ") + (names.length > 8 ? ` and ${names.length - 8} more` : "")
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
  const where = source.path ?? "weights"
  const own = model.state()
  const plan = new Map<string, { published: string; transposed: boolean }>()
  const unknown: string[] = []
  for (const published of source.names) {
    const found = ownPath(family.weights, published)
    if (found === "skipped") continue
    if (!found || !own.has(found.name)) {
      if (found?.mark !== "tied") unknown.push(published)
      continue
    }
    const twice = plan.get(found.name)
    if (twice)
      throw new HeedError(`${where}: expected one value for ${found.name}, but got ${twice.published} and ${published}`)
    plan.set(found.name, { published, transposed: found.mark === "transposed" })
  }
  const missing = [...own.keys()].filter(path => !plan.has(path))
  if (unknown.length > 0)
    throw new HeedError(
      `${where}: expected weights of a ${family.name} model, but got unknown ${listed(unknown)}`,
      "the configuration does not fit the weights, or they are of another head",
    )
  if (missing.length > 0 && !options.partial)
    throw new HeedError(
      `${where}: expected all ${own.size} weights of the model, but got no ${listed(missing.map(path => publishedPath(family.weights, path).name))}`,
      "{ partial: true } begins missing weights at random",
    )
  for (const [path, { published, transposed }] of plan) {
    const { shape } = own.get(path)!
    const expected = transposed ? turned(shape) : shape
    const got = source.info(published).shape
    if (!sameShape(expected, got))
      throw new ShapeError(`${where}: expected ${published} ${formatShape(expected)}, but got ${formatShape(got)}`)
  }
  for (const [path, { published, transposed }] of plan) {
    options.signal?.throwIfAborted()
    const parameter = own.get(path)!
    const data = hostValues(await source.read(published), parameter, published)
    const [columns, rows] = parameter.shape as [number, number]
    parameter.assign(fromHost(transposed ? turn(data, [rows, columns]) : data, parameter.shape, parameter.dtype, path))
  }
  return model
}

/** A model's weights under published names, each read when its turn to be written comes. */
export function publishedWeights(model: Model, family: ModelFamily): Record<string, LazyTensor> {
  const record: Record<string, LazyTensor> = {}
  for (const [path, parameter] of model.state()) {
    const { name, mark } = publishedPath(family.weights, path)
    const dtype = parameter.dtype as "f32" | "bf16"
    const transposed = mark === "transposed"
    const shape = transposed ? turned(parameter.shape) : parameter.shape
    const load = async (): Promise<HostTensor> => {
      const data = await parameter.read()
      const [rows, columns] = parameter.shape as [number, number]
      return { dtype, shape, data: transposed ? turn(data, [rows, columns]) : data } as HostTensor
    }
    record[name] = { dtype, shape, load }
  }
  return record
}
