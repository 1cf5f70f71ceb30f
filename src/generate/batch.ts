// Several prompts at once, in ids: greedy, drawn or by beam search. Short prompts are padded on the left, rows that end early on the right.

import { languageModel } from "../models/language-model.ts"
import type { Model } from "../models/model.ts"
import { ValueError } from "../tensor/index.ts"
import { beamSearch } from "./beams.ts"
import { chooseToken } from "./choose.ts"
import type { GenerationConfig } from "./config.ts"
import { type Decoder, withDecoder } from "./decoder.ts"
import { checkRoom, type EndReason, type GenerateOptions, splitOptions } from "./stream.ts"
import { endTokens, fillToken, promptIds } from "./tokens.ts"

/** Options of a batch. */
export type BatchOptions = GenerateOptions & {
  /** Also give the scores of every step, as the model made them; not with beam search. Default false. */
  readonly stepLogits?: boolean
}

/** What was written after each prompt (with numReturnSequences R: R rows for each). */
export interface GeneratedBatch {
  /** Prompt and what follows, of equal lengths: padded on the left to the longest prompt, on the right to the longest text. */
  readonly sequences: readonly Int32Array[]
  /** Only what follows, an end token included, without padding. */
  readonly newIds: readonly Int32Array[]
  readonly reasons: readonly EndReason[]
  /** Of beam search: sum of log-probabilities / length^lengthPenalty. */
  readonly scores?: readonly number[]
  /** Scores of each step, [B V] row by row; rows that ended go on with padding. */
  readonly stepLogits?: readonly Float32Array[]
}

/**
 * Writes on from several prompts of ids at once. An aborted signal gives what there is. A full context ends the texts as maxNewTokens
 * does. Throws ConfigError, ShapeError, ValueError.
 */
export async function generateIds(
  anyModel: Model,
  prompts: readonly ArrayLike<number>[],
  options: BatchOptions = {},
): Promise<GeneratedBatch> {
  const model = languageModel("generateIds", anyModel)
  const { stepLogits = false, ...rest } = options
  const { config, run } = splitOptions(rest)
  refuseText(config, stepLogits)
  if (prompts.length === 0) throw new ValueError("generateIds: expected at least one prompt, but got none")
  const ids = prompts.map(prompt => promptIds(model, null, prompt))
  const longest = Math.max(...ids.map(row => row.length))
  checkRoom(longest, model.context, config)
  const ends = endTokens(model, null, config)
  const fill = fillToken(model, null, config, ends)
  if (config.numBeams > 1) {
    const { rows, aborted } = await beamSearch(model, ids, config, { ...run, ends })
    const beams = rows.flat()
    return {
      ...padded(
        rows.flatMap((found, i) => found.map(() => ids[i]!)),
        beams.map(beam => beam.ids),
        fill,
      ),
      reasons: beams.map(({ finished }) => (finished ? "eos" : aborted ? "aborted" : "length")),
      scores: beams.map(beam => beam.score),
    }
  }
  const limit = Math.min(config.maxNewTokens, model.context - longest + 1)
  const request = { ...run, batch: ids.length, positions: longest + limit }
  const write = (decoder: Decoder) => follow(decoder, ids, config, { limit, ends, fill, stepLogits }, run.signal)
  for await (const { texts, reasons, logits } of withDecoder(model, request, write))
    return { ...padded(ids, texts, fill), reasons, ...(stepLogits ? { stepLogits: logits } : {}) }
  throw new ValueError("generateIds: expected a result, but got none")
}

interface Written {
  readonly texts: readonly number[][]
  readonly reasons: readonly EndReason[]
  readonly logits: readonly Float32Array[]
}

async function* follow(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  config: GenerationConfig,
  how: { limit: number; ends: readonly number[]; fill: number; stepLogits: boolean },
  signal: AbortSignal | undefined,
): AsyncGenerator<Written, void, void> {
  const texts: number[][] = prompts.map(() => [])
  const all = prompts.map(prompt => [...prompt])
  const reasons = prompts.map((): EndReason => "length")
  const open = prompts.map(() => true)
  const logits: Float32Array[] = []
  const newest = new Int32Array(prompts.length)
  for (let step = 0; step < how.limit && open.some(Boolean); step++) {
    let scores: Float32Array
    try {
      signal?.throwIfAborted()
      scores = step === 0 ? await decoder.start(prompts, signal) : await decoder.step(newest, signal ? { signal } : {})
    } catch (problem) {
      if (!signal?.aborted) throw problem
      for (const [row, still] of open.entries()) if (still) reasons[row] = "aborted"
      break
    }
    if (how.stepLogits) logits.push(scores.slice())
    const V = scores.length / prompts.length
    for (const [row, text] of texts.entries()) {
      newest[row] = how.fill
      if (!open[row]) continue
      const situation = { ids: all[row]!, generated: step, row }
      const id = chooseToken(scores.subarray(row * V, (row + 1) * V), situation, config, how.ends)
      newest[row] = id
      text.push(id)
      all[row]!.push(id)
      if (!how.ends.includes(id)) continue
      open[row] = false
      reasons[row] = "eos"
    }
  }
  yield { texts, reasons, logits }
}

function padded(
  prompts: readonly (readonly number[])[],
  texts: readonly (readonly number[])[],
  fill: number,
): { sequences: Int32Array[]; newIds: Int32Array[] } {
  const start = Math.max(...prompts.map(prompt => prompt.length))
  const length = start + Math.max(...texts.map(text => text.length))
  const sequences = texts.map((text, i) => {
    const row = new Int32Array(length).fill(fill)
    row.set(prompts[i]!, start - prompts[i]!.length)
    row.set(text, start)
    return row
  })
  return { sequences, newIds: texts.map(text => Int32Array.from(text)) }
}

function refuseText({ stop, contextFull, logprobs, numBeams }: GenerationConfig, stepLogits: boolean): void {
  if (stop.length > 0)
    throw new ValueError("generateIds: expected no stop texts for ids, but got some", "use generate, or eosTokenId")
  if (contextFull !== "stop")
    throw new ValueError(`generateIds: expected contextFull stop in a batch, but got ${contextFull}`, "use generate")
  if (logprobs) throw new ValueError("generateIds: expected logprobs false, but got true", "ask for stepLogits")
  if (numBeams > 1 && stepLogits)
    throw new ValueError("generateIds: expected no stepLogits with beam search, but got true", "scores are given")
}
