// What is done to the scores of the next token before it is chosen: each function changes a row of logits in place, as the
// processors of the same names in Hugging Face's generation do; -Infinity forbids a token. What only shapes draws is in truncate.ts.

import { logSumExp } from "./scores.ts"

/** Makes tokens that occurred before less likely: positive scores are divided by the penalty, negative ones multiplied (Keskar et al. 2019). */
export function applyRepetitionPenalty(scores: Float32Array, ids: ArrayLike<number>, penalty: number): void {
  const seen = new Set<number>()
  for (let i = 0; i < ids.length; i++) seen.add(ids[i]!)
  for (const id of seen) {
    const score = scores[id]
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty
  }
}

/** Subtracts `presence` from tokens that were written, and `frequency` for each time they were (the penalties of OpenAI's interface). */
export function applyCountPenalties(
  scores: Float32Array,
  written: ArrayLike<number>,
  { presence = 0, frequency = 0 }: { readonly presence?: number; readonly frequency?: number },
): void {
  const counts = new Map<number, number>()
  for (let i = 0; i < written.length; i++) counts.set(written[i]!, (counts.get(written[i]!) ?? 0) + 1)
  for (const [id, count] of counts) if (id < scores.length) scores[id] = scores[id]! - presence - count * frequency
}

/** Subtracts a penalty for each time a token was chosen by other groups of beams at this step (Vijayakumar et al. 2018). */
export function applyDiversityPenalty(scores: Float32Array, chosen: ArrayLike<number>, penalty: number): void {
  for (let i = 0; i < chosen.length; i++) scores[chosen[i]!] = scores[chosen[i]!]! - penalty
}

/** Forbids tokens that would complete an n-gram that `known` (the text itself by default) already has. */
export function forbidRepeatedNgrams(
  scores: Float32Array,
  ids: ArrayLike<number>,
  size: number,
  known: ArrayLike<number> = ids,
): void {
  const prefix = size - 1
  if (ids.length < prefix) return
  for (let start = 0; start + size <= known.length; start++) {
    let equal = true
    for (let j = 0; j < prefix && equal; j++) equal = known[start + j] === ids[ids.length - prefix + j]
    const next = known[start + prefix]!
    if (equal && next < scores.length) scores[next] = -Infinity
  }
}

/** Adds a bias to the last token of each sequence whose beginning was just written. */
export function applySequenceBias(
  scores: Float32Array,
  ids: ArrayLike<number>,
  biases: Iterable<readonly [ids: readonly number[], bias: number]>,
): void {
  for (const [sequence, bias] of biases) {
    const prefix = sequence.length - 1
    if (prefix < 0 || prefix > ids.length) continue
    let equal = true
    for (let j = 0; j < prefix && equal; j++) equal = sequence[j] === ids[ids.length - prefix + j]
    const last = sequence[prefix]!
    if (equal && last < scores.length) scores[last] = scores[last]! + bias
  }
}

/** Forbids the last token of each sequence whose beginning was just written. */
export function forbidWords(scores: Float32Array, ids: ArrayLike<number>, words: readonly (readonly number[])[]): void {
  applySequenceBias(
    scores,
    ids,
    words.map(word => [word, -Infinity] as const),
  )
}

/** Forbids tokens. */
export function forbid(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id >= 0 && id < scores.length) scores[id] = -Infinity
}

/** Forbids all tokens but some, whose scores become 0. */
export function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(-Infinity)
  for (const id of ids) if (id >= 0 && id < scores.length) scores[id] = 0
}

/** Raises the scores of end tokens by |score| · (factor^beyond - 1), `beyond` tokens after the length from which a text should end. */
export function favourEnd(scores: Float32Array, ends: readonly number[], factor: number, beyond: number): void {
  if (beyond <= 0) return
  for (const id of ends)
    if (id < scores.length) scores[id] = scores[id]! + Math.abs(scores[id]!) * (factor ** beyond - 1)
}

const largest = 3.4028234663852886e38

/** Replaces what is no number by 0, and infinite scores by the largest and smallest finite ones. */
export function replaceInvalid(scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!
    if (Number.isNaN(score)) scores[i] = 0
    else if (!Number.isFinite(score)) scores[i] = score > 0 ? largest : -largest
  }
}

/** Turns scores into log-probabilities. */
export function normalizeScores(scores: Float32Array): void {
  const normalizer = logSumExp(scores)
  for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! - normalizer
}
