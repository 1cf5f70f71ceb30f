// Times in Whisper's texts: the rules step by step, pieces of windows, and sound of any length.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { longSegments, segmentsOf, timestampRules, type WhisperSegment } from "../../src/tasks/whisper-timestamps.ts"
import type { WhisperTokens } from "../../src/tasks/whisper-tokens.ts"

// words 0 .. 9, the end 10, "no times" 11, times 12 .. 41 (0.00 to 0.58 seconds)
const tokens: WhisperTokens = {
  start: 9,
  end: 10,
  noTimestamps: 11,
  firstTimestamp: 12,
  latestBegin: 3,
  tasks: null,
  languages: new Map(),
  previous: null,
}
const size = 42
const time = (steps: number): number => 12 + steps

/** Ids that may follow, where all have the same score but words are far likelier than times. */
function allowed(written: readonly number[], raise: readonly number[] = []): number[] {
  const scores = Float32Array.from({ length: size }, (_, i) => (i <= 10 ? 20 : 0))
  for (const id of raise) scores[id] = 40
  timestampRules(tokens)(scores, { ids: [9, ...written], generated: written.length, row: 0, prompt: 0 })
  return [...scores.keys()].filter(id => scores[id] !== -Infinity)
}
const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe("timestampRules", () => {
  test("the first token is an early time", () => {
    expect(allowed([])).toEqual(span(time(0), time(3)))
  })
  test("after the first time come words, or the end", () => {
    expect(allowed([time(0)])).toEqual(span(0, 10))
  })
  test("after words come words, the end, or a later time", () => {
    expect(allowed([time(2), 4])).toEqual([...span(0, 10), ...span(time(3), 41)])
  })
  test("after a closing time comes its partner, at the same time or later, or the end", () => {
    expect(allowed([time(0), 4, time(5)])).toEqual([10, ...span(time(5), 41)])
  })
  test("after a pair come words or the end", () => {
    expect(allowed([time(0), 4, time(5), time(5)])).toEqual(span(0, 10))
  })
  test("a time is written where times together are likelier than any word", () => {
    expect(allowed([time(0), 4], [time(7)])).toEqual(span(time(1), 41))
  })
})

describe("segmentsOf", () => {
  const cut = (ids: number[]) => segmentsOf(ids, tokens, { offset: 100, length: 0.5 })
  test("pairs delimit pieces; what is still spoken is left to the next window", () => {
    expect(cut([time(0), 1, 2, time(5), time(6), 3, time(10), time(10), 4, 5, 10])).toEqual({
      segments: [
        { start: 100, end: 100.1, ids: [1, 2] },
        { start: 100.12, end: 100.2, ids: [3] },
      ],
      advance: 0.2,
    })
  })
  test("a single time at the end closes the last piece", () => {
    expect(cut([time(0), 1, time(5), time(5), 2, time(10)])).toEqual({
      segments: [
        { start: 100, end: 100.1, ids: [1] },
        { start: 100.1, end: 100.2, ids: [2] },
      ],
      advance: 0.5,
    })
  })
  test("one piece, with or without an end; no times at all; nothing", () => {
    expect(cut([time(1), 1, time(5), 10])).toEqual({
      segments: [{ start: 100.02, end: 100.1, ids: [1] }],
      advance: 0.5,
    })
    expect(cut([time(1), 1])).toEqual({ segments: [{ start: 100.02, end: null, ids: [1] }], advance: 0.5 })
    expect(cut([7, 8])).toEqual({ segments: [{ start: 100, end: null, ids: [7, 8] }], advance: 0.5 })
    expect(cut([time(0), 10])).toEqual({ segments: [], advance: 0.5 })
    expect(cut([])).toEqual({ segments: [], advance: 0.5 })
  })
  test("whatever is written, windows move on and pieces lie in order", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(size - 1), { maxLength: 30 }), ids => {
        const { segments, advance } = cut(ids)
        expect(advance).toBeGreaterThan(0)
        expect(advance).toBeLessThanOrEqual(0.5)
        for (const { ids } of segments) expect(ids.every(id => id < 12 && id !== 10)).toBe(true)
      }),
    )
  })
})

describe("longSegments", () => {
  // a model that hears one word a tenth of a second, whose id is the sample's value
  const write = async (samples: Float32Array, previous: readonly number[]) => {
    seen.push([samples.length, previous.length])
    const words = Math.floor(samples.length / 10)
    const ids = Array.from({ length: words }, (_, i) => [time(5 * i), samples[10 * i]!, time(5 * (i + 1))]).flat()
    return samples.length < 50 ? ids : ids.slice(0, -1) // the last word of a full window is still being spoken
  }
  const seen: number[][] = []
  const sound = Float32Array.from({ length: 123 }, (_, i) => Math.floor(i / 10) % 10)

  test("each window begins where the last whole piece ended", async () => {
    seen.length = 0
    const found: WhisperSegment[] = []
    for await (const one of longSegments(sound, tokens, write, { samplingRate: 100, samples: 50 })) found.push(one)
    expect(found.map(({ ids }) => ids[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    for (const [i, { start, end }] of found.entries()) {
      expect(start).toBeCloseTo(i / 10)
      expect(end).toBeCloseTo((i + 1) / 10)
    }
    expect(seen).toEqual([
      [50, 0],
      [50, 4],
      [43, 8],
    ])
  })

  test("what ends near the edge of a window is left to the next, if a stride is asked for", async () => {
    seen.length = 0
    const found: WhisperSegment[] = []
    const windows = longSegments(sound, tokens, write, { samplingRate: 100, samples: 50, stride: 0.15 })
    for await (const one of windows) found.push(one)
    expect(found.map(({ ids }) => ids[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    expect(seen.map(([size]) => size)).toEqual([50, 50, 50, 33])
  })

  test("an aborted signal ends it with its reason", async () => {
    const stop = new AbortController()
    const run = async () => {
      for await (const _ of longSegments(sound, tokens, write, { samplingRate: 100, samples: 50, signal: stop.signal }))
        stop.abort(new Error("enough"))
    }
    await expect(run()).rejects.toThrow("enough")
  })

  test("without sound there is nothing", async () => {
    const found: WhisperSegment[] = []
    for await (const one of longSegments(new Float32Array(0), tokens, write, { samplingRate: 100, samples: 50 }))
      found.push(one)
    expect(found).toEqual([])
  })
})
