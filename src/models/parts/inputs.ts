// Checks of what a model is called with, and the forms its parts want it in.

import { type Embedding, type KeyValueCache, positionsFrom } from "../../nn/index.ts"
import { HeedError, ShapeError, type Tensor, TypeMismatchError } from "../../tensor/index.ts"
import { formatShape } from "../../tensor/shape.ts"
import type { ForwardOptions } from "../model.ts"

/** The options of every decoder-only model. */
export const decoderOptions = [
  "attentionMask",
  "positionIds",
  "labels",
  "targets",
  "cache",
  "offset",
  "outputs",
] as const satisfies readonly (keyof ForwardOptions)[]

/** Refuses options that a model has no use for. Throws HeedError. */
export function checkOptions<O extends object>(what: string, options: O, taken: readonly (keyof O & string)[]): void {
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !(taken as readonly string[]).includes(name))
      throw new HeedError(
        `${what}: expected no ${name}, which this model has no use for`,
        `it takes ${taken.join(", ") || "no options"}`,
      )
}

/** Checks token ids [B T], or embeddings f32 [B T D] in their place, and gives their sizes. Throws ShapeError, TypeMismatchError. */
export function checkIds(what: string, ids: Tensor, context: number): { B: number; T: number } {
  const embedded = ids.rank === 3 && ids.dtype === "f32"
  if (ids.dtype !== "i32" && !embedded)
    throw new TypeMismatchError(
      `${what}: expected token ids i32 [B T], but got ${ids.dtype} ${formatShape(ids.shape)}`,
      'cast them: ids.cast("i32")',
    )
  const [B, T] = ids.shape as [number, number]
  if ((ids.rank !== 2 && !embedded) || B * T === 0)
    throw new ShapeError(`${what}: expected token ids [B T], but got ${formatShape(ids.shape)}`)
  if (T > context)
    throw new ShapeError(
      `${what}: expected at most ${context} tokens, the model's context, but got ${T}: ${T - context} too many`,
      "cut the text, or build the model with a larger context",
    )
  return { B, T }
}

/** Rows of the table for ids; embeddings pass as they are. */
export function embedded(tokens: Embedding, input: Tensor): Tensor {
  return input.dtype === "i32" ? tokens.forward(input) : input
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

const isTrue = (mask: Tensor): Tensor => (mask.dtype === "bool" ? mask.current() : mask.ne(0))

/** A mask [B S] over keys as attention wants it, [B 1 1 S]. Throws ShapeError. */
export function keyMask(name: string, mask: Tensor, B: number, S: number, hint?: string): Tensor {
  if (formatShape(mask.shape) !== formatShape([B, S]))
    throw new ShapeError(`${name}: expected ${formatShape([B, S])}, but got ${formatShape(mask.shape)}`, hint)
  return isTrue(mask).reshape([B, 1, 1, S])
}

/** The keys each row may see as a mask [B 1 1 S] or [B 1 T S], checked; nothing without a mask. */
export function maskOf(ids: Tensor, { attentionMask, cache, offset }: ForwardOptions): { mask?: Tensor } {
  const [B, T] = ids.shape as [number, number]
  checkCache(B, cache, offset)
  if (!attentionMask) return {}
  const S = cache ? cache.sizes.capacity : T
  if (attentionMask.rank === 3 && formatShape(attentionMask.shape) === formatShape([B, T, S]))
    return { mask: isTrue(attentionMask).reshape([B, 1, T, S]) }
  const hint = cache ? "with a cache, the mask covers its whole capacity" : undefined
  return { mask: keyMask("attentionMask", attentionMask, B, S, hint) }
}

/** The memory that each row may see as a mask [B 1 1 S], checked; nothing without a mask. */
export function memoryMaskOf(
  ids: Tensor,
  { memory, memoryMask }: Pick<ForwardOptions, "memory" | "memoryMask">,
): { memoryMask?: Tensor } {
  if (!memoryMask || !memory) return {}
  return { memoryMask: keyMask("memoryMask", memoryMask, ids.shape[0]!, memory[0]!.k.shape[2]!) }
}

function checkCache(B: number, cache: KeyValueCache | undefined, offset: Tensor | undefined): void {
  if (cache && !offset)
    throw new HeedError(
      "forward: expected an offset with the cache, but got none",
      'pass the position of the first id: offset: scalar(n, "i32")',
    )
  if (cache && cache.sizes.batch !== B)
    throw new ShapeError(`forward: expected a cache for ${B} rows, but got one for ${cache.sizes.batch}`)
}
