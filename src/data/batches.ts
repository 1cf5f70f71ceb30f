// Batches of context windows. What a batch holds depends only on the seed and its number, so a run that is resumed at a position
// sees the same batches, bit for bit. Targets are the inputs one token later.
import type { TokenDataset } from "./dataset.ts"
import { DataError } from "./errors.ts"
import { Random } from "./random.ts"

/** How windows follow one another: anywhere (nanoGPT's habit), all of them in a new order each epoch, or from first to last. */
export type BatchOrder = "random" | "shuffled" | "sequential"

/** Inputs and targets of one step, row after row. */
export interface Batch {
  /** Ids [B T]. */
  readonly inputs: Int32Array
  /** The id that follows each input [B T]. */
  readonly targets: Int32Array
  readonly shape: readonly [batchSize: number, context: number]
}

/** What to draw. */
export interface BatchOptions {
  /** Rows B, 1 or more. */
  readonly batchSize: number
  /** Tokens per row T, 1 or more. */
  readonly context: number
  /** Default "random". */
  readonly order?: BatchOrder
  /** A whole number. Default 0. */
  readonly seed?: number
}

/** All that a sampler needs to go on, as JSON. */
export interface BatchState {
  readonly batchSize: number
  readonly context: number
  readonly order: BatchOrder
  readonly seed: number
  /** Batches drawn so far. */
  readonly position: number
  /** Tokens of the corpus that was drawn from, and its fingerprint. */
  readonly tokens: number
  readonly fingerprint: number
}

/** The corpus must be the one that was drawn from. Throws DataError. */
export function checkSameCorpus(dataset: TokenDataset, { tokens, fingerprint }: BatchState): void {
  if (tokens === dataset.length && fingerprint === dataset.fingerprint) return
  const other = tokens === dataset.length ? "another text of that length" : `one of ${dataset.length}`
  throw new DataError(
    `resume: expected the corpus of ${tokens} tokens that the run began with, but got ${other}`,
    "give the same data, tokenizer and split as before",
  )
}

/** Draws batches without end. */
export class BatchSampler {
  readonly dataset: TokenDataset
  readonly batchSize: number
  readonly context: number
  readonly order: BatchOrder
  readonly seed: number
  /** Batches drawn so far; the next one has this number. */
  position = 0
  private readonly windows: number
  private permutation: Uint32Array | null = null
  private permutationEpoch = -1

  /** Throws DataError for a corpus shorter than a window and its last target. */
  constructor(dataset: TokenDataset, options: BatchOptions) {
    const { batchSize, context, order = "random", seed = 0 } = options
    checkSizes(dataset, batchSize, context)
    if (order !== "random" && order !== "shuffled" && order !== "sequential")
      throw new DataError(
        `batches: expected the order "random", "shuffled" or "sequential", but got ${JSON.stringify(order)}`,
      )
    if (!Number.isSafeInteger(seed)) throw new DataError(`batches: expected a whole number as seed, but got ${seed}`)
    this.dataset = dataset
    this.batchSize = batchSize
    this.context = context
    this.order = order
    this.seed = seed
    this.windows = Math.floor((dataset.length - 1) / context)
  }

  /** Batches until each token of the corpus was an input once, on average; a fraction. */
  get batchesPerEpoch(): number {
    return this.windows / this.batchSize
  }

  /** The next batch. */
  next(): Batch {
    return this.batch(this.position++)
  }

  /** The batch of a number, whatever was drawn before. */
  batch(number: number): Batch {
    const starts: number[] = []
    const random = new Random(this.seed, number)
    for (let row = 0; row < this.batchSize; row++) {
      if (this.order === "random") starts.push(random.below(this.dataset.length - this.context))
      else starts.push(this.window(number * this.batchSize + row) * this.context)
    }
    return cutBatch(this.dataset, starts, this.context)
  }

  /** What `resume` needs: a small JSON object. */
  state(): BatchState {
    const { batchSize, context, order, seed, position } = this
    const { length: tokens, fingerprint } = this.dataset
    return { batchSize, context, order, seed, position, tokens, fingerprint }
  }

  /** A sampler that goes on where another one was. Throws DataError when the corpus is another. */
  static resume(dataset: TokenDataset, state: BatchState): BatchSampler {
    checkSameCorpus(dataset, state)
    if (!Number.isSafeInteger(state.position) || state.position < 0)
      throw new DataError(`resume: expected a position of 0 or more, but got ${state.position}`, "the state is damaged")
    const sampler = new BatchSampler(dataset, state)
    sampler.position = state.position
    return sampler
  }

  private window(number: number): number {
    const epoch = Math.floor(number / this.windows)
    const place = number - epoch * this.windows
    if (this.order === "sequential") return place
    if (this.permutation === null || this.permutationEpoch !== epoch) {
      const permutation = this.permutation ?? new Uint32Array(this.windows)
      for (let at = 0; at < permutation.length; at++) permutation[at] = at
      this.permutation = new Random(this.seed, epoch, 0x5eed).shuffle(permutation)
      this.permutationEpoch = epoch
    }
    return this.permutation[place]!
  }
}

/** What to measure with. */
export interface EvaluationOptions {
  readonly batchSize: number
  readonly context: number
  /** At most this many batches, spread evenly over the corpus. Default: all windows. */
  readonly batches?: number
}

/** The same windows each time, without overlap, from first to last. The last batch has fewer rows where the windows run out. */
export function* evaluationBatches(dataset: TokenDataset, options: EvaluationOptions): Generator<Batch, void, void> {
  const { batchSize, context, batches = Number.POSITIVE_INFINITY } = options
  checkSizes(dataset, batchSize, context)
  if (!(batches >= 1)) throw new DataError(`evaluationBatches: expected 1 batch or more, but got ${batches}`)
  const windows = Math.floor((dataset.length - 1) / context)
  const used = Math.min(windows, Math.floor(batches) * batchSize)
  for (let first = 0; first < used; first += batchSize) {
    const starts: number[] = []
    for (let row = first; row < Math.min(first + batchSize, used); row++)
      starts.push(Math.floor((row * windows) / used) * context)
    yield cutBatch(dataset, starts, context)
  }
}

function checkSizes(dataset: TokenDataset, batchSize: number, context: number): void {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw new DataError(`batches: expected 1 row or more, but got ${batchSize}`)
  if (!Number.isSafeInteger(context) || context < 1)
    throw new DataError(`batches: expected a context of 1 token or more, but got ${context}`)
  if (dataset.length < context + 1)
    throw new DataError(
      `batches: expected a corpus of ${context + 1} tokens or more (the context and one more), but got ${dataset.length}`,
      `use a longer text, or a context of ${Math.max(1, dataset.length - 1)} or less`,
    )
}

function cutBatch(dataset: TokenDataset, starts: readonly number[], context: number): Batch {
  const inputs = new Int32Array(starts.length * context)
  const targets = new Int32Array(starts.length * context)
  starts.forEach((start, row) => {
    inputs.set(dataset.tokens.subarray(start, start + context), row * context)
    targets.set(dataset.tokens.subarray(start + 1, start + context + 1), row * context)
  })
  return { inputs, targets, shape: [starts.length, context] }
}
