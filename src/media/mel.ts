// Log-Mel features as Whisper hears them (Radford et al. 2022): short-time power spectra through triangular filters that are even
// on the mel scale (Slaney's), logarithm, and a floor eight decades below the loudest.
import { MediaError } from "./errors.ts"
import { powerSpectrum } from "./fourier.ts"

/** Sizes of log-Mel features; the defaults are Whisper's. */
export interface MelOptions {
  /** Filters. */
  readonly mels?: number
  /** Samples of one window; hops between windows. */
  readonly window?: number
  readonly hop?: number
  readonly samplingRate?: number
}

/** Slaney's mel scale: linear up to 1 kHz, logarithmic above. */
const hertzToMel = (f: number): number => (f < 1000 ? (3 * f) / 200 : 15 + (27 * Math.log(f / 1000)) / Math.log(6.4))
const melToHertz = (m: number): number => (m < 15 ? (200 * m) / 3 : 1000 * Math.exp((Math.log(6.4) * (m - 15)) / 27))

function check(options: MelOptions): Required<MelOptions> {
  const all = { mels: 80, window: 400, hop: 160, samplingRate: 16000, ...options }
  for (const [name, value] of Object.entries(all))
    if (!Number.isSafeInteger(value) || value < 1 || value > 10_000_000)
      throw new MediaError(`log-Mel: expected ${name} to be a whole number above 0, but got ${String(value)}`)
  if (all.mels > 10_000 || all.window > 1_000_000)
    throw new MediaError(`log-Mel: expected up to 10000 filters and 1000000 samples a window`)
  return all
}

/** Weights of triangular filters over frequencies 0 .. half the rate: [mels, window / 2 + 1], each of unit area (Slaney). */
export function melFilters(options: MelOptions = {}): Float64Array[] {
  const { mels, window, samplingRate } = check(options)
  const bins = Math.floor(window / 2) + 1
  const top = hertzToMel(samplingRate / 2)
  const edges = Array.from({ length: mels + 2 }, (_, i) => melToHertz((top * i) / (mels + 1)))
  const frequency = (bin: number): number => (bin * samplingRate) / 2 / (bins - 1 || 1)
  return Array.from({ length: mels }, (_, i) => {
    const [low, centre, high] = [edges[i]!, edges[i + 1]!, edges[i + 2]!]
    return Float64Array.from({ length: bins }, (_, bin) => {
      const f = frequency(bin)
      const rise = (f - low) / (centre - low)
      const fall = (high - f) / (high - centre)
      return (Math.max(0, Math.min(rise, fall)) * 2) / (high - low)
    })
  })
}

interface Analysis {
  readonly options: Required<MelOptions>
  readonly shape: Float64Array
  readonly power: ReturnType<typeof powerSpectrum>
  /** Each filter's weights that are not 0, one filter behind the other: where they begin and end, and the first bin. */
  readonly weights: Float64Array
  readonly ends: Int32Array
  readonly firsts: Int32Array
}

const analyses = new Map<string, Analysis>()

function analysisOf(options: MelOptions): Analysis {
  const all = check(options)
  const key = JSON.stringify(all)
  const known = analyses.get(key)
  if (known) return known
  const { window, mels } = all
  const weights: number[] = []
  const ends = new Int32Array(mels)
  const firsts = new Int32Array(mels)
  for (const [i, filter] of melFilters(all).entries()) {
    firsts[i] = Math.max(
      0,
      filter.findIndex(w => w > 0),
    )
    weights.push(...filter.filter(w => w > 0)) // a triangle: without gaps
    ends[i] = weights.length
  }
  const made: Analysis = {
    options: all,
    shape: Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window)), // Hann, periodic
    power: powerSpectrum(window),
    weights: Float64Array.from(weights),
    ends,
    firsts,
  }
  if (analyses.size >= 8) analyses.clear()
  analyses.set(key, made)
  return made
}

/** The samples with `half` mirrored ones on each side. */
function mirrored(samples: Float32Array, half: number): Float64Array {
  const n = samples.length
  const out = new Float64Array(n + 2 * half)
  out.set(samples, half)
  for (let i = 1; i <= half; i++) {
    out[half - i] = samples[i]!
    out[half + n - 1 + i] = samples[n - 1 - i]!
  }
  return out
}

/** Energies in decades of the frame that begins at `start`, into `levels`. */
function analyse(
  { shape, power, weights, ends, firsts }: Analysis,
  sound: Float64Array,
  start: number,
  frame: Float64Array,
  spectrum: Float64Array,
  levels: Float64Array,
): void {
  const window = frame.length
  for (let i = 0; i < window; i++) frame[i] = sound[start + i]! * shape[i]!
  power(frame, spectrum)
  const mels = levels.length
  let at = 0
  for (let i = 0; i < mels; i++) {
    const end = ends[i]!
    let sum = 0
    for (let bin = firsts[i]!; at < end; at++, bin++) sum += weights[at]! * spectrum[bin]!
    levels[i] = Math.log10(sum > 1e-10 ? sum : 1e-10)
  }
}

/** Log-Mel features [mels frames] of samples, one frame for each hop. Throws MediaError for sound shorter than half a window. */
export function logMel(
  samples: Float32Array,
  options: MelOptions = {},
): { data: Float32Array; mels: number; frames: number } {
  const analysis = analysisOf(options)
  const { window, hop, mels } = analysis.options
  const half = Math.floor(window / 2)
  if (samples.length <= half)
    throw new MediaError(
      `log-Mel: expected more than ${half} samples, but got ${samples.length}`,
      "pad the sound with zeros",
    )
  const frames = Math.floor(samples.length / hop) // the window around the very end is left out
  const sound = mirrored(samples, half) // windows are centred
  let end = sound.length // behind it is silence, whose spectrum is known
  while (end > 0 && sound[end - 1] === 0) end--
  const heard = Math.min(frames, Math.ceil(end / hop))
  const [frame, spectrum, levels] = [window, half + 1, mels].map(n => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const data = new Float32Array(mels * frames).fill(-10)
  let loudest = -10
  for (let t = 0; t < heard; t++) {
    analyse(analysis, sound, t * hop, frame, spectrum, levels)
    for (let i = 0; i < mels; i++) {
      const level = levels[i]!
      if (level > loudest) loudest = level
      data[i * frames + t] = level
    }
  }
  const floor = loudest - 8
  for (let i = 0; i < data.length; i++) data[i] = ((data[i]! > floor ? data[i]! : floor) + 4) / 4
  return { data, mels, frames }
}
