// Beam search: the few most likely beginnings are followed at once, finished texts are ranked by their probability and length
// (Graves 2012; length penalty of Wu et al. 2016, stopping rules as in transformers). Beams may be in groups that are kept different
// from each other (diverse beam search, Vijayakumar et al. 2018), and drawn (without replacement, Kool et al. 2019).

import { type GenerationConfig, samples } from "./config.ts"
import type { Decoder, Reading } from "./decoder.ts"
import { type Plan, uniformFor } from "./plan.ts"
import { applyDiversityPenalty } from "./process.ts"
import type { Situation } from "./processors.ts"
import { checkChoice, checkScores, logProbabilities } from "./scores.ts"
import { unlessAborted } from "./texts.ts"

/** A text that was found. */
export interface Beam {
  /** The ids that were written, an end token included. */
  readonly ids: readonly number[]
  /** Sum of log-probabilities / lengthᵖ, p the length penalty. */
  readonly score: number
  /** Whether it ends with an end token. */
  readonly finished: boolean
}

/** What a search found for each prompt, best first; fewer than were asked for where the options allow no more. */
export interface BeamResult {
  readonly rows: readonly (readonly Beam[])[]
  /** Why it ended before its texts did: the signal, or the time; these are then the best beginnings so far. */
  readonly stopped: "aborted" | "time" | null
}

interface Running {
  readonly ids: readonly number[]
  readonly sum: number
}

interface Candidate {
  /** Which of the group's beams it goes on from. */
  readonly beam: number
  readonly id: number
  readonly sum: number
}

/** The finished texts of one group, the best `count` of them. */
class Finished {
  readonly beams: Beam[] = []
  readonly #count: number
  readonly #penalty: number

  constructor(count: number, penalty: number) {
    this.#count = count
    this.#penalty = penalty
  }

  get full(): boolean {
    return this.beams.length === this.#count
  }

  get worst(): number {
    return this.beams.at(-1)!.score
  }

  score(sum: number, length: number): number {
    return sum / length ** this.#penalty
  }

  add(ids: readonly number[], sum: number, finished: boolean): void {
    const beam = { ids, score: this.score(sum, ids.length), finished }
    if (this.full && beam.score <= this.worst) return
    const at = this.beams.findIndex(other => other.score < beam.score)
    this.beams.splice(at < 0 ? this.beams.length : at, 0, beam)
    this.beams.length = Math.min(this.beams.length, this.#count)
  }
}

/** One group of beams after one prompt. */
class Group {
  readonly prompt: number
  readonly start: readonly number[]
  /** Its first row in the decoder's batch. */
  readonly row: number
  readonly finished: Finished
  running: Running[]
  /** For each beam: the row it goes on from. */
  origins: number[]
  /** What its beams chose last. */
  chosen: number[] = []
  done = false

  constructor(prompt: number, start: readonly number[], row: number, size: number, penalty: number) {
    this.prompt = prompt
    this.start = start
    this.row = row
    this.finished = new Finished(size, penalty)
    // all beams of a group begin equal: only the first one counts
    this.running = Array.from({ length: size }, (_, i) => ({ ids: start, sum: i ? -1e9 : 0 }))
    this.origins = this.running.map((_, i) => row + i)
  }

  /** Goes on by one token from the scores of its rows. others: what earlier groups of the prompt chose at this step. */
  advance(scores: readonly Float32Array[], written: number, others: readonly number[], plan: Plan): void {
    const size = this.running.length
    const rows = scores.map((row, i) => this.#chances(row, written, i, others, plan))
    const candidates = bestCandidates(rows, this.running, Math.max(2, 1 + plan.ends.length) * size, (beam, id) =>
      this.#noise(beam, id, rows[beam]!.length, written, plan),
    )
    if (candidates.length === 0) {
      // every beginning is at its end
      if (this.finished.beams.length === 0) checkChoice(rows[0]!, this.running[0]!.ids.length)
      this.done = true
      this.origins = this.running.map((_, i) => this.row + i)
      return
    }
    const kept: Running[] = []
    this.origins = []
    for (const [rank, { beam, id, sum }] of candidates.entries()) {
      if (kept.length === size) break
      const ids = [...this.running[beam]!.ids, id]
      if (!plan.ends.includes(id)) {
        this.origins.push(this.row + beam)
        kept.push({ ids, sum })
      } else if (rank < size) this.finished.add(ids.slice(this.start.length), sum, true)
    }
    while (kept.length < size) {
      // beams that are at their end go on in form only
      kept.push({ ids: this.running[0]!.ids.concat(0), sum: -Infinity })
      this.origins.push(this.row)
    }
    this.running = kept
    this.chosen = kept.map(beam => beam.ids.at(-1)!)
    this.done = this.#isDone(candidates[0]!.sum, written + 1, plan)
  }

  #chances(scores: Float32Array, written: number, beam: number, others: readonly number[], plan: Plan): Float32Array {
    if (!plan.config.removeInvalidValues) checkScores(scores)
    const chances = logProbabilities(scores)
    const { diversityPenalty = 0 } = plan.config
    if (diversityPenalty > 0) applyDiversityPenalty(chances, others, diversityPenalty)
    const situation = this.#situation(beam, written)
    for (const process of plan.processors) process(chances, situation)
    return plan.tokens === undefined ? chances : chances.subarray(0, plan.tokens)
  }

