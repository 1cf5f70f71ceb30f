// What every language model takes and gives, and how its inner values are asked for.

import { type KeyValueCache, Module, positionsFrom } from "../nn/index.ts"
import { collectTaps, currentScope, HeedError, ShapeError, type Tensor, TypeMismatchError } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"

/** What a call of a model may use besides the token ids. */
export interface ForwardOptions {
  /** [B S], bool or whole numbers: false or 0 at padding, which nobody sees. S is T, or the capacity of the cache. */
  readonly attentionMask?: Tensor
  /** i32 [T] or [B T]; offset, offset + 1, … by default. */
  readonly positionIds?: Tensor
  /** Causal models: i32 [B T], the ids themselves with -100 where nothing is asked; they are shifted inside. Classifiers: [B], or f32 [B N]. */
  readonly labels?: Tensor
  /** Causal models, instead of labels: i32 [B T], the id that follows each position, or -100. */
  readonly targets?: Tensor
  /** Keys and values of earlier positions; needs `offset`. */
  readonly cache?: KeyValueCache
  /** i32 scalar, known when the program runs: position of the first of these ids in the cache. */
  readonly offset?: Tensor
  /** Inner values to give besides. */
  readonly outputs?: OutputRequest
}

/** Inner values that are asked for. */
export interface OutputRequest {
  /** The residual stream [B T D]: embeddings, then after each block, the last one after the final norm. */
  readonly hiddenStates?: boolean
  /** Attention weights [B H T S] of each block. */
  readonly attentions?: boolean
}

/** What a model gives. Nothing is computed that nobody asks for: with a loss alone, the logits never exist. */
export interface ModelOutput {
  /** [B T V], or [B N] of a classifier. */
  readonly logits: Tensor
  /** Mean loss, where labels or targets were given. */
  readonly loss?: Tensor
  /** The stream after the final norm [B T D]. */
  readonly hidden: Tensor
  readonly hiddenStates?: readonly Tensor[]
  readonly attentions?: readonly Tensor[]
}

/** How large a cache shall be. */
export interface CacheRequest {
  readonly batch: number
  /** Positions it holds. */
  readonly capacity: number
  readonly dtype?: "f32" | "bf16"
}

/** A model that can be saved, loaded and looked into. Taps: `hidden.0` … `hidden.L`, and those of its blocks. */
export abstract class Model extends Module {
  /** The name of its family, as in `model_type`. */
  abstract readonly family: string
  /** What it was built from. */
  abstract readonly config: Readonly<Record<string, unknown>>
  /** Positions it can see at once. */
  abstract readonly context: number
  /** Number of blocks. */
  abstract readonly depth: number

  /** Token ids i32 [B T] -> logits, loss and what else was asked for. */
  abstract override forward(ids: Tensor, options?: ForwardOptions): ModelOutput

  /** Logits [… V] of hidden states [… D], for those who need only some positions. Throws HeedError for a model without a vocabulary output. */
  abstract project(hidden: Tensor): Tensor

  /** An empty cache for decoding. Throws ValueError for a capacity beyond the context. */
  abstract createCache(request: CacheRequest): KeyValueCache
}

/** Checks token ids [B T] and gives their sizes. Throws ShapeError, TypeMismatchError. */
export function checkIds(what: string, ids: Tensor, context: number): { B: number; T: number } {
  if (ids.dtype !== "i32")
    throw new TypeMismatchError(`${what}: expected token ids i32, but got ${ids.dtype}`, 'cast them: ids.cast("i32")')
  const [B, T] = ids.shape as [number, number]
  if (ids.rank !== 2 || B * T === 0)
    throw new ShapeError(`${what}: expected token ids [B T], but got ${formatShape(ids.shape)}`)
  if (T > context)
    throw new ShapeError(
      `${what}: expected at most ${context} tokens, the model's context, but got ${T}`,
      "cut the text, or build the model with a larger context",
    )
  return { B, T }
}

/** Positions of the ids, checked: as given, or counted from the offset. */
export function positionsOf(ids: Tensor, { positionIds, offset }: ForwardOptions): Tensor {
  const [B, T] = ids.shape as [number, number]
  if (!positionIds) return positionsFrom(T, offset)
  const rows = positionIds.rank === 2 ? positionIds.shape[0] : 1
  if (positionIds.rank > 2 || positionIds.shape.at(-1) !== T || (rows !== B && rows !== 1))
    throw new ShapeError(
      `positionIds: expected [T] or [B T] for ids ${formatShape(ids.shape)}, but got ${formatShape(positionIds.shape)}`,
    )
  return positionIds
}

/** The keys each row may see as a mask [B 1 1 S], checked; nothing without a mask. */
export function maskOf(ids: Tensor, { attentionMask, cache, offset }: ForwardOptions): { mask?: Tensor } {
  const [B, T] = ids.shape as [number, number]
  if (cache && !offset)
    throw new HeedError(
      "forward: expected an offset with the cache, but got none",
      'pass the position of the first id: offset: scalar(n, "i32")',
    )
  if (cache && cache.sizes.batch !== B)
    throw new ShapeError(`forward: expected a cache for ${B} rows, but got one for ${cache.sizes.batch}`)
  if (!attentionMask) return {}
  const S = cache ? cache.sizes.capacity : T
  if (formatShape(attentionMask.shape) !== formatShape([B, S]))
    throw new ShapeError(
      `attentionMask: expected ${formatShape([B, S])}, but got ${formatShape(attentionMask.shape)}`,
      cache ? "with a cache, the mask covers its whole capacity" : undefined,
    )
  const seen = attentionMask.dtype === "bool" ? attentionMask.current() : attentionMask.ne(0)
  return { mask: seen.reshape([B, 1, 1, S]) }
}

/** Adds the inner values that were asked for, by their taps below the running module. */
export function withOutputs(output: ModelOutput, request: OutputRequest | undefined, depth: number): ModelOutput {
  if (!request?.hiddenStates && !request?.attentions) return output
  const scope = currentScope()
  const full = (name: string): string => (scope === "" ? name : `${scope}.${name}`)
  const hidden = request.hiddenStates ? Array.from({ length: depth + 1 }, (_, i) => full(`hidden.${i}`)) : []
  const patterns = request.attentions
    ? Array.from({ length: depth }, (_, i) => full(`blocks.${i}.attention.pattern`))
    : []
  const wanted = new Set([...hidden, ...patterns])
  const { outputs, taps } = collectTaps([output.logits, output.hidden, ...(output.loss ? [output.loss] : [])], name =>
    wanted.has(name),
  )
  const [logits, last, loss] = outputs as [Tensor, Tensor, Tensor?]
  return {
    logits,
    hidden: last,
    ...(loss ? { loss } : {}),
    ...(request.hiddenStates ? { hiddenStates: hidden.map(name => taps.get(name)!) } : {}),
    ...(request.attentions ? { attentions: patterns.map(name => taps.get(name)!) } : {}),
  }
}
