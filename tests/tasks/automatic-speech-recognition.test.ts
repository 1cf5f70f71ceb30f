import { beforeAll, describe, expect, test } from "vitest"
import { type LogMelExtractor, logMelExtractor } from "../../src/media/index.ts"
import { type Model, wav2vec2, whisper } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { fromHost } from "../../src/tensor/index.ts"
import { loadTokenizer } from "../../src/text/index.ts"
import { learn, rowsOf } from "./learn.ts"
import { joined, smallHearing, smallWhisper, tone, whisperPreprocessor, whisperTokenizer } from "./speech.ts"

/** Words for tones: low, middle, high. */
const pitches: Readonly<Record<string, number>> = { low: 300, middle: 900, high: 2400 }

describe("whisper", () => {
  const seconds = 2
  const preprocessor = whisperPreprocessor(seconds)
  const tokenizer = whisperTokenizer(seconds)
  const id = (token: string): number => tokenizer.tokenId(token)!
  let extractor: LogMelExtractor
  let model: Model
  let recognize: Pipeline<"automatic-speech-recognition">

  beforeAll(async () => {
    extractor = logMelExtractor(preprocessor)
    model = whisper.build(smallWhisper(tokenizer, seconds), { seed: 2 })
    // each tone alone, with and without times, in English and translated; and two tones one after the other
    const german: Readonly<Record<string, string>> = { low: "tief", middle: "mittel", high: "hoch" }
    const lessons: { sound: Float32Array; text: string[] }[] = []
    for (const [word, hertz] of Object.entries(pitches)) {
      const sound = tone(hertz, seconds)
      lessons.push({ sound, text: ["<|en|>", "<|transcribe|>", "<|notimestamps|>", word] })
      lessons.push({ sound, text: ["<|de|>", "<|translate|>", "<|notimestamps|>", german[word]!] })
      lessons.push({ sound, text: ["<|en|>", "<|transcribe|>", "<|0.00|>", word, "<|2.00|>"] })
      for (const [next, higher] of Object.entries(pitches)) {
        if (next === word) continue
        const both = joined(tone(hertz, 1), tone(higher, 1))
        lessons.push({ sound: both, text: ["<|en|>", "<|transcribe|>", "<|0.00|>", word, next, "<|2.00|>"] })
      }
    }
    const rows = lessons.map(({ text }) => ["<|startoftranscript|>", ...text, "<|endoftext|>"].map(id))
    const decoderInputIds = rowsOf(
      rows.map(row => row.slice(0, -1)),
      id("<|endoftext|>"),
    ).ids
    const labels = rowsOf(
      rows.map(row => row.slice(1)),
      -100,
    ).ids
    const input = extractor.extract(lessons.map(({ sound }) => sound))
    expect(await learn(model, { input, options: { decoderInputIds, labels } }, 220, 4e-3)).toBeLessThan(0.35)
    recognize = await pipeline("automatic-speech-recognition", { model, tokenizer, preprocessor })
  })

  test("writes what it hears, in the language asked for", async () => {
    expect(await recognize(tone(300, 2), { language: "english" })).toEqual({ text: "low" })
    expect((await recognize([tone(900, 2), tone(2400, 2)], { language: "en" })).map(one => one.text)).toEqual([
      "middle",
      "high",
    ])
    expect(await recognize(tone(2400, 2), { language: "german", task: "translate" })).toEqual({ text: "hoch" })
  })

  test("hears the language where none is given", async () => {
    expect((await recognize(tone(900, 2))).text).toBe("middle")
  })

  test("long sound is read in windows, with times", async () => {
    const sound = joined(tone(300, 2), tone(2400, 2), tone(900, 2))
    const found = await recognize(sound, { return_timestamps: true, language: "english" })
    expect(found.chunks!.map(({ text }) => text)).toEqual(["low", "high", "middle"])
    expect(found.chunks!.map(({ timestamp }) => timestamp)).toEqual([
      [0, 2],
      [2, 4],
      [4, 6],
    ])
    expect((await recognize(sound, { language: "english" })).text).toBe("low high middle")
    const usual = { chunk_length_s: 2, stride_length_s: 0.5, language: "english" }
    expect((await recognize(sound, usual)).text).toBe("low high middle")
    await expect(recognize(sound, { stride_length_s: 1 })).rejects.toThrow(/below half a window of 2 seconds/)
  })

  test("says when each word is spoken", async () => {
    const sound = joined(tone(300, 1), tone(2400, 1), tone(900, 1), tone(300, 1))
    const { text, chunks } = await recognize(sound, { return_timestamps: "word", language: "english" })
    expect(text).toBe("low high middle low")
    expect(chunks!.map(one => one.text.trim())).toEqual(["low", "high", "middle", "low"])
    const starts = chunks!.map(one => one.timestamp[0])
    for (let i = 0; i < 4; i++) expect(Math.abs(starts[i]! - i)).toBeLessThan(0.5)
    for (const { timestamp } of chunks!) expect(timestamp[1]!).toBeGreaterThanOrEqual(timestamp[0])
  })

  test("words are timed by the heads that were published", async () => {
    const sound = joined(tone(900, 1), tone(300, 1))
    const timed = async (heads: readonly (readonly number[])[], precision: "fp32" | "bf16" = "fp32") => {
      const parts = { model, tokenizer, preprocessor, generation: { alignment_heads: heads } }
      const hear = await pipeline("automatic-speech-recognition", parts)
      return (await hear(sound, { return_timestamps: "word", language: "english", precision })).chunks!
    }
    const each = await Promise.all([0, 1, 2, 3].map(head => timed([[0, head]])))
    for (const chunks of each) {
      expect(chunks.map(one => one.text.trim())).toEqual(["middle", "low"])
      expect(chunks[0]!.timestamp[0]).toBe(0)
      expect(chunks[1]!.timestamp[0]).toBeGreaterThanOrEqual(0)
    }
    expect(new Set(each.slice(1).map(chunks => chunks[1]!.timestamp[0])).size).toBeGreaterThan(1)
    const short = await timed([[0, 0]], "bf16")
    expect(Math.abs(short[1]!.timestamp[0] - each[0]![1]!.timestamp[0])).toBeLessThan(0.3)
    await expect(timed([[1, 0]])).rejects.toThrow(/a layer below 1 and a head below 4, but got \[1,0\]/)
  })

  test("sound at another rate is brought to the model's", async () => {
    const samples = Float32Array.from({ length: 88200 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 900 * i) / 44100))
    expect((await recognize({ samplingRate: 44100, samples }, { language: "english" })).text).toBe("middle")
  })

  test("says what is wrong", async () => {
    await expect(recognize(tone(300, 1), { language: "klingon" })).rejects.toThrow(/expected a language it knows/)
    await expect(recognize(tone(300, 1), { chunk_length_s: 40 })).rejects.toThrow(/at most 2 seconds/)
    await expect(recognize(tone(300, 1), { returnTimestamps: "char" })).rejects.toThrow(
      /returnTimestamps true, false or word with whisper/,
    )
    await expect(recognize(new Float32Array())).rejects.toThrow(/sound/)
    await expect(recognize(new Uint8Array([1, 2, 3]))).rejects.toThrow(/expected a WAV file/)
  })
})

