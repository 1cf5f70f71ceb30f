// The power spectrum against the definition of the Fourier transform, at lengths of every kind.
import { expect, test } from "vitest"
import { powerSpectrum } from "../../src/media/fourier.ts"
import { seeded } from "../ops/check.ts"

test.each([1, 2, 4, 5, 7, 8, 9, 12, 15, 22, 30, 49, 100, 128, 400])("length %i", n => {
  const random = seeded(n)
  const x = Float64Array.from({ length: n }, () => random() - 0.5)
  const bins = Math.floor(n / 2) + 1
  const power = new Float64Array(bins)
  const spectrum = powerSpectrum(n)
  spectrum(new Float64Array(n).fill(3), power) // leaves nothing behind
  spectrum(x, power)
  for (let k = 0; k < bins; k++) {
    let [re, im] = [0, 0]
    for (const [i, v] of x.entries()) {
      re += v * Math.cos((2 * Math.PI * k * i) / n)
      im -= v * Math.sin((2 * Math.PI * k * i) / n)
    }
    expect(power[k]).toBeCloseTo(re * re + im * im, 10)
  }
})
