// Several texts at once, in ids: greedy, drawn, by beam search and the rest. Short prompts are padded on the left, rows that end early on
// the right.

import type { Model } from "../models/model.ts"
import type { Tensor } from "../tensor/index.ts"
import { ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { type GenerateOptions, type Job, prepare, searchTexts, writeTokens } from "./job.ts"
import type { Token } from "./plan.ts"
import { type EndReason, type Text, Texts } from "./texts.ts"

/** Options of a batch. */
export type BatchOptions = GenerateOptions & {
  /** Also give the scores of every step, as the model made them; not with beam search. Default false. */
  readonly stepLogits?: boolean
  /** Also give the scores of every step, as they were when a token was chosen; not with beam search. Default false. */
  readonly stepScores?: boolean
  /** Turns ids into texts, for stop texts. */
  readonly tokenizer?: Tokenizer
}

/** What was written after each prompt (with numReturnSequences R: R rows for each, or of beams fewer where the options allow no more). */
export interface GeneratedBatch {
  /** Prompt and what follows, of equal lengths: padded on the left to the longest prompt, on the right to the longest text. Of encoder-decoders: what the decoder began with and wrote. */
  readonly sequences: readonly Int32Array[]
  /** Only what follows, an end token included, without padding. */
  readonly newIds: readonly Int32Array[]
  readonly reasons: readonly EndReason[]
  /** Of beam search: sum of log-probabilities / length^lengthPenalty. */
  readonly scores?: readonly number[]
  /** With `logprobs` or `topLogprobs`: what is known about each token of each row. */
  readonly tokens?: readonly (readonly Token[])[]
  /** Scores of each step, [B V] row by row; rows that ended go on with padding. */
  readonly stepLogits?: readonly Float32Array[]
  readonly stepScores?: readonly Float32Array[]
}

/**
 * Writes on from several prompts of ids at once; of an encoder-decoder, writes what belongs to several inputs: ids, or a tensor [B …] of
 * pixels or sound. An aborted signal gives what there is. A full context ends the texts as maxNewTokens does. Throws ConfigError,
 * HeedError, ShapeError, ValueError.
 */
export async function generateIds(
  model: Model,
  inputs: readonly ArrayLike<number>[] | Tensor,
  options: BatchOptions = {},
): Promise<GeneratedBatch> {
  const { stepLogits = false, stepScores = false, tokenizer, ...rest } = options
  const record = { logits: [], scores: [] }
  const recording = stepLogits || stepScores
  const job = prepare(model, inputs, rest, {
    tokenizer: null,
    ...(tokenizer ? { tokens: tokenizer.vocabularySize } : {}), // what it could not show is not written
    ...(recording ? { record } : {}),
  })
  refuse(job, options)
  if (job.config.numBeams > 1) return searchBatch(job)
  const { config, run, plan, starts } = job
  const stops = config.stop.length > 0 ? [stopsAt(config.stop, tokenizer!)] : []
  const texts = new Texts(starts, plan, run.stoppingCriteria)
  const tokens: Token[][] = texts.rows.map(() => [])
  for await (const step of writeTokens(job, texts))
    for (const [row, token] of step.entries()) {
      if (!token) continue
      tokens[row]!.push(token)
      const text = texts.rows[row]!
      if (text.reason !== "eos" && stops.some(isMet => isMet(text))) text.reason = "stop"
    }
  return {
    ...padded(
      texts.rows.map(text => text.start),
      texts.rows.map(text => text.written),
      plan.fill,
    ),
    reasons: texts.rows.map(text => text.reason!),
    ...(config.logprobs || config.topLogprobs > 0 ? { tokens } : {}),
    ...(stepLogits ? { stepLogits: record.logits } : {}),
    ...(stepScores ? { stepScores: record.scores } : {}),
  }
}

/** Whether one of some texts stands in what was written. */
function stopsAt(stops: readonly string[], tokenizer: Tokenizer): (text: Text) => boolean {
  return ({ written }) => {
    const text = tokenizer.decode(written, { skipSpecialTokens: true })
    return stops.some(stop => text.includes(stop))
  }
}

async function searchBatch(job: Job): Promise<GeneratedBatch> {
  const { rows, stopped } = await searchTexts(job)
  const beams = rows.flat()
  return {
    ...padded(
      rows.flatMap((found, i) => found.map(() => job.starts[i]!)),
      beams.map(beam => beam.ids),
      job.plan.fill,
    ),
    reasons: beams.map(({ finished }) => (finished ? "eos" : (stopped ?? "length"))),
    scores: beams.map(beam => beam.score),
  }
}

function padded(
  starts: readonly (readonly number[])[],
  texts: readonly (readonly number[])[],
  fill: number,
): { sequences: Int32Array[]; newIds: Int32Array[] } {
  const from = Math.max(...starts.map(start => start.length))
  const length = from + Math.max(...texts.map(text => text.length))
  const sequences = texts.map((text, i) => {
    const row = new Int32Array(length).fill(fill)
    row.set(starts[i]!, from - starts[i]!.length)
    row.set(text, from)
    return row
  })
  return { sequences, newIds: texts.map(text => Int32Array.from(text)) }
}

function refuse({ config, run }: Job, { stepLogits, stepScores, tokenizer }: BatchOptions): void {
  if (config.stop.length > 0 && !tokenizer)
    throw new ValueError(
      "generateIds: expected a tokenizer with stop texts, but got none",
      "pass { tokenizer }, or use eosTokenId",
    )
  if (config.contextFull !== "stop")
    throw new ValueError(
      `generateIds: expected contextFull stop in a batch, but got ${config.contextFull}`,
      "use generate",
    )
  if (config.numBeams === 1) return
  const name = stepLogits ? "stepLogits" : stepScores ? "stepScores" : run.stoppingCriteria ? "stoppingCriteria" : null
  if (name) throw new ValueError(`generateIds: expected no ${name} with beam search`, "a text's score is given")
}
