// Decoding as replayed programs: the prompt is read in chunks of a few fixed sizes, then every token is one and the same program with
// a key/value cache, whatever its position.

import { LanguageModel } from "../models/language-model.ts"
import type { KeyValueCache, Memory } from "../nn/index.ts"
import { type CompiledFunction, compile, readOn, scalar } from "../runtime/index.ts"
import { arange, fromHost, maximum, minimum, readSlice, ShapeError, type Tensor } from "../tensor/index.ts"
import type { CachingModel, WritingModel } from "./writing.ts"

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
  /** Also give the stream at the end of the stack. Default false. */
  readonly states?: boolean
}

/** What an encoder read, as a decoder attends to it: one memory a layer, for each row of the batch. */
export interface Attended {
  readonly memory: readonly Memory[]
  /** bool [B S] */
  readonly mask?: Tensor
}

/** What was found out by reading tokens. */
export interface Reading {
  /** Scores of the token that follows, [B V] row by row. */
  readonly scores: Float32Array
  /** The stream at the tokens that were read [B T D], where it was asked for. */
  readonly states: Float32Array | null
}

/** How one more token is read. */
export interface StepOptions {
  /** Row i goes on from what row rows[i] had read. */
  readonly rows?: Int32Array
  readonly signal?: AbortSignal
}

/** Reads prompts, then one token of every row at a time. */
export interface Decoder {
  readonly model: WritingModel
  readonly batch: number
  /** Positions it holds. */
  readonly capacity: number
  /** Positions that were read. */
  readonly position: number
  /** What the rows attend to from now on. */
  attend(source: Attended): void
  /** Forgets what was read and reads prompts, one a row, shorter ones padded on the left. Throws ShapeError for an empty prompt or one beyond the capacity. */
  start(prompts: readonly ArrayLike<number>[], signal?: AbortSignal): Promise<Reading>
  /** Reads one more token of every row. Throws ShapeError where the capacity is used up. */
  step(ids: Int32Array, options?: StepOptions): Promise<Reading>
  /** Reads n more tokens of the only row and gives the scores of what follows each, [n V]. */
  follow(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Forgets what was read from a position on. */
  rewind(position: number): void
}

const smallestChunk = 16
const largestChunk = 512
const smallestCapacity = 64

/** The least of `least`, 2 · least, 4 · least, … that is enough. */
export function powerFrom(least: number, wanted: number): number {
  let size = least
  while (size < wanted) size *= 2
  return size
}

/** Lengths of prompts, checked against a decoder. Throws ShapeError. */
export function promptSizes(
  prompts: readonly ArrayLike<number>[],
  { batch, capacity }: Pick<Decoder, "batch" | "capacity">,
): { longest: number; shortest: number } {
  const longest = Math.max(...prompts.map(prompt => prompt.length))
  const shortest = Math.min(...prompts.map(prompt => prompt.length))
  if (prompts.length !== batch || shortest === 0 || longest > capacity)
    throw new ShapeError(
      `decoder: expected ${batch} prompts of 1 to ${capacity} tokens, but got ${prompts.length} of ${shortest} to ${longest}`,
    )
  return { longest, shortest }
}

/** How many tokens stand before each prompt to make it as long as the longest, i32 [B]; nothing where all are equally long. */
export function paddingOf(prompts: readonly ArrayLike<number>[], longest: number): Tensor | undefined {
  if (prompts.every(prompt => prompt.length === longest)) return undefined
  return fromHost(
    Int32Array.from(prompts, prompt => longest - prompt.length),
    [prompts.length],
    "i32",
  )
}

/** Everything a program takes. */
interface Advance {
  readonly ids: Tensor
  readonly offset: Tensor
  /** Column of the last token. */
  readonly last: Tensor
  readonly padding?: Tensor
  readonly rows?: Tensor
  readonly source?: Attended
}

interface Advanced {
  readonly scores: Tensor
  readonly states?: Tensor
}

/** The stream of a decoder [B T D] at ids [B T]. */
export function streamOf(
  model: CachingModel,
  ids: Tensor,
  given: {
    readonly cache?: KeyValueCache
    readonly offset?: Tensor
    readonly positionIds?: Tensor
    readonly attentionMask?: Tensor
  },
  source: Attended | undefined,
): Tensor {
  if (model instanceof LanguageModel) return model.forward(ids, given).hidden
  if (!source) throw new ShapeError("decoder: expected what the encoder read, but got nothing", "call attend first")
  return model.decode(ids, { ...given, memory: source.memory, ...(source.mask ? { memoryMask: source.mask } : {}) })
}

/** A model with a cache. */
export class CachedDecoder implements Decoder {
  readonly model: CachingModel
  readonly batch: number
  readonly capacity: number
  readonly #cache: KeyValueCache
  readonly #advance: CompiledFunction<[Advance], Advanced>
  readonly #each: CompiledFunction<[Advance], Advanced>
  readonly #device: DecoderOptions["device"]
  readonly #states: boolean
  #position = 0
  #padding: Tensor | undefined
  #source: Attended | undefined