describe("wav2vec 2.0", () => {
  const letters = ["<pad>", "<s>", "</s>", "<unk>", "|", "L", "M", "H"]
  const tokenizer = loadTokenizer(
    {
      version: "1.0",
      added_tokens: ["<pad>", "<s>", "</s>", "<unk>"].map((content, i) => ({
        id: i,
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: {
        type: "WordLevel",
        vocab: Object.fromEntries(letters.map((letter, i) => [letter, i])),
        unk_token: "<unk>",
      },
    },
    { pad_token: "<pad>", unk_token: "<unk>" },
  )
  let recognize: Pipeline<"automatic-speech-recognition">
  const sound = joined(tone(300, 0.5), tone(2400, 0.5))

  beforeAll(async () => {
    const model = wav2vec2.build(smallHearing(letters.length), { seed: 3 })
    const sounds = [
      joined(tone(300, 0.5), tone(2400, 0.5)),
      joined(tone(2400, 0.5), tone(900, 0.5)),
      joined(tone(900, 0.5), tone(300, 0.5)),
    ]
    const texts = [
      [5, 4, 7],
      [7, 4, 6],
      [6, 4, 5],
    ]
    const standard = sounds.map(one => {
      const mean = one.reduce((a, b) => a + b, 0) / one.length
      const deviation = Math.sqrt(one.reduce((a, b) => a + (b - mean) ** 2, 0) / one.length + 1e-7)
      return one.map(x => (x - mean) / deviation)
    })
    const input = fromHost(Float32Array.from(standard.flatMap(one => [...one])), [3, 16000], "f32")
    const labels = fromHost(Int32Array.from(texts.flat()), [3, 3], "i32")
    expect(await learn(model, { input, options: { labels } }, 300, 3e-3)).toBeLessThan(1)
    recognize = await pipeline("asr", { model, tokenizer })
  })

  test("names the letters it hears, as words, with times", async () => {
    expect((await recognize(sound)).text).toBe("L H")
    const { chunks } = await recognize(sound, { return_timestamps: "word" })
    expect(chunks!.map(({ text }) => text)).toEqual(["L", "H"])
    const [first, second] = chunks!
    expect(first!.timestamp[1]!).toBeLessThanOrEqual(second!.timestamp[0])
    expect(second!.timestamp[0]).toBeGreaterThan(0.3)
  })

  test("says what is wrong", async () => {
    await expect(recognize(sound, { language: "english" })).rejects.toThrow(/expected no language/)
    await expect(recognize(sound, { numBeams: 4 })).rejects.toThrow(/expected no numBeams/)
    await expect(recognize(sound, { returnTimestamps: true })).rejects.toThrow(/"word" or "char"/)
    await expect(recognize(sound, { chunkLengthS: 1, strideLengthS: 2 })).rejects.toThrow(/longer than twice/)
  })
})
