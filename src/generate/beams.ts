// Beam search: the few most likely beginnings are followed at once, finished texts are ranked by their probability and length
// (Graves 2012; length penalty of Wu et al. 2016, stopping rules as in transformers).

import type { LanguageModel } from "../models/language-model.ts"
import { checkScores, logProbabilities, processScores } from "./choose.ts"
import type { GenerationConfig } from "./config.ts"
import { type Decoder, type DecoderOptions, withDecoder } from "./decoder.ts"

/** How a search runs. */
export interface BeamOptions extends DecoderOptions {
  readonly ends: readonly number[]
  /** Only ids below may be written; all by default. */
  readonly tokens?: number
  readonly signal?: AbortSignal
}

/** A text that was found. */
export interface Beam {
  /** The ids that were written, an end token included. */
  readonly ids: readonly number[]
  /** Sum of log-probabilities / lengthᵖ, p the length penalty. */
  readonly score: number
  /** Whether it ends with an end token. */
  readonly finished: boolean
}

/** What a search found for each prompt, best first. */
export interface BeamResult {
  readonly rows: readonly (readonly Beam[])[]
  /** true: the signal ended it, and these are the best beginnings so far. */
  readonly aborted: boolean
}

interface Running {
  readonly ids: readonly number[]
  readonly sum: number
}

interface Candidate {
  readonly beam: number
  readonly id: number
  readonly sum: number
}

/** The finished texts of one prompt, the best `count` of them. */
class Finished {
  readonly #count: number
  readonly #penalty: number
  #beams: Beam[] = []

  constructor(count: number, penalty: number) {
    this.#count = count
    this.#penalty = penalty
  }

  get full(): boolean {
    return this.#beams.length === this.#count
  }

  get worst(): number {
    return this.#beams.at(-1)!.score
  }

  score(sum: number, length: number): number {
    return sum / length ** this.#penalty
  }

  add(ids: readonly number[], sum: number, finished: boolean): void {
    const beam = { ids, score: this.score(sum, ids.length), finished }
    if (this.full && beam.score <= this.worst) return
    const at = this.#beams.findIndex(other => other.score < beam.score)
    this.#beams.splice(at < 0 ? this.#beams.length : at, 0, beam)
    this.#beams.length = Math.min(this.#beams.length, this.#count)
  }

  best(count: number): readonly Beam[] {
    return this.#beams.slice(0, count)
  }
}

/** Searches for the most likely texts after each prompt. A full context ends the texts as maxNewTokens does. */
export async function beamSearch(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  config: GenerationConfig,
  options: BeamOptions,
): Promise<BeamResult> {
  const { ends, tokens, signal, ...run } = options
  const longest = Math.max(...prompts.map(prompt => prompt.length))
  const limit = Math.min(config.maxNewTokens, model.context - longest + 1)
  const request = { ...run, batch: prompts.length * config.numBeams, positions: longest + limit }
  const search = (decoder: Decoder) =>
    follow(decoder, prompts, config, { limit, ends, ...(tokens === undefined ? {} : { tokens }) }, signal)
  for await (const result of withDecoder(model, request, search)) return result
  return { rows: [], aborted: true }
}

async function* follow(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  config: GenerationConfig,
  { limit, ends, tokens }: { limit: number; ends: readonly number[]; tokens?: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<BeamResult, void, void> {
  const { numBeams: N, lengthPenalty = 1, numReturnSequences = 1 } = config
  const finished = prompts.map(() => new Finished(N, lengthPenalty))
  const done = prompts.map(() => false)
  // all beams of a prompt begin equal: only the first one counts
  let running = prompts.map(prompt =>
    Array.from({ length: N }, (_, i): Running => ({ ids: prompt, sum: i ? -1e9 : 0 })),
  )
  let origins = new Int32Array(decoder.batch)
  let written = 0
  let aborted = false

  while (written < limit && !done.every(Boolean)) {
    let scores: Float32Array
    try {
      signal?.throwIfAborted()
      scores =
        written === 0
          ? await decoder.start(
              running.flat().map(beam => beam.ids),
              signal,
            )
          : await decoder.step(
              Int32Array.from(running.flat(), beam => beam.ids.at(-1)!),
              {
                rows: origins,
                ...(signal ? { signal } : {}),
              },
            )
    } catch (problem) {
      if (!signal?.aborted) throw problem
      aborted = true
      break
    }
    written++
    const V = scores.length / decoder.batch
    const next: Running[][] = []
    const from = new Int32Array(decoder.batch)
    for (const [row, beams] of running.entries()) {
      if (done[row]) {
        next.push(beams)
        for (let i = 0; i < N; i++) from[row * N + i] = row * N + i
        continue
      }
      const rows = beams.map((beam, i) => {
        const scored = scores.subarray((row * N + i) * V, (row * N + i + 1) * V)
        checkScores(scored)
        const chances = logProbabilities(scored)
        processScores(chances, { ids: beam.ids, generated: written - 1, row: row * N + i }, config, ends)
        return tokens === undefined ? chances : chances.subarray(0, tokens)
      })
      const candidates = bestCandidates(rows, beams, Math.max(2, 1 + ends.length) * N)
      const kept: Running[] = []
      for (const [rank, { beam, id, sum }] of candidates.entries()) {
        if (kept.length === N) break
        const ids = [...beams[beam]!.ids, id]
        if (!ends.includes(id)) {
          from[row * N + kept.length] = row * N + beam
          kept.push({ ids, sum })
        } else if (rank < N) finished[row]!.add(ids.slice(prompts[row]!.length), sum, true)
      }
      while (kept.length < N) kept.push({ ids: beams[0]!.ids.concat(0), sum: -Infinity }) // a tiny vocabulary
      next.push(kept)
      done[row] = isDone(finished[row]!, candidates[0]!.sum, written, limit, config)
    }
    running = next
    origins = from
  }
  for (const [row, beams] of running.entries())
    if (!done[row] && written > 0)
      for (const { ids, sum } of beams) finished[row]!.add(ids.slice(prompts[row]!.length), sum, false)
  yield { rows: finished.map(one => one.best(numReturnSequences)), aborted }
}

/** Whether nothing better is expected for a prompt. `best`: the highest sum of any beginning now. */
function isDone(finished: Finished, best: number, written: number, limit: number, config: GenerationConfig): boolean {
  const { earlyStopping = false, lengthPenalty = 1 } = config
  if (!finished.full) return false
  if (earlyStopping === true) return true
  const length = earlyStopping === "never" && lengthPenalty > 0 ? limit : written
  return finished.worst >= finished.score(best, length)
}

/** The `count` continuations of the highest sums, highest first. */
function bestCandidates(rows: readonly Float32Array[], beams: readonly Running[], count: number): Candidate[] {
  const best: Candidate[] = []
  for (const [beam, chances] of rows.entries())
    for (let id = 0; id < chances.length; id++) {
      const sum = beams[beam]!.sum + chances[id]!
      if (best.length === count && !(sum > best[count - 1]!.sum)) continue
      let at = best.length
      while (at > 0 && best[at - 1]!.sum < sum) at--
      best.splice(at, 0, { beam, id, sum })
      if (best.length > count) best.pop()
    }
  return best
}
