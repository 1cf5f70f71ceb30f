// Sound at another sampling rate: band-limited interpolation with a Kaiser-windowed sinc, one filter for each phase of the ratio
// (Smith, "Digital audio resampling"). Frequencies above half the lower rate are removed, so nothing folds back.
import { MediaError } from "./errors.ts"

/** Zero crossings of the sinc on each side, and the window's shape: about 90 dB of attenuation. */
const crossings = 24
const beta = 9
/** Share of the band that is kept; the rest is the filter's slope. */
const passed = 0.95
/** Filters are kept for every phase up to this many numbers, and computed as they are needed beyond. */
const mostTaps = 4_000_000
/** Samples of the result at most: 17 hours at 16 kHz. */
const mostSamples = 1_000_000_000

/** Modified Bessel function of the first kind, order 0. */
function bessel(x: number): number {
  let [sum, term] = [1, 1]
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

/** Throws MediaError unless it is a sampling rate in whole Hz, 1 .. 1 MHz. */
export function checkRate(what: string, rate: unknown): void {
  if (!Number.isSafeInteger(rate) || (rate as number) < 1 || (rate as number) > 1_000_000)
    throw new MediaError(`${what}: expected a sampling rate of 1 to 1000000 Hz, but got ${String(rate)}`)
}

/** The same sound at the rate `to` (Hz) instead of `from`: ceil(n · to / from) samples. Throws MediaError for rates that are none. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  checkRate("resample", from)
  checkRate("resample", to)
  if (from === to || samples.length === 0) return samples
  if ((samples.length * to) / from > mostSamples)
    throw new MediaError(
      `resample: expected a result of at most ${mostSamples} samples, but got ${samples.length} at ${from} Hz for ${to} Hz`,
      "is the sampling rate right? else give the sound in parts",
    )
  const common = gcd(from, to)
  const [up, down] = [to / common, from / common]
  const cutoff = passed * Math.min(1, to / from) // of half the input rate
  const reach = crossings / cutoff // input samples on each side
  const taps = 2 * Math.ceil(reach) + 1
  const half = (taps - 1) / 2
  const scale = 1 / bessel(beta)

  // filter of the output that lies `phase / up` behind an input sample, over inputs -half .. half around it
  const fill = (filter: Float32Array, phase: number): Float32Array => {
    let total = 0
    for (let i = 0; i < taps; i++) {
      const t = i - half - phase / up
      const place = t / reach
      const window = Math.abs(place) >= 1 ? 0 : bessel(beta * Math.sqrt(1 - place * place)) * scale
      const x = Math.PI * t * cutoff
      filter[i] = (x === 0 ? 1 : Math.sin(x) / x) * window
      total += filter[i]!
    }
    for (let i = 0; i < taps; i++) filter[i]! /= total // a constant stays what it is
    return filter
  }
  const kept = up * taps <= mostTaps ? new Array<Float32Array | undefined>(up) : null
  const spare = new Float32Array(taps)
  const filterOf = (phase: number): Float32Array => {
    if (!kept) return fill(spare, phase)
    const found = kept[phase]
    if (found) return found
    const made = fill(new Float32Array(taps), phase)
    kept[phase] = made
    return made
  }

  const n = samples.length
  const out = new Float32Array(Math.ceil((n * up) / down))
  for (let i = 0; i < out.length; i++) {
    const position = i * down
    const phase = position % up
    const filter = filterOf(phase)
    const start = (position - phase) / up - half
    let sum = 0
    const [first, last] = [Math.max(0, -start), Math.min(taps, n - start)]
    for (let j = first; j < last; j++) sum += filter[j]! * samples[start + j]!
    out[i] = sum
  }
  return out
}
