// Pictures in another size as Pillow resizes 8-bit images, to the bit: a filter whose width grows when the picture shrinks (so
// nothing aliases), weights in fixed point, first along rows, then along columns, rounded to bytes after each.
import { MediaError } from "./errors.ts"

/** Pixels of a picture: rows from the top, each pixel's channels together, 0 .. 255. */
export interface RawImage {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

/** How pixels between pixels are found. */
export type Resampling = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos"

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

/** A filter: half its width in pixels, and its height at a distance. */
const filters: Readonly<Record<Exclude<Resampling, "nearest">, readonly [number, (x: number) => number]>> = {
  box: [0.5, x => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, x => Math.max(0, 1 - Math.abs(x))],
  hamming: [1, x => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)))],
  bicubic: [
    2,
    // Keys's cubic with a = -1/2
    x => {
      const d = Math.abs(x)
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0
    },
  ],
  lanczos: [3, x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
}

const bits = 22
const one = 2 ** bits

interface Taps {
  readonly first: number
  /** In units of 2^-22. */
  readonly weights: Float64Array
}

/** Which source pixels make each of `to` pixels of a line of `from`, and how much of each. */
function tapsOf(from: number, to: number, kind: Exclude<Resampling, "nearest">): Taps[] {
  const [radius, filter] = filters[kind]
  const scale = from / to
  const stretch = Math.max(1, scale)
  const reach = radius * stretch
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const last = Math.min(from, Math.trunc(centre + reach + 0.5))
    const raw = Float64Array.from({ length: last - first }, (_, j) => filter((j + first - centre + 0.5) / stretch))
    const total = raw.reduce((a, b) => a + b, 0)
    const weights = raw.map(w => {
      const share = total === 0 ? w : w / total
      return Math.trunc(share * one + (share < 0 ? -0.5 : 0.5))
    })
    return { first, weights }
  })
}

const clip = (sum: number): number => Math.min(255, Math.max(0, Math.floor((sum + one / 2) / one)))

const isBytes = (data: unknown): boolean => data instanceof Uint8Array || data instanceof Uint8ClampedArray

/** Largest picture that is made, in pixels. */
const mostPixels = 2 ** 28

/** Throws MediaError unless it is a picture: whole sizes from 1, as many bytes as they say. */
export function checkImage(image: RawImage, what = "picture"): void {
  const { width, height, channels, data } = image
  const sizes = [width, height, channels]
  if (sizes.some(n => !Number.isSafeInteger(n) || n < 1) || channels > 16)
    throw new MediaError(
      `${what}: expected a width, a height and channels from 1, but got ${sizes.map(String).join(" × ")}`,
    )
  if (width * height > mostPixels)
    throw new MediaError(`${what}: expected at most ${mostPixels} pixels, but got ${width} × ${height}`)
  if (!isBytes(data))
    throw new MediaError(
      `${what}: expected its bytes as a Uint8Array, but got ${Array.isArray(data) ? "a list" : typeof data}`,
    )
  if (data.length !== width * height * channels)
    throw new MediaError(
      `${what}: expected ${width * height * channels} bytes for ${width} × ${height} pixels of ${channels} channels, but got ${data.length}`,
    )
}

/** The picture in another size. Throws MediaError for sizes that are none. */
export function resize(image: RawImage, width: number, height: number, kind: Resampling): RawImage {
  checkImage(image)
  if (![width, height].every(n => Number.isSafeInteger(n) && n >= 1) || width * height > mostPixels)
    throw new MediaError(
      `resize: expected a width and a height from 1, together at most ${mostPixels} pixels, but got ${width} × ${height}`,
      "a picture may be too long for its width: cut it",
    )
  if (kind === "nearest") return nearest(image, width, height)
  if (!Object.hasOwn(filters, kind))
    throw new MediaError(`resize: expected one of nearest, ${Object.keys(filters).join(", ")}, but got ${String(kind)}`)
  const wide = width === image.width ? image : alongRows(image, width, kind)
  return height === wide.height ? wide : alongColumns(wide, height, kind)
}

function nearest({ data, width: from, height: rows, channels }: RawImage, width: number, height: number): RawImage {
  const out = new Uint8Array(width * height * channels)
  for (let y = 0; y < height; y++) {
    const fromY = Math.min(rows - 1, Math.floor(((y + 0.5) * rows) / height))
    for (let x = 0; x < width; x++) {
      const at = (fromY * from + Math.min(from - 1, Math.floor(((x + 0.5) * from) / width))) * channels
      for (let c = 0; c < channels; c++) out[(y * width + x) * channels + c] = data[at + c]!
    }
  }
  return { data: out, width, height, channels }
}

function alongRows(image: RawImage, width: number, kind: Exclude<Resampling, "nearest">): RawImage {
  const { data, width: from, height, channels } = image
  const out = new Uint8Array(width * height * channels)
  for (const [x, { first, weights }] of tapsOf(from, width, kind).entries())
    for (let y = 0; y < height; y++)
      for (let c = 0; c < channels; c++) {
        let sum = 0
        let at = (y * from + first) * channels + c
        for (let j = 0; j < weights.length; j++, at += channels) sum += weights[j]! * data[at]!
        out[(y * width + x) * channels + c] = clip(sum)
      }
  return { data: out, width, height, channels }
}

function alongColumns(image: RawImage, height: number, kind: Exclude<Resampling, "nearest">): RawImage {
  const { data, width, height: from, channels } = image
  const line = width * channels
  const out = new Uint8Array(height * line)
  const sums = new Float64Array(line)
  for (const [y, { first, weights }] of tapsOf(from, height, kind).entries()) {
    sums.fill(0)
    for (let j = 0; j < weights.length; j++) {
      const [weight, row] = [weights[j]!, (first + j) * line]
      for (let i = 0; i < line; i++) sums[i]! += weight * data[row + i]!
    }
    for (let i = 0; i < line; i++) out[y * line + i] = clip(sums[i]!)
  }
  return { data: out, width, height, channels }
}
