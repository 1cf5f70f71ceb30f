// Numbers in a shape, on the host: what tasks and Auto classes give and take, with the members of transformers.js's Tensor that snippets
// use. Whole numbers are 32 bits wide (there: BigInts of 64).

import { ShapeError, ValueError } from "../tensor/index.ts"

/** Nested lists of numbers, as deep as there are sizes. */
export type NestedNumbers = number | NestedNumbers[]

/** The arrays that hold numbers. */
export type HostNumbers = Float32Array | Int32Array

/** Names of types: int64 and bool are kept as int32. */
export type HostType = "float32" | "int32" | "int64" | "bool"

/** One axis of a slice: all of it, one place (the axis goes), or places from .. to; negative ones count from the end. */
export type SliceOf = null | number | readonly [from: number | null, to: number | null]

/** A block of numbers; `new HostTensor("int64", [1, 2], [1, 2])`. */
export class HostTensor<A extends HostNumbers = HostNumbers> {
  readonly data: A
  /** Its sizes, such as [texts, tokens, width] or [texts, width]. */
  readonly dims: readonly number[]

  /** Throws ShapeError where the sizes do not hold as many numbers, ValueError for another type. */
  constructor(type: HostType, data: A | ArrayLike<number | bigint | boolean>, dims: readonly number[]) {
    if (!["float32", "int32", "int64", "bool"].includes(type))
      throw new ValueError(`Tensor: expected the type float32, int32, int64 or bool, but got ${JSON.stringify(type)}`)
    const Numbers = type === "float32" ? Float32Array : Int32Array
    this.data = (data instanceof Numbers ? data : Numbers.from(Array.from(data as ArrayLike<unknown>, Number))) as A
    this.dims = dims
    const size = dims.reduce((a, b) => a * b, 1)
    if (size !== this.data.length)
      throw new ShapeError(`Tensor: expected ${size} numbers for [${dims.join(" ")}], but got ${this.data.length}`)
  }

  get type(): "float32" | "int32" {
    return this.data instanceof Float32Array ? "float32" : "int32"
  }

  get size(): number {
    return this.data.length
  }

  /** The numbers of one of the first axis. */
  row(i: number): A {
    const size = this.data.length / this.dims[0]!
    return this.data.subarray(i * size, (i + 1) * size) as A
  }

  /** The only number. Throws ShapeError where there are more. */
  item(): number {
    if (this.data.length === 1) return this.data[0]!
    throw new ShapeError(`Tensor: expected one number, but got ${this.data.length} as [${this.dims.join(" ")}]`)
  }

  /** A part of each axis: `x.slice(null, [4, null])` leaves the first four of the second axis out. Throws ShapeError. */
  slice(...parts: readonly SliceOf[]): HostTensor<A> {
    if (parts.length > this.dims.length)
      throw new ShapeError(`slice: expected at most ${this.dims.length} axes, but got ${parts.length}`)
    const ranges = this.dims.map((size, axis) => rangeOf(parts[axis] ?? null, size, axis))
    const lengths = ranges.map(([from, to]) => to - from)
    const out = this.data.slice(
      0,
      lengths.reduce((a, b) => a * b, 1),
    ) as A
    let at = 0
    const copy = (axis: number, from: number, size: number): void => {
      if (axis === lengths.length) {
        out[at++] = this.data[from]!
        return
      }
      const inner = size / this.dims[axis]!
      for (let i = ranges[axis]![0]; i < ranges[axis]![1]; i++) copy(axis + 1, from + i * inner, inner)
    }
    if (out.length > 0) copy(0, 0, this.data.length)
    return new HostTensor<A>(
      this.type,
      out,
      lengths.filter((_, axis) => typeof parts[axis] !== "number"),
    )
  }

  /** Its rows: tensors of one axis less, or the numbers of a list. */
  *[Symbol.iterator](): Generator<HostTensor<A> | number, void, void> {
    const [count = 0, ...rest] = this.dims
    for (let i = 0; i < count; i++)
      yield rest.length === 0 ? this.data[i]! : new HostTensor<A>(this.type, this.row(i), rest)
  }

  /** Nested lists. */
  tolist(): NestedNumbers {
    const nest = (from: number, dims: readonly number[]): NestedNumbers => {
      const [count, ...rest] = dims
      if (count === undefined) return this.data[from]!
      const size = rest.reduce((a, b) => a * b, 1)
      return Array.from({ length: count }, (_, i) => nest(from + i * size, rest))
    }
    return nest(0, this.dims)
  }

  toJSON(): NestedNumbers {
    return this.tolist()
  }
}

/** The places of an axis that a slice names. Throws ShapeError. */
function rangeOf(part: SliceOf, size: number, axis: number): readonly [from: number, to: number] {
  const place = (i: number): number => (i < 0 ? i + size : i)
  if (typeof part === "number") {
    const at = place(part)
    if (Number.isInteger(at) && at >= 0 && at < size) return [at, at + 1]
    throw new ShapeError(`slice: expected a place below ${size} on axis ${axis}, but got ${part}`)
  }
  const [from, to] = part ?? [null, null]
  const begin = Math.min(Math.max(place(from ?? 0), 0), size)
  return [begin, Math.max(begin, Math.min(Math.max(place(to ?? size), 0), size))]
}

/** Nested lists as a tensor of floats or whole numbers. Throws ShapeError for lists of different lengths, ValueError for what is no number. */
export function fromLists(what: string, lists: unknown, type: "float32" | "int32"): HostTensor {
  const dims: number[] = []
  for (let level: unknown = lists; Array.isArray(level) || ArrayBuffer.isView(level); level = (level as unknown[])[0])
    dims.push((level as ArrayLike<unknown>).length)
  const flat: number[] = []
  const walk = (value: unknown, depth: number): void => {
    if (typeof value === "object" && value !== null && "length" in value) {
      if (value.length !== dims[depth])
        throw new ShapeError(
          `${what}: expected lists of one length, but got ${dims[depth] ?? "a number"} and ${value.length}`,
          "for rows of tokens, pass padding: true to the tokenizer",
        )
      for (const one of Array.from(value as ArrayLike<unknown>)) walk(one, depth + 1)
    } else if (depth === dims.length && ["number", "bigint", "boolean"].includes(typeof value)) flat.push(Number(value))
    else
      throw new ValueError(
        `${what}: expected a tensor or nested lists of numbers, but got ${JSON.stringify(value) ?? typeof value}`,
      )
  }
  walk(lists, 0)
  return new HostTensor(type, flat, dims)
}
