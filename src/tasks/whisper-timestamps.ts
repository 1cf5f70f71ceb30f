// Times in Whisper's texts: which of them may be written when (Radford et al. 2022), and the pieces of speech they delimit.

import type { ScoreProcessor } from "../generate/index.ts"
import { timestampStep, type WhisperTokens } from "./whisper-tokens.ts"
import type { TokenTime } from "./whisper-words.ts"

/** log Σ exp of scores from `start` on. */
function logSum(scores: Float32Array, start: number): number {
  let most = -Infinity
  for (let i = start; i < scores.length; i++) most = Math.max(most, scores[i]!)
  if (most === -Infinity) return most
  let sum = 0
  for (let i = start; i < scores.length; i++) sum += Math.exp(scores[i]! - most)
  return most + Math.log(sum)
}

/**
 * Keeps times in order: the first token is a time; times stand in pairs, the end of one piece and the beginning of the next, except at
 * the end; they never go back; and where a time is likelier than any one word, a time is written.
 */
export function timestampRules(tokens: WhisperTokens): ScoreProcessor {
  const { firstTimestamp: first, end, noTimestamps, latestBegin } = tokens
  return (scores, { ids, generated }) => {
    const written = ids.slice(ids.length - generated)
    scores[noTimestamps] = -Infinity
    const isTime = (id: number | undefined): boolean => id !== undefined && id >= first
    const wasTime = isTime(written.at(-1))
    if (wasTime) {
      // after a pair come words, after a single time its partner or the end
      if (written.length < 2 || isTime(written.at(-2))) scores.fill(-Infinity, first)
      else scores.fill(-Infinity, 0, end)
    }
    const last = written.findLast(isTime)
    if (last !== undefined) {
      const closes = wasTime && written.length >= 2 && !isTime(written.at(-2))
      scores.fill(-Infinity, first, Math.min(scores.length, closes ? last : last + 1)) // no piece without length
    }
    if (generated === 0) {
      scores.fill(-Infinity, 0, first)
      if (latestBegin !== null) scores.fill(-Infinity, Math.min(scores.length, first + latestBegin + 1))
    }
    let word = -Infinity
    for (let i = 0; i < first; i++) word = Math.max(word, scores[i]!)
    if (logSum(scores, first) > word) scores.fill(-Infinity, 0, first)
  }
}

/** A piece of speech. */
export interface WhisperSegment {
  /** Seconds; `end` is null where the text stopped before saying it. */
  readonly start: number
  readonly end: number | null
  /** Ids of its words, without times. */
  readonly ids: readonly number[]
  /** When each of them is spoken, where that was asked for. */
  readonly times?: readonly TokenTime[]
}

/** What a window of sound was found to say, and how far the next window begins behind this one, in seconds. */
export interface WhisperWindow {
  readonly segments: readonly WhisperSegment[]
  readonly advance: number
}

/**
 * The pieces of one window from the ids that were written for it (an end token is left out), in seconds from `offset` on. length: seconds
 * of sound in the window. A piece that is still being spoken when the window ends is left to the next window.
 */
export function segmentsOf(
  written: ArrayLike<number>,
  { firstTimestamp: first, end }: WhisperTokens,
  { offset = 0, length = 30 }: { readonly offset?: number; readonly length?: number } = {},
): WhisperWindow {
  const ids = Array.from(written).filter(id => id !== end)
  const isTime = (id: number | undefined): boolean => id !== undefined && id >= first
  const seconds = (id: number): number => Math.round((id - first) * timestampStep * 100) / 100
  const words = (part: readonly number[]): number[] => part.filter(id => id < first)
  const pairs = ids.flatMap((id, i) => (i > 0 && isTime(id) && isTime(ids[i - 1]) ? [i] : []))
  const whole = ids.length >= 2 && isTime(ids.at(-1)) && !isTime(ids.at(-2))
  if (pairs.length === 0) {
    const begin = isTime(ids[0]) ? seconds(ids[0]!) : 0
    const last = ids.findLast((id, i) => isTime(id) && (i > 0 || !isTime(ids[0])))
    const text = words(ids)
    const stop = last !== undefined && seconds(last) > begin ? offset + seconds(last) : null
    return { segments: text.length > 0 ? [{ start: offset + begin, end: stop, ids: text }] : [], advance: length }
  }
  const cuts = whole ? [...pairs, ids.length] : pairs
  const segments: WhisperSegment[] = []
  let from = 0
  for (const cut of cuts) {
    const part = ids.slice(from, cut)
    const text = words(part)
    const times = part.filter(isTime)
    if (text.length > 0 && times.length > 0)
      segments.push({ start: offset + seconds(times[0]!), end: offset + seconds(times.at(-1)!), ids: text })
    from = cut
  }
  const advance = whole ? length : Math.min(length, seconds(ids[from - 1]!))
  return { segments, advance: advance > 0 ? advance : length }
}

/** Writes down one window: samples of up to half a minute, with the ids written for what came before. */
export type WriteWindow = (samples: Float32Array, previous: readonly number[]) => Promise<ArrayLike<number>>

/** When each of the ids that were found in one window of samples is spoken, in seconds from the window's beginning on. */
export type TimeTokens = (samples: Float32Array, ids: readonly number[]) => Promise<readonly TokenTime[]>

/** How long sound is cut into windows. */
export interface WindowsOptions {
  readonly samplingRate: number
  /** Samples of one window. */
  readonly samples: number
  /** Seconds at the end of a window, if more sound follows, in which no piece may end: it is left to the next window. Default 0. */
  readonly stride?: number
  /** Finds the times of single tokens. */
  readonly timeTokens?: TimeTokens
  readonly signal?: AbortSignal
}

/** Pieces of sound of any length: each window begins where the last whole piece of the one before ended. */
export async function* longSegments(
  sound: Float32Array,
  tokens: WhisperTokens,
  write: WriteWindow,
  { samplingRate, samples, stride = 0, timeTokens, signal }: WindowsOptions,
): AsyncGenerator<WhisperSegment, void, void> {
  const previous: number[] = []
  // less than a tenth of a second at the end says nothing
  const least = Math.min(sound.length, Math.ceil(samplingRate / 10))
  for (let at = 0; at < sound.length && (at === 0 || sound.length - at >= least); ) {
    signal?.throwIfAborted()
    const part = sound.subarray(at, at + samples)
    const offset = at / samplingRate
    let { segments, advance } = segmentsOf(await write(part, previous), tokens, {
      offset,
      length: part.length / samplingRate,
    })
    const limit = (at + part.length) / samplingRate
    const sure = segments.filter(({ end }) => end !== null && end <= limit - stride)
    const last = sure.at(-1)?.end ?? offset
    if (stride > 0 && at + part.length < sound.length && sure.length < segments.length && last > offset)
      [segments, advance] = [sure, last - offset]
    const ids = segments.flatMap(one => one.ids)
    const spoken = timeTokens && ids.length > 0 ? await timeTokens(part, ids) : null
    let done = 0
    for (const one of segments) {
      const times = spoken
        ?.slice(done, done + one.ids.length)
        .map(([start, end]) => [offset + start, offset + end] as const)
      done += one.ids.length
      previous.push(...one.ids)
      yield {
        ...one,
        end: one.end === null ? limit : Math.min(one.end, limit),
        ...(times ? { times } : {}),
      }
    }
    at += Math.max(1, Math.round(advance * samplingRate))
  }
}
