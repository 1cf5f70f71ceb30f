// Contrastive search (Su et al. 2022): of the k most likely tokens, the one is taken that is likely and yet unlike, in the model's own
// stream, to everything before it.

import type { Step } from "./choose.ts"
import type { Decoder } from "./decoder.ts"
import { type Plan, processScores, type Token, tokenOf, wantsChances } from "./plan.ts"
import { bestTokens, probabilities } from "./scores.ts"
import { type Text, type Texts, unlessAborted } from "./texts.ts"

/** Where one text stands: the scores of what follows it, and the directions of all its positions. */
interface Place {
  readonly text: Text
  scores: Float32Array
  readonly directions: Float32Array[]
}

interface Candidate {
  readonly id: number
  readonly chance: number
}

/** Writes all texts to their ends; the decoder has k rows for each, and gives states. */
export async function* contrastiveTokens(decoder: Decoder, texts: Texts, plan: Plan): AsyncGenerator<Step, void, void> {
  const { signal, config, record } = plan
  const alpha = config.penaltyAlpha!
  const k = config.topK!
  const starts = texts.rows.flatMap(text => Array.from({ length: k }, () => text.ids))
  const begun = await unlessAborted(signal, () => decoder.start(starts, signal))
  if (!begun) {
    texts.end("aborted")
    return
  }
  const longest = decoder.position
  const V = begun.scores.length / decoder.batch
  const D = begun.states!.length / decoder.batch / longest
  const places = texts.rows.map((text, i): Place => {
    const row = i * k
    const columns = Array.from({ length: text.ids.length }, (_, j) => row * longest + longest - text.ids.length + j)
    return {
      text,
      scores: begun.scores.slice(row * V, (row + 1) * V),
      directions: columns.map(column => direction(begun.states!.subarray(column * D, (column + 1) * D))),
    }
  })
  const newest = new Int32Array(decoder.batch)
  let origins = Int32Array.from({ length: decoder.batch }, (_, row) => row)

  while (texts.open) {
    record?.logits.push(joined(places.map(place => place.scores)))
    const raws = places.map(({ scores }) => (wantsChances(plan) ? scores.slice() : scores))
    const candidates = places.map(place => candidatesOf(place, plan, k))
    record?.scores.push(joined(places.map(place => place.scores)))
    for (const [i, list] of candidates.entries())
      for (let j = 0; j < k; j++) newest[i * k + j] = list?.[j]?.id ?? list?.[0]?.id ?? plan.fill
    const reading = await unlessAborted(signal, () =>
      decoder.step(newest, { rows: origins, ...(signal ? { signal } : {}) }),
    )
    if (!reading) {
      texts.end("aborted")
      return
    }
    const from = Int32Array.from({ length: decoder.batch }, (_, row) => row)
    yield places.map((place, i): Token | null => {
      const list = candidates[i]
      if (!list) return null
      const states = list.map((_, j) => direction(reading.states!.subarray((i * k + j) * D, (i * k + j + 1) * D)))
      let best = 0
      let most = -Infinity
      for (const [j, { chance }] of list.entries()) {
        const score = (1 - alpha) * chance - alpha * likeness(states[j]!, place.directions)
        if (score > most) {
          most = score
          best = j
        }
      }
      const row = i * k + best
      place.scores = reading.scores.slice(row * V, (row + 1) * V)
      place.directions.push(states[best]!)
      from.fill(row, i * k, (i + 1) * k)
      texts.write(place.text, list[best]!.id)
      return tokenOf(raws[i]!, list[best]!.id, plan)
    })
    origins = from
  }
}

/** The k most likely tokens of a text that goes on. */
function candidatesOf({ text, scores }: Place, plan: Plan, k: number): Candidate[] | null {
  if (text.reason) return null
  processScores(scores, text, plan)
  const chances = probabilities(scores)
  return bestTokens(chances, k).map(id => ({ id, chance: chances[id]! }))
}

/** A vector as long as one. */
function direction(vector: Float32Array): Float32Array {
  let square = 0
  for (let i = 0; i < vector.length; i++) square += vector[i]! ** 2
  const length = Math.sqrt(square) || 1
  return vector.map(x => x / length)
}

/** The largest cosine between a direction and others. */
function likeness(one: Float32Array, others: readonly Float32Array[]): number {
  let most = -1
  for (const other of others) {
    let product = 0
    for (let i = 0; i < one.length; i++) product += one[i]! * other[i]!
    if (product > most) most = product
  }
  return most
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(rows.length * rows[0]!.length)
  for (const [i, row] of rows.entries()) out.set(row, i * row.length)
  return out
}
