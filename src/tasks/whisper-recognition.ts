// Speech to text with Whisper (Radford et al. 2022): short sound in one window, long sound in windows that follow the times it writes.

import { type GenerateOptions, generateIds } from "../generate/index.ts"
import { type LogMelExtractor, logMelExtractor } from "../media/index.ts"
import type { Model } from "../models/index.ts"
import { HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import type { RecognitionOptions, Recognized, Recognizer } from "./automatic-speech-recognition.ts"
import { needTokenizer, type Opened } from "./task.ts"
import { longSegments, timestampRules, type WhisperSegment } from "./whisper-timestamps.ts"
import { likeliestLanguage, type WhisperTokens, whisperPrompt, whisperTokens } from "./whisper-tokens.ts"

/** Everything that writing down a window needs. */
interface Writer {
  readonly model: Model
  readonly tokens: WhisperTokens
  readonly extractor: LogMelExtractor
  readonly generation: GenerateOptions
}

/** A recognizer of a Whisper model. Throws HeedError for a tokenizer that is not Whisper's. */
export function recognizeSpeech(opened: Opened): { recognize: Recognizer; samplingRate: number } {
  const { model, run, generation: published, preprocessor } = opened
  const tokenizer = needTokenizer("automatic-speech-recognition", opened)
  const tokens = whisperTokens({ generation: published, tokenId: token => tokenizer.tokenId(token) })
  const extractor = logMelExtractor(preprocessor ?? {})
  const recognize: Recognizer = async (sound, options, given) => {
    const writer: Writer = { model, tokens, extractor, generation: { ...run, ...given } }
    const samples = windowOf(extractor, options)
    const timed = options.returnTimestamps === true
    if (typeof options.returnTimestamps === "string")
      throw new HeedError(
        `automatic-speech-recognition: expected returnTimestamps true or false with whisper, but got ${options.returnTimestamps}`,
        "it says when pieces of speech begin and end: true",
      )
    if (2 * (options.strideLengthS ?? 0) * extractor.samplingRate >= samples)
      throw new ValueError(
        `automatic-speech-recognition: expected strideLengthS below half a window of ${samples / extractor.samplingRate} seconds, but got ${options.strideLengthS}`,
        "lower strideLengthS",
      )
    if (sound.length === 0) throw new ValueError("automatic-speech-recognition: expected sound, but it has no samples")
    const language = await languageOf(writer, sound.subarray(0, samples), options)
    if (sound.length <= samples && !timed) {
      const ids = await written(writer, sound, { ...options, ...language, timestamps: false }, [])
      return { text: textOf(tokenizer, ids, tokens) }
    }
    return longText(writer, tokenizer, sound, samples, { ...options, ...language }, timed)
  }
  return { recognize, samplingRate: extractor.samplingRate }
}

function windowOf({ samples, samplingRate }: LogMelExtractor, { chunkLengthS }: RecognitionOptions): number {
  const wanted = chunkLengthS === undefined ? samples : Math.round(chunkLengthS * samplingRate)
  if (wanted <= samples) return wanted
  throw new HeedError(
    `automatic-speech-recognition: expected windows of at most ${samples / samplingRate} seconds, which whisper hears at once, but got ${chunkLengthS}`,
    "leave chunkLengthS out: longer sound is read in windows by itself",
  )
}

/** The language as it was given, or as it sounds; nothing for models that know English only. */
async function languageOf(
  writer: Writer,
  sound: Float32Array,
  { language }: RecognitionOptions,
): Promise<{ readonly language?: string }> {
  if (language !== undefined || !writer.tokens.tasks) return language === undefined ? {} : { language }
  const [heard] = await heardLanguages(
    writer.model,
    writer.extractor.extract([sound]),
    writer.tokens,
    writer.generation,
  )
  return { language: heard! }
}

/** The language that is spoken in each of several sounds: features [B mels frames]. Throws HeedError for a model of one language. */
export async function heardLanguages(
  model: Model,
  features: Tensor,
  tokens: WhisperTokens,
  { device, precision, signal }: GenerateOptions, // how texts are written has no say in what language it is
): Promise<string[]> {
  const { stepLogits } = await generateIds(model, features, {
    ...plain,
    ...(device ? { device } : {}),
    ...(precision ? { precision } : {}),
    ...(signal ? { signal } : {}),
    decoderInputIds: [tokens.start],
    maxNewTokens: 1,
    stepLogits: true,
  })
  const scores = stepLogits![0]! // [B V]
  const V = scores.length / features.shape[0]!
  return Array.from({ length: features.shape[0]! }, (_, i) =>
    likeliestLanguage(scores.subarray(i * V, (i + 1) * V), tokens),
  )
}

/** The most likely first token, whatever was published or asked for. */
const plain: GenerateOptions = {
  numBeams: 1,
  doSample: false,
  suppressTokens: [],
  beginSuppressTokens: [],
  minNewTokens: 0,
  minLength: 0,
}

interface WindowRequest extends Pick<RecognitionOptions, "task"> {
  readonly language?: string | undefined
  readonly timestamps: boolean
}

/** Ids written for one window. */
async function written(
  { model, tokens, extractor, generation }: Writer,
  sound: Float32Array,
  { language, task, timestamps }: WindowRequest,
  previous: readonly number[],
): Promise<Int32Array> {
  const prompt = whisperPrompt(tokens, {
    task,
    timestamps,
    previous,
    ...(language === undefined ? {} : { language }),
  })
  const context = model.config.context as number
  const { newIds } = await generateIds(model, extractor.extract([sound]), {
    maxNewTokens: context - prompt.length,
    ...generation,
    decoderInputIds: prompt,
    eosTokenId: tokens.end,
    ...(timestamps ? { logitsProcessor: [timestampRules(tokens), ...(generation.logitsProcessor ?? [])] } : {}),
  })
  return newIds[0]!
}

async function longText(
  writer: Writer,
  tokenizer: Tokenizer,
  sound: Float32Array,
  samples: number,
  options: RecognitionOptions,
  timed: boolean,
): Promise<Recognized> {
  const { tokens, extractor, generation } = writer
  const request = { ...options, timestamps: true }
  const segments: WhisperSegment[] = []
  const windows = longSegments(
    sound,
    tokens,
    (part, previous) => written(writer, part, request, options.conditionOnPrevious ? previous : []),
    {
      samplingRate: extractor.samplingRate,
      samples,
      ...(options.strideLengthS === undefined ? {} : { stride: options.strideLengthS }),
      ...(generation.signal ? { signal: generation.signal } : {}),
    },
  )
  for await (const segment of windows) segments.push(segment)
  const text = textOf(
    tokenizer,
    segments.flatMap(({ ids }) => [...ids]),
    tokens,
  )
  if (!timed) return { text }
  const chunks = segments.map(({ start, end, ids }) => ({
    timestamp: [start, end] as const,
    text: textOf(tokenizer, ids, tokens),
  }))
  return { text, chunks }
}

/** The words of ids, without times and other special tokens. */
function textOf(tokenizer: Tokenizer, ids: ArrayLike<number>, { firstTimestamp, end }: WhisperTokens): string {
  const words = Array.from(ids).filter(id => id < firstTimestamp && id !== end)
  return tokenizer.decode(words, { skipSpecialTokens: true })
}
