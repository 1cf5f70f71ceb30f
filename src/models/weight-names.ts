// The table of a family's published weight names: read from left to right when loading and from right to left when saving.

import { HeedError } from "../tensor/index.ts"
import type { ModelFamily } from "./definition.ts"
import type { Model } from "./model.ts"

/** A part of one of our weights: its rows from `rows(config)[0]` up to `rows(config)[1]`. */
export interface RowPart<C> {
  rows(config: C): readonly [start: number, end: number]
}

/** "transposed": published as [in out]. "tied": a copy of another weight that may stand in the file of a model that shares it. */
export type WeightMark<C = Readonly<Record<string, unknown>>> = "transposed" | "tied" | RowPart<C>

/** A published name and ours; each `*` stands for one part between dots, the same in both. Several rules may share the rows of one of ours. */
export type WeightRule<C = Readonly<Record<string, unknown>>> = readonly [
  published: string,
  own: string,
  mark?: WeightMark<C>,
]

/** The names of a family's weights. */
export interface WeightTable<C = Readonly<Record<string, unknown>>> {
  /** The first rule that fits counts. */
  readonly rules: readonly WeightRule<C>[]
  /** Beginning of published names that files of the bare model leave out; files of a headed model may have it all the same. */
  readonly prefix?: string
  /** true: this is the bare model, which is written without the prefix. */
  readonly bare?: boolean
  /** Beginnings of published names of heads: in a file, those of a head that this model does not have are left aside. */
  readonly heads?: readonly string[]
  /** Old endings of published names and what they became ("LayerNorm.gamma"). */
  readonly renamed?: readonly (readonly [old: string, now: string])[]
  /** Published names of what is no weight (masks that old versions saved). */
  readonly skipped?: readonly string[]
  /** Published names that a file may leave out: these keep the values they begin with. */
  readonly optional?: readonly string[]
}

/** Rules of published weights whose rows stand on each other in one of ours; `sizes` counts the rows of each. */
export function stacked<C>(
  published: readonly string[],
  own: string,
  sizes: (config: C) => readonly number[],
): WeightRule<C>[] {
  return published.map((name, part) => {
    const rows = (config: C): readonly [number, number] => {
      const counts = sizes(config)
      const start = counts.slice(0, part).reduce((total, n) => total + n, 0)
      return [start, start + counts[part]!]
    }
    return [name, own, { rows }]
  })
}

/** The parts of `name` that the stars of `pattern` stand for, or null where it does not fit. */
export function match(pattern: string, name: string): readonly string[] | null {
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

/** A published weight that holds one of ours, or some rows of it. */
export interface PublishedPart {
  readonly name: string
  readonly transposed: boolean
  /** First row and the row behind the last; null: all. */
  readonly rows: readonly [start: number, end: number] | null
}

/** The published weights that hold one of ours. Throws HeedError where the table lacks it. */
export function publishedParts(model: Model, family: ModelFamily, path: string): readonly PublishedPart[] {
  const { rules, prefix = "", bare = false } = family.weightsOf(model.config)
  const parts: PublishedPart[] = []
  for (const [published, own, mark] of rules) {
    const stars = match(own, path)
    if (!stars) continue
    const full = fill(published, stars)
    const name = bare && full.startsWith(prefix) ? full.slice(prefix.length) : full
    if (typeof mark === "object") parts.push({ name, transposed: false, rows: mark.rows(model.config) })
    else if (parts.length === 0) return [{ name, transposed: mark === "transposed", rows: null }]
  }
  if (parts.length > 0) return parts
  throw new HeedError(
    `weights: expected a published name for ${path}, but the table has none`,
    "add a rule to the family's table",
  )
}

/** Whether a published name that no weight asks for may stand in a file. */
export function isExtra({ prefix = "", rules, skipped = [], heads = [] }: WeightTable, published: string): boolean {
  if (heads.some(head => published.startsWith(head))) return true
  const names = published.startsWith(prefix) ? [published] : [published, prefix + published]
  const patterns = [...skipped, ...rules.flatMap(([pattern, , mark]) => (mark === "tied" ? [pattern] : []))]
  return names.some(name => patterns.some(pattern => match(pattern, name)))
}

/** Names as they are published today, and as they stand in the file. */
export function storedNames({ renamed = [] }: WeightTable, names: readonly string[]): Map<string, string> {
  const today = (name: string): string => {
    const old = renamed.find(([ending]) => name.endsWith(ending))
    return old ? name.slice(0, -old[0].length) + old[1] : name
  }
  return new Map(names.map(name => [today(name), name]))
}
