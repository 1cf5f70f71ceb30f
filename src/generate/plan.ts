// What holds for a whole generation, and how one token is chosen under it. Draws come from a counter (Philox), so a text depends on its
// seed and nothing else.

import { philox } from "../tensor/ops/random.ts"
import { type GenerationConfig, samples } from "./config.ts"
import type { ScoreProcessor, Situation } from "./processors.ts"
import { bestTokens, checkChoice, checkScores, drawFrom, logSumExp, mostLikely, probabilities } from "./scores.ts"

/** What holds for all steps of a generation. */
export interface Plan {
  readonly config: GenerationConfig
  /** Tokens that end a text. */
  readonly ends: readonly number[]
  /** Fills rows that ended. */
  readonly fill: number
  /** Tokens that are written at most. */
  readonly limit: number
  readonly processors: readonly ScoreProcessor[]
  /** Only ids below may be written; all by default. */
  readonly tokens?: number
  /** Rows of each prompt. */
  readonly copies: number
  readonly signal?: AbortSignal
  /** Where the scores of each step go, as the model made them and as they were after processing. */
  readonly record?: { readonly logits: Float32Array[]; readonly scores: Float32Array[] }
}

/** A token and the natural logarithm of its probability. */
export interface TokenChance {
  readonly id: number
  readonly logprob: number
}

/** A token that was chosen. */
export interface Token {
  readonly id: number
  /** Natural logarithm of its probability before any option changed it; with `logprobs`. */
  readonly logprob?: number
  /** The most likely tokens at its place, most likely first; with `topLogprobs`. */
  readonly topLogprobs?: readonly TokenChance[]
}

/** A uniform number 0 <= u < 1 of 53 bits for a place in a text; each stream of numbers is another. */
export function uniformAt(seed: number, step: number, row: number, stream = 0): number {
  const [a, b] = philox([step, row, stream, 0], [seed, Math.floor(seed / 2 ** 32)])
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53
}

/** The uniform number of a place: by one seed for all rows, or by each prompt's own. */
export function uniformFor({ config, copies }: Plan, { generated, row, prompt }: Situation, stream = 0): number {
  const { seed } = config
  if (typeof seed === "number") return uniformAt(seed, generated, row, stream)
  return uniformAt(seed[prompt]!, generated, row % copies, stream)
}

/** Does to a row of scores what the options say. Throws HeedError where they are no numbers or no token is left. */
export function processScores(scores: Float32Array, situation: Situation, plan: Plan): void {
  if (!plan.config.removeInvalidValues) checkScores(scores)
  if (plan.tokens !== undefined) scores.fill(-Infinity, plan.tokens) // rows that fill up the table
  for (const process of plan.processors) process(scores, situation)
  checkChoice(scores, situation.ids.length)
}

/** Chooses the next token; changes the scores. Throws HeedError where there is none to choose. */
export function chooseToken(scores: Float32Array, situation: Situation, plan: Plan): Token {
  const raw = wantsChances(plan) ? scores.slice() : scores
  processScores(scores, situation, plan)
  const id = samples(plan.config) ? drawFrom(probabilities(scores), uniformFor(plan, situation)) : mostLikely(scores)
  return tokenOf(raw, id, plan)
}

/** Whether tokens come with their log-probabilities. */
export function wantsChances({ config }: Plan): boolean {
  return config.logprobs || config.topLogprobs > 0
}

/** A token with what the options ask to know about it; `raw`: the scores as the model made them. */
export function tokenOf(raw: Float32Array, id: number, plan: Plan): Token {
  if (!wantsChances(plan)) return { id }
  const { logprobs, topLogprobs } = plan.config
  const normalizer = logSumExp(raw)
  const best = bestTokens(raw, topLogprobs).map(one => ({ id: one, logprob: raw[one]! - normalizer }))
  return {
    id,
    ...(logprobs ? { logprob: raw[id]! - normalizer } : {}),
    ...(topLogprobs > 0 ? { topLogprobs: best } : {}),
  }
}
