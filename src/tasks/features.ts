// Numbers in a shape, as pipelines give vectors: flat data with its sizes, and as nested lists.

/** Nested lists of numbers, as deep as there are sizes. */
export type NestedNumbers = number | NestedNumbers[]

/** A block of numbers on the host. */
export class Features {
  readonly type = "float32"
  readonly data: Float32Array
  /** Its sizes, such as [texts, tokens, width] or [texts, width]. */
  readonly dims: readonly number[]

  constructor(data: Float32Array, dims: readonly number[]) {
    this.data = data
    this.dims = dims
  }

  get size(): number {
    return this.data.length
  }

  /** The numbers of one of the first axis. */
  row(i: number): Float32Array {
    const size = this.data.length / this.dims[0]!
    return this.data.subarray(i * size, (i + 1) * size)
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

/** Cosine of the angle between two vectors: 1 alike, 0 unrelated, -1 opposite. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! * a[i]!
    bb += b[i]! * b[i]!
  }
  return dot / Math.max(Math.sqrt(aa) * Math.sqrt(bb), 1e-12)
}
