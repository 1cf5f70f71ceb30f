// From scores of frames to words.
import { describe, expect, test } from "vitest"
import { bestClasses, joinRuns, letterTable, wordsOf } from "../../src/tasks/ctc-text.ts"

const vocabulary = { "<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, H: 5, I: 6, L: 7 }

describe("letters", () => {
  test("the best of each frame", () => {
    expect([...bestClasses(Float32Array.of(1, 2, 3, 9, 0, 0, 4, 5, 5), 3)]).toEqual([2, 0, 1])
  })

  test("runs are one letter; a blank between equal letters keeps both", () => {
    expect(joinRuns([0, 5, 5, 0, 7, 0, 7, 7, 6], 0)).toEqual([
      { id: 5, start: 1, end: 3 },
      { id: 7, start: 4, end: 5 },
      { id: 7, start: 6, end: 8 },
      { id: 6, start: 8, end: 9 },
    ])
    expect(joinRuns([0, 0], 0)).toEqual([])
  })

  test("words and their frames, without special tokens", () => {
    const table = letterTable(vocabulary)
    const heard = joinRuns([1, 5, 6, 4, 4, 0, 5, 3, 6, 7, 0, 7, 4, 2], 0)
    expect(wordsOf(heard, table)).toEqual([
      { text: "HI", start: 1, end: 3 },
      { text: "HILL", start: 6, end: 12 },
    ])
    expect(wordsOf([], table)).toEqual([])
  })

  test("other delimiters, roles and letter cases", () => {
    const table = letterTable(
      { a: 0, B: 1, "#": 2, "[PAD]": 3 },
      {
        word_delimiter_token: { content: "#" },
        pad_token: "[PAD]",
        do_lower_case: true,
      },
    )
    expect(wordsOf(joinRuns([0, 1, 2, 3, 1], 9), table).map(({ text }) => text)).toEqual(["ab", "b"])
    expect(letterTable({ a: 0 }).delimiter).toBeNull()
    expect(() => letterTable({ a: -1 })).toThrow(/whole numbers, but got -1 for "a"/)
  })
})
