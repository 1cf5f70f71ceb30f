// Sound as one list of samples: from WAV files (through the package wavefile), at the rate a model wants, channels averaged.
import { MediaError } from "./errors.ts"
import { checkRate, resample } from "./resample.ts"
import { describe, type MediaSource, nameOf, optionalPackage, readSource, type SourceOptions } from "./source.ts"

/** Samples that are already decoded, with their rate in Hz; several channels are averaged. */
export interface RawAudio {
  readonly samplingRate: number
  readonly samples: Float32Array | readonly Float32Array[]
}

/** What sound may be given as: samples at the wanted rate, samples with their rate, or a WAV file by path, URL or bytes. */
export type AudioSource = Float32Array | Float64Array | RawAudio | MediaSource

/** The sound that is wanted. */
export interface ReadAudioOptions extends SourceOptions {
  /** Hz; 16000 by default, as speech models hear. */
  readonly samplingRate?: number
}

/** Mono samples at the wanted rate, about -1 .. 1. Throws MediaError for what is no sound, FileError for files that cannot be read. */
export async function readAudio(source: AudioSource, options: ReadAudioOptions = {}): Promise<Float32Array> {
  const { samplingRate = 16000 } = options
  checkRate("audio", samplingRate)
  if (source instanceof Float32Array || source instanceof Float64Array) return checkSamples(Float32Array.from(source))
  const sound = isRaw(source) ? source : await decodeWav(await readSource(source, "audio", options), nameOf(source))
  checkRate("audio", sound.samplingRate)
  return resample(checkSamples(mixed(sound.samples)), sound.samplingRate, samplingRate)
}

function isRaw(source: AudioSource): source is RawAudio {
  return typeof source === "object" && source !== null && "samplingRate" in source && "samples" in source
}

/** Channels averaged. Throws MediaError when they are of different lengths. */
function mixed(samples: RawAudio["samples"]): Float32Array {
  if (samples instanceof Float32Array) return samples
  const channels: readonly Float32Array[] = samples
  if (!Array.isArray(channels) || channels.length === 0 || channels.some(one => !(one instanceof Float32Array)))
    throw new MediaError(`audio: expected samples as Float32Array, one for each channel, but got ${describe(samples)}`)
  const length = channels[0]!.length
  if (channels.some(one => one.length !== length))
    throw new MediaError(
      `audio: expected channels of one length, but got ${channels.map(one => one.length).join(" and ")} samples`,
    )
  if (channels.length === 1) return channels[0]!
  return Float32Array.from({ length }, (_, i) => channels.reduce((sum, one) => sum + one[i]!, 0) / channels.length)
}

function checkSamples(samples: Float32Array): Float32Array {
  const at = samples.findIndex(x => !Number.isFinite(x))
  if (at >= 0)
    throw new MediaError(`audio: expected samples that are numbers, but got ${samples[at]} at position ${at}`)
  return samples
}

/** How integer samples of a WAV file become -1 .. 1: what to subtract, what to divide by. */
const scales: Readonly<Record<string, readonly [zero: number, full: number]>> = {
  "8": [128, 2 ** 7],
  "16": [0, 2 ** 15],
  "24": [0, 2 ** 23],
  "32": [0, 2 ** 31],
  "32f": [0, 1],
  "64": [0, 1],
}

/** What is used of the package wavefile. */
interface Wave {
  readonly bitDepth: string
  readonly fmt: object
  getSamples(interleaved: boolean, kind: Float64ArrayConstructor): ArrayLike<number>
  fromIMAADPCM(): void
  fromALaw(): void
  fromMuLaw(): void
}

/** The samples of a WAV file: whole numbers of 8 to 32 bits, floats, A-law, mu-law, IMA ADPCM. Throws MediaError. */
export async function decodeWav(bytes: Uint8Array, name = "the bytes given"): Promise<RawAudio> {
  const tag = String.fromCharCode(...bytes.subarray(0, 4))
  if (!["RIFF", "RIFX", "RF64"].includes(tag))
    throw new MediaError(
      `audio: expected a WAV file, but ${name} ${bytes.length === 0 ? "is empty" : `begins with ${JSON.stringify(tag)}`}`,
      "convert it, for example: ffmpeg -i input.mp3 -ar 16000 -ac 1 output.wav",
    )
  const { WaveFile } = await optionalPackage("wavefile", "reading WAV files", () => import("wavefile").then(wavesOf))
  try {
    const wave: Wave = new WaveFile(bytes)
    if (wave.bitDepth === "4") wave.fromIMAADPCM()
    else if (wave.bitDepth === "8a") wave.fromALaw()
    else if (wave.bitDepth === "8m") wave.fromMuLaw()
    const { numChannels, sampleRate } = wave.fmt as { readonly numChannels?: number; readonly sampleRate?: number }
    const scale = scales[wave.bitDepth]
    if (!scale) throw new Error(`samples of ${wave.bitDepth} bits are not read here`)
    if (!numChannels) throw new Error("it has no channels")
    checkRate(name, sampleRate)
    const all = wave.getSamples(true, Float64Array)
    const length = Math.floor(all.length / numChannels)
    const [zero, full] = scale
    const mono = new Float32Array(length)
    for (let i = 0; i < length; i++) {
      let sum = 0
      for (let channel = 0; channel < numChannels; channel++) sum += all[i * numChannels + channel]! - zero
      mono[i] = sum / (numChannels * full)
    }
    return { samples: mono, samplingRate: sampleRate! }
  } catch (cause) {
    if (cause instanceof MediaError) throw cause
    throw new MediaError(
      `audio: expected a whole WAV file, but ${name} cannot be decoded: ${(cause as Error).message || String(cause)}`,
      "the file is damaged or of an unknown kind: write it again",
      { cause },
    )
  }
}

type WaveModule = typeof import("wavefile")

/** A CommonJS module's own exports, however they were loaded. */
function wavesOf(loaded: WaveModule & { readonly default?: WaveModule }): WaveModule {
  return loaded.default?.WaveFile ? loaded.default : loaded
}
