// What speech models hear: lengths, padding, normalization, masks, and options that are refused.
import { describe, expect, test } from "vitest"
import { logMel, logMelExtractor, melFilters, standardized, waveformExtractor } from "../../src/media/index.ts"
import { read } from "../../src/runtime/index.ts"
import { seeded } from "../ops/check.ts"

const random = seeded(3)
const noise = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5)

describe("log-Mel", () => {
  test("half a minute, whatever comes", async () => {
    const extractor = logMelExtractor({ feature_size: 128, n_samples: 480000, mel_filters: [[0]], chunk_length: 30 })
    expect(extractor.samples).toBe(480000)
    expect(extractor.extract([noise(100), noise(500000)]).shape).toEqual([2, 128, 3000])
  })

  test("silence at the end is what zeros give", () => {
    const sound = noise(4000)
    const padded = new Float32Array(16000)
    padded.set(sound)
    const almost = padded.slice()
    almost[15999] = 1e-30 // no silence to the program, silence to the ear
    const [a, b] = [logMel(padded), logMel(almost)]
    expect([a.mels, a.frames]).toEqual([80, 100])
    expect(Math.max(...a.data.map((x, i) => Math.abs(x - b.data[i]!)))).toBeLessThan(1e-6)
  })

  test("all silence is the floor", () => {
    expect(new Set(logMel(new Float32Array(1600)).data)).toEqual(new Set([-1.5]))
  })

  test("filters have unit area", () => {
    for (const filter of melFilters({ mels: 20 })) {
      const area = filter.reduce((a, b) => a + b, 0) * 40 // a bin is 40 Hz wide
      expect(area).toBeGreaterThan(0.9)
      expect(area).toBeLessThan(1.1)
    }
  })

  test("wrong options and sounds are refused in words", () => {
    expect(() => logMelExtractor({ feature_size: 0 })).toThrow(/feature_size/)
    expect(() => logMelExtractor({ nmels: 3 })).toThrow(/nmels/)
    expect(() => logMelExtractor({ padding_side: "left" })).toThrow(/padding_side/)
    expect(() => logMel(new Float32Array(10))).toThrow(/expected more than 200 samples, but got 10/)
    expect(() => logMel(new Float32Array(1000), { hop: -1 })).toThrow(/hop/)
    expect(() => logMelExtractor().extract([])).toThrow(/list of Float32Array/)
  })
})

describe("waveform", () => {
  test("mean 0 and variance 1, padding and mask", async () => {
    const [a, b] = [noise(50).map(x => x * 3 + 1), noise(30)]
    const { inputValues, attentionMask } = waveformExtractor({ return_attention_mask: true, feature_size: 1 }).extract([
      a,
      b,
    ])
    const values = (await read(inputValues)) as Float32Array
    const row = values.subarray(50, 80)
    expect(row.reduce((x, y) => x + y, 0) / 30).toBeCloseTo(0, 5)
    expect(row.reduce((x, y) => x + y * y, 0) / 30).toBeCloseTo(1, 4)
    expect(new Set(values.subarray(80))).toEqual(new Set([0]))
    const mask = await read(attentionMask!)
    expect([mask.subarray(0, 50).every(x => x === 1), [...mask.subarray(78, 82)]]).toEqual([true, [1, 1, 0, 0]])
  })

  test("without normalization samples stay as they are", async () => {
    const sound = noise(20)
    const { inputValues, attentionMask } = waveformExtractor({ do_normalize: false }).extract([sound])
    expect(await read(inputValues)).toEqual(sound)
    expect(attentionMask).toBeUndefined()
  })

  test("silence stays silence; nothing is refused", () => {
    expect(standardized(new Float32Array(4).fill(0.5))).toEqual(new Float32Array(4))
    expect(() => waveformExtractor().extract([noise(3), new Float32Array(0)])).toThrow(/sound 1 is empty/)
    expect(() => waveformExtractor({ feature_size: 2 })).toThrow(/feature_size/)
  })
})
