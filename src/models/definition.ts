// defineModel: a family is its options, how a model is built of them, and one table of published names. From this come reading and
// writing config.json, loading and saving.

import { type Declaration, nearestName, type Options, type ValuesOf } from "../config/index.ts"
import { Initializer, type InitializerOptions } from "../nn/index.ts"
import { HeedError, ValueError } from "../tensor/index.ts"
import type { Model } from "./model.ts"
import { type Codec, checkFixed, fixedKeys, harmlessKeys } from "./published.ts"
import type { WeightTable } from "./weight-names.ts"

/** A configuration as it stands in config.json. */
export type PublishedConfig = Readonly<Record<string, unknown>>

/** What a family is defined by. */
export interface ModelDefinition<O extends Options, M extends Model> {
  /** `model_type` of published configurations. */
  readonly name: string
  /** Its options; the first alias of each is its published name. */
  readonly config: Declaration<O>
  /** Published architecture of each value of the option `head`; of several, the first is written. */
  readonly architectures: Readonly<Record<string, string | readonly string[]>>
  readonly build: (config: ValuesOf<Declaration<O>>, init: Initializer) => M
  /** Published names of weights; a function where they depend on the options. */
  readonly weights:
    | WeightTable<ValuesOf<Declaration<O>>>
    | ((config: ValuesOf<Declaration<O>>) => WeightTable<ValuesOf<Declaration<O>>>)
  /** How values of options are published where they differ. */
  readonly codecs?: Readonly<Record<string, Codec>>
  /** Further published keys that change nothing. */
  readonly harmless?: readonly string[]
  /** Further published keys that must have one of these values where they stand, or other values than elsewhere. */
  readonly fixed?: Readonly<Record<string, readonly unknown[]>>
  /** Checks options against each other; throws ValueError. */
  readonly check?: (config: ValuesOf<Declaration<O>>) => void
}

/** How a published configuration is read. */
export interface ReadConfigOptions {
  /** Names the configuration in errors. */
  readonly source?: string
  /** Unknown keys to leave aside although they might change what is computed. */
  readonly ignore?: readonly string[]
  /** The head to build, instead of the one of `architectures`. */
  readonly head?: string
}

/** A family of models. */
export interface ModelFamily<C = Readonly<Record<string, unknown>>, M extends Model = Model> {
  readonly name: string
  readonly declaration: Declaration
  readonly architectures: Readonly<Record<string, readonly string[]>>
  /** Published names of the weights of a model of these options. */
  weightsOf(config: C): WeightTable
  /** A model with random weights; options that are left out have their defaults. Throws ConfigError, ValueError. */
  build(config?: { readonly [K in keyof C]?: C[K] | undefined }, init?: InitializerOptions): M
  /** The same with weights of an initializer that others share: a part of a larger model, which names its parameters. */
  construct(config: { readonly [K in keyof C]?: C[K] | undefined }, init: Initializer): M
  /** The options of a published configuration. Throws ConfigError, ValueError for what is unknown or not built here. */
  readConfig(published: PublishedConfig, options?: ReadConfigOptions): C
  /** The published configuration of options. */
  writeConfig(config: C): Record<string, unknown>
}

/** Layers are objects, and tables of positions are as wide as the stream: a hostile configuration must not fill the memory with them. */
const mostLayers = 10_000
const mostWidth = 1_000_000
const mostLabels = 1_000_000

