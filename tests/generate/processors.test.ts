import { describe, expect, test } from "vitest"
import { type GenerationInput, generationConfig, processorsOf, type Situation } from "../../src/generate/index.ts"

const scores = (): Float32Array => Float32Array.of(1, 2, -3, 4, 5, -6)

/** What options make of the scores after `ids`, of which the last `generated` were written. */
function process(
  options: GenerationInput,
  ids: readonly number[],
  generated = ids.length - 1,
  { limit = 10, source }: { limit?: number; source?: number[][] } = {},
): number[] {
  const row = scores()
  const situation: Situation = { ids, generated, row: 0, prompt: 0 }
  const context = { ends: [5], limit, ...(source ? { source } : {}) }
  for (const one of processorsOf(generationConfig(options), context)) one(row, situation)
  return [...row]
}

const none = -Infinity
const only = (id: number): number[] => Array.from({ length: 6 }, (_, i) => (i === id ? 0 : none))

test("nothing is done where nothing is asked for", () => {
  expect(processorsOf(generationConfig(), { ends: [5], limit: 10 })).toEqual([])
})

describe("penalties", () => {
  test("presence and frequency count what was written, not the prompt", () => {
    const options = { presencePenalty: 1, frequencyPenalty: 0.5 }
    expect(process(options, [0, 0, 1, 3, 3], 3)).toEqual([1, 0.5, -3, 2, 5, -6])
  })

  test("an encoder's input may be favoured, and its n-grams forbidden", () => {
    const source = [[2, 3, 4]]
    expect(process({ encoderRepetitionPenalty: 2 }, [0], 0, { source })).toEqual([1, 2, -1.5, 8, 10, -6])
    expect(process({ encoder_no_repeat_ngram_size: 2 }, [0, 3], 1, { source })).toEqual([1, 2, -3, 4, none, -6])
    expect(process({ encoderNoRepeatNgramSize: 1 }, [0], 0, { source })).toEqual([1, 2, none, none, none, -6])
  })

  test("sequences are biased at their last token; a bad word that is the end token is not", () => {
    const sequence_bias: [number[], number][] = [
      [[1], 3],
      [[0, 2], -2],
      [[3, 4], 9],
    ]
    expect(process({ sequence_bias }, [3, 0])).toEqual([1, 5, -5, 4, 5, -6])
    expect(process({ badWordsIds: [[5], [4], [0, 1]] }, [3, 0])).toEqual([1, none, -3, 4, none, -6])
  })
})

describe("limits", () => {
  test("lengths forbid the end", () => {
    expect(process({ minLength: 3 }, [0, 1])).toEqual([1, 2, -3, 4, 5, none])
    expect(process({ minLength: 3 }, [0, 1, 2])).toEqual([...scores()])
    expect(process({ minNewTokens: 2 }, [0, 1, 2], 1)).toEqual([1, 2, -3, 4, 5, none])
  })

  test("first and last tokens are forced", () => {
    expect(process({ forcedBosTokenId: 2 }, [4], 0)).toEqual(only(2))
    expect(process({ forcedBosTokenId: 2 }, [4, 2])).toEqual([...scores()])
    expect(process({ forced_eos_token_id: 3 }, [0, 1, 2], 2, { limit: 3 })).toEqual(only(3))
    expect(process({ forced_eos_token_id: [3] }, [0, 1], 1, { limit: 3 })).toEqual([...scores()])
    const forced_decoder_ids: [number, number | null][] = [
      [1, null],
      [2, 4],
    ]
    expect(process({ forced_decoder_ids }, [0], 0)).toEqual([...scores()])
    expect(process({ forced_decoder_ids }, [0, 1])).toEqual(only(4))
  })

  test("tokens are suppressed, everywhere or first; behind a forced first token the second one is first", () => {
    expect(process({ suppressTokens: [0, 4, 99] }, [1])).toEqual([none, 2, -3, 4, none, -6])
    expect(process({ begin_suppress_tokens: [0] }, [1], 0)).toEqual([none, 2, -3, 4, 5, -6])
    expect(process({ begin_suppress_tokens: [0] }, [1, 1])).toEqual([...scores()])
    expect(process({ begin_suppress_tokens: [0], forcedBosTokenId: 3 }, [1], 0)).toEqual(only(3))
    expect(process({ begin_suppress_tokens: [0], forcedBosTokenId: 3 }, [1, 3])).toEqual([none, 2, -3, 4, 5, -6])
  })

  test("the end grows more likely", () => {
    const exponential_decay_length_penalty: [number, number] = [2, 1.5]
    expect(process({ exponential_decay_length_penalty }, [0, 1, 2])).toEqual([...scores()])
    expect(process({ exponential_decay_length_penalty }, [0, 1, 2, 3])[5]).toBeCloseTo(-6 + 6 * 0.5)
    expect(process({ exponential_decay_length_penalty }, [0, 1, 2, 3, 0])[5]).toBeCloseTo(-6 + 6 * 1.25)
  })
})

test("what shapes draws comes after penalties, in the order of transformers; log-probabilities at the end", () => {
  // halved first, then the best two are kept
  expect(process({ doSample: true, temperature: 2, topK: 2, suppressTokens: [4] }, [0])).toEqual([
    none,
    1,
    none,
    2,
    none,
    none,
  ])
  const normal = process({ renormalizeLogits: true, suppressTokens: [4] }, [0])
  expect(normal.reduce((sum, score) => sum + Math.exp(score), 0)).toBeCloseTo(1)
  expect(normal[4]).toBe(none)
  const own = { ends: [5], limit: 9, own: [(row: Float32Array) => row.fill(7, 0, 1)] }
  const row = scores()
  for (const one of processorsOf(generationConfig({ doSample: true, topK: 1 }), own))
    one(row, { ids: [1], generated: 0, row: 0, prompt: 0 })
  expect([...row]).toEqual([7, none, none, none, none, none])
})

test("beams that are drawn keep a token more than may end them", () => {
  expect(process({ numBeams: 2, doSample: true, topK: 1 }, [0]).filter(score => score > none).length).toBe(2)
})

test("what is no number can be replaced", () => {
  const row = Float32Array.of(Number.NaN, Infinity, -Infinity, 1)
  for (const one of processorsOf(generationConfig({ removeInvalidValues: true }), { ends: [], limit: 9 }))
    one(row, { ids: [0], generated: 0, row: 0, prompt: 0 })
  expect([...row]).toEqual([0, 3.4028234663852886e38, -3.4028234663852886e38, 1])
})
