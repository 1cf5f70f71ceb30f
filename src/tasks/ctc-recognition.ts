// Speech to letters by a model with CTC (Baevski et al. 2020, wav2vec 2.0): all at once, or in windows whose edges are heard twice.

import { waveformExtractor } from "../media/index.ts"
import { compile, readOn } from "../runtime/index.ts"
import { HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import type { Recognizer, SpokenChunk } from "./automatic-speech-recognition.ts"
import { bestClasses, type HeardWord, joinRuns, letterTable, wordsOf } from "./ctc-text.ts"
import { needTokenizer, type Opened } from "./task.ts"

/** A recognizer of a model that names letters. */
export function recognizeLetters(opened: Opened): { recognize: Recognizer; samplingRate: number } {
  const { model, run, preprocessor, tokenizerConfig } = opened
  const tokenizer = needTokenizer("automatic-speech-recognition", opened)
  const table = letterTable(Object.fromEntries(tokenizer.tokens.map((token, id) => [token, id])), tokenizerConfig)
  const extractor = waveformExtractor(preprocessor ?? {})
  const blank = model.config.padToken as number
  const forward = compile((samples: Tensor) => model.inEvaluation(() => model.forward(samples).logits!), run)

  const classesOf = async (sound: Float32Array): Promise<Int32Array> => {
    const logits = await forward(extractor.extract([sound]).inputValues)
    const [data] = await readOn(run.device, [logits])
    return bestClasses(data as Float32Array, logits.shape[2]!)
  }

  const recognize: Recognizer = async (sound, options, generation) => {
    const { returnTimestamps, chunkLengthS, strideLengthS, language, task } = options
    const unused = Object.keys(generation).find(key => key !== "signal")
    if (unused !== undefined || language !== undefined || task !== "transcribe" || returnTimestamps === true)
      throw new HeedError(
        `automatic-speech-recognition: expected no ${unused ?? (language !== undefined ? "language" : task !== "transcribe" ? "task" : "returnTimestamps true")} for a model that names letters`,
        returnTimestamps === true ? 'returnTimestamps "word" or "char" says when' : "only whisper takes it",
      )
    if (sound.length === 0) throw new ValueError("automatic-speech-recognition: expected sound, but it has no samples")
    const { samplingRate } = extractor
    const size = chunkLengthS === undefined ? sound.length : Math.round(chunkLengthS * samplingRate)
    const stride = chunkLengthS === undefined ? 0 : Math.round((strideLengthS ?? chunkLengthS / 6) * samplingRate)
    if (chunkLengthS !== undefined && 2 * stride >= size)
      throw new ValueError(
        `automatic-speech-recognition: expected windows longer than twice what they share, but got ${chunkLengthS} and ${strideLengthS} seconds`,
        "lower strideLengthS",
      )
    const { classes, samplesPerFrame } = await heard(sound, size, stride, classesOf, generation.signal)
    const letters = joinRuns(classes, blank)
    const words = wordsOf(letters, table)
    const text = words.map(word => word.text).join(" ")
    if (returnTimestamps === false) return { text }
    const second = samplesPerFrame / samplingRate
    const parts: readonly HeardWord[] =
      returnTimestamps === "word"
        ? words
        : letters
            .filter(({ id }) => !table.special.has(id))
            .map(({ id, start, end }) => ({ text: id === table.delimiter ? " " : table.letters[id]!, start, end }))
    const chunks = parts.map(
      ({ text: said, start, end }): SpokenChunk => ({ text: said, timestamp: [start * second, end * second] }),
    )
    return { text, chunks }
  }
  return { recognize, samplingRate: extractor.samplingRate }
}

/** The best class of each frame of sound; of windows that share `stride` samples on each side, their inner frames. */
async function heard(
  sound: Float32Array,
  size: number,
  stride: number,
  classesOf: (sound: Float32Array) => Promise<Int32Array>,
  signal: AbortSignal | undefined,
): Promise<{ readonly classes: readonly number[]; readonly samplesPerFrame: number }> {
  const classes: number[] = []
  let frames = 0
  let samples = 0
  for (let at = 0; at === 0 || at + 2 * stride < sound.length; at += size - 2 * stride) {
    signal?.throwIfAborted()
    const part = sound.subarray(at, at + size)
    const last = at + size >= sound.length
    const found = await classesOf(part)
    frames += found.length
    samples += part.length
    const perFrame = part.length / found.length
    const [from, to] = [
      at === 0 ? 0 : Math.round(stride / perFrame),
      last ? found.length : Math.round((part.length - stride) / perFrame),
    ]
    classes.push(...found.subarray(from, to))
    if (last) break
  }
  return { classes, samplesPerFrame: samples / frames }
}
