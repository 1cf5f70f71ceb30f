// Whisper's prompts: languages, tasks, times, what was said before; and what models of one language refuse.
import { describe, expect, test } from "vitest"
import { languageCode, whisperLanguages } from "../../src/tasks/whisper-languages.ts"
import { likeliestLanguage, whisperPrompt, whisperTokens } from "../../src/tasks/whisper-tokens.ts"

// ids of the published multilingual models
const codes = [...whisperLanguages.keys()].slice(0, 99)
const ids = new Map<string, number>([
  ["<|endoftext|>", 50257],
  ["<|startoftranscript|>", 50258],
  ...codes.map((code, i) => [`<|${code}|>`, 50259 + i] as const),
  ["<|translate|>", 50358],
  ["<|transcribe|>", 50359],
  ["<|startofprev|>", 50361],
  ["<|notimestamps|>", 50363],
])
const many = whisperTokens({ generation: { max_initial_timestamp_index: 50 }, tokenId: token => ids.get(token) })
const english = whisperTokens({
  generation: {
    is_multilingual: false,
    decoder_start_token_id: 50257,
    no_timestamps_token_id: 50362,
    eos_token_id: 50256,
  },
  tokenId: token => ids.get(token),
})

describe("special tokens", () => {
  test("of a tokenizer", () => {
    expect(many).toMatchObject({
      start: 50258,
      end: 50257,
      noTimestamps: 50363,
      firstTimestamp: 50364,
      latestBegin: 50,
    })
    expect(many.languages.get("de")).toBe(50261)
    expect(many.tasks).toEqual({ transcribe: 50359, translate: 50358 })
  })

  test("of a generation_config.json, which goes first", () => {
    const generation = {
      lang_to_id: { "<|fr|>": 7 },
      task_to_id: { translate: 3, transcribe: 4 },
      no_timestamps_token_id: 9,
    }
    const tokens = whisperTokens({
      generation,
      tokenId: token => ({ "<|endoftext|>": 1, "<|startoftranscript|>": 2 })[token],
    })
    expect(tokens).toMatchObject({ start: 2, end: 1, noTimestamps: 9, latestBegin: null, previous: null })
    expect([...tokens.languages]).toEqual([["fr", 7]])
  })

  test("another model's tokenizer is refused", () => {
    expect(() => whisperTokens({ generation: {}, tokenId: () => undefined })).toThrow(/<\|notimestamps\|>/)
  })
})

describe("prompts", () => {
  test("language, task, times", () => {
    expect(whisperPrompt(many, { language: "german" })).toEqual([50258, 50261, 50359, 50363])
    expect(whisperPrompt(many, { language: "fr", task: "translate", timestamps: true })).toEqual([50258, 50265, 50358])
    expect(whisperPrompt(english)).toEqual([50257, 50362])
    expect(whisperPrompt(english, { language: "English", timestamps: true })).toEqual([50257])
  })

  test("what was said before, the last of it", () => {
    const previous = [1, 2, 3, 4, 5]
    expect(whisperPrompt(many, { language: "en", previous, mostPrevious: 2 })).toEqual([
      50361, 4, 5, 50258, 50259, 50359, 50363,
    ])
    expect(whisperPrompt(many, { language: "en", previous, mostPrevious: 0 })).toHaveLength(4)
    expect(whisperPrompt(many, { language: "en", previous: [] })).toHaveLength(4)
  })

  test("what a model does not know is refused in words", () => {
    expect(() => whisperPrompt(many)).toThrow(/expected the language that is spoken/)
    expect(() => whisperPrompt(many, { language: "germn" })).toThrow(/nearest is german/)
    expect(() => whisperPrompt(many, { language: "en", task: "sing" as never })).toThrow(/transcribe or translate/)
    expect(() => whisperPrompt(english, { language: "de" })).toThrow(/all this model knows, but got the language de/)
    expect(() => whisperPrompt(english, { task: "translate" })).toThrow(/but got the task translate/)
    expect(() => whisperPrompt({ ...many, languages: new Map([["en", 1]]) }, { language: "de" })).toThrow(/it knows en/)
  })
})

describe("languages", () => {
  test("by name, code, token, and other names", () => {
    expect(["de", "German", " <|de|> ", "castilian", "Haitian Creole", "cantonese"].map(languageCode)).toEqual([
      ..."de de de es ht yue".split(" "),
    ])
    expect(whisperLanguages.size).toBe(100)
  })

  test("the likeliest by its score", () => {
    const scores = new Float32Array(51865).fill(-1)
    scores[50265] = 3
    scores[0] = 9
    expect(likeliestLanguage(scores, many)).toBe("fr")
    expect(() => likeliestLanguage(scores, english)).toThrow(/English only/)
  })
})
