// Models that answer in one pass (encoders, classifiers): rows of ids are padded to a common length and run in batches, each shape
// one compiled program.

import type { ForwardOptions, Model, ModelOutput } from "../models/index.ts"
import { type CompiledFunction, compile, evaluateOn, read } from "../runtime/index.ts"
import { fromHost, HeedError, type Tensor } from "../tensor/index.ts"
import type { RunOptions } from "./task.ts"

/** One row of input. */
export interface Row {
  readonly ids: ArrayLike<number>
  /** Segment of each token; 0 where they are left out. */
  readonly typeIds?: ArrayLike<number>
}

/** A value of one row on the host; `shape` is without the batch, and of positions only those of the row's own tokens. */
export interface RowValue {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** How rows are run. */
export interface EncoderOptions extends RunOptions {
  /** Token that fills short rows. */
  readonly padToken: number
  /** Rows run together at most. Default 8. */
  readonly batchSize?: number
  readonly signal?: AbortSignal
}

/** What is read of a model's output, by name; the first axis is the batch. `perToken` values have positions as their second axis. */
export interface Reading {
  readonly values: (output: ModelOutput, mask: Tensor | null) => Readonly<Record<string, Tensor>>
  readonly perToken: boolean
}

type Forward = [ids: Tensor, mask: Tensor | undefined, types: Tensor | undefined]

/** Lengths are rounded up, so that few programs serve all texts. */
export function roundedLength(length: number, most: number): number {
  const step = length <= 64 ? 8 : length <= 256 ? 32 : 64
  return Math.min(Math.ceil(length / step) * step, most)
}

/** A model as a function of rows. */
export class EncoderRunner {
  readonly #model: Model
  readonly #forward: CompiledFunction<Forward, Readonly<Record<string, Tensor>>>
  readonly #perToken: boolean
  readonly #run: RunOptions

  constructor(model: Model, reading: Reading, run: RunOptions = {}) {
    this.#model = model.eval()
    this.#perToken = reading.perToken
    this.#run = run
    this.#forward = compile(
      (...[ids, mask, types]: Forward) => {
        const options: ForwardOptions = {
          ...(mask ? { attentionMask: mask } : {}),
          ...(types ? { tokenTypeIds: types } : {}),
        }
        return reading.values(model.forward(ids, options), mask ?? null)
      },
      { ...(run.device ? { device: run.device } : {}), ...(run.precision ? { precision: run.precision } : {}) },
    )
  }

  /** Tokens a row may have. */
  get context(): number {
    const { context } = this.#model.config
    return typeof context === "number" ? context : Number.POSITIVE_INFINITY
  }

  /** Runs rows, the longest together, and gives their values in the order of the rows. Throws HeedError for a row beyond the context. */
  async run(
    rows: readonly Row[],
    options: Omit<EncoderOptions, keyof RunOptions>,
  ): Promise<Readonly<Record<string, RowValue>>[]> {
    const { batchSize = 8, padToken, signal } = options
    const order = rows.map((_, i) => i).sort((a, b) => rows[b]!.ids.length - rows[a]!.ids.length)
    const results = new Array<Readonly<Record<string, RowValue>>>(rows.length)
    for (let start = 0; start < order.length; start += batchSize) {
      signal?.throwIfAborted()
      const chosen = order.slice(start, start + batchSize)
      const values = await this.#batch(
        chosen.map(i => rows[i]!),
        padToken,
        signal,
      )
      for (const [k, i] of chosen.entries()) results[i] = values[k]!
    }
    return results
  }

  async #batch(
    rows: readonly Row[],
    padToken: number,
    signal: AbortSignal | undefined,
  ): Promise<Readonly<Record<string, RowValue>>[]> {
    const longest = rows[0]!.ids.length
    if (longest > this.context)
      throw new HeedError(
        `${this.#model.family}: expected at most ${this.context} tokens, the model's context, but got ${longest}: ${longest - this.context} too many`,
        "cut the text, or pass truncation: true",
      )
    const [B, T] = [rows.length, roundedLength(longest, this.context)]
    const [ids, mask, types] = [new Int32Array(B * T).fill(padToken), new Int32Array(B * T), new Int32Array(B * T)]
    for (const [b, row] of rows.entries()) {
      ids.set(row.ids, b * T)
      mask.fill(1, b * T, b * T + row.ids.length)
      if (row.typeIds) types.set(row.typeIds, b * T)
    }
    const padded = rows.some(row => row.ids.length < T)
    const matrix = (data: Int32Array): Tensor => fromHost(data, [B, T], "i32")
    const typed = this.#model.config.segments !== undefined && rows.some(row => row.typeIds)
    const outputs = await this.#forward.run(
      [matrix(ids), padded ? matrix(mask) : undefined, typed ? matrix(types) : undefined],
      signal ? { signal } : {},
    )
    const names = Object.keys(outputs)
    const tensors = names.map(name => outputs[name]!)
    const { device } = this.#run
    const data = device ? await evaluateOn(device, tensors) : await Promise.all(tensors.map(read))
    return rows.map((row, b) =>
      Object.fromEntries(names.map((name, i) => [name, this.#row(tensors[i]!, data[i] as Float32Array, b, row)])),
    )
  }

  #row({ shape }: Tensor, data: Float32Array, b: number, { ids }: Row): RowValue {
    const size = data.length / shape[0]!
    const own = data.subarray(b * size, (b + 1) * size)
    if (!this.#perToken) return { shape: shape.slice(1), data: own }
    const [T, ...rest] = shape.slice(1) as [number, ...number[]]
    return { shape: [ids.length, ...rest], data: own.subarray(0, (own.length / T) * ids.length) }
  }
}

/** exp(x - max) / Σ of one row. */
export function softmaxRow(logits: ArrayLike<number>): Float64Array {
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!)
  const out = Float64Array.from(logits, x => Math.exp(x - most))
  const sum = out.reduce((total, x) => total + x, 0)
  return out.map(x => x / sum)
}

/** 1 / (1 + exp(-x)) of each. */
export const sigmoidRow = (logits: ArrayLike<number>): Float64Array =>
  Float64Array.from(logits, x => 1 / (1 + Math.exp(-x)))

/** Positions of the k largest values, largest first; all of them where k is null. */
export function largest(values: ArrayLike<number>, k: number | null): number[] {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b)
  return k === null ? order : order.slice(0, k)
}
