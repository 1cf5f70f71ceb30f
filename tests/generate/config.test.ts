import { expect, test } from "vitest"
import { generationConfig } from "../../src/generate/index.ts"

test("names of transformers work", () => {
  const config = generationConfig({ max_new_tokens: 7, top_p: 0.9, stop_strings: "\n", no_repeat_ngram_size: 3 })
  expect(config).toMatchObject({ maxNewTokens: 7, topP: 0.9, stop: ["\n"], noRepeatNgramSize: 3, seed: 1 })
})

test.each([
  [{ temperature: -1 }, /temperature: expected a number from 0 to 100, but got -1/],
  [{ topP: 0 }, /topP.*above 0, at most 1/],
  [{ top_p: 1.5 }, /nearest valid value is 1/],
  [{ minP: 2 }, /minP.*from 0 to 1/],
  [{ topK: 2.5 }, /topK.*whole number at least 0/],
  [{ maxNewTokens: 0 }, /maxNewTokens.*at least 1/],
  [{ repetitionPenalty: 0 }, /repetitionPenalty.*above 0/],
  [{ stop: [""] }, /stop/],
  [{ temprature: 1 }, /temperature/],
  [{ minNewTokens: 9, maxNewTokens: 8 }, /at most maxNewTokens, 8/],
  [{ doSample: false, topK: 5 }, /topK: expected doSample/],
  [{ doSample: true, temperature: 0 }, /temperature.*above 0/],
  [{ temperature: 0, topP: 0.5 }, /topP/],
  [{ lengthPenalty: 2 }, /numBeams of 2 or more/],
  [{ numBeams: 2, numReturnSequences: 3 }, /at most numBeams, 2/],
  [{ numBeams: 2, doSample: false, topK: 3 }, /topK: expected doSample/],
  [{ numBeams: 4, numBeamGroups: 2, diversityPenalty: 1, topK: 3 }, /draw nothing/],
  [{ numBeams: 4, numBeamGroups: 3, diversityPenalty: 1 }, /share 4 beams evenly/],
  [{ numBeams: 4, numBeamGroups: 2 }, /diversityPenalty/],
  [{ numBeams: 4, diversityPenalty: 1 }, /numBeamGroups of 2 or more/],
  [{ numReturnSequences: 2 }, /numBeams of 2 or more, or doSample/],
  [{ penaltyAlpha: 0.6 }, /topK: expected 2 or more/],
  [{ penaltyAlpha: 0.6, topK: 4, doSample: true }, /draws nothing/],
  [{ penaltyAlpha: 0.6, topK: 4, numBeams: 2 }, /penaltyAlpha/],
  [{ maxMatchingNgramSize: 2 }, /promptLookupNumTokens/],
  [{ minLength: 9, maxLength: 8 }, /at most maxLength, 8/],
  [{ forcedDecoderIds: [[0, 1]] }, /forcedDecoderIds/],
  [{ numBeams: 2, stop: "x" }, /stop/],
])("%j is refused", (input, message) => {
  expect(() => generationConfig(input as Record<string, unknown>)).toThrow(message)
})

test("settings that change nothing are welcome", () => {
  expect(() => generationConfig({ doSample: false, temperature: 1, topP: 1, topK: 0 })).not.toThrow()
  expect(() => generationConfig({ temperature: 0, topP: 1 })).not.toThrow()
  expect(() => generationConfig({ numBeams: 1, numReturnSequences: 1, earlyStopping: false })).not.toThrow()
})
