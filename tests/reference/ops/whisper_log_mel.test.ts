// Golden numbers of Whisper's log-Mel features.
import { describe, expect, test } from "vitest"
import { logMelExtractor, melFilters } from "../../../src/media/index.ts"
import { read } from "../../../src/runtime/index.ts"
import { goldenJson, goldenTensors } from "./golden.ts"

interface Description {
  readonly name: string
  readonly params: Readonly<Record<string, number>>
  readonly outputs: readonly string[]
  readonly atol: number
}

const { cases } = goldenJson<{ cases: readonly Description[] }>("whisper_log_mel")
const golden = goldenTensors("whisper_log_mel")
const { data: waveform } = golden("waveform")

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let far = 0
  for (let i = 0; i < b.length; i++) far = Math.max(far, Math.abs(a[i]! - b[i]!))
  return far
}

describe("whisper_log_mel", () => {
  test.each(cases)("$name", async ({ name, params, outputs, atol }) => {
    const { max_abs_difference_torch_numpy_paths, frames, value_of_all_later_frames, ...published } = params
    const features = logMelExtractor(published).extract([waveform])
    const data = (await read(features)) as Float32Array
    const [, mels, count] = features.shape as [number, number, number]
    if (outputs.includes("first_frames")) {
      const { data: first, shape } = golden(`${name}.first_frames`)
      expect([mels, count]).toEqual([shape[0], frames])
      const known = shape[1]!
      for (let i = 0; i < mels; i++) {
        const row = data.subarray(i * count, (i + 1) * count)
        expect(farthest(row.subarray(0, known), first.subarray(i * known, (i + 1) * known))).toBeLessThanOrEqual(atol)
        for (const x of row.subarray(known)) expect(Math.abs(x - value_of_all_later_frames!)).toBeLessThanOrEqual(atol)
      }
      return
    }
    const { data: wanted, shape } = golden(`${name}.input_features`)
    expect(features.shape).toEqual([1, ...shape])
    expect(farthest(data, wanted)).toBeLessThanOrEqual(atol)
    if (outputs.includes("input_features_float64_path"))
      expect(farthest(data, golden(`${name}.input_features_float64_path`).data)).toBeLessThanOrEqual(1e-6)
    if (outputs.includes("mel_filters")) {
      const { data: filters } = golden(`${name}.mel_filters`) // [bins mels]
      const own = melFilters({ mels })
      const turned = Float64Array.from(filters, (_, i) => own[i % mels]![Math.floor(i / mels)]!)
      expect(farthest(turned, filters)).toBeLessThanOrEqual(1e-8)
    }
  })
})
