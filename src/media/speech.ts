// What speech models hear: Whisper's log-Mel features of half a minute, wav2vec 2.0's normalized samples, each by the options of
// its published preprocessor_config.json.
import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { fromHost, type Tensor } from "../tensor/index.ts"
import { MediaError } from "./errors.ts"
import { logMel } from "./mel.ts"
import { withoutRemarks } from "./published.ts"

const count = z.number().int().min(1)

/** Numbers of one input at most: far beyond what any model hears. */
const mostNumbers = 100_000_000

const sharedOptions = {
  samplingRate: option(count.max(1_000_000), "samples a second (Hz) that the model hears", { default: 16000 }),
  paddingSide: option(z.literal("right"), "where short sound is filled up", { default: "right" }),
  paddingValue: option(z.number(), "what short sound is filled up with", { default: 0 }),
  returnAttentionMask: option(z.boolean(), "say which samples are no padding", { default: false }),
}

const logMelOptions = declare(
  {
    mels: option(count.max(1024), "mel filters", { default: 80, alias: "feature_size" }),
    window: option(count, "samples of one window", { default: 400, alias: "n_fft" }),
    hop: option(count, "samples between windows", { default: 160, alias: "hop_length" }),
    seconds: option(z.number().positive().max(600), "length of one input in seconds", {
      default: 30,
      alias: "chunk_length",
    }),
    dither: option(z.literal(0), "noise added to the sound", { default: 0 }),
    ...sharedOptions,
  },
  "log-Mel features",
)

/** Log-Mel features of one length. */
export interface LogMelExtractor {
  readonly options: ValuesOf<typeof logMelOptions>
  /** Hz. */
  readonly samplingRate: number
  /** Samples of one input. */
  readonly samples: number
  /** f32 [B mels frames] of sounds, each cut or filled up to `samples`. Throws MediaError without any sound. */
  extract(sounds: readonly Float32Array[]): Tensor
}

/** Whisper's features by a published configuration; what is left out is as in whisper-tiny. Throws ConfigError. */
export function logMelExtractor(published: Readonly<Record<string, unknown>> = {}): LogMelExtractor {
  const { n_samples, nb_max_frames, mel_filters, ...rest } = published // these follow from the others
  const options = logMelOptions.parse(withoutRemarks(rest), "preprocessor_config.json")
  const { mels, window, hop, seconds, samplingRate, paddingValue } = options
  const samples = Math.round(seconds * samplingRate)
  const frames = Math.floor(samples / hop)
  if (mels * frames > mostNumbers)
    throw new MediaError(
      `log-Mel: expected at most ${mostNumbers} numbers for one input, but got ${mels} mel filters × ${frames} frames`,
      "preprocessor_config.json is damaged: fetch it again",
    )
  return {
    options,
    samplingRate,
    samples,
    extract: sounds => {
      checkSounds("log-Mel", sounds)
      const data = new Float32Array(sounds.length * mels * frames)
      for (const [i, sound] of sounds.entries()) {
        const whole = new Float32Array(samples).fill(paddingValue)
        whole.set(sound.subarray(0, samples))
        data.set(logMel(whole, { mels, window, hop, samplingRate }).data, i * mels * frames)
      }
      return fromHost(data, [sounds.length, mels, frames], "f32")
    },
  }
}

const waveformOptions = declare(
  {
    normalize: option(z.boolean(), "bring each sound to mean 0 and variance 1", {
      default: true,
      alias: "do_normalize",
    }),
    channels: option(z.literal(1), "numbers for each sample", { default: 1, alias: "feature_size" }),
    ...sharedOptions,
  },
  "waveform features",
)

/** Samples as a model hears them. */
export interface WaveformInputs {
  /** f32 [B samples]. */
  readonly inputValues: Tensor
  /** i32 [B samples], 1 where there is sound; only where the model wants it. */
  readonly attentionMask?: Tensor
}

/** Samples of several sounds as one input. */
export interface WaveformExtractor {
  readonly options: ValuesOf<typeof waveformOptions>
  /** Hz. */
  readonly samplingRate: number
  /** Sounds filled up to the longest. Throws MediaError without any sound, or for an empty one. */
  extract(sounds: readonly Float32Array[]): WaveformInputs
}

/** wav2vec 2.0's inputs by a published configuration. Throws ConfigError. */
export function waveformExtractor(published: Readonly<Record<string, unknown>> = {}): WaveformExtractor {
  const options = waveformOptions.parse(withoutRemarks(published), "preprocessor_config.json")
  const { normalize, paddingValue, samplingRate, returnAttentionMask } = options
  return {
    options,
    samplingRate,
    extract: sounds => {
      checkSounds("waveform", sounds)
      const empty = sounds.findIndex(sound => sound.length === 0)
      if (empty >= 0)
        throw new MediaError(`waveform: expected sounds of at least one sample, but sound ${empty} is empty`)
      const length = Math.max(...sounds.map(sound => sound.length))
      const shape = [sounds.length, length]
      const data = new Float32Array(sounds.length * length).fill(paddingValue)
      const mask = new Int32Array(sounds.length * length)
      for (const [i, sound] of sounds.entries()) {
        data.set(normalize ? standardized(sound) : sound, i * length)
        mask.fill(1, i * length, i * length + sound.length)
      }
      const inputValues = fromHost(data, shape, "f32")
      return returnAttentionMask ? { inputValues, attentionMask: fromHost(mask, shape, "i32") } : { inputValues }
    },
  }
}

/** Mean 0 and variance 1; silence stays silence. */
export function standardized(samples: Float32Array): Float32Array {
  let sum = 0
  for (const x of samples) sum += x
  const mean = sum / samples.length
  let squares = 0
  for (const x of samples) squares += (x - mean) ** 2
  const scale = 1 / Math.sqrt(squares / samples.length + 1e-7)
  return samples.map(x => (x - mean) * scale)
}

function checkSounds(what: string, sounds: readonly Float32Array[]): void {
  if (!Array.isArray(sounds) || sounds.length === 0 || sounds.some(sound => !(sound instanceof Float32Array)))
    throw new MediaError(`${what}: expected a list of Float32Array, but got something else`, "pass [samples]")
}
