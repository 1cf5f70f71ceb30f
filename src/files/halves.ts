// 16-bit floats to and from 32-bit: bfloat16 (upper half of a float32) and IEEE 754 binary16.
// Pure bit tricks on Uint32Array views, so NaN payloads and signed zeros survive.

/** bf16 bits -> f32 values, exact. `out` may be given to write into; same length. */
export function bf16ToF32(bits: Uint16Array, out: Float32Array = new Float32Array(bits.length)): Float32Array {
  const words = new Int32Array(out.buffer, out.byteOffset, out.length)
  const { length } = bits
  // two at a time where they stand in one word: the loop is bound by memory
  const pairs = bits.byteOffset % 4 === 0 ? length >>> 1 : 0
  const both = new Int32Array(bits.buffer, pairs > 0 ? bits.byteOffset : 0, pairs)
  for (let i = 0, j = 0; i < pairs; i++, j += 2) {
    const word = both[i]!
    words[j] = word << 16
    words[j + 1] = word & 0xffff0000
  }
  for (let i = pairs * 2; i < length; i++) words[i] = bits[i]! << 16
  return out
}

/** f32 values -> bf16 bits, rounded to nearest, ties to even; NaN stays NaN, too large becomes infinity. */
export function f32ToBf16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    // a NaN whose payload sits in the lower half would round to infinity: set the quiet bit instead
    const isNan = (word & 0x7fffffff) > 0x7f800000
    out[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return out
}

let decoded: Uint32Array | undefined

/** f32 bit pattern of every f16 bit pattern: 65536 words, built on first use. */
function decodeTable(): Uint32Array {
  if (decoded) return decoded
  const table = new Uint32Array(65536)
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >>> 10) & 31
    const fraction = half & 0x3ff
    let magnitude: number
    if (exponent === 31) magnitude = 0x7f800000 | (fraction << 13)
    else if (exponent > 0) magnitude = ((exponent + 112) << 23) | (fraction << 13)
    else if (fraction === 0) magnitude = 0
    else {
      // subnormal: fraction · 2^-24, its leading one becomes the implicit bit
      const shift = Math.clz32(fraction) - 21
      magnitude = ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)
    }
    table[half] = sign | magnitude
  }
  decoded = table
  return table
}

/** f16 bits -> f32 values, exact. `out` may be given to write into; same length. */
export function f16ToF32(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const table = decodeTable()
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let i = 0; i < bits.length; i++) words[i] = table[bits[i]!]!
  return out
}

/** f32 values -> f16 bits, rounded to nearest, ties to even; NaN stays NaN, beyond 65504 (after rounding) infinity. */
export function f32ToF16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    let half: number
    if (magnitude >= 0x47800000) {
      // 65536 and above: infinity, or a NaN that keeps the top of its payload
      half = magnitude > 0x7f800000 ? 0x7e00 | ((magnitude >>> 13) & 0x3ff) : 0x7c00
    } else if (magnitude >= 0x38800000) {
      // normal: the carry of the rounding may run into the exponent, up to infinity, which is right
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13
    } else if (magnitude > 0x33000000) {
      // subnormal: shift the mantissa with its implicit bit down to units of 2^-24
      const shift = 126 - (magnitude >>> 23)
      const mantissa = (magnitude & 0x7fffff) | 0x800000
      half = mantissa >>> shift
      const rest = mantissa & ((1 << shift) - 1)
      const tie = 1 << (shift - 1)
      if (rest > tie || (rest === tie && half & 1)) half++
    } else half = 0 // 2^-25 and below (the tie goes to even, zero)
    out[i] = sign | half
  }
  return out
}
