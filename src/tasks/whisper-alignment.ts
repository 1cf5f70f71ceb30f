// When Whisper's tokens are spoken: the path through its cross-attention that goes forward in text and in sound alike (Radford et al. 2022,
// as their published code times words): heads that are known to follow the sound, dynamic time warping (Sakoe and Chiba 1978).

import { HeedError } from "../tensor/index.ts"

/** A head of cross-attention. */
export type AlignmentHead = readonly [layer: number, head: number]

/**
 * The heads that follow the sound: as generation_config.json lists them, or all of the upper half of the decoder. Throws HeedError for
 * heads that the model does not have.
 */
export function alignmentHeads(
  published: unknown,
  { layers, heads }: { readonly layers: number; readonly heads: number },
): AlignmentHead[] {
  if (published === undefined || published === null) {
    const first = Math.floor(layers / 2)
    return Array.from({ length: (layers - first) * heads }, (_, i) => [first + Math.floor(i / heads), i % heads])
  }
  const list: readonly unknown[] = Array.isArray(published) ? published : [published]
  const bad = list.find(
    one =>
      !Array.isArray(one) ||
      one.length !== 2 ||
      ![layers, heads].every((most, i) => Number.isInteger(one[i]) && one[i] >= 0 && one[i] < most),
  )
  if (bad === undefined && list.length > 0) return list as AlignmentHead[]
  throw new HeedError(
    `generation_config.json: expected alignment_heads to list pairs of a layer below ${layers} and a head below ${heads}, but got ${JSON.stringify(bad ?? list)}`,
    "the file belongs to another model: fetch it again",
  )
}

/** Each row of weights [T F] less its column's mean over all rows, in units of the column's standard deviation. */
function standardize(weights: Float32Array, T: number, F: number): Float32Array {
  const out = new Float32Array(T * F)
  for (let f = 0; f < F; f++) {
    let mean = 0
    for (let t = 0; t < T; t++) mean += weights[t * F + f]! / T
    let square = 0
    for (let t = 0; t < T; t++) square += (weights[t * F + f]! - mean) ** 2 / T
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let t = 0; t < T; t++) out[t * F + f] = (weights[t * F + f]! - mean) * scale
  }
  return out
}

/** The middle one of every `width` neighbours along a row of length F, which is mirrored at its ends. Short rows stay as they are. */
function medians(rows: Float32Array, F: number, width: number): Float32Array {
  const side = width >> 1
  if (F <= side) return rows
  const out = new Float32Array(rows.length)
  const near = new Float32Array(width)
  for (let from = 0; from < rows.length; from += F)
    for (let f = 0; f < F; f++) {
      for (let i = -side; i <= side; i++) {
        const at = Math.abs(f + i)
        near[i + side] = rows[from + (at < F ? at : 2 * (F - 1) - at)]!
      }
      out[from + f] = near.sort()[side]!
    }
  return out
}

/** For each of N rows of scores [N F] the first column of the best path from corner to corner that never goes back. */
export function warp(scores: ArrayLike<number>, N: number, F: number): number[] {
  const [both, row, column] = [0, 1, 2]
  const steps = new Uint8Array(N * F) // what lay one before on the path
  let before = new Float64Array(F + 1).fill(Infinity)
  before[0] = 0
  for (let n = 0; n < N; n++) {
    const now = new Float64Array(F + 1)
    now[0] = Infinity
    for (let f = 0; f < F; f++) {
      const [fromBoth, fromRow, fromColumn] = [before[f]!, before[f + 1]!, now[f]!]
      const least = Math.min(fromBoth, fromRow, fromColumn)
      steps[n * F + f] = fromBoth === least ? both : fromRow === least ? row : column
      now[f + 1] = least - scores[n * F + f]!
    }
    before = now
  }
  const first = new Array<number>(N).fill(0)
  for (let n = N - 1, f = F - 1; n >= 0 && f >= 0; ) {
    first[n] = f
    const step = n === 0 ? column : f === 0 ? row : steps[n * F + f]!
    if (step !== column) n--
    if (step !== row) f--
  }
  return first
}

/** Attention to sound while a text was written. */
export interface HeardText {
  /** Weights [T F] of each head that follows the sound, over T decoder positions. */
  readonly heads: readonly Float32Array[]
  readonly T: number
  readonly F: number
  /** Positions of the sound that are heard; the rest is silence that fills the window up. */
  readonly heard: number
  /** The decoder position that writes the first token, and how many tokens there are. */
  readonly first: number
  readonly count: number
}

/** The position of the sound at which each of `count` tokens begins, and at last where the text ends. */
export function tokenStarts({ heads, T, F, heard, first, count }: HeardText): number[] {
  const width = 7 // of the median filter
  const mean = new Float64Array(T * heard)
  for (const head of heads) {
    const cut = new Float32Array(T * heard)
    for (let t = 0; t < T; t++) cut.set(head.subarray(t * F, t * F + heard), t * heard)
    const smooth = medians(standardize(cut, T, heard), heard, width)
    for (let i = 0; i < mean.length; i++) mean[i]! += smooth[i]! / heads.length
  }
  return warp(mean.subarray(first * heard, (first + count + 1) * heard), count + 1, heard)
}
