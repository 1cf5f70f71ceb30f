// Speech to text with Whisper-tiny's shape and random weights: seconds of sound per second of work for half a minute of sound and 50
// tokens, and where the time goes: log-Mel features, the encoder against peak products, decoding against read bandwidth.

import { CachedDecoder } from "../src/generate/decoder.ts"
import { readSource } from "../src/generate/source.ts"
import { deviceInfo } from "../src/index.ts"
import { logMelExtractor } from "../src/media/index.ts"
import { whisper } from "../src/models/index.ts"
import { measurePeak } from "../src/runtime/native.ts"
import { bestAround, median, type Question, type Row, skipped, timed } from "./question.ts"

const seconds = 30
const tokens = 50
const prompt = [50258, 50259, 50359, 50363]
const name = (part: string): string => `whisper-tiny ${part}`

/** Floating-point operations of reading half a minute: convolutions, projections, attention, keys and values for the decoder. */
function encoderOperations(width: number, inner: number, layers: number, frames: number, mels: number): number {
  const positions = frames / 2
  const convolutions = frames * 3 * mels * width + positions * 3 * width * width
  const blocks = layers * positions * (4 * width * width + 2 * width * inner + 2 * positions * width)
  const memory = layers * positions * 2 * width * width
  return 2 * (convolutions + blocks + memory)
}

async function rows(precision: "fp32" | "bf16", smoke: boolean): Promise<Row[]> {
  const model = whisper.build({}, { seed: 1, dtype: precision === "bf16" ? "bf16" : "f32" })
  const { width, encoderInner, encoderLayers, mels } = model.config
  const extractor = logMelExtractor()
  const sound = Float32Array.from({ length: extractor.samples }, (_, i) => 0.3 * Math.sin(i * i * 1e-6))
  const count = smoke ? 1 : 9

  let features = extractor.extract([sound])
  const hearing = median(
    await timed(
      () => {
        features = extractor.extract([sound])
      },
      count,
      smoke ? 0 : 3,
    ),
  )
  const read = () => readSource(model, { input: features }, [0], { precision })
  let attended = await read()
  const { result: encoding, best: peak } = await bestAround(
    () => measurePeak(precision === "bf16" ? "bf16" : "f32"),
    async () =>
      median(
        await timed(
          async () => {
            attended = await read()
          },
          count,
          smoke ? 0 : 2,
        ),
      ),
  )
  const decoder = new CachedDecoder(model, { batch: 1, positions: 64, precision })
  decoder.attend(attended)
  const write = async (): Promise<void> => {
    await decoder.start([prompt])
    for (let i = 0; i < tokens; i++) await decoder.step(Int32Array.of((i * 7919) % 50000))
  }
  const { result: decoding, best: bandwidth } = await bestAround(
    () => measurePeak("read"),
    async () => median(await timed(write, smoke ? 1 : 5, 1)),
  )
  const operations = encoderOperations(width, encoderInner, encoderLayers, extractor.samples / 160, mels)
  // every token reads the decoder's weights, the token table (as output weights) and the keys and values of the sound
  const weights = [...model.namedParameters()]
    .filter(([path]) => /^(tokens|decoder)\./.test(path) && !/cross\.(key|value)/.test(path))
    .reduce((total, [, p]) => total + p.size * (p.dtype === "bf16" ? 2 : 4), 0)
  const memory = attended.memory.reduce((total, { k, v }) => total + 4 * (k.size + v.size), 0)
  const rate = operations / (encoding / 1000)
  const bytes = ((weights + memory) * tokens) / (decoding / 1000)
  const factor = (seconds * 1000) / (hearing + encoding + decoding)
  return [
    {
      name: name(`real-time factor ${precision}`),
      value: factor,
      unit: "s/s",
      against: `log-Mel ${hearing.toFixed(1)} ms, encoder ${encoding.toFixed(0)} ms, ${tokens} tokens ${decoding.toFixed(0)} ms`,
      ratio: factor,
      atLeast: 20,
      aim: 60,
    },
    {
      name: name(`encoder ${precision}`),
      value: rate / 1e9,
      unit: "GFLOP/s",
      against: `peak ${(peak / 1e9).toFixed(0)} GFLOP/s`,
      ratio: rate / peak,
      atLeast: precision === "bf16" ? 0.25 : 0.4,
      aim: precision === "bf16" ? 0.5 : 0.75,
    },
    {
      name: name(`decoding ${precision}`),
      value: bytes / 1e9,
      unit: "GB/s",
      against: `read ${(bandwidth / 1e9).toFixed(1)} GB/s; ${((1000 * tokens) / decoding).toFixed(0)} tokens/s`,
      ratio: bytes / bandwidth,
      atLeast: 0.35,
      aim: 0.7,
    },
  ]
}

export const question: Question = {
  name: "whisper",
  async run({ smoke }) {
    const info = await deviceInfo()
    if (info.name !== "native")
      return [skipped(name("real-time factor"), `the native device is not there: ${info.why}`)]
    return [...(await rows("fp32", smoke)), ...(info.bf16 ? await rows("bf16", smoke) : [])]
  },
}