/** Defines a family. */
export function defineModel<O extends Options, M extends Model>(
  definition: ModelDefinition<O, M>,
): ModelFamily<ValuesOf<Declaration<O>>, M> {
  type Config = ValuesOf<Declaration<O>>
  const { name, config: declaration, weights, codecs = {} } = definition
  const architectures = Object.fromEntries(
    Object.entries(definition.architectures).map(([head, names]) => [
      head,
      typeof names === "string" ? [names] : names,
    ]),
  )
  const fixed = { ...fixedKeys, ...definition.fixed }
  const harmless = new Set([...harmlessKeys, ...(definition.harmless ?? [])])
  const publishedName = (key: string): string => declaration.options[key]!.aliases[0] ?? key

  const checked = (input: unknown, source: string): Config => {
    const config = declaration.parse(input, source) as Config
    const { layers, width } = config as { readonly layers?: unknown; readonly width?: unknown }
    if (typeof layers === "number" && layers > mostLayers)
      throw new ValueError(`${source}: expected at most ${mostLayers} layers, but got ${layers}`)
    if (typeof width === "number" && width > mostWidth)
      throw new ValueError(`${source}: expected a width of at most ${mostWidth}, but got ${width}`)
    definition.check?.(config)
    return config
  }

  const headOf = (published: PublishedConfig, source: string, wanted?: string): Record<string, unknown> => {
    const list = published.architectures
    if (wanted !== undefined) return { head: wanted }
    if (list === undefined || list === null) return {}
    const found = Object.entries(architectures).find(
      ([, names]) => Array.isArray(list) && names.includes(list[0] as string),
    )
    if (!found)
      throw new ValueError(
        `${source}: expected architectures to be one of ${Object.values(architectures).flat().join(", ")}, but got ${JSON.stringify(list)}`,
        `choose one: { head: ${Object.keys(architectures)
          .map(head => JSON.stringify(head))
          .join(" | ")} }`,
      )
    return { head: found[0] }
  }

  return {
    name,
    declaration,
    architectures,
    weightsOf: config => (typeof weights === "function" ? weights(config) : weights) as WeightTable,
    build: (config = {}, init = {}) => definition.build(checked(config, name), new Initializer(init)).adoptNames(),
    construct: (config, init) => definition.build(checked(config, name), init),
    readConfig: (published, { source = "config.json", ignore = [], head } = {}) => {
      const left = new Set(ignore)
      const input: Record<string, unknown> = headOf(published, source, head)
      const told = new Map<string, string>()
      for (const [key, value] of Object.entries(flattenRope(published))) {
        const own = declaration.keyOf(key)
        if (own !== undefined) {
          const meant = codecs[own] ? codecs[own].read(value) : value
          // said twice under two names is fine, unless they differ: then both go in, and are refused
          if (told.get(own) !== JSON.stringify(meant)) input[key] = meant
          told.set(own, JSON.stringify(meant))
        } else if (key === "id2label") input.labels = labelsOf(value)
        else if (Object.hasOwn(fixed, key)) checkFixed(source, key, value, fixed[key]!)
        else if (!harmless.has(key) && !key.startsWith("_") && !left.has(key)) input[key] = value // refused, with the nearest name
      }
      const { num_labels: count } = published
      if (
        count !== undefined &&
        count !== null &&
        !(Number.isInteger(count) && Number(count) >= 0 && Number(count) <= mostLabels)
      )
        throw new ValueError(`${source}: expected num_labels of 0 to ${mostLabels}, but got ${JSON.stringify(count)}`)
      if (input.labels === undefined && typeof published.num_labels === "number")
        input.labels = Array.from({ length: published.num_labels }, (_, i) => `LABEL_${i}`)
      if (declaration.keyOf("labels") === undefined) delete input.labels
      return checked(input, source)
    },
    writeConfig: config => {
      const out: Record<string, unknown> = {}
      for (const key of Object.keys(declaration.options)) {
        const value = (config as Record<string, unknown>)[key]
        if (key === "head") out.architectures = [architectures[value as string]![0]!]
        else if (key === "labels") Object.assign(out, labelKeys(value as readonly string[]))
        else out[publishedName(key)] = codecs[key] ? codecs[key].write(value, config) : value
      }
      return { ...out, model_type: name }
    },
  }
}

/** `rope_parameters` of newer files as `rope_theta`, `partial_rotary_factor` and `rope_scaling`. */
function flattenRope(published: PublishedConfig): PublishedConfig {
  const { rope_parameters: rope, ...rest } = published
  if (typeof rope !== "object" || rope === null) return rest
  const { rope_theta, partial_rotary_factor, ...scaling } = rope as Record<string, unknown>
  return {
    ...rest,
    ...(rope_theta === undefined ? {} : { rope_theta }),
    ...(partial_rotary_factor === undefined ? {} : { partial_rotary_factor }),
    rope_scaling: scaling,
  }
}

/** Names of classes in the order of their numbers. Throws ValueError where a number is missing. */
function labelsOf(table: unknown): unknown {
  if (typeof table !== "object" || table === null) return table
  const entries = Object.entries(table).sort(([a], [b]) => Number(a) - Number(b))
  const hole = entries.findIndex(([id], i) => id !== String(i))
  if (hole >= 0)
    throw new ValueError(
      `config.json: expected id2label to name the classes 0 .. ${entries.length - 1}, but got ${JSON.stringify(entries[hole]![0].slice(0, 40))} in place of ${hole}`,
      "number the labels from 0 on, without a gap",
    )
  return entries.map(([, label]) => label)
}

function labelKeys(labels: readonly string[]): Record<string, unknown> {
  return {
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  }
}

/** The family of that name among several. Throws HeedError that lists them and names the nearest. */
export function findFamily(families: readonly ModelFamily[], name: unknown, source: string): ModelFamily {
  const found = families.find(family => family.name === name)
  if (found) return found
  const names = families.map(family => family.name)
  const near = typeof name === "string" ? nearestName(name, names) : undefined
  throw new HeedError(
    `${source}: expected model_type to be one of ${names.join(", ")}, but got ${JSON.stringify(name) ?? "none"}`,
    near ? `the nearest is ${near.name}` : "config.json names its family in model_type",
  )
}
