// What a model expects next, and how likely it finds given continuations.

import { languageModel } from "../models/language-model.ts"
import type { Model } from "../models/model.ts"
import { read } from "../runtime/index.ts"
import { ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { idsTensor } from "./taps.ts"

/** A token and its probability. */
export interface TokenProbability {
  readonly id: number
  /** 0 .. 1 */
  readonly probability: number
}

/** The k most likely next tokens, most likely first. Throws ShapeError, ValueError. */
export async function nextTokenProbabilities(
  model: Model,
  ids: ArrayLike<number>,
  k = 10,
): Promise<TokenProbability[]> {
  if (!(Number.isInteger(k) && k >= 1))
    throw new ValueError(`nextTokenProbabilities: expected k of at least 1, but got ${k}`)
  const chances = await read(
    model.inEvaluation(() => {
      const writer = languageModel("nextTokenProbabilities", model)
      const { hidden } = writer.forward(idsTensor(writer, ids))
      return writer.project(hidden.select(1, -1)).cast("f32").softmax(-1) // [1 V]
    }),
  )
  return Array.from(chances, (probability, id) => ({ id, probability }))
    .sort((a, b) => b.probability - a.probability || a.id - b.id)
    .slice(0, k)
}

/** How likely a model finds a continuation. */
export interface ContinuationScore {
  readonly candidate: string
  readonly ids: readonly number[]
  /** Sum of the natural logarithms of its tokens' probabilities. */
  readonly logProbability: number
  /** Of each token. */
  readonly tokenLogProbabilities: readonly number[]
}

/**
 * Log-probabilities of several continuations of a prompt. They are joined to it as they are: with tokenizers that keep blanks, begin a
 * new word with one. Throws ValueError for a continuation without a token of its own.
 */
export async function scoreContinuations(
  model: Model,
  tokenizer: Tokenizer,
  prompt: string,
  candidates: readonly string[],
): Promise<ContinuationScore[]> {
  const before = tokenizer.encode(prompt, { addSpecialTokens: true })
  const last = before.at(-1)
  const closing = [...tokenizer.specialTokens.values()].includes(last ?? -1) ? last : undefined
  const scores: ContinuationScore[] = []
  for (const candidate of candidates) {
    const whole = tokenizer.encode(prompt + candidate, { addSpecialTokens: true })
    // tokens may join over the seam: what the candidate changes belongs to it
    let start = 0
    while (start < before.length && start < whole.length && before[start] === whole[start]) start++
    // tokens that a tokenizer puts behind every text (</s>) are not asked for
    let end = whole.length
    while (end > start && start < before.length && whole[end - 1] === closing) end--
    if (start === 0 || end <= start)
      throw new ValueError(
        `scoreContinuations: expected a continuation of at least one token after a prompt, but got ${JSON.stringify(candidate)} after ${JSON.stringify(prompt)}`,
        start === 0
          ? "give a prompt that keeps its first token"
          : "begin it with a blank, or end the prompt in a whole word",
      )
    scores.push(await scoreTokens(model, candidate, whole.subarray(0, end), start))
  }
  return scores
}

async function scoreTokens(
  model: Model,
  candidate: string,
  whole: Int32Array,
  start: number,
): Promise<ContinuationScore> {
  const ids = [...whole.subarray(start)]
  const logs = await read(
    model.inEvaluation(() => {
      const writer = languageModel("scoreContinuations", model)
      const { hidden } = writer.forward(idsTensor(writer, whole))
      const asked = hidden.slice(1, start - 1, whole.length - 1) // [1 N D]
      return writer.project(asked).cast("f32").logSoftmax(-1) // [1 N V]
    }),
  )
  const V = logs.length / ids.length
  const each = ids.map((id, i) => logs[i * V + id]!)
  return { candidate, ids, logProbability: each.reduce((a, b) => a + b, 0), tokenLogProbabilities: each }
}
