// Who looks at whom: the attention weights of every layer and head, and what they say about a word.

import type { Model } from "../models/model.ts"
import { ShapeError } from "../tensor/index.ts"
import { runWithTaps } from "./taps.ts"

/** Attention weights of a text of T tokens. */
export interface AttentionPatterns {
  readonly layers: number
  readonly heads: number
  readonly length: number
  /** [L H T T]: for each layer and head, how much each token (row) looks at each token (column). Rows sum to 1. */
  readonly pattern: Float32Array
}

/** The attention weights of every layer and head over a text. Throws HeedError for a model without attention. */
export async function attentionPatterns(model: Model, ids: ArrayLike<number>): Promise<AttentionPatterns> {
  const { taps } = await runWithTaps(model, ids, /(^|\.)pattern$/)
  const layers = [...taps.values()]
  const [, heads, T] = layers[0]!.shape as [number, number, number, number]
  const pattern = new Float32Array(layers.length * heads * T * T)
  for (const [layer, { data, shape }] of layers.entries()) {
    if (shape[1] !== heads || shape[3] !== T)
      throw new ShapeError(`attention: expected [1 ${heads} ${T} ${T}] in layer ${layer}, but got [${shape.join(" ")}]`)
    pattern.set(data as Float32Array, layer * heads * T * T)
  }
  return { layers: layers.length, heads, length: T, pattern }
}

/** How much token `from` looks at token `to` in one head, 0 .. 1. Layers, heads and tokens count from 0. */
export function attentionAt(
  { heads, length, pattern }: AttentionPatterns,
  layer: number,
  head: number,
  from: number,
  to: number,
): number {
  return pattern[((layer * heads + head) * length + from) * length + to]!
}

/** Tokens start .. end - 1 of a text. */
export type TokenRange = readonly [start: number, end: number]

/** What one head does with a word. */
export interface HeadScore {
  readonly layer: number
  readonly head: number
  /** How much the word's tokens look at each candidate, their mean; 0 .. 1. */
  readonly candidates: readonly number[]
  /** How much they look elsewhere: what is left of 1. */
  readonly elsewhere: number
  /** The token that they look at most. */
  readonly strongest: number
  readonly strongestWeight: number
}

function checkRange(what: string, [start, end]: TokenRange, length: number): void {
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= length))
    throw new ShapeError(
      `headScores: expected ${what} within tokens 0 .. ${length}, but got ${start} .. ${end}`,
      "a range has its first token and the one behind its last",
    )
}

/** For every layer and head: how much the tokens of a word look at each candidate, and where they look most. Throws ShapeError. */
export function headScores(
  attention: AttentionPatterns,
  query: TokenRange,
  candidates: readonly TokenRange[],
): HeadScore[] {
  const { layers, heads, length } = attention
  checkRange("the word", query, length)
  for (const candidate of candidates) checkRange("a candidate", candidate, length)
  const scores: HeadScore[] = []
  const rows = query[1] - query[0]
  for (let layer = 0; layer < layers; layer++)
    for (let head = 0; head < heads; head++) {
      const weights = new Float64Array(length)
      for (let from = query[0]; from < query[1]; from++)
        for (let to = 0; to < length; to++) weights[to]! += attentionAt(attention, layer, head, from, to) / rows
      const shares = candidates.map(([start, end]) => weights.subarray(start, end).reduce((a, b) => a + b, 0))
      let strongest = 0
      for (let to = 1; to < length; to++) if (weights[to]! > weights[strongest]!) strongest = to
      scores.push({
        layer,
        head,
        candidates: shares,
        elsewhere: Math.max(0, 1 - shares.reduce((a, b) => a + b, 0)),
        strongest,
        strongestWeight: weights[strongest]!,
      })
    }
  return scores
}
