// Models that answer in one pass (encoders, classifiers): rows of ids are padded to a common length and run in batches, each shape
// one compiled program.

import type { LongformerOptions, Model, ModelOutput } from "../models/index.ts"
import { type CompiledFunction, compile, readOn } from "../runtime/index.ts"
import { fromHost, HeedError, type Tensor } from "../tensor/index.ts"
import type { RunOptions } from "./task.ts"

/** One row of input. */
export interface Row {
  readonly ids: ArrayLike<number>
  /** Segment of each token; 0 where they are left out. */
  readonly typeIds?: ArrayLike<number>
  /** How many of the first tokens see all others and are seen by them, in models with windows (Longformer). None by default. */
  readonly globals?: number
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

type Forward = [ids: Tensor, mask: Tensor | undefined, types: Tensor | undefined, globals: Tensor | undefined]

type Program = CompiledFunction<Forward, Readonly<Record<string, Tensor>>>

/** Lengths are rounded up, so that few programs serve all texts. */
export function roundedLength(length: number, most: number): number {
  const step = length <= 64 ? 8 : length <= 256 ? 32 : 64
  return Math.min(Math.ceil(length / step) * step, most)
}

/** A model as a function of rows. */
export class EncoderRunner {
  readonly #model: Model
  readonly #reading: Reading
  /** By the largest number of global tokens in a row, which is part of a program. */
  readonly #programs = new Map<number, Program>()
  readonly #run: RunOptions

  constructor(model: Model, reading: Reading, run: RunOptions = {}) {
    this.#model = model
    this.#reading = reading
    this.#run = run
  }

  #program(globalTokens: number): Program {
    const known = this.#programs.get(globalTokens)
    if (known) return known
    const { device, precision } = this.#run
    const program = compile(
      (...[ids, mask, types, globals]: Forward) => {
        const options: LongformerOptions = {
          ...(mask ? { attentionMask: mask } : {}),
          ...(types ? { tokenTypeIds: types } : {}),
          ...(globals ? { globalAttentionMask: globals, globalTokens } : {}),
        }
        return this.#model.inEvaluation(() => this.#reading.values(this.#model.forward(ids, options), mask ?? null))
      },
      { ...(device ? { device } : {}), ...(precision ? { precision } : {}) },
    )
    this.#programs.set(globalTokens, program)
    return program
  }

  /** Tokens a row may have. */
  get context(): number {
    const model = this.#model
    const context = "context" in model ? model.context : model.config.context
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
    const [mask, types, globals] = [new Int32Array(B * T), new Int32Array(B * T), new Int32Array(B * T)]
    const ids = new Int32Array(B * T).fill(padToken)
    for (const [b, row] of rows.entries()) {
      ids.set(row.ids, b * T)
      mask.fill(1, b * T, b * T + row.ids.length)
      if (row.typeIds) types.set(row.typeIds, b * T)
      globals.fill(1, b * T, b * T + (row.globals ?? 0))
    }
    const mostGlobals = Math.max(...rows.map(row => row.globals ?? 0))
    const padded = rows.some(row => row.ids.length < T)
    const matrix = (data: Int32Array): Tensor => fromHost(data, [B, T], "i32")
    const typed = Number(this.#model.config.segments) > 1 && rows.some(row => row.typeIds)
    const outputs = await this.#program(mostGlobals === 0 ? 0 : roundedLength(mostGlobals, T)).run(
      [
        matrix(ids),
        padded ? matrix(mask) : undefined,
        typed ? matrix(types) : undefined,
        mostGlobals > 0 ? matrix(globals) : undefined,
      ],
      signal ? { signal } : {},
    )
    const names = Object.keys(outputs)
    const tensors = names.map(name => outputs[name]!)
    const data = await readOn(this.#run.device, tensors)
    return rows.map((row, b) =>
      Object.fromEntries(names.map((name, i) => [name, this.#row(tensors[i]!, data[i] as Float32Array, b, row)])),
    )
  }

  #row({ shape }: Tensor, data: Float32Array, b: number, { ids }: Row): RowValue {
    const size = data.length / shape[0]!
    const own = data.subarray(b * size, (b + 1) * size)
    if (!this.#reading.perToken) return { shape: shape.slice(1), data: own }
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
