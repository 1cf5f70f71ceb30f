// Rows of scores (logits) and what is read from them: probabilities, the most likely tokens, draws.

import { HeedError } from "../tensor/index.ts"

/** Probabilities of a row of scores, in double precision. */
export function probabilities(scores: Float32Array): Float64Array {
  let top = -Infinity
  for (let i = 0; i < scores.length; i++) if (scores[i]! > top) top = scores[i]!
  const out = new Float64Array(scores.length)
  let total = 0
  for (let i = 0; i < scores.length; i++) total += out[i] = Math.exp(scores[i]! - top)
  for (let i = 0; i < scores.length; i++) out[i] = out[i]! / total
  return out
}

/** Log of the sum of exponentials of a row of scores, in double precision. */
export function logSumExp(scores: Float32Array): number {
  let top = -Infinity
  for (let i = 0; i < scores.length; i++) if (scores[i]! > top) top = scores[i]!
  if (top === -Infinity) return -Infinity
  let total = 0
  for (let i = 0; i < scores.length; i++) total += Math.exp(scores[i]! - top)
  return top + Math.log(total)
}

/** Log-probabilities of a row of scores. */
export function logProbabilities(scores: Float32Array): Float32Array {
  const normalizer = logSumExp(scores)
  return scores.map(score => score - normalizer)
}

/** Entropy of probabilities, in nats. */
export function entropy(chances: Float64Array): number {
  let sum = 0
  for (let i = 0; i < chances.length; i++) if (chances[i]! > 0) sum -= chances[i]! * Math.log(chances[i]!)
  return sum
}

/** The most likely token; the first of equal ones. */
export function mostLikely(scores: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i
  return best
}

/** The `count` most likely tokens, most likely first; equal ones in the order of their ids. */
export function bestTokens(scores: ArrayLike<number>, count: number): number[] {
  const best: number[] = []
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (best.length === count && !(score > scores[best[count - 1]!]!)) continue
    let at = best.length
    while (at > 0 && scores[best[at - 1]!]! < score) at--
    best.splice(at, 0, id)
    if (best.length > count) best.pop()
  }
  return best
}

/** The token at which the running sum of probabilities passes `u` in 0..1. */
export function draw(scores: Float32Array, u: number): number {
  return drawFrom(probabilities(scores), u)
}

/** The index at which the running sum of chances, which sum to 1, passes `u` in 0..1. */
export function drawFrom(chances: Float64Array, u: number): number {
  let left = u
  let last = 0
  for (let i = 0; i < chances.length; i++) {
    const chance = chances[i]!
    if (chance === 0) continue
    last = i
    left -= chance
    if (left < 0) return i
  }
  return last
}

/** Throws HeedError where a model gave no numbers. */
export function checkScores(scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++)
    if (Number.isNaN(scores[i]))
      throw new HeedError(
        `generate: expected scores that are numbers, but the model gave NaN for token ${i}`,
        "its weights are broken, perhaps by a training run that diverged: open an earlier checkpoint",
      )
}

/** Throws HeedError where no token is left to choose. */
export function checkChoice(scores: Float32Array, length: number): void {
  if (scores.some(score => score > -Infinity)) return
  throw new HeedError(
    `generate: expected a token that is allowed, but all ${scores.length} are forbidden after ${length} tokens`,
    "loosen noRepeatNgramSize, badWordsIds, suppressTokens or minNewTokens",
  )
}
