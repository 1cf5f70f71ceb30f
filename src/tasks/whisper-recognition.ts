// Speech to text with Whisper (Radford et al. 2022): short sound in one window, long sound in windows that follow the times it writes.

import { type GenerateOptions, generateIds } from "../generate/index.ts"
import { type LogMelExtractor, logMelExtractor } from "../media/index.ts"
import type { EncoderDecoderOutput, Model, WhisperConfig } from "../models/index.ts"
import { compile, readOn } from "../runtime/index.ts"
import { concat, fromHost, HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import type { StreamingDecoder, Tokenizer } from "../text/index.ts"
import type { RecognitionOptions, Recognized, Recognizer } from "./automatic-speech-recognition.ts"
import { needTokenizer, type Opened } from "./task.ts"
import { alignmentHeads, tokenStarts } from "./whisper-alignment.ts"
import { languageCode } from "./whisper-languages.ts"
import { longSegments, type TimeTokens, timestampRules, type WhisperSegment } from "./whisper-timestamps.ts"
import { likeliestLanguage, type WhisperTokens, whisperPrompt, whisperTokens } from "./whisper-tokens.ts"
import { spokenWords } from "./whisper-words.ts"

/** Everything that writing down a window needs. */
interface Writer {
  readonly model: Model
  readonly tokens: WhisperTokens
  readonly extractor: LogMelExtractor
  readonly generation: GenerateOptions
  /** As published: the heads that follow the sound. */
  readonly alignment: unknown
}

/** A recognizer of a Whisper model. Throws HeedError for a tokenizer that is not Whisper's. */
export function recognizeSpeech(opened: Opened): { recognize: Recognizer; samplingRate: number } {
  const { model, run, generation: published, preprocessor } = opened
  const tokenizer = needTokenizer("automatic-speech-recognition", opened)
  const tokens = whisperTokens({ generation: published, tokenId: token => tokenizer.tokenId(token) })
  const extractor = logMelExtractor(preprocessor ?? {})
  const recognize: Recognizer = async (sound, options, given) => {
    const writer: Writer = {
      model,
      tokens,
      extractor,
      generation: { ...run, ...given },
      alignment: published.alignment_heads,
    }
    const samples = windowOf(extractor, options)
    const timed = options.returnTimestamps !== false
    if (options.returnTimestamps === "char")
      throw new HeedError(
        "automatic-speech-recognition: expected returnTimestamps true, false or word with whisper, but got char",
        "it says when pieces of speech begin and end (true), or words",
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
    return longText(writer, tokenizer, sound, samples, { ...options, ...language })
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
): Promise<Recognized> {
  const { tokens, extractor, generation } = writer
  const { returnTimestamps } = options
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
      ...(returnTimestamps === "word" ? { timeTokens: timer(writer, options) } : {}),
      ...(generation.signal ? { signal: generation.signal } : {}),
    },
  )
  for await (const segment of windows) segments.push(segment)
  const text = textOf(
    tokenizer,
    segments.flatMap(({ ids }) => [...ids]),
    tokens,
  )
  if (returnTimestamps === false) return { text }
  if (returnTimestamps === "word") {
    const code = options.language === undefined ? "en" : languageCode(options.language)
    const decoder = (): StreamingDecoder => tokenizer.streamingDecoder({ skipSpecialTokens: true })
    return { text, chunks: segments.flatMap(({ ids, times }) => spokenWords(ids, times!, decoder(), code)) }
  }
  const chunks = segments.map(({ start, end, ids }) => ({
    timestamp: [start, end] as const,
    text: textOf(tokenizer, ids, tokens),
  }))
  return { text, chunks }
}

/** Times tokens by what the heads that follow the sound attend to while the decoder reads them. */
function timer({ model, tokens, extractor, generation, alignment }: Writer, request: RecognitionOptions): TimeTokens {
  const { decoderLayers: layers, decoderHeads: heads, context } = model.config as WhisperConfig
  const chosen = alignmentHeads(alignment, { layers, heads })
  const { device, precision } = generation
  const attend = compile(
    (features: Tensor, decoderInputIds: Tensor) =>
      model.inEvaluation(() => {
        const maps = (
          model.forward(features, { decoderInputIds, outputs: { attentions: true } }) as EncoderDecoderOutput
        ).crossAttentions!
        return concat(
          chosen.map(([layer, head]) => maps[layer]!.slice(1, head, head + 1)),
          1,
        ) // [1 heads T F]
      }),
    { ...(device ? { device } : {}), ...(precision ? { precision } : {}) },
  )
  const prompt = whisperPrompt(tokens, {
    task: request.task,
    ...(request.language === undefined ? {} : { language: request.language }),
  })
  return async (sound, ids) => {
    const read = [...prompt, ...ids, tokens.end].slice(0, context)
    const T = read.length
    const maps = await attend(extractor.extract([sound]), fromHost(Int32Array.from(read), [1, T], "i32"))
    const [weights] = await readOn(device, [maps])
    const F = maps.shape[3]!
    const position = extractor.samples / F // samples that one position of the encoder hears
    const count = Math.min(ids.length, T - prompt.length)
    const starts = tokenStarts({
      heads: chosen.map((_, i) => (weights as Float32Array).subarray(i * T * F, (i + 1) * T * F)),
      T,
      F,
      heard: Math.max(1, Math.min(F, Math.ceil(sound.length / position))),
      first: prompt.length - 1,
      count,
    })
    const seconds = (i: number): number =>
      Math.round((starts[Math.min(i, count)]! * position * 100) / extractor.samplingRate) / 100
    return ids.map((_, i) => [seconds(i), seconds(i + 1)] as const)
  }
}

/** The words of ids, without times and other special tokens. */
function textOf(tokenizer: Tokenizer, ids: ArrayLike<number>, { firstTimestamp, end }: WhisperTokens): string {
  const words = Array.from(ids).filter(id => id < firstTimestamp && id !== end)
  return tokenizer.decode(words, { skipSpecialTokens: true })
}
