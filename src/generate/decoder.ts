// Decoding as replayed programs: the prompt is read in chunks of a few fixed sizes, then every token is one and the same program with
// a key/value cache, whatever its position.

import type { Model } from "../models/model.ts"
import type { KeyValueCache } from "../nn/index.ts"
import { type CompiledFunction, chosenDevice, compile, evaluateOn, read, scalar } from "../runtime/index.ts"
import { arange, fromHost, maximum, minimum, ShapeError, type Tensor } from "../tensor/index.ts"
import { readSlice } from "../tensor/ops/dynamic.ts"

/** Where and how programs run. */
export interface DecoderOptions {
  /** Default: the chosen device. */
  readonly device?: "native" | "wasm"
  /** "bf16" makes products of short numbers; default "fp32". */
  readonly precision?: "fp32" | "bf16"
  /** Type of the cache; default "f32". */
  readonly cacheType?: "f32" | "bf16"
}

/** What a decoder must hold. */
export interface DecoderRequest extends DecoderOptions {
  readonly batch: number
  /** Positions that will be used at most. */
  readonly positions: number
}

const smallestChunk = 16
const largestChunk = 512
const smallestCapacity = 64

const powerFrom = (least: number, wanted: number): number => {
  let size = least
  while (size < wanted) size *= 2
  return size
}

/** Ids of the last column and of what came before, as programs take them. */
type Advance = [ids: Tensor, offset: Tensor, last: Tensor, padding?: Tensor, rows?: Tensor]

/** A model with a cache: reads prompts, then one token of every row at a time. */
export class Decoder {
  readonly model: Model
  readonly batch: number
  /** Positions of the cache. */
  readonly capacity: number
  readonly #cache: KeyValueCache
  readonly #advance: CompiledFunction<Advance, Tensor>
  readonly #device: DecoderOptions["device"]
  #position = 0
  #padding: Tensor | undefined

