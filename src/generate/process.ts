// What is done to the scores of the next token before it is chosen: each function changes a row of logits in place, as the
// processors of the same names in Hugging Face's generation do; -Infinity forbids a token.

/** Divides scores by a temperature: below 1 sharper, above 1 flatter (Hinton et al. 2015). */
export function applyTemperature(scores: Float32Array, temperature: number): void {
  for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / temperature
}

/** Makes tokens that occurred before less likely: positive scores are divided by the penalty, negative ones multiplied (Keskar et al. 2019). */
export function applyRepetitionPenalty(scores: Float32Array, ids: ArrayLike<number>, penalty: number): void {
  const seen = new Set<number>()
  for (let i = 0; i < ids.length; i++) seen.add(ids[i]!)
  for (const id of seen) {
    const score = scores[id]
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty
  }
}

/** Forbids tokens that would complete an n-gram the sequence already has. */
export function forbidRepeatedNgrams(scores: Float32Array, ids: ArrayLike<number>, size: number): void {
  const prefix = size - 1
  if (ids.length < prefix) return
  for (let start = 0; start + size <= ids.length; start++) {
    let equal = true
    for (let j = 0; j < prefix && equal; j++) equal = ids[start + j] === ids[ids.length - prefix + j]
    const next = ids[start + prefix]!
    if (equal) scores[next] = -Infinity
  }
}

/** Forbids the last token of each sequence whose beginning was just written. */
export function forbidWords(scores: Float32Array, ids: ArrayLike<number>, words: readonly (readonly number[])[]): void {
  for (const word of words) {
    const prefix = word.length - 1
    if (prefix < 0 || prefix > ids.length) continue
    let equal = true
    for (let j = 0; j < prefix && equal; j++) equal = word[j] === ids[ids.length - prefix + j]
    if (equal) scores[word[prefix]!] = -Infinity
  }
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
export function keepTopK(scores: Float32Array, k: number): void {
  if (k >= scores.length) return
  const least = kthLargest(scores, k)
  for (let i = 0; i < scores.length; i++) if (scores[i]! < least) scores[i] = -Infinity
}

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

/** Keeps the smallest set of most likely tokens whose probabilities reach p (nucleus sampling, Holtzman et al. 2020), at least `least` of them. */
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

/** Keeps tokens whose probability is at least p times that of the most likely one (min-p sampling, Nguyen et al. 2024), at least `least` of them. */
export function keepMinP(scores: Float32Array, p: number, least = 1): void {
  const chances = probabilities(scores)
  let top = 0
  for (let i = 0; i < chances.length; i++) if (chances[i]! > top) top = chances[i]!
  const limit = p * top
  let count = 0
  for (let i = 0; i < chances.length; i++) if (chances[i]! >= limit && chances[i]! > 0) count++
  if (count < least) keepLeast(scores, chances, least)
  else for (let i = 0; i < chances.length; i++) if (chances[i]! < limit) scores[i] = -Infinity
}

/** Forbids tokens. */
export function forbid(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id >= 0 && id < scores.length) scores[id] = -Infinity
}

/** The most likely token; the first of equal ones. */
export function mostLikely(scores: Float32Array): number {
  let best = 0
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i
  return best
}

/** The token at which the running sum of probabilities passes `u` in 0..1. */
export function draw(scores: Float32Array, u: number): number {
  const chances = probabilities(scores)
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
