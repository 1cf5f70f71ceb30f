// How the next token is chosen from a row of scores: what is forbidden or made less likely, then the most likely one or a draw.
// Draws come from a counter (Philox), so a text depends on its seed and nothing else.

import { HeedError } from "../tensor/index.ts"
import { philox } from "../tensor/ops/random.ts"
import { type GenerationConfig, samples } from "./config.ts"
import {
  applyRepetitionPenalty,
  applyTemperature,
  draw,
  forbid,
  forbidRepeatedNgrams,
  forbidWords,
  keepMinP,
  keepTopK,
  keepTopP,
  mostLikely,
} from "./process.ts"

/** What counts for the next token besides its scores. */
export interface Situation {
  /** The ids so far, prompt included. */
  readonly ids: readonly number[]
  /** How many of them were generated. */
  readonly generated: number
  /** Row of the batch: rows draw different numbers. */
  readonly row: number
}

/** A uniform number 0 <= u < 1 of 53 bits for a place in a text. */
export function uniformAt(seed: number, step: number, row: number): number {
  const [a, b] = philox([step, row, 0, 0], [seed, Math.floor(seed / 2 ** 32)])
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53
}

/** Changes scores in place as the options say, before anything is chosen: penalties and what is forbidden. */
export function processScores(
  scores: Float32Array,
  { ids, generated }: Situation,
  config: GenerationConfig,
  ends: readonly number[],
): void {
  if (config.repetitionPenalty !== 1) applyRepetitionPenalty(scores, ids, config.repetitionPenalty)
  if (config.noRepeatNgramSize > 0) forbidRepeatedNgrams(scores, ids, config.noRepeatNgramSize)
  if (config.badWordsIds.length > 0) forbidWords(scores, ids, config.badWordsIds)
  if (generated < config.minNewTokens) forbid(scores, ends)
}

/** Chooses the next token; changes the scores. Throws HeedError where there is none to choose. */
export function chooseToken(
  scores: Float32Array,
  situation: Situation,
  config: GenerationConfig,
  ends: readonly number[],
): number {
  checkScores(scores)
  processScores(scores, situation, config, ends)
  const best = mostLikely(scores)
  if (scores[best] === -Infinity)
    throw new HeedError(
      `generate: expected a token that is allowed, but all ${scores.length} are forbidden after ${situation.ids.length} tokens`,
      "loosen noRepeatNgramSize, badWordsIds or minNewTokens",
    )
  if (!samples(config)) return best
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = config
  if (temperature !== 1) applyTemperature(scores, temperature)
  if (topK > 0) keepTopK(scores, topK)
  if (topP < 1) keepTopP(scores, topP)
  if (minP > 0) keepMinP(scores, minP)
  return draw(scores, uniformAt(config.seed, situation.generated, situation.row))
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

/** Log-probabilities of a row of scores. */
export function logProbabilities(scores: Float32Array): Float32Array {
  const normalizer = logSumExp(scores)
  return scores.map(score => score - normalizer)
}

/** Log of the sum of exponentials of a row of scores, in double precision. */
export function logSumExp(scores: Float32Array): number {
  let top = -Infinity
  for (let i = 0; i < scores.length; i++) if (scores[i]! > top) top = scores[i]!
  let total = 0
  for (let i = 0; i < scores.length; i++) total += Math.exp(scores[i]! - top)
  return top + Math.log(total)
}
