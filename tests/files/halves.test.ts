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

/** The numbers below `count` for which `right` is false: one comparison of a list, since 65536 calls of expect are slow. */
function wrong(count: number, right: (i: number) => boolean): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(i => !right(i))
}

const signBit = (x: number) => (x < 0 || Object.is(x, -0) ? 0x8000 : 0)

describe("f16", () => {
  test("every bit pattern decodes to its value", () => {
    const values = f16ToF32(all)
    expect(wrong(65536, bits => Object.is(values[bits], halfValue(bits)))).toEqual([])
  })

  test("every bit pattern survives decoding and encoding (NaN stays NaN)", () => {
    const back = f32ToF16(f16ToF32(all))
    const same = (bits: number) =>
      Number.isNaN(halfValue(bits)) ? Number.isNaN(halfValue(back[bits]!)) : back[bits] === bits
    expect(wrong(65536, same)).toEqual([])
  })

  test("encoding rounds to the nearest, ties to even", () => {
    // 0x7c00 stands for 65536 here: what rounds to it is infinity
    const magnitudes = Array.from({ length: 0x7c01 }, (_, bits) => (bits === 0x7c00 ? 65536 : halfValue(bits)))
    const values = hardValues()
    const bits = f32ToF16(values)
    const right = (i: number) => {
      const x = values[i]!
      if (Number.isNaN(x)) return Number.isNaN(halfValue(bits[i]!))
      return bits[i] === (nearest(magnitudes, Math.min(Math.abs(x), 65536)) | signBit(x))
    }
    expect(wrong(values.length, right)).toEqual([])
  })
})

describe("bf16", () => {
  test("decoding is exact: the upper half of the f32", () => {
    const words = new Uint32Array(bf16ToF32(all).buffer)
    expect(wrong(65536, bits => words[bits] === (bits << 16) >>> 0)).toEqual([])
  })

  test("encoding rounds to the nearest, ties to even", () => {
    // 0x7f80 stands for 2^128 here: what rounds to it is infinity
    const finite = bf16ToF32(all.subarray(0, 0x7f80))
    const magnitudes = [...finite, 2 ** 128]
    const values = hardValues()
    const bits = f32ToBf16(values)
    const right = (i: number) => {
      const x = values[i]!
      if (Number.isNaN(x)) return (bits[i]! & 0x7fff) > 0x7f80
      return bits[i] === (nearest(magnitudes, Math.min(Math.abs(x), 2 ** 128)) | signBit(x))
    }
    expect(wrong(values.length, right)).toEqual([])
  })

  test("a NaN whose payload is in the lower half stays NaN", () => {
    const nan = new Float32Array(new Uint32Array([0x7f800001, 0xff800001]).buffer)
    expect([...f32ToBf16(nan)]).toEqual([0x7fc0, 0xffc0])
  })
})

test("bf16 of every alignment and length", () => {
  for (let start = 0; start < 4; start++)
    for (let length = 0; length < 6; length++) {
      const bits = all.subarray(0x3f80 + start, 0x3f80 + start + length)
      const expected = new Float32Array(Uint32Array.from(bits, word => word << 16).buffer)
      expect(bf16ToF32(bits)).toEqual(expected)
    }
})
