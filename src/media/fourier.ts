// The discrete Fourier transform of real numbers, of any length: a complex transform of half the length (Stockham's mixed-radix
// algorithm, which never reorders) and one pass that takes the halves apart.

/** Power |X[k]|², k = 0 .. n/2, of n real numbers, written to `power`. */
export type PowerSpectrum = (x: Float64Array, power: Float64Array) => void

function factors(n: number): number[] {
  const list: number[] = []
  for (const p of [5, 4, 2, 3]) for (; n % p === 0; n /= p) list.push(p)
  for (let p = 7; n > 1; p += 2) for (; n % p === 0; n /= p) list.push(p)
  return list
}

/** cos and sin of -2πk/n, k = 0 .. n-1. */
function turns(n: number): { readonly cos: Float64Array; readonly sin: Float64Array } {
  const cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n))
  const sin = Float64Array.from({ length: n }, (_, k) => -Math.sin((2 * Math.PI * k) / n))
  return { cos, sin }
}

/** One step of the transform: `stride` transforms of the same length lie interleaved, here and there. */
type Stage = (re: Float64Array, im: Float64Array, toRe: Float64Array, toIm: Float64Array) => void

/** One step of radix 4 over transforms of length n = 4 m, `stride` of them interleaved. */
function stage4(n: number, stride: number): Stage {
  const m = n / 4
  const { cos, sin } = turns(n)
  return (re, im, toRe, toIm) => {
    for (let q = 0; q < m; q++) {
      const c1 = cos[q]!
      const s1 = sin[q]!
      const c2 = cos[2 * q]!
      const s2 = sin[2 * q]!
      const c3 = cos[3 * q]!
      const s3 = sin[3 * q]!
      for (let j = 0; j < stride; j++) {
        const a = q * stride + j
        const b = a + m * stride
        const c = b + m * stride
        const d = c + m * stride
        const sr = re[a]! + re[c]!
        const si = im[a]! + im[c]!
        const dr = re[a]! - re[c]!
        const di = im[a]! - im[c]!
        const tr = re[b]! + re[d]!
        const ti = im[b]! + im[d]!
        const ur = im[b]! - im[d]! // -i (x1 - x3)
        const ui = re[d]! - re[b]!
        const to = 4 * q * stride + j
        const xr = dr + ur
        const xi = di + ui
        const yr = sr - tr
        const yi = si - ti
        const zr = dr - ur
        const zi = di - ui
        toRe[to] = sr + tr
        toIm[to] = si + ti
        toRe[to + stride] = xr * c1 - xi * s1
        toIm[to + stride] = xr * s1 + xi * c1
        toRe[to + 2 * stride] = yr * c2 - yi * s2
        toIm[to + 2 * stride] = yr * s2 + yi * c2
        toRe[to + 3 * stride] = zr * c3 - zi * s3
        toIm[to + 3 * stride] = zr * s3 + zi * c3
      }
    }
  }
}

/** One step of radix 5. */
function stage5(n: number, stride: number): Stage {
  const m = n / 5
  const { cos, sin } = turns(n)
  const ca = Math.cos((2 * Math.PI) / 5)
  const cb = Math.cos((4 * Math.PI) / 5)
  const sa = Math.sin((2 * Math.PI) / 5)
  const sb = Math.sin((4 * Math.PI) / 5)
  return (re, im, toRe, toIm) => {
    for (let q = 0; q < m; q++) {
      const c1 = cos[q]!
      const s1 = sin[q]!
      const c2 = cos[2 * q]!
      const s2 = sin[2 * q]!
      const c3 = cos[3 * q]!
      const s3 = sin[3 * q]!
      const c4 = cos[4 * q]!
      const s4 = sin[4 * q]!
      for (let j = 0; j < stride; j++) {
        const a = q * stride + j
        const b = a + m * stride
        const c = b + m * stride
        const d = c + m * stride
        const e = d + m * stride
        const x0r = re[a]!
        const x0i = im[a]!
        // sums and differences of the pairs (1, 4) and (2, 3)
        const p1r = re[b]! + re[e]!
        const p1i = im[b]! + im[e]!
        const m1r = re[b]! - re[e]!
        const m1i = im[b]! - im[e]!
        const p2r = re[c]! + re[d]!
        const p2i = im[c]! + im[d]!
        const m2r = re[c]! - re[d]!
        const m2i = im[c]! - im[d]!
        const ar = x0r + ca * p1r + cb * p2r
        const ai = x0i + ca * p1i + cb * p2i
        const br = x0r + cb * p1r + ca * p2r
        const bi = x0i + cb * p1i + ca * p2i
        const ur = sa * m1r + sb * m2r
        const ui = sa * m1i + sb * m2i
        const vr = sb * m1r - sa * m2r
        const vi = sb * m1i - sa * m2i
        const to = 5 * q * stride + j
        toRe[to] = x0r + p1r + p2r
        toIm[to] = x0i + p1i + p2i
        const y1r = ar + ui
        const y1i = ai - ur
        toRe[to + stride] = y1r * c1 - y1i * s1
        toIm[to + stride] = y1r * s1 + y1i * c1
        const y2r = br + vi
        const y2i = bi - vr
        toRe[to + 2 * stride] = y2r * c2 - y2i * s2
        toIm[to + 2 * stride] = y2r * s2 + y2i * c2
        const y3r = br - vi
        const y3i = bi + vr
        toRe[to + 3 * stride] = y3r * c3 - y3i * s3
        toIm[to + 3 * stride] = y3r * s3 + y3i * c3
        const y4r = ar - ui
        const y4i = ai + ur
        toRe[to + 4 * stride] = y4r * c4 - y4i * s4
        toIm[to + 4 * stride] = y4r * s4 + y4i * c4
      }
    }
  }
}

