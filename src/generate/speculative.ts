// Speculative decoding (Leviathan et al. 2023): something cheap guesses the next tokens, the model reads all of them at once and keeps
// those that it would have written itself. The text is the same as without (of draws: as likely), only sooner.

import type { Model } from "../models/model.ts"
import { ValueError } from "../tensor/index.ts"
import type { Step } from "./choose.ts"
import { samples } from "./config.ts"
import type { Decoder } from "./decoder.ts"
import { type Plan, processScores, tokenOf, uniformFor, wantsChances } from "./plan.ts"
import type { Situation } from "./processors.ts"
import { drawFrom, mostLikely, probabilities } from "./scores.ts"
import { type Text, type Texts, unlessAborted } from "./texts.ts"
import { vocabularyOf } from "./tokens.ts"

/** A guessed token. */
export interface Guess {
  readonly id: number
  /** The probabilities it was drawn by; null where it was certain. */
  readonly chances: Float64Array | null
}

/** Guesses what comes next. */
export interface Draft {
  /** Up to `count` tokens that may follow a text. */
  guess(text: Situation, count: number): Promise<Guess[]>
}

/** Streams of draws: whether a guess is kept, and the guesses themselves; what the model draws itself has stream 0. */
const keeping = 1
const guessing = 2

/** Guesses with a smaller model of the same vocabulary. */
export class ModelDraft implements Draft {
  readonly #decoder: Decoder
  readonly #plan: Plan
  #read: number[] = []

  constructor(decoder: Decoder, plan: Plan) {
    this.#decoder = decoder
    this.#plan = plan
  }

  async guess({ ids, generated, row, prompt }: Situation, count: number): Promise<Guess[]> {
    const { signal } = this.#plan
    const known = [...ids]
    const guesses: Guess[] = []
    while (guesses.length < count) {
      const scores = await this.#scoresAfter(known, signal)
      if (!scores) break // its context is full
      const situation = { ids: known, generated: generated + guesses.length, row, prompt }
      processScores(scores, situation, this.#plan)
      const chances = samples(this.#plan.config) ? probabilities(scores) : null
      const id = chances ? drawFrom(chances, uniformFor(this.#plan, situation, guessing)) : mostLikely(scores)
      guesses.push({ id, chances })
      known.push(id)
      if (this.#plan.ends.includes(id)) break
    }
    return guesses
  }

  /** Reads what is new of a text. null where it is too long. */
  async #scoresAfter(ids: readonly number[], signal: AbortSignal | undefined): Promise<Float32Array | null> {
    const decoder = this.#decoder
    if (ids.length > decoder.capacity) return null
    let same = 0
    while (same < this.#read.length && same < ids.length - 1 && this.#read[same] === ids[same]) same++
    if (same === 0) {
      const { scores } = await decoder.start([ids], signal)
      this.#read = [...ids]
      return scores
    }
    decoder.rewind(same)
    const rest = ids.slice(same)
    this.#read = [...ids]
    if (rest.length === 1) return (await decoder.step(Int32Array.from(rest), signal ? { signal } : {})).scores
    const all = await decoder.follow(rest, signal)
    return all.slice((all.length / rest.length) * (rest.length - 1))
  }
}

/** Guesses what followed the newest earlier place that ended like the text does now: for answers that repeat their question. */
export class LookupDraft implements Draft {
  readonly #longest: number

  constructor(longest: number) {
    this.#longest = longest
  }

  async guess({ ids }: Situation, count: number): Promise<Guess[]> {
    for (let size = Math.min(this.#longest, ids.length - 1); size >= 1; size--)
      for (let at = ids.length - size - 1; at >= 0; at--) {
        let equal = true
        for (let i = 0; i < size && equal; i++) equal = ids[at + i] === ids[ids.length - size + i]
        if (equal) return ids.slice(at + size, at + size + count).map(id => ({ id, chances: null }))
      }
    return []
  }
}

/** Writes the only text to its end. */
export async function* speculativeTokens(
  decoder: Decoder,
  texts: Texts,
  plan: Plan,
  draft: Draft,
  count: number,
): AsyncGenerator<Step, void, void> {
  const { signal } = plan
  const text = texts.rows[0]!
  const begun = await unlessAborted(signal, () => decoder.start([text.ids], signal))
  if (begun) yield* judge(begun.scores, [], texts, plan)
  else texts.end("aborted")
  while (texts.open) {
    const room = Math.min(count, plan.limit - text.generated - 1, decoder.capacity - decoder.position - 1)
    const found = await unlessAborted(signal, async () => {
      const guesses = room > 0 ? await draft.guess(text, room) : []
      return { guesses, scores: await decoder.follow([text.ids.at(-1)!, ...guesses.map(one => one.id)], signal) }
    })
    if (!found) {
      texts.end("aborted")
      return
    }
    yield* judge(found.scores, found.guesses, texts, plan)
    decoder.rewind(text.ids.length - 1)
  }
}

/** Keeps guesses as long as the model agrees, then adds one token of its own. scores: [n + 1, V] for n guesses. */
function* judge(scores: Float32Array, guesses: readonly Guess[], texts: Texts, plan: Plan): Generator<Step> {
  const text = texts.rows[0]!
  const V = scores.length / (guesses.length + 1)
  for (let i = 0; i <= guesses.length && !text.reason; i++) {
    const row = scores.subarray(i * V, (i + 1) * V)
    const raw = wantsChances(plan) ? row.slice() : row
    plan.record?.logits.push(row.slice())
    processScores(row, text, plan)
    plan.record?.scores.push(row)
    const guess = guesses[i]
    const id = samples(plan.config) ? drawWith(row, guess, text, plan) : mostLikely(row)
    texts.write(text, id)
    yield [tokenOf(raw, id, plan)]
    if (id !== guess?.id) return
  }
}

function drawWith(scores: Float32Array, guess: Guess | undefined, text: Text, plan: Plan): number {
  const p = probabilities(scores)
  const u = uniformFor(plan, text)
  return guess ? verifiedDraw(p, guess, uniformFor(plan, text, keeping), u) : drawFrom(p, u)
}

/**
 * A draw by a model's chances p that uses a guess, which was drawn by q: the guess is kept with probability min(1, p / q), else another
 * token is drawn by max(0, p - q). `keep` and `u` are uniform numbers 0 <= u < 1.
 */
export function verifiedDraw(p: Float64Array, { id, chances }: Guess, keep: number, u: number): number {
  if (id < p.length && keep * (chances ? chances[id]! : 1) < p[id]!) return id
  const rest = p.map((chance, i) => Math.max(0, chance - (chances ? (chances[i] ?? 0) : i === id ? 1 : 0)))
  const total = rest.reduce((sum, chance) => sum + chance, 0)
  return drawFrom(total > 0 ? rest.map(chance => chance / total) : p, u)
}

/** Throws ValueError where a draft model cannot guess for a model. */
export function checkDraft(model: Pick<Model, "config">, draft: Pick<Model, "config">): void {
  const [own, others] = [vocabularyOf(model), vocabularyOf(draft)]
  if (own !== others)
    throw new ValueError(
      `generate: expected an assistantModel of ${own} tokens, as the model, but got one of ${others}`,
      "both must use the same tokenizer",
    )
}
