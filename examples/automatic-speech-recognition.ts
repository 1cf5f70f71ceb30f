// A small wav2vec 2.0 learns to spell: every letter is a tone, and a pause stands between words. It writes down words it never heard.
import { waveformExtractor } from "heed/media"
import { wav2vec2 } from "heed/models"
import { pipeline } from "heed/tasks"
import { CharacterTokenizer } from "heed/text"
import { trainOn } from "heed/train"

const tones: Readonly<Record<string, number>> = { a: 300, b: 700, c: 1500, d: 2800, "|": 0 }

/** A tenth of a second for each letter, at 16 kHz. */
const speak = (text: string): Float32Array =>
  Float32Array.from({ length: text.length * 1600 }, (_, i) => {
    const fade = Math.sin((Math.PI * (i % 1600)) / 1600)
    return 0.5 * fade * Math.sin((2 * Math.PI * tones[text[Math.floor(i / 1600)]!]! * i) / 16000)
  })

const words = [..."abcd"].flatMap(a => [..."abcd"].filter(b => b !== a).map(b => a + b))
const texts = words.map((word, i) => `${word}|${words[(i * 5 + 7) % 12]}`)
const tokenizer = new CharacterTokenizer([..."_|abcd"]) // the first is the blank of CTC
const sizes = { vocabulary: 6, width: 32, layers: 1, heads: 4, inner: 64, positionsKernel: 8, positionsGroups: 4 }
const ear = { channels: [24, 24, 24], kernels: [20, 10, 10], strides: [16, 10, 4], padToken: 0, deviation: 0.1 }
const still = { dropout: 0, attentionDropout: 0, innerDropout: 0, finalDropout: 0, layerDropout: 0, hideSpans: false }
const model = wav2vec2.build({ ...sizes, ...ear, ...still }, { seed: 3 })

const { inputValues } = waveformExtractor().extract(texts.map(speak))
const lesson = { input: inputValues, labels: texts.map(text => tokenizer.encode(text)) }
for await (const { type, loss } of trainOn(model, lesson, { steps: 100, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const transcribe = await pipeline("automatic-speech-recognition", { model, tokenizer })
for (const text of ["ab|cd", "bd|ca"]) console.log(`${text} → ${(await transcribe(speak(text))).text}`)
const { chunks } = await transcribe(speak("cb|da"), { return_timestamps: "word" })
for (const { text, timestamp } of chunks!)
  console.log(`${text} from ${timestamp[0].toFixed(2)} to ${timestamp[1]!.toFixed(2)} s`)