/** One step of any radix p, by its definition. */
function stageOf(p: number, n: number, stride: number): Stage {
  const m = n / p
  const { cos, sin } = turns(n)
  const root = turns(p)
  const partRe = new Float64Array(p)
  const partIm = new Float64Array(p)
  return (re, im, toRe, toIm) => {
    for (let q = 0; q < m; q++)
      for (let j = 0; j < stride; j++) {
        for (let r = 0; r < p; r++) {
          partRe[r] = re[(q + r * m) * stride + j]!
          partIm[r] = im[(q + r * m) * stride + j]!
        }
        for (let k = 0; k < p; k++) {
          let sumRe = 0
          let sumIm = 0
          for (let r = 0, w = 0; r < p; r++, w = w + k >= p ? w + k - p : w + k) {
            sumRe += partRe[r]! * root.cos[w]! - partIm[r]! * root.sin[w]!
            sumIm += partRe[r]! * root.sin[w]! + partIm[r]! * root.cos[w]!
          }
          const to = (p * q + k) * stride + j
          toRe[to] = sumRe * cos[k * q]! - sumIm * sin[k * q]!
          toIm[to] = sumRe * sin[k * q]! + sumIm * cos[k * q]!
        }
      }
  }
}

/** The complex transform of length n; its result lies where it says. */
function complexTransform(n: number) {
  let [length, stride] = [n, 1]
  const stages = factors(n).map(p => {
    const one = p === 4 ? stage4(length, stride) : p === 5 ? stage5(length, stride) : stageOf(p, length, stride)
    length /= p
    stride *= p
    return one
  })
  const [re, im, otherRe, otherIm] = Array.from({ length: 4 }, () => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const run = (): { readonly re: Float64Array; readonly im: Float64Array } => {
    let [from, to] = [
      { re, im },
      { re: otherRe, im: otherIm },
    ]
    for (const one of stages) {
      one(from.re, from.im, to.re, to.im)
      ;[from, to] = [to, from]
    }
    return from
  }
  return { re, im, run }
}

/** A function that computes power spectra of n real numbers; it keeps tables and room for that length. */
export function powerSpectrum(n: number): PowerSpectrum {
  if (n % 2 === 1) {
    const { re, im, run } = complexTransform(n)
    return (x, power) => {
      re.set(x.subarray(0, n))
      im.fill(0)
      const y = run()
      for (let k = 0; k <= (n - 1) / 2; k++) power[k] = y.re[k]! ** 2 + y.im[k]! ** 2
    }
  }
  const half = n / 2
  const { re, im, run } = complexTransform(half)
  const { cos, sin } = turns(n)
  return (x, power) => {
    for (let i = 0; i < half; i++) {
      re[i] = x[2 * i]!
      im[i] = x[2 * i + 1]!
    }
    const y = run()
    for (let k = 0; k <= half; k++) {
      const a = k === half ? 0 : k
      const b = k === 0 ? 0 : half - k
      // spectra of the even and the odd samples
      const evenRe = (y.re[a]! + y.re[b]!) / 2
      const evenIm = (y.im[a]! - y.im[b]!) / 2
      const oddRe = (y.im[a]! + y.im[b]!) / 2
      const oddIm = (y.re[b]! - y.re[a]!) / 2
      const sumRe = evenRe + oddRe * cos[k]! - oddIm * sin[k]!
      const sumIm = evenIm + oddRe * sin[k]! + oddIm * cos[k]!
      power[k] = sumRe * sumRe + sumIm * sumIm
    }
  }
}
