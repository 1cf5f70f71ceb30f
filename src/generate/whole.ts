// Decoding without a cache: the whole text is read again for each token. For models that keep no keys and values, and to check those
// that do.

import { type CompiledFunction, compile, readOn, scalar } from "../runtime/index.ts"
import { arange, fromHost, maximum, readSlice, ShapeError, type Tensor } from "../tensor/index.ts"
import {
  type Attended,
  type Decoder,
  type DecoderOptions,
  type DecoderRequest,
  paddingOf,
  powerFrom,
  promptSizes,
  type Reading,
  type StepOptions,
  streamOf,
} from "./decoder.ts"
import { isCaching, type WritingModel } from "./writing.ts"

interface Whole {
  readonly ids: Tensor
  /** Column of the last token. */
  readonly last: Tensor
  readonly padding?: Tensor
  readonly source?: Attended
}

interface Found {
  readonly scores: Tensor
  readonly states?: Tensor
}

const smallestLength = 16

/** A model that reads everything again for each token. */
export class WholeDecoder implements Decoder {
  readonly model: WritingModel
  readonly batch: number
  readonly capacity: number
  readonly #last: CompiledFunction<[Whole], Found>
  readonly #each: CompiledFunction<[Whole], Found>
  readonly #device: DecoderOptions["device"]
  readonly #states: boolean
  #rows: number[][] = []
  #padding: Tensor | undefined
  #source: Attended | undefined

  constructor(model: WritingModel, { batch, positions, device, precision, states }: DecoderRequest) {
    this.model = model
    this.batch = batch
    this.capacity = Math.min(model.context, powerFrom(smallestLength, positions))
    this.#device = device
    this.#states = states ?? false
    const how = { ...(device ? { device } : {}), ...(precision ? { precision } : {}) }
    this.#last = compile((args: Whole) => this.#recordLast(args), how)
    this.#each = compile((args: Whole) => this.#recordEach(args), how)
  }

  get position(): number {
    return this.#rows[0]?.length ?? 0
  }

  attend(source: Attended): void {
    this.#source = source
  }

  async start(prompts: readonly ArrayLike<number>[], signal?: AbortSignal): Promise<Reading> {
    const { longest } = promptSizes(prompts, this)
    this.#padding = paddingOf(prompts, longest)
    this.#rows = prompts.map(prompt => [...new Array<number>(longest - prompt.length).fill(0), ...Array.from(prompt)])
    return this.#read(0, signal)
  }

  async step(ids: Int32Array, { rows, signal }: StepOptions = {}): Promise<Reading> {
    this.#checkRoom(1)
    if (rows) this.#rows = Array.from(rows, row => [...this.#rows[row]!])
    for (const [i, row] of this.#rows.entries()) row.push(ids[i]!)
    return this.#read(this.position - 1, signal)
  }

  async follow(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    this.#checkRoom(ids.length)
    const from = this.position
    this.#rows[0]!.push(...ids)
    const given = this.#arguments()
    const { scores } = await this.#each.run([given], signal ? { signal } : {})
    return columnsOf((await readOn(this.#device, [scores]))[0] as Float32Array, given.ids, from, ids.length)
  }

  rewind(position: number): void {
    for (const row of this.#rows) row.length = Math.min(row.length, position)
  }

  #checkRoom(count: number): void {
    if (this.position + count > this.capacity)
      throw new ShapeError(`decoder: expected a free position, but all ${this.capacity} are used`)
  }

  #arguments(): Whole {
    // a few sizes where what is filled up behind the text changes nothing; models that sort or cut their positions get the text alone
    const size = isCaching(this.model)
      ? Math.min(this.capacity, powerFrom(smallestLength, this.position))
      : this.position
    const ids = new Int32Array(this.batch * size)
    for (const [i, row] of this.#rows.entries()) ids.set(row, i * size)
    return {
      ids: fromHost(ids, [this.batch, size], "i32"),
      last: scalar(this.position - 1, "i32"),
      ...(this.#padding ? { padding: this.#padding } : {}),
      ...(this.#source ? { source: this.#source } : {}),
    }
  }

  /** Scores behind the last token, and the stream from a position on. */
  async #read(from: number, signal: AbortSignal | undefined): Promise<Reading> {
    const given = this.#arguments()
    const found = await this.#last.run([given], signal ? { signal } : {})
    const scores = (await readOn(this.#device, [found.scores]))[0] as Float32Array
    if (!found.states) return { scores, states: null }
    const states = (await readOn(this.#device, [found.states]))[0] as Float32Array
    return { scores, states: columnsOf(states, given.ids, from, this.position - from) }
  }

  #look({ ids, padding, source }: Whole): Look {
    const { model } = this
    const columns = arange(ids.shape[1]!)
    const starts = padding?.unsqueeze(1) // [B 1]
    const given = starts ? { positionIds: maximum(columns.sub(starts), 0), attentionMask: columns.ge(starts) } : {}
    if (isCaching(model)) {
      const hidden = streamOf(model, ids, given, source)
      return { hidden, logits: part => model.project(part(hidden)) }
    }
    const { hidden, logits } = model.forward(ids, given)
    return { hidden, logits: part => part(logits!) }
  }

  #recordLast(whole: Whole): Found {
    return this.model.inEvaluation(() => {
      const { hidden, logits } = this.#look(whole)
      const last = logits(x => readSlice(x, whole.last, 1, 1)) // [B 1 V]
      const scores = last.reshape([this.batch, last.shape.at(-1)!]).cast("f32")
      return this.#states ? { scores, states: hidden.cast("f32") } : { scores }
    })
  }

  #recordEach(whole: Whole): Found {
    return this.model.inEvaluation(() => ({
      scores: this.#look(whole)
        .logits(x => x)
        .cast("f32"),
    }))
  }
}

/** What a model sees in a whole text. */
interface Look {
  /** The stream at the end of the stack [B T D]. */
  readonly hidden: Tensor
  /** Logits [B T V] at a part of the positions. */
  logits(part: (x: Tensor) => Tensor): Tensor
}

/** Columns from, from + 1, … of rows [B T X], as many as `count`. */
function columnsOf(all: Float32Array, ids: Tensor, from: number, count: number): Float32Array {
  const [batch, size] = ids.shape as [number, number]
  const width = all.length / batch / size
  const out = new Float32Array(batch * count * width)
  for (let row = 0; row < batch; row++) {
    const start = (row * size + from) * width
    out.set(all.subarray(start, start + count * width), row * count * width)
  }
  return out
}