  constructor(model: Model, { batch, positions, device, precision, cacheType }: DecoderRequest) {
    this.model = model
    this.batch = batch
    this.#device = device
    this.capacity = Math.min(model.context, powerFrom(smallestCapacity, positions))
    this.#cache = model.createCache({ batch, capacity: this.capacity, ...(cacheType ? { dtype: cacheType } : {}) })
    this.#advance = compile((...args: Advance) => this.#record(...args), {
      ...(device ? { device } : {}),
      ...(precision ? { precision } : {}),
    })
  }

  /** Positions that were read. */
  get position(): number {
    return this.#position
  }

  /** Programs recorded so far by the shapes of their arguments, for tests and dumps. */
  programs(): ReturnType<CompiledFunction<Advance, Tensor>["programs"]> {
    return this.#advance.programs()
  }

  /**
   * Forgets what was read and reads prompts, one a row; shorter ones are padded on the left. Gives the scores of the token that follows
   * each, [B V] row by row. Throws ShapeError for an empty prompt or one beyond the capacity.
   */
  async start(prompts: readonly ArrayLike<number>[], signal?: AbortSignal): Promise<Float32Array> {
    const longest = Math.max(...prompts.map(prompt => prompt.length))
    const shortest = Math.min(...prompts.map(prompt => prompt.length))
    if (prompts.length !== this.batch || shortest === 0 || longest > this.capacity)
      throw new ShapeError(
        `decoder: expected ${this.batch} prompts of 1 to ${this.capacity} tokens, but got ${prompts.length} of ${shortest} to ${longest}`,
      )
    this.#position = 0
    this.#padding =
      shortest === longest
        ? undefined
        : fromHost(
            Int32Array.from(prompts, prompt => longest - prompt.length),
            [this.batch],
            "i32",
          )
    let scores: Float32Array = new Float32Array()
    while (this.#position < longest) {
      const from = this.#position
      const count = Math.min(longest - from, largestChunk)
      // a chunk is filled up behind the prompt: later tokens write over that, and nobody looks ahead
      const size = Math.min(powerFrom(smallestChunk, count), this.capacity - from)
      const ids = new Int32Array(this.batch * size)
      for (const [row, prompt] of prompts.entries()) {
        const padding = longest - prompt.length
        for (let i = 0; i < count; i++) ids[row * size + i] = from + i < padding ? 0 : prompt[from + i - padding]!
      }
      scores = await this.#run(ids, size, count, undefined, signal)
    }
    return scores
  }

  /**
   * Reads one more token of every row and gives the scores of the next, [B V]. With `rows`, row i goes on from what row rows[i] had
   * read. Throws ShapeError where the cache is full.
   */
  async step(ids: Int32Array, options: { rows?: Int32Array; signal?: AbortSignal } = {}): Promise<Float32Array> {
    if (this.#position >= this.capacity)
      throw new ShapeError(`decoder: expected a free position, but all ${this.capacity} are used`)
    const { rows, signal } = options
    return this.#run(ids, 1, 1, rows && fromHost(rows, [this.batch], "i32"), signal)
  }

  async #run(
    ids: Int32Array,
    size: number,
    count: number,
    rows: Tensor | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const args: Advance = [
      fromHost(ids, [this.batch, size], "i32"),
      scalar(this.#position, "i32"),
      scalar(count - 1, "i32"),
      this.#padding,
      rows,
    ]
    const scores = await this.#advance.run(args, signal ? { signal } : {})
    this.#position += count
    const device = this.#device
    return (device ? (await evaluateOn(device, [scores]))[0]! : await read(scores)) as Float32Array
  }

  /** Scores [B V] of what follows token `last` of ids [B T], which stand at offset, offset + 1, … */
  #record(...[ids, offset, last, padding, rows]: Advance): Tensor {
    const { model, batch, capacity } = this
    const training = model.training
    if (training) model.eval()
    try {
      const cache = this.#cache
      if (rows) cache.reorder(rows)
      // what fills the chunk behind the last token shares its position: no position beyond the text is ever used
      const columns = minimum(arange(ids.shape[1]!), last).add(offset) // [T]
      const starts = padding?.unsqueeze(1) // [B 1]
      const { hidden } = model.forward(ids, {
        cache,
        offset,
        positionIds: starts ? maximum(columns.sub(starts), 0) : columns,
        ...(starts ? { attentionMask: arange(capacity).ge(starts) } : {}),
      })
      const logits = model.project(readSlice(hidden, last, 1, 1)) // [B 1 V]
      return logits.reshape([batch, logits.shape.at(-1)!]).cast("f32")
    } finally {
      if (training) model.train()
    }
  }
}

interface Idle {
  readonly key: string
  readonly decoder: Decoder
}

const idle = new WeakMap<Model, Idle[]>()
const idleLimit = 2

const keyOf = ({ batch, device, precision, cacheType }: DecoderRequest): string =>
  [batch, device ?? chosenDevice(), precision ?? "fp32", cacheType ?? "f32"].join()

/** Runs `fn` with a decoder that nobody else uses; its programs and memory are kept for the next text of the same model. */
export async function* withDecoder<E>(
  model: Model,
  request: DecoderRequest,
  fn: (decoder: Decoder) => AsyncGenerator<E, void, void>,
): AsyncGenerator<E, void, void> {
  const waiting = idle.get(model) ?? []
  idle.set(model, waiting)
  const key = keyOf(request)
  const capacity = Math.min(model.context, request.positions)
  const at = waiting.findIndex(one => one.key === key && one.decoder.capacity >= capacity)
  const decoder = at >= 0 ? waiting.splice(at, 1)[0]!.decoder : new Decoder(model, request)
  let failed = false
  try {
    yield* fn(decoder)
  } catch (problem) {
    failed = true
    throw problem
  } finally {
    // one that failed may hold broken numbers: it is not kept
    if (!failed) waiting.unshift({ key, decoder })
    waiting.length = Math.min(waiting.length, idleLimit)
  }
}

/** Forgets the programs and caches kept for a model; needed when its modules, not only its weights, were exchanged. */
export function forgetDecoders(model: Model): void {
  idle.delete(model)
}
