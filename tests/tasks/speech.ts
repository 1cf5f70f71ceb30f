// Sound and tokenizers for tests of speech recognition: tones that stand for words, Whisper's special tokens, letters for CTC.

import { loadTokenizer, type Tokenizer } from "../../src/text/index.ts"

/** A tone of some seconds at 16 kHz. */
export const tone = (hertz: number, seconds: number): Float32Array =>
  Float32Array.from(
    { length: Math.round(seconds * 16000) },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / 16000),
  )

/** Sounds one after the other. */
export const joined = (...parts: readonly Float32Array[]): Float32Array => {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A tokenizer of a few words with Whisper's special tokens, and times up to some seconds. */
export function whisperTokenizer(seconds: number): Tokenizer {
  const special = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|de|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|notimestamps|>",
  ]
  const times = Array.from({ length: seconds * 50 + 1 }, (_, i) => `<|${(i / 50).toFixed(2)}|>`)
  const words = ["low", "middle", "high", "tief", "mittel", "hoch"]
  const all = [...words, ...special, ...times]
  return loadTokenizer(
    {
      version: "1.0",
      added_tokens: [...special, ...times].map((content, i) => ({
        id: words.length + i,
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      normalizer: null,
      pre_tokenizer: { type: "Whitespace" },
      post_processor: null,
      decoder: null,
      model: { type: "WordLevel", vocab: Object.fromEntries(all.map((word, id) => [word, id])), unk_token: "low" },
    },
    { eos_token: "<|endoftext|>", unk_token: "low" },
  )
}

/** Sizes of a small Whisper that hears some seconds, over a tokenizer of `whisperTokenizer`. */
export function smallWhisper(tokenizer: Tokenizer, seconds: number) {
  const id = (token: string): number => tokenizer.tokenId(token)!
  return {
    vocabulary: tokenizer.vocabularySize,
    mels: 20,
    soundContext: seconds * 50,
    context: 32,
    width: 48,
    encoderLayers: 1,
    decoderLayers: 1,
    encoderHeads: 4,
    decoderHeads: 4,
    encoderInner: 96,
    decoderInner: 96,
    startToken: id("<|startoftranscript|>"),
    endToken: id("<|endoftext|>"),
    beginToken: id("<|endoftext|>"),
    padToken: id("<|endoftext|>"),
    deviation: 0.1,
    dropout: 0,
  }
}

/** preprocessor_config.json of a small Whisper. */
export const whisperPreprocessor = (seconds: number) => ({
  feature_size: 20,
  chunk_length: seconds,
  n_fft: 400,
  hop_length: 160,
  sampling_rate: 16000,
})

/** Sizes of a small wav2vec 2.0 with this many letters. */
export const smallHearing = (letters: number) => ({
  vocabulary: letters,
  width: 32,
  layers: 1,
  heads: 4,
  inner: 64,
  channels: [24, 24, 24],
  kernels: [20, 10, 10],
  strides: [16, 10, 4],
  positionsKernel: 8,
  positionsGroups: 4,
  padToken: 0,
  dropout: 0,
  attentionDropout: 0,
  innerDropout: 0,
  finalDropout: 0,
  layerDropout: 0,
  hideSpans: false,
  deviation: 0.1,
})
