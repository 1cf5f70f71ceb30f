// Sound, pictures and their processors made to harm: each is refused in words before memory is taken.
import { describe, expect, test } from "vitest"
import {
  logMelExtractor,
  MediaError,
  pictureProcessor,
  readAudio,
  readImage,
  waveformExtractor,
} from "../../src/media/index.ts"

const isOurs = (problem: unknown): void => {
  expect((problem as Error).name).toMatch(/^(MediaError|ConfigError|FileError)$/)
  expect((problem as Error).message).toMatch(/expected/)
}

const bytes = new Uint8Array(3)

test.each([
  { width: Number.NaN, height: 1, channels: 3, data: bytes },
  { width: 1e9, height: 1e9, channels: 3, data: bytes },
  { width: 1, height: 1, channels: 3, data: [1, 2, 3] },
  { width: 0, height: 0, channels: 3, data: new Uint8Array(0) },
  { width: 1, height: 1, channels: 7, data: new Uint8Array(7) },
  { width: 1, height: 1, data: bytes },
  { width: 1.5, height: 2, channels: 1, data: bytes },
  { width: 1, height: 1, channels: 3, data: new Uint8Array(4) },
])("raw pixels %o", async raw => {
  await expect(readImage(raw as never)).rejects.toThrow(MediaError)
})

describe("pictures", () => {
  const svg = (inner: string, size = 10, before = "") =>
    new TextEncoder().encode(
      `${before}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size}" height="${size}">${inner}</svg>`,
    )

  test("of endless size are refused before they are drawn", async () => {
    const before = process.memoryUsage().rss
    await expect(readImage(svg("", 100_000))).rejects.toThrow(/expected a picture that can be decoded/)
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6)
  })

  test("read no other files", async () => {
    const plain = await readImage(svg(""))
    const link = '<image width="10" height="10" xlink:href="file:///etc/passwd"/>'
    expect((await readImage(svg(link))).data).toEqual(plain.data)
    const entity = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    await readImage(svg("<text>&x;</text>", 10, entity)).catch(isOurs)
  })

  test("that are devices, folders, empty or no pictures", async () => {
    for (const source of [
      "/dev/zero",
      "/tmp",
      "no-such.png",
      "data:image/png;base64,zzz",
      new Uint8Array(0),
      bytes,
      5,
      null,
    ])
      await readImage(source as never).then(() => expect.unreachable(String(source)), isOurs)
  })

  test.each([
    { size: 1e6 },
    { size: { height: 1e5, width: 1 } },
    { size: { longest_edge: 5 } },
    { size: -1 },
    { image_std: [0, 0, 0] },
    { image_mean: ["a"] },
    { image_mean: [0] },
    { rescale_factor: 1e300 },
    { resample: 9 },
    { crop_size: 1e6, do_center_crop: true },
    { do_resize: "yes" },
    { __proto__: null, size: [] },
  ])("processed with %o", options => {
    expect(() => pictureProcessor(options)).toThrow(/expected/)
  })

  test("far longer than wide are refused where the short edge counts", () => {
    const long = { width: 1, height: 100_000, channels: 3, data: new Uint8Array(300_000) }
    expect(() => pictureProcessor({ size: { shortest_edge: 224 } }).process([long])).toThrow(/at most \d+ pixels/)
  })
})

describe("sound", () => {
  test.each([
    { chunk_length: 1e9 },
    { feature_size: 1e9 },
    { feature_size: 1024, hop_length: 1 },
    { n_fft: 1e9 },
    { sampling_rate: 1e15 },
    { hop_length: 1e9 },
    { chunk_length: 1e-9 },
    { chunk_length: "30" },
    { dither: 1 },
  ])("heard with %o", options => {
    const extract = () => logMelExtractor(options).extract([new Float32Array(100)])
    const before = process.memoryUsage().rss
    try {
      extract()
      expect.unreachable()
    } catch (problem) {
      isOurs(problem)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6)
  })

  test("that is none", async () => {
    for (const source of [
      Float32Array.of(Number.NaN),
      [1, 2, 3],
      { samplingRate: 0, samples: new Float32Array(4) },
      { samplingRate: 1e9, samples: new Float32Array(4) },
      { samplingRate: 1, samples: new Float32Array(400_000) },
      { samplingRate: 16000, samples: [new Float32Array(4), new Float32Array(5)] },
      new Uint8Array(0),
      new TextEncoder().encode("RIFF____WAVEfmt "),
      null,
      5,
    ])
      await readAudio(source as never).then(() => expect.unreachable(String(source)), isOurs)
    expect(() => waveformExtractor().extract([new Float32Array(0)])).toThrow(/at least one sample/)
    expect(() => waveformExtractor({ padding_value: Number.NaN })).toThrow(/expected/)
  })
})