  #situation(beam: number, written: number): Situation {
    return { ids: this.running[beam]!.ids, generated: written, row: this.row + beam, prompt: this.prompt }
  }

  /** What is added to a candidate's sum to draw instead of taking the best: Gumbel noise. */
  #noise(beam: number, id: number, width: number, written: number, plan: Plan): number {
    if (!samples(plan.config)) return 0
    return -Math.log(
      -Math.log(uniformFor(plan, this.#situation(beam, written), 1 + beam * width + id) || Number.MIN_VALUE),
    )
  }

  /** Whether nothing better is expected. `best`: the highest sum of any beginning now. */
  #isDone(best: number, written: number, { config, limit }: Plan): boolean {
    const { earlyStopping = false, lengthPenalty = 1 } = config
    if (!this.finished.full) return false
    if (earlyStopping === true) return true
    const length = earlyStopping === "never" && lengthPenalty > 0 ? limit : written
    return this.finished.worst >= this.finished.score(best, length)
  }

  /** Takes the beginnings there are for texts. */
  close(): void {
    if (this.done) return
    for (const { ids, sum } of this.running)
      if (ids.length > this.start.length && sum > -Infinity) this.finished.add(ids.slice(this.start.length), sum, false)
  }
}

/** Searches for the most likely texts after each prompt; the decoder has numBeams rows for each. */
export async function* searchBeams(
  decoder: Decoder,
  starts: readonly (readonly number[])[],
  plan: Plan,
): AsyncGenerator<BeamResult, void, void> {
  const { config, limit, signal } = plan
  const groups = groupsOf(starts, config)
  const began = performance.now()
  let stopped: BeamResult["stopped"] = null
  for (let written = 0; written < limit && !stopped && groups.some(group => !group.done); written++) {
    const reading = await unlessAborted(signal, () => read(decoder, groups, written, signal))
    if (!reading) {
      stopped = "aborted"
      break
    }
    const { scores } = reading
    const V = scores.length / decoder.batch
    let others: number[] = []
    for (const [i, group] of groups.entries()) {
      if (group.prompt !== groups[i - 1]?.prompt) others = []
      if (!group.done) {
        const rows = group.running.map((_, beam) => scores.subarray((group.row + beam) * V, (group.row + beam + 1) * V))
        group.advance(rows, written, others, plan)
        others.push(...group.chosen)
      } else group.origins = group.running.map((_, beam) => group.row + beam)
    }
    if (config.maxTime !== undefined && performance.now() - began > config.maxTime * 1000) stopped = "time"
  }
  for (const group of groups) group.close()
  yield { rows: starts.map((_, prompt) => bestOf(groups, prompt, config)), stopped }
}

function groupsOf(starts: readonly (readonly number[])[], config: GenerationConfig): Group[] {
  const { numBeams, numBeamGroups, lengthPenalty = 1 } = config
  const size = numBeams / numBeamGroups
  return starts.flatMap((start, prompt) =>
    Array.from(
      { length: numBeamGroups },
      (_, i) => new Group(prompt, start, prompt * numBeams + i * size, size, lengthPenalty),
    ),
  )
}

function read(
  decoder: Decoder,
  groups: readonly Group[],
  written: number,
  signal: AbortSignal | undefined,
): Promise<Reading> {
  const beams = groups.flatMap(group => group.running)
  if (written === 0)
    return decoder.start(
      beams.map(beam => beam.ids),
      signal,
    )
  const rows = Int32Array.from(groups.flatMap(group => group.origins))
  return decoder.step(
    Int32Array.from(beams, beam => beam.ids.at(-1)!),
    { rows, ...(signal ? { signal } : {}) },
  )
}

/** The best texts of all groups of a prompt. */
function bestOf(groups: readonly Group[], prompt: number, { numReturnSequences = 1 }: GenerationConfig): Beam[] {
  const found = groups.filter(group => group.prompt === prompt).flatMap(group => group.finished.beams)
  return found.sort((a, b) => b.score - a.score).slice(0, numReturnSequences)
}

/** The `count` continuations of the highest sums (with noise: of the highest sums and noise), highest sum first. */
function bestCandidates(
  rows: readonly Float32Array[],
  beams: readonly Running[],
  count: number,
  noise: (beam: number, id: number) => number,
): Candidate[] {
  const best: (Candidate & { readonly rank: number })[] = []
  for (const [beam, chances] of rows.entries())
    for (let id = 0; id < chances.length; id++) {
      const sum = beams[beam]!.sum + chances[id]!
      if (sum === -Infinity) continue
      const rank = sum + noise(beam, id)
      if (best.length === count && !(rank > best[count - 1]!.rank)) continue
      let at = best.length
      while (at > 0 && best[at - 1]!.rank < rank) at--
      best.splice(at, 0, { beam, id, sum, rank })
      if (best.length > count) best.pop()
    }
  return best.sort((a, b) => b.sum - a.sum)
}
