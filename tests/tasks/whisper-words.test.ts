// When Whisper's words are spoken: the path through attention, tokens as words.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { alignmentHeads, tokenStarts, warp } from "../../src/tasks/whisper-alignment.ts"
import { spokenWords } from "../../src/tasks/whisper-words.ts"

describe("alignmentHeads", () => {
  const shape = { layers: 4, heads: 2 }
  test("as published, or the upper half of the decoder", () => {
    expect(
      alignmentHeads(
        [
          [2, 1],
          [3, 0],
        ],
        shape,
      ),
    ).toEqual([
      [2, 1],
      [3, 0],
    ])
    expect(alignmentHeads(undefined, shape)).toEqual([
      [2, 0],
      [2, 1],
      [3, 0],
      [3, 1],
    ])
    expect(alignmentHeads(null, { layers: 1, heads: 1 })).toEqual([[0, 0]])
  })
  test("heads that the model does not have are named", () => {
    for (const wrong of [[[4, 0]], [[0, 2]], [[0.5, 0]], [[0]], ["a"], "all", [], [[-1, 0]]])
      expect(() => alignmentHeads(wrong, shape)).toThrow(/layer below 4 and a head below 2/)
  })
})

describe("warp", () => {
  /** The best sum of scores over all paths from corner to corner, by trying each. */
  function best(scores: readonly number[][], n = 0, f = 0): number {
    const [N, F] = [scores.length, scores[0]!.length]
    const here = scores[n]![f]!
    if (n === N - 1 && f === F - 1) return here
    const next: number[] = []
    if (n + 1 < N) next.push(best(scores, n + 1, f))
    if (f + 1 < F) next.push(best(scores, n, f + 1))
    if (n + 1 < N && f + 1 < F) next.push(best(scores, n + 1, f + 1))
    return here + Math.max(...next)
  }
  test("follows where scores are high", () => {
    const scores = [
      [9, 9, 0, 0, 0, 0],
      [0, 0, 9, 0, 0, 0],
      [0, 0, 0, 9, 9, 9],
    ]
    expect(warp(scores.flat(), 3, 6)).toEqual([0, 2, 3])
    expect(warp([1, 2, 3], 1, 3)).toEqual([0])
    expect(warp([1, 2, 3], 3, 1)).toEqual([0, 0, 0])
  })
  test("no path is better than the one it takes", () => {
    const matrix = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })).chain(([N, F]) =>
      fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: F, maxLength: F }), {
        minLength: N,
        maxLength: N,
      }),
    )
    fc.assert(
      fc.property(matrix, scores => {
        const [N, F] = [scores.length, scores[0]!.length]
        const first = warp(scores.flat(), N, F)
        expect(first[0]).toBe(0)
        for (let n = 1; n < N; n++) expect(first[n]).toBeGreaterThanOrEqual(first[n - 1]!)
        // a row keeps the path until the next begins: at its column, or one before it
        let reachable = [Number.NEGATIVE_INFINITY]
        const row = (n: number, from: number, to: number): number =>
          scores[n]!.slice(from, to + 1).reduce((sum, one) => sum + one, 0)
        reachable = [0]
        for (let n = 0; n < N; n++) {
          const from = first[n]!
          const ends = n + 1 < N ? [first[n + 1]!, first[n + 1]! - 1].filter(end => end >= from) : [F - 1]
          reachable = [Math.max(...reachable.map(sum => Math.max(...ends.map(end => sum + row(n, from, end)))))]
        }
        expect(reachable[0]).toBe(best(scores))
      }),
    )
  })
})

test("tokenStarts: tokens begin where the heads that follow the sound say, whatever single positions say", () => {
  const [T, F, heard] = [6, 40, 30] // two positions of the prompt, then three tokens and the end
  const begins = [0, 8, 20]
  const head = (noise: number): Float32Array =>
    Float32Array.from({ length: T * F }, (_, i) => {
      const [t, f] = [Math.floor(i / F), i % F]
      const token = begins.findLastIndex(begin => f >= begin)
      return t - 1 === token && f < heard ? 1 : f % 11 === 0 ? noise : 0.01
    })
  const starts = tokenStarts({ heads: [head(0.01), head(0.9)], T, F, heard, first: 1, count: 3 })
  expect(starts.slice(0, 3)).toEqual(begins)
  expect(starts).toHaveLength(4)
  expect(starts[3]!).toBeLessThanOrEqual(heard)
})

describe("spokenWords", () => {
  const said = (tokens: readonly string[], language?: string) =>
    spokenWords(
      tokens.map((_, i) => i),
      tokens.map((_, i) => [i, i + 1] as const),
      { push: id => tokens[id]!, flush: () => "" },
      language,
    ).map(({ text, timestamp }) => [text, ...timestamp])

  test("words begin at spaces; punctuation stays with them", () => {
    expect(said([" Hel", "lo", ",", ' "', "wor", "ld", '"', "!", " Yes", "."])).toEqual([
      [" Hello,", 0, 3],
      [' "world"!', 3, 8],
      [" Yes.", 8, 10],
    ])
  })
  test("scripts without spaces are cut at every piece", () => {
    expect(said(["你", "好", "。", "世界"], "zh")).toEqual([
      ["你", 0, 1],
      ["好。", 1, 3],
      ["世界", 3, 4],
    ])
  })
  test("tokens that make a character together are one piece", () => {
    const bytes = new TextEncoder().encode(" ü é")
    const utf8 = new TextDecoder()
    const decoder = {
      push: (id: number) => utf8.decode(bytes.slice(id, id + 1), { stream: true }),
      flush: () => utf8.decode(),
    }
    const ids = [...bytes.keys()]
    expect(
      spokenWords(
        ids,
        ids.map(i => [i, i + 1] as const),
        decoder,
      ),
    ).toEqual([
      { text: " ü", timestamp: [0, 3] },
      { text: " é", timestamp: [3, 6] },
    ])
  })
  test("nothing said is no word", () => {
    expect(said([])).toEqual([])
    expect(said([" "])).toEqual([])
  })
})
