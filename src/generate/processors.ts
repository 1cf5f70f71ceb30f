// The processors of scores that options ask for, in the order of Hugging Face's generation: penalties, what is forbidden, what is forced,
// the caller's own, then what shapes draws.

import { type GenerationConfig, samples } from "./config.ts"
import {
  applyCountPenalties,
  applyRepetitionPenalty,
  applySequenceBias,
  favourEnd,
  forbid,
  forbidRepeatedNgrams,
  forbidWords,
  force,
  normalizeScores,
  replaceInvalid,
} from "./process.ts"
import { applyTemperature, keepEpsilon, keepEta, keepMinP, keepTopK, keepTopP, keepTypical } from "./truncate.ts"

/** What counts for the next token besides its scores. */
export interface Situation {
  /** The ids so far: the prompt (of an encoder-decoder: what its decoder began with) and what was written. */
  readonly ids: readonly number[]
  /** How many of them were written. */
  readonly generated: number
  /** Row of the batch. */
  readonly row: number
  /** Which of the prompts it belongs to. */
  readonly prompt: number
}

/** Changes a row of scores [V] in place; -Infinity forbids a token. */
export type ScoreProcessor = (scores: Float32Array, situation: Situation) => void

/** What processors depend on besides options. */
export interface ProcessorContext {
  /** Tokens that end a text. */
  readonly ends: readonly number[]
  /** Tokens that will be written at most. */
  readonly limit: number
  /** Ids that an encoder read, for each prompt. */
  readonly source?: readonly (readonly number[])[]
  /** The caller's own. */
  readonly own?: readonly ScoreProcessor[]
}

type Entry = readonly [wanted: boolean, processor: ScoreProcessor]

const wanted = (entries: readonly Entry[]): ScoreProcessor[] => entries.flatMap(([is, one]) => (is ? [one] : []))

const listed = (ids: number | readonly number[] | undefined): readonly number[] =>
  ids === undefined ? [] : typeof ids === "number" ? [ids] : ids

/** The processors of options, in their order. */
export function processorsOf(config: GenerationConfig, context: ProcessorContext): readonly ScoreProcessor[] {
  const draws = samples(config)
    ? drawProcessors(config, config.numBeams > 1 ? 1 + Math.max(1, context.ends.length) : 1)
    : []
  const last: Entry = [config.renormalizeLogits, scores => normalizeScores(scores)]
  return [
    ...penalties(config, context),
    ...limits(config, context),
    ...(context.own ?? []),
    ...draws,
    ...wanted([last]),
  ]
}

function penalties(config: GenerationConfig, { ends, source }: ProcessorContext): ScoreProcessor[] {
  const { repetitionPenalty, encoderRepetitionPenalty, presencePenalty, frequencyPenalty, sequenceBias } = config
  const { noRepeatNgramSize, encoderNoRepeatNgramSize, badWordsIds } = config
  const counted = { presence: presencePenalty, frequency: frequencyPenalty }
  const bad = badWordsIds.filter(word => !(word.length === 1 && ends.includes(word[0]!)))
  return wanted([
    [sequenceBias.length > 0, (scores, { ids }) => applySequenceBias(scores, ids, sequenceBias)],
    [
      encoderRepetitionPenalty !== 1 && source !== undefined,
      (scores, { prompt }) => applyRepetitionPenalty(scores, source![prompt]!, 1 / encoderRepetitionPenalty),
    ],
    [repetitionPenalty !== 1, (scores, { ids }) => applyRepetitionPenalty(scores, ids, repetitionPenalty)],
    [
      presencePenalty !== 0 || frequencyPenalty !== 0,
      (scores, { ids, generated }) => applyCountPenalties(scores, ids.slice(ids.length - generated), counted),
    ],
    [noRepeatNgramSize > 0, (scores, { ids }) => forbidRepeatedNgrams(scores, ids, noRepeatNgramSize)],
    [
      encoderNoRepeatNgramSize > 0 && source !== undefined,
      (scores, { ids, prompt }) => forbidRepeatedNgrams(scores, ids, encoderNoRepeatNgramSize, source![prompt]!),
    ],
    [bad.length > 0, (scores, { ids }) => forbidWords(scores, ids, bad)],
  ])
}

function limits(config: GenerationConfig, { ends, limit }: ProcessorContext): ScoreProcessor[] {
  const { minLength, minNewTokens, forcedBosTokenId, suppressTokens, beginSuppressTokens } = config
  const [decayStart = 0, decayFactor = 1] = config.exponentialDecayLengthPenalty ?? []
  const forcedEnds = listed(config.forcedEosTokenId)
  const places = new Map(config.forcedDecoderIds.flatMap(([at, id]) => (id === null ? [] : [[at, id] as const])))
  // behind a forced first token, the second one is the first that is free
  const isFirst = ({ ids, generated }: Situation): boolean =>
    generated === (forcedBosTokenId !== undefined && ids.length - generated === 1 ? 1 : 0)
  return wanted([
    [
      minLength > 0 || minNewTokens > 0,
      (scores, { ids, generated }) => {
        if (ids.length < minLength || generated < minNewTokens) forbid(scores, ends)
      },
    ],
    [
      forcedBosTokenId !== undefined,
      (scores, { ids }) => {
        if (ids.length === 1) force(scores, [forcedBosTokenId!])
      },
    ],
    [
      places.size > 0,
      (scores, { ids }) => {
        const id = places.get(ids.length)
        if (id !== undefined) force(scores, [id])
      },
    ],
    [
      forcedEnds.length > 0,
      (scores, { generated }) => {
        if (generated === limit - 1) force(scores, forcedEnds)
      },
    ],
    [config.removeInvalidValues, scores => replaceInvalid(scores)],
    [
      config.exponentialDecayLengthPenalty !== undefined,
      (scores, { generated }) => favourEnd(scores, ends, decayFactor, generated - decayStart),
    ],
    [suppressTokens.length > 0, scores => forbid(scores, suppressTokens)],
    [
      beginSuppressTokens.length > 0,
      (scores, situation) => {
        if (isFirst(situation)) forbid(scores, beginSuppressTokens)
      },
    ],
  ])
}

function drawProcessors(config: GenerationConfig, least: number): ScoreProcessor[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1, epsilonCutoff = 0, etaCutoff = 0 } = config
  return wanted([
    [temperature !== 1, scores => applyTemperature(scores, temperature)],
    [topK > 0, scores => keepTopK(scores, topK, least)],
    [topP < 1, scores => keepTopP(scores, topP, least)],
    [minP > 0, scores => keepMinP(scores, minP, least)],
    [typicalP < 1, scores => keepTypical(scores, typicalP, least)],
    [epsilonCutoff > 0, scores => keepEpsilon(scores, epsilonCutoff, least)],
    [etaCutoff > 0, scores => keepEta(scores, etaCutoff, least)],
  ])
}