  constructor(model: CachingModel, { batch, positions, device, precision, cacheType, states }: DecoderRequest) {
    this.model = model
    this.batch = batch
    this.#device = device
    this.#states = states ?? false
    this.capacity = Math.min(model.context, powerFrom(smallestCapacity, positions))
    this.#cache = model.createCache({ batch, capacity: this.capacity, ...(cacheType ? { dtype: cacheType } : {}) })
    const how = { ...(device ? { device } : {}), ...(precision ? { precision } : {}) }
    this.#advance = compile((args: Advance) => this.#record(args), how)
    this.#each = compile((args: Advance) => this.#recordEach(args), how)
  }

  get position(): number {
    return this.#position
  }

  /** Programs recorded so far by the shapes of their arguments, for tests and dumps. */
  programs(): ReturnType<CompiledFunction<[Advance], Advanced>["programs"]> {
    return new Map([...this.#advance.programs(), ...this.#each.programs()])
  }

  attend(source: Attended): void {
    this.#source = source
  }

  async start(prompts: readonly ArrayLike<number>[], signal?: AbortSignal): Promise<Reading> {
    const { longest } = promptSizes(prompts, this)
    this.#position = 0
    this.#padding = paddingOf(prompts, longest)
    const readings: Reading[] = []
    while (this.#position < longest) {
      const from = this.#position
      const count = Math.min(longest - from, largestChunk)
      // a chunk is filled up behind the prompt: later tokens write over that, and nobody looks ahead
      const size = count === 1 ? 1 : Math.min(powerFrom(smallestChunk, count), this.capacity - from)
      const ids = new Int32Array(this.batch * size)
      for (const [row, prompt] of prompts.entries()) {
        const padding = longest - prompt.length
        for (let i = 0; i < count; i++) ids[row * size + i] = from + i < padding ? 0 : prompt[from + i - padding]!
      }
      readings.push(await this.#read(ids, size, count, undefined, signal))
    }
    const { scores } = readings.at(-1)!
    if (!this.#states) return { scores, states: null }
    return {
      scores,
      states: joined(
        readings.map(reading => reading.states!),
        this.batch,
      ),
    }
  }

  async step(ids: Int32Array, { rows, signal }: StepOptions = {}): Promise<Reading> {
    this.#checkRoom(1)
    return this.#read(ids, 1, 1, rows && fromHost(rows, [this.batch], "i32"), signal)
  }

  async follow(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    this.#checkRoom(ids.length)
    const size = Math.min(powerFrom(1, ids.length), this.capacity - this.#position)
    const filled = new Int32Array(size)
    filled.set(ids)
    const { scores } = await this.#each.run([this.#arguments(filled, size, ids.length)], signal ? { signal } : {})
    this.#position += ids.length
    const all = (await readOn(this.#device, [scores]))[0] as Float32Array
    return all.subarray(0, (all.length / size) * ids.length)
  }

  rewind(position: number): void {
    this.#position = Math.min(this.#position, position)
  }

  #checkRoom(count: number): void {
    if (this.#position + count > this.capacity)
      throw new ShapeError(`decoder: expected a free position, but all ${this.capacity} are used`)
  }

  #arguments(ids: Int32Array, size: number, count: number, rows?: Tensor): Advance {
    return {
      ids: fromHost(ids, [this.batch, size], "i32"),
      offset: scalar(this.#position, "i32"),
      last: scalar(count - 1, "i32"),
      ...(this.#padding ? { padding: this.#padding } : {}),
      ...(rows ? { rows } : {}),
      ...(this.#source ? { source: this.#source } : {}),
    }
  }

  async #read(
    ids: Int32Array,
    size: number,
    count: number,
    rows: Tensor | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Reading> {
    const found = await this.#advance.run([this.#arguments(ids, size, count, rows)], signal ? { signal } : {})
    this.#position += count
    const scores = (await readOn(this.#device, [found.scores]))[0] as Float32Array
    if (!found.states) return { scores, states: null }
    const all = (await readOn(this.#device, [found.states]))[0] as Float32Array
    return { scores, states: firstColumns(all, this.batch, size, count) }
  }

  #stream({ ids, offset, last, padding, rows, source }: Advance): Tensor {
    const cache = this.#cache
    if (rows) cache.reorder(rows)
    // what fills the chunk behind the last token shares its position: no position beyond the text is ever used
    const columns = minimum(arange(ids.shape[1]!), last).add(offset) // [T]
    const starts = padding?.unsqueeze(1) // [B 1]
    return streamOf(
      this.model,
      ids,
      {
        cache,
        offset,
        positionIds: starts ? maximum(columns.sub(starts), 0) : columns,
        ...(starts ? { attentionMask: arange(this.capacity).ge(starts) } : {}),
      },
      source,
    )
  }

  /** Scores [B V] of what follows token `last` of ids [B T], which stand at offset, offset + 1, … */
  #record(advance: Advance): Advanced {
    const { model, batch } = this
    return model.inEvaluation(() => {
      const hidden = this.#stream(advance)
      const logits = model.project(readSlice(hidden, advance.last, 1, 1)) // [B 1 V]
      const scores = logits.reshape([batch, logits.shape.at(-1)!]).cast("f32")
      return this.#states ? { scores, states: hidden.cast("f32") } : { scores }
    })
  }

  /** Scores [B T V] of what follows each of ids [B T]. */
  #recordEach(advance: Advance): Advanced {
    return this.model.inEvaluation(() => ({ scores: this.model.project(this.#stream(advance)).cast("f32") }))
  }
}

/** The first `count` of `size` columns of each of B rows [size D]. */
function firstColumns(all: Float32Array, batch: number, size: number, count: number): Float32Array {
  if (count === size) return all
  const width = all.length / batch / size
  const out = new Float32Array(batch * count * width)
  for (let row = 0; row < batch; row++)
    out.set(all.subarray(row * size * width, (row * size + count) * width), row * count * width)
  return out
}

/** Chunks [B T D] one behind the other along T. */
function joined(chunks: readonly Float32Array[], batch: number): Float32Array {
  if (chunks.length === 1) return chunks[0]!
  const sizes = chunks.map(chunk => chunk.length / batch)
  const total = sizes.reduce((a, b) => a + b)
  const out = new Float32Array(batch * total)
  for (let row = 0; row < batch; row++) {
    let at = row * total
    for (const [i, chunk] of chunks.entries()) {
      out.set(chunk.subarray(row * sizes[i]!, (row + 1) * sizes[i]!), at)
      at += sizes[i]!
    }
  }
  return out
}
