import { expect, test } from "vitest"
import {
  applyRepetitionPenalty,
  applySequenceBias,
  applyTemperature,
  favourEnd,
  forbid,
  forbidRepeatedNgrams,
  forbidWords,
  force,
  keepEpsilon,
  keepEta,
  keepMinP,
  keepTopK,
  keepTopP,
  keepTypical,
  normalizeScores,
} from "../../../src/generate/index.ts"
import { goldenJson, goldenTensors } from "./golden.ts"

type Params = Readonly<Record<string, number>> & {
  readonly bad_words_ids?: number[][]
  readonly suppress_tokens?: number[]
  readonly sequence_bias?: [number[], number][]
}

const processors: Readonly<Record<string, (scores: Float32Array, ids: number[], params: Params) => void>> = {
  temperature: (scores, _, { temperature }) => applyTemperature(scores, temperature!),
  repetition_penalty: (scores, ids, { repetition_penalty }) => applyRepetitionPenalty(scores, ids, repetition_penalty!),
  no_repeat_ngram_2: (scores, ids) => forbidRepeatedNgrams(scores, ids, 2),
  no_repeat_ngram_3: (scores, ids) => forbidRepeatedNgrams(scores, ids, 3),
  top_k: (scores, _, { top_k }) => keepTopK(scores, top_k!),
  top_p: (scores, _, { top_p }) => keepTopP(scores, top_p!),
  top_p_min3: (scores, _, { top_p, min_tokens_to_keep }) => keepTopP(scores, top_p!, min_tokens_to_keep),
  min_p: (scores, _, { min_p }) => keepMinP(scores, min_p!),
  typical: (scores, _, { typical_p }) => keepTypical(scores, typical_p!),
  epsilon: (scores, _, { epsilon_cutoff }) => keepEpsilon(scores, epsilon_cutoff!),
  eta: (scores, _, { eta_cutoff }) => keepEta(scores, eta_cutoff!),
  min_length: (scores, ids, { min_length, eos_token_id }) => {
    if (ids.length < min_length!) forbid(scores, [eos_token_id!])
  },
  min_new_tokens: (scores, ids, { prompt_length_to_skip, min_new_tokens, eos_token_id }) => {
    if (ids.length - prompt_length_to_skip! < min_new_tokens!) forbid(scores, [eos_token_id!])
  },
  bad_words: (scores, ids, { bad_words_ids }) => forbidWords(scores, ids, bad_words_ids!),
  forced_bos: (scores, ids, { bos_token_id }) => {
    if (ids.length === 1) force(scores, [bos_token_id!])
  },
  forced_eos: (scores, ids, { max_length, eos_token_id }) => {
    if (ids.length === max_length! - 1) force(scores, [eos_token_id!])
  },
  suppress_tokens: (scores, _, { suppress_tokens }) => forbid(scores, suppress_tokens!),
  exponential_decay_length: (scores, ids, { start, factor, eos_token_id, input_ids_seq_length }) =>
    favourEnd(scores, [eos_token_id!], factor!, ids.length - input_ids_seq_length! - start!),
  logit_normalization: scores => normalizeScores(scores),
  sequence_bias: (scores, ids, { sequence_bias }) => applySequenceBias(scores, ids, sequence_bias!),
}

interface Description {
  readonly name: string
  readonly params: Params
  readonly atol: number
}

const { cases } = goldenJson<{ cases: readonly Description[] }>("logits_processors")
const golden = goldenTensors("logits_processors")

test("every case is checked", () => {
  expect(Object.keys(processors).sort()).toEqual(cases.map(one => one.name).sort())
})

test.each(cases)("$name", ({ name, params, atol }) => {
  const ids = golden(`${name}.input_ids`)
  const scores = golden(`${name}.scores`)
  const expected = golden(`${name}.y`).data
  const [rows, width] = scores.shape as [number, number]
  const length = ids.shape[1]!
  for (let row = 0; row < rows; row++) {
    const actual = scores.data.slice(row * width, (row + 1) * width)
    processors[name]!(actual, [...ids.data.slice(row * length, (row + 1) * length)], params)
    for (let i = 0; i < width; i++) {
      const wanted = expected[row * width + i]!
      if (wanted === -Infinity || actual[i] === -Infinity) expect(actual[i]).toBe(wanted)
      else expect(Math.abs(actual[i]! - wanted)).toBeLessThanOrEqual(atol)
    }
  }
})
