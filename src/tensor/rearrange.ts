// Axes by name, after einops (Rogozhnikov 2022): "B T (n H K) -> n B H T K" splits, moves and merges axes; the same notation
// with fewer axes on the right reduces, with more it repeats.

import { checkOptions, checkTensors, checkTexts } from "./arguments.ts"
import { ShapeError, ValueError } from "./errors.ts"
import { broadcastTo, permute, reshape } from "./ops/move.ts"
import { max, mean, min, prod, sum } from "./ops/reduce.ts"
import { formatShape, sizeOf } from "./shape.ts"
import type { Tensor } from "./tensor.ts"

/** One axis of a tensor: the names merged in it, row-major; [] is an axis of size 1. "…" stands for any axes. */
type Group = readonly string[]

interface Pattern {
  readonly left: readonly Group[]
  readonly right: readonly Group[]
}

const rest = "..."
const patterns = new Map<string, Pattern>()

function parseSide(what: string, pattern: string, side: string): Group[] {
  const groups: Group[] = []
  let open: string[] | null = null
  for (const [token] of side.matchAll(/\.\.\.|[A-Za-z_]\w*|\d+|[()]|\S/g)) {
    const bad = (why: string): ShapeError =>
      new ShapeError(
        `${what}: expected a pattern like "B T (H K) -> B H T K", but got "${pattern}" with ${why}`,
        "axes are names separated by blanks; parentheses merge axes; 1 is an axis of size 1; ... is any axes",
      )
    if (token === "(") {
      if (open) throw bad("nested parentheses")
      open = []
    } else if (token === ")") {
      if (!open) throw bad("an unopened parenthesis")
      groups.push(open)
      open = null
    } else if (token === "1") {
      if (!open) groups.push([])
    } else if (token === rest || /^[A-Za-z_]/.test(token)) {
      if (open && token === rest) throw bad("... inside parentheses")
      if (open) open.push(token)
      else groups.push([token])
    } else throw bad(`"${token}"`)
  }
  if (open) throw new ShapeError(`${what}: expected a closed parenthesis, but got "${pattern}"`)
  const names = groups.flat()
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice) throw new ShapeError(`${what}: expected each axis once on a side, but got ${twice} twice in "${pattern}"`)
  return groups
}

function parse(what: string, pattern: string): Pattern {
  const known = patterns.get(pattern)
  if (known) return known
  const sides = pattern.split("->")
  if (sides.length !== 2) throw new ShapeError(`${what}: expected a pattern with one ->, but got "${pattern}"`)
  const parsed = { left: parseSide(what, pattern, sides[0]!), right: parseSide(what, pattern, sides[1]!) }
  patterns.set(pattern, parsed)
  return parsed
}

/** Names for the axes behind "...". */
function expandRest(groups: readonly Group[], count: number): Group[] {
  return groups.flatMap(group => (group[0] === rest ? Array.from({ length: count }, (_, i) => [`...${i}`]) : [group]))
}

/** Sizes of named axes. */
export type AxisSizes = Readonly<Record<string, number>>

interface Matched {
  /** x with one axis for each name on the left. */
  readonly elementary: Tensor
  readonly names: readonly string[]
  readonly right: readonly Group[]
  readonly sizes: ReadonlyMap<string, number>
}

function match(what: string, x: Tensor, pattern: string, given: AxisSizes): Matched {
  const parsed = parse(what, pattern)
  const hasRest = parsed.left.some(group => group[0] === rest)
  const count = x.rank - (parsed.left.length - (hasRest ? 1 : 0))
  if (hasRest ? count < 0 : count !== 0)
    throw new ShapeError(
      `${what}: expected ${hasRest ? "at least " : ""}${x.rank - count} axes for "${pattern}", but got ${formatShape(x.shape)}`,
    )
  const left = expandRest(parsed.left, count)
  const right = expandRest(parsed.right, hasRest ? count : 0)
  const sizes = new Map<string, number>()
  for (const [name, size] of Object.entries(given)) {
    if (!Number.isInteger(size) || size < 0)
      throw new ValueError(`${what}: expected a whole size for ${name}, but got ${size}`)
    if (![...left, ...right].some(group => group.includes(name)))
      throw new ValueError(`${what}: expected sizes of axes in "${pattern}", but got one for ${name}`)
    sizes.set(name, size)
  }
  for (const [axis, group] of left.entries()) {
    const total = x.shape[axis]!
    const unknown = group.filter(name => !sizes.has(name))
    const known = group.reduce((product, name) => product * (sizes.get(name) ?? 1), 1)
    if (unknown.length > 1)
      throw new ShapeError(
        `${what}: expected the size of all but one axis in (${group.join(" ")}) of "${pattern}", but ${unknown.join(" and ")} are unknown`,
        `name it: { ${unknown[0]}: … }`,
      )
    const lacking = unknown[0]
    if (lacking !== undefined && known > 0 && total % known === 0) sizes.set(lacking, total / known)
    else if (lacking !== undefined || known !== total) {
      const asked = group.map(name => (sizes.has(name) ? `${name}=${sizes.get(name)}` : name)).join(" ") || "1"
      throw new ShapeError(
        `${what}: expected axis ${axis} of ${formatShape(x.shape)} to split into (${asked}) for "${pattern}", but got ${total}`,
      )
    }
  }
  const names = left.flat()
  return {
    elementary: reshape(
      x,
      names.map(name => sizes.get(name)!),
    ),
    names,
    right,
    sizes,
  }
}

