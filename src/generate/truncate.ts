// What shapes a distribution before a token is drawn from it: each function changes a row of logits in place, as the warpers of the
// same names in Hugging Face's generation do; -Infinity takes a token out. `least` tokens always stay.

import { entropy, mostLikely, probabilities } from "./scores.ts"

/** Divides scores by a temperature: below 1 sharper, above 1 flatter (Hinton et al. 2015). */
export function applyTemperature(scores: Float32Array, temperature: number): void {
  for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / temperature
}

/** The k-th largest score; -Infinity when there are not that many. */
function kthLargest(scores: Float32Array, k: number): number {
  // a min-heap of the k largest seen so far
  const heap = new Float32Array(k)
  let size = 0
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!
    if (size === k && !(score > heap[0]!)) continue
    let at = size < k ? size++ : 0
    if (at > 0 || size === 1) {
      while (at > 0) {
        const up = (at - 1) >> 1
        if (heap[up]! <= score) break
        heap[at] = heap[up]!
        at = up
      }
    } else {
      for (;;) {
        let down = 2 * at + 1
        if (down >= size) break
        if (down + 1 < size && heap[down + 1]! < heap[down]!) down++
        if (heap[down]! >= score) break
        heap[at] = heap[down]!
        at = down
      }
    }
    heap[at] = score
  }
  return size < k ? -Infinity : heap[0]!
}

/** Keeps the k most likely tokens, and those equal to the last of them (Fan et al. 2018). */
export function keepTopK(scores: Float32Array, k: number, least = 1): void {
  const count = Math.max(k, least)
  if (count >= scores.length) return
  const limit = kthLargest(scores, count)
  for (let i = 0; i < scores.length; i++) if (scores[i]! < limit) scores[i] = -Infinity
}

/** Most likely first; equal ones in the order of their ids. */
const byChance =
  (chances: Float64Array) =>
  (a: number, b: number): number =>
    chances[b]! - chances[a]! || a - b

/** Forbids all tokens but the `least` most likely. */
function keepLeast(scores: Float32Array, chances: Float64Array, least: number): void {
  const order = Uint32Array.from(chances.keys()).sort(byChance(chances))
  for (const id of order.subarray(least)) scores[id] = -Infinity
}

const levels = 512
const levelsPerUnit = 16

/** Keeps the smallest set of most likely tokens whose probabilities reach p (nucleus sampling, Holtzman et al. 2020). */
export function keepTopP(scores: Float32Array, p: number, least = 1): void {
  if (p >= 1) return
  const chances = probabilities(scores)
  const top = scores[mostLikely(scores)]!
  // only the level of scores at which the sum passes p must be sorted
  const levelOf = (i: number): number => Math.min(levels - 1, Math.floor((top - scores[i]!) * levelsPerUnit))
  const masses = new Float64Array(levels)
  const counts = new Uint32Array(levels)
  for (let i = 0; i < scores.length; i++)
    if (chances[i]! > 0) {
      masses[levelOf(i)]! += chances[i]!
      counts[levelOf(i)]!++
    }
  let last = 0
  let total = 0
  let count = 0
  for (; last < levels - 1 && total + masses[last]! < p; last++) {
    total += masses[last]!
    count += counts[last]!
  }
  const border: number[] = []
  for (let i = 0; i < scores.length; i++) if (chances[i]! > 0 && levelOf(i) === last) border.push(i)
  border.sort(byChance(chances))
  let kept = 0
  while (kept < border.length && (total < p || count + kept < least)) total += chances[border[kept++]!]!
  if (count + kept < least) {
    keepLeast(scores, chances, least)
    return
  }
  for (let i = 0; i < scores.length; i++) if (!(chances[i]! > 0) || levelOf(i) > last) scores[i] = -Infinity
  for (const id of border.slice(kept)) scores[id] = -Infinity
}

/** Takes out tokens whose probability is below a limit. */
function keepChances(scores: Float32Array, chances: Float64Array, limit: number, least: number): void {
  let count = 0
  for (let i = 0; i < chances.length; i++) if (chances[i]! >= limit && chances[i]! > 0) count++
  if (count < least) keepLeast(scores, chances, least)
  else for (let i = 0; i < chances.length; i++) if (chances[i]! < limit) scores[i] = -Infinity
}

/** Keeps tokens whose probability is at least p times that of the most likely one (min-p sampling, Nguyen et al. 2024). */
export function keepMinP(scores: Float32Array, p: number, least = 1): void {
  const chances = probabilities(scores)
  keepChances(scores, chances, p * chances[mostLikely(chances)]!, least)
}

/** Keeps tokens whose probability is at least epsilon (Hewitt et al. 2022). */
export function keepEpsilon(scores: Float32Array, epsilon: number, least = 1): void {
  keepChances(scores, probabilities(scores), epsilon, least)
}

/** Keeps tokens whose probability is at least min(ε, √ε · exp(-entropy)) (eta sampling, Hewitt et al. 2022). */
export function keepEta(scores: Float32Array, epsilon: number, least = 1): void {
  const chances = probabilities(scores)
  keepChances(scores, chances, Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropy(chances))), least)
}

/** Keeps tokens whose surprise is nearest to the expected one, until their probabilities reach p (locally typical sampling, Meister et al. 2023). */
export function keepTypical(scores: Float32Array, p: number, least = 1): void {
  if (p >= 1) return
  const chances = probabilities(scores)
  const expected = entropy(chances)
  const distances = chances.map(chance => Math.abs(-Math.log(chance) - expected))
  const order = Uint32Array.from(chances.keys()).sort((a, b) => distances[a]! - distances[b]! || a - b)
  let kept = 0
  for (let total = 0; kept < order.length && total < p; kept++) total += chances[order[kept]!]!
  const limit = distances[order[Math.max(0, kept - 1)]!]!
  for (const [rank, id] of order.entries()) if (rank >= least && distances[id]! > limit) scores[id] = -Infinity
}
