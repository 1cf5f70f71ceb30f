// automatic-speech-recognition: what is said in a recording, by Whisper (any length, with times, in another language) or by a model that
// names a letter for each frame (wav2vec 2.0 with CTC).

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import type { GenerateOptions } from "../generate/index.ts"
import { type AudioSource, readAudio } from "../media/index.ts"
import { recognizeLetters } from "./ctc-recognition.ts"
import { ownNames, splitOwn } from "./options.ts"
import { listOf, type Opened, refuseModel, type Task } from "./task.ts"
import { recognizeSpeech } from "./whisper-recognition.ts"

const name = "automatic-speech-recognition"

const options = declare(
  {
    returnTimestamps: option(
      z.union([z.boolean(), z.enum(["word", "char"])]),
      "Also say when: true for pieces of speech (Whisper), word, or char (CTC)",
      { default: false },
    ),
    chunkLengthS: option(
      z.number().positive().optional(),
      "Seconds of one window; Whisper: 30 at most. Longer sound is read in windows",
      { alias: "chunk_length" },
    ),
    strideLengthS: option(
      z.number().min(0).optional(),
      "Seconds at the edges of windows that are not trusted. CTC: they are heard twice; a sixth of a window unless given. Whisper: a piece that ends there is left to the next window; 0 unless given",
      { alias: "stride_length" },
    ),
    language: option(
      z.string().min(1).optional(),
      "Whisper: the language that is spoken; heard from the sound unless given",
    ),
    task: option(z.enum(["transcribe", "translate"]), "Whisper: write what is said, or say it in English", {
      default: "transcribe",
    }),
    conditionOnPrevious: option(z.boolean(), "Whisper: each window reads what the ones before it said", {
      default: false,
      alias: "condition_on_prev_tokens",
    }),
  },
  name,
)

/** Options of a call, checked. */
export type RecognitionOptions = ValuesOf<typeof options>

/** A piece of what was said. */
export interface SpokenChunk {
  readonly text: string
  /** Seconds. */
  readonly timestamp: readonly [start: number, end: number | null]
}

/** What was said. */
export interface Recognized {
  readonly text: string
  /** With returnTimestamps. */
  readonly chunks?: readonly SpokenChunk[]
}

/** Recognizes one recording: mono samples at the model's rate. */
export type Recognizer = (
  sound: Float32Array,
  options: RecognitionOptions,
  generation: GenerateOptions,
) => Promise<Recognized>

type CallOptions = GenerateOptions & { readonly [name: string]: unknown }

/** What is said in a recording, or in each of several. */
export interface AutomaticSpeechRecognition {
  (sound: AudioSource, options?: CallOptions): Promise<Recognized>
  (sounds: readonly AudioSource[], options?: CallOptions): Promise<Recognized[]>
}

function open(opened: Opened): AutomaticSpeechRecognition {
  const { model } = opened
  const recognizers: Readonly<Record<string, (opened: Opened) => { recognize: Recognizer; samplingRate: number }>> = {
    whisper: recognizeSpeech,
    wav2vec2: recognizeLetters,
  }
  const start = recognizers[model.family]
  if (!start || model.config.head === "none")
    refuseModel(name, model, "a model that recognizes speech (whisper, or wav2vec2 with CTC)")
  const { recognize, samplingRate } = start(opened)

  const answer = async (inputs: AudioSource | readonly AudioSource[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf<AudioSource>(name, inputs as AudioSource | readonly AudioSource[])
    const { own, rest } = splitOwn(options, given)
    const generation = ownNames(rest) as GenerateOptions
    const results: Recognized[] = []
    for (const source of list) results.push(await recognize(await readAudio(source, { samplingRate }), own, generation))
    return single ? results[0] : results
  }
  return answer as AutomaticSpeechRecognition
}

/** The task. */
export const automaticSpeechRecognition: Task<AutomaticSpeechRecognition> = {
  name,
  aliases: ["asr"],
  summary: "what is said in a recording",
  options,
  generates: true,
  arguments: [{ name: "sound", help: "a WAV file or its URL", many: true }],
  fromWords: words => [words],
  open,
}
