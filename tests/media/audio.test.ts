// Reading sound: WAV files of every depth against the samples they were made of, rates, channels, and files that are damaged.

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import wavefile from "wavefile"
import { MediaError, readAudio, resample } from "../../src/media/index.ts"

const rate = 16000
const tone = Float32Array.from({ length: 1600 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / rate))

/** A WAV file of channels with samples in -1 .. 1. */
function wav(channels: readonly Float32Array[], depth: string, samplingRate = rate): Uint8Array {
  const full = depth.endsWith("f") || depth === "64" ? 1 : 2 ** (Number(depth) - 1)
  const whole = (x: number): number => Math.max(-full, Math.min(full - 1, Math.round(x * full)))
  const value = (x: number): number => (full === 1 ? x : depth === "8" ? whole(x) + 128 : whole(x))
  const file = new wavefile.WaveFile()
  const samples = channels.map(channel => Array.from(channel, value))
  file.fromScratch(channels.length, samplingRate, depth, samples as unknown as number[])
  return file.toBuffer()
}

const farthest = (a: Float32Array, b: ArrayLike<number>): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-audio-"))
})
afterAll(() => rm(folder, { recursive: true }))

describe("readAudio", () => {
  test.each([
    ["8", 1 / 128],
    ["16", 1 / 32768],
    ["24", 1e-6],
    ["32", 1e-6],
    ["32f", 1e-7],
    ["64", 1e-7],
  ])("WAV of %s bits", async (depth, tolerance) => {
    const samples = await readAudio(wav([tone], depth))
    expect(samples).toHaveLength(tone.length)
    expect(farthest(samples, tone)).toBeLessThanOrEqual(tolerance)
  })

  test.each(["toALaw", "toMuLaw", "toIMAADPCM"] as const)("compressed: %s", async method => {
    const file = new wavefile.WaveFile(wav([tone], "16", 8000))
    file[method]()
    const samples = await readAudio(file.toBuffer(), { samplingRate: 8000 })
    expect(farthest(samples.subarray(100, 1500), tone.subarray(100, 1500))).toBeLessThan(
      method === "toIMAADPCM" ? 0.2 : 0.05,
    )
  })

  test("channels are averaged", async () => {
    const samples = await readAudio(wav([tone, tone.map(x => -x / 2)], "32f"))
    expect(
      farthest(
        samples,
        tone.map(x => x / 4),
      ),
    ).toBeLessThan(1e-7)
    const raw = { samplingRate: rate, samples: [tone, tone.map(x => x * 3)] }
    expect(
      farthest(
        await readAudio(raw),
        tone.map(x => x * 2),
      ),
    ).toBeLessThan(1e-6)
  })

  test("samples pass as they are, and are not shared", async () => {
    const samples = await readAudio(tone)
    expect(samples).toEqual(tone)
    expect(samples).not.toBe(tone)
  })

  test("paths, file addresses, data addresses, http", async () => {
    const bytes = wav([tone], "16")
    const path = join(folder, "tone.wav")
    await writeFile(path, bytes)
    const wanted = await readAudio(bytes)
    expect(await readAudio(path)).toEqual(wanted)
    expect(await readAudio(pathToFileURL(path))).toEqual(wanted)
    expect(await readAudio(`data:audio/wav;base64,${Buffer.from(bytes).toString("base64")}`)).toEqual(wanted)
    expect(await readAudio(new Blob([Buffer.from(bytes)]))).toEqual(wanted)
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/tone.wav" ? 200 : 404
      response.end(request.url === "/tone.wav" ? bytes : "no")
    })
    await new Promise<void>(done => server.listen(0, "127.0.0.1", done))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      expect(await readAudio(`${address}/tone.wav`)).toEqual(wanted)
      await expect(readAudio(`${address}/none.wav`)).rejects.toThrow(/the server says 404/)
    } finally {
      server.close()
    }
    await expect(readAudio(`${address}/tone.wav`)).rejects.toThrow(/expected .* to answer/)
  })

  test("what is no sound is refused in words", async () => {
    await expect(readAudio(new Uint8Array())).rejects.toThrow(
      /audio: expected a WAV file, but the bytes given is empty/,
    )
    await expect(readAudio(new TextEncoder().encode("ID3 no wave"))).rejects.toThrow(/ffmpeg/)
    await expect(readAudio(join(folder, "missing.wav"))).rejects.toThrow(/missing.wav/)
    await expect(readAudio(folder)).rejects.toThrow(/folder/)
    await expect(readAudio(Float32Array.of(0, Number.NaN))).rejects.toThrow(/NaN at position 1/)
    await expect(readAudio(tone, { samplingRate: 0 })).rejects.toThrow(/sampling rate of 1 to 1000000 Hz, but got 0/)
    await expect(readAudio({ samplingRate: 8000, samples: [tone, tone.subarray(1)] })).rejects.toThrow(/one length/)
    await expect(readAudio(3 as never)).rejects.toThrow(/expected a path, a URL or bytes, but got number 3/)
    await expect(readAudio(wav([tone], "16").subarray(0, 30))).rejects.toThrow(MediaError)
  })

  test("damaged files give an error of ours, or sound", async () => {
    const whole = wav([tone.subarray(0, 60), tone.subarray(60, 120)], "16", 44100)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 4, max: whole.length }),
        async (changes, length) => {
          const bytes = whole.slice(0, length)
          for (const [at, value] of changes) bytes[4 + (at % Math.max(1, bytes.length - 4))] = value
          try {
            expect(await readAudio(bytes)).toBeInstanceOf(Float32Array)
          } catch (error) {
            expect(error).toBeInstanceOf(MediaError)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe("resample", () => {
  const sine = (hertz: number, from: number, seconds = 0.5): Float32Array =>
    Float32Array.from({ length: Math.round(from * seconds) }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / from))

  test.each([
    [44100, 16000],
    [8000, 16000],
    [48000, 16000],
    [22050, 16000],
    [16000, 11025],
    [16001, 15991],
  ])("a tone keeps its shape: %i to %i Hz", (from, to) => {
    const out = resample(sine(1000, from), from, to)
    const wanted = sine(1000, to)
    expect(Math.abs(out.length - wanted.length)).toBeLessThanOrEqual(1)
    const edge = 200 // the filter sees silence beyond the ends
    expect(farthest(out.subarray(edge, wanted.length - edge), wanted.subarray(edge))).toBeLessThan(2e-4)
  })

  test("what the lower rate cannot hold is removed", () => {
    const out = resample(sine(9500, 44100), 44100, 16000)
    expect(Math.max(...out.subarray(200, -200).map(Math.abs))).toBeLessThan(1e-3)
  })

  test("constants, silence, nothing", () => {
    const out = resample(new Float32Array(1000).fill(0.25), 44100, 16000).subarray(50, -50)
    expect(farthest(out, new Float32Array(out.length).fill(0.25))).toBeLessThan(1e-6)
    expect(resample(new Float32Array(0), 44100, 16000)).toHaveLength(0)
    expect(resample(tone, 8000, 8000)).toBe(tone)
    expect(() => resample(tone, 8000, 1.5)).toThrow(MediaError)
  })
})