const mergedShape = (groups: readonly Group[], sizes: ReadonlyMap<string, number>): number[] =>
  groups.map(group => sizeOf(group.map(name => sizes.get(name)!)))

/**
 * Splits, moves and merges axes: rearrange(x, "B T (n H K) -> n B H T K", { n: 3, H: 8 }). Axes of size 1 may appear and vanish as 1.
 * Throws ShapeError, ValueError.
 */
export function rearrange(x: Tensor, pattern: string, sizes: AxisSizes = {}): Tensor {
  checkTensors("rearrange", { x })
  checkTexts("rearrange", { pattern })
  checkOptions("rearrange", { sizes })
  const { elementary, names, right, sizes: all } = match("rearrange", x, pattern, sizes)
  const wanted = right.flat()
  if (wanted.length !== names.length || wanted.some(name => !names.includes(name)))
    throw new ShapeError(
      `rearrange: expected the same axes on both sides, but got "${pattern}"`,
      "to sum axes use reduceAxes, to repeat use repeatAxes",
    )
  return reshape(
    permute(
      elementary,
      wanted.map(name => names.indexOf(name)),
    ),
    mergedShape(right, all),
  )
}

const reductions = { sum, mean, max, min, prod } as const

/** Reduces the axes that are missing on the right: reduceAxes(x, "B (T n) D -> B T D", "mean", { n: 2 }). Throws ShapeError, ValueError. */
export function reduceAxes(
  x: Tensor,
  pattern: string,
  reduction: keyof typeof reductions,
  sizes: AxisSizes = {},
): Tensor {
  checkTensors("reduceAxes", { x })
  checkTexts("reduceAxes", { pattern })
  checkOptions("reduceAxes", { sizes })
  const { elementary, names, right, sizes: all } = match("reduceAxes", x, pattern, sizes)
  const wanted = right.flat()
  const unknown = wanted.find(name => !names.includes(name))
  if (unknown) throw new ShapeError(`reduceAxes: expected axes of the left side, but got ${unknown} in "${pattern}"`)
  if (!(reduction in reductions))
    throw new ValueError(
      `reduceAxes: expected one of ${Object.keys(reductions).join(", ")}, but got ${String(reduction)}`,
    )
  const gone = names.flatMap((name, i) => (wanted.includes(name) ? [] : [i]))
  const left = names.filter(name => wanted.includes(name))
  const reduced = gone.length === 0 ? elementary : reductions[reduction](elementary, gone)
  return reshape(
    permute(
      reduced,
      wanted.map(name => left.indexOf(name)),
    ),
    mergedShape(right, all),
  )
}

/** Repeats along axes that are new on the right: repeatAxes(x, "T D -> B T D", { B: 4 }). Throws ShapeError, ValueError. */
export function repeatAxes(x: Tensor, pattern: string, sizes: AxisSizes = {}): Tensor {
  checkTensors("repeatAxes", { x })
  checkTexts("repeatAxes", { pattern })
  checkOptions("repeatAxes", { sizes })
  const { elementary, names, right, sizes: all } = match("repeatAxes", x, pattern, sizes)
  const wanted = right.flat()
  const lost = names.find(name => !wanted.includes(name))
  if (lost) throw new ShapeError(`repeatAxes: expected every axis on the right, but ${lost} is missing in "${pattern}"`)
  const unknown = wanted.find(name => !all.has(name))
  if (unknown)
    throw new ShapeError(`repeatAxes: expected a size for ${unknown} in "${pattern}"`, `name it: { ${unknown}: … }`)
  const moved = permute(
    elementary,
    wanted.filter(name => names.includes(name)).map(name => names.indexOf(name)),
  )
  const withOnes = reshape(
    moved,
    wanted.map(name => (names.includes(name) ? all.get(name)! : 1)),
  )
  const grown = broadcastTo(
    withOnes,
    wanted.map(name => all.get(name)!),
  )
  return reshape(grown, mergedShape(right, all))
}
