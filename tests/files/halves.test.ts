import { describe, expect, test } from "vitest"
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/files/halves.ts"

const all = Uint16Array.from({ length: 65536 }, (_, i) => i)

/** The value of binary16 bits, from the definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Nearest of an ascending list of representable magnitudes, ties to the even index. */
function nearest(magnitudes: readonly number[], x: number): number {
  let low = 0
  let high = magnitudes.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (magnitudes[middle]! <= x) low = middle
    else high = middle
  }
  const below = x - magnitudes[low]!
  const above = magnitudes[high]! - x
  return below < above || (below === above && low % 2 === 0) ? low : high
}

/** f32 values spread over every exponent, with the ties and their neighbours. */
function hardValues(): Float32Array {
  const words: number[] = []
  for (let exponent = 0; exponent < 256; exponent++)
    for (const top of [0, 1, 2, 0x3ff, 0x200, 0x155])
      for (const rest of [0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x7fff, 0x8000, 0x8001])
        words.push(((exponent << 23) | (((top << 13) + rest) & 0x7fffff)) >>> 0)
  return new Float32Array(new Uint32Array([...words, ...words.map(word => (word | 0x80000000) >>> 0)]).buffer)
}

describe("f16", () => {
  test("every bit pattern decodes to its value", () => {
    const values = f16ToF32(all)
    for (let bits = 0; bits < 65536; bits++) expect(Object.is(values[bits], halfValue(bits)), String(bits)).toBe(true)
  })

  test("every bit pattern survives decoding and encoding (NaN stays NaN)", () => {
    const back = f32ToF16(f16ToF32(all))
    for (let bits = 0; bits < 65536; bits++) {
      if (Number.isNaN(halfValue(bits))) expect(Number.isNaN(halfValue(back[bits]!))).toBe(true)
      else expect(back[bits]).toBe(bits)
    }
  })

  test("encoding rounds to the nearest, ties to even", () => {
    // 0x7c00 stands for 65536 here: what rounds to it is infinity
    const magnitudes = Array.from({ length: 0x7c01 }, (_, bits) => (bits === 0x7c00 ? 65536 : halfValue(bits)))
    const values = hardValues()
    const bits = f32ToF16(values)
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!
      if (Number.isNaN(x)) expect(Number.isNaN(halfValue(bits[i]!))).toBe(true)
      else
        expect(bits[i], String(x)).toBe(
          nearest(magnitudes, Math.min(Math.abs(x), 65536)) | (Object.is(Math.sign(x), -0) || x < 0 ? 0x8000 : 0),
        )
    }
  })
})

describe("bf16", () => {
  test("decoding is exact: the upper half of the f32", () => {
    const words = new Uint32Array(bf16ToF32(all).buffer)
    for (let bits = 0; bits < 65536; bits++) expect(words[bits]).toBe((bits << 16) >>> 0)
  })

  test("encoding rounds to the nearest, ties to even", () => {
    const magnitudes = Array.from({ length: 0x7f81 }, (_, bits) =>
      bits === 0x7f80 ? 2 ** 128 : bf16ToF32(Uint16Array.of(bits))[0]!,
    )
    const values = hardValues()
    const bits = f32ToBf16(values)
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!
      if (Number.isNaN(x)) expect(bits[i]! & 0x7fff).toBeGreaterThan(0x7f80)
      else
        expect(bits[i], String(x)).toBe(
          nearest(magnitudes, Math.min(Math.abs(x), 2 ** 128)) | (Object.is(Math.sign(x), -0) || x < 0 ? 0x8000 : 0),
        )
    }
  })

  test("a NaN whose payload is in the lower half stays NaN", () => {
    const nan = new Float32Array(new Uint32Array([0x7f800001, 0xff800001]).buffer)
    expect([...f32ToBf16(nan)]).toEqual([0x7fc0, 0xffc0])
  })
})
