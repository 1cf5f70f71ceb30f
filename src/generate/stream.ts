// One text, written token by token: an async generator of events that can be drawn, sent, counted and stopped at any moment.

import type { Model } from "../models/model.ts"
import { Tensor, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { type GenerateOptions, type Job, prepare, searchTexts, writeTokens } from "./job.ts"
import type { Token } from "./plan.ts"
import { StopScanner } from "./stop.ts"
import { type EndReason, Texts } from "./texts.ts"
import { type Prompt, vocabularyOf } from "./tokens.ts"

/** A token was written. */
export interface TokenEvent extends Token {
  readonly type: "token"
  /** The text that is certain now: empty while a character or a possible stop text is incomplete. */
  readonly text: string
}

/** The text is complete. */
export interface EndEvent {
  readonly type: "end"
  readonly reason: EndReason
  /** The whole text that was written: the texts of all events joined. */
  readonly text: string
  /** The ids that were written, an end token included. */
  readonly ids: readonly number[]
  /** Tokens of the prompt; of an encoder-decoder, of what its encoder read, 0 where that was no text. */
  readonly promptTokens: number
  /** Tokens at the beginning that were left behind when the context was full. */
  readonly forgotten: number
  /** Of beam search: sum of log-probabilities / length^lengthPenalty. */
  readonly score?: number
  /** What to know about the end: that the context is full. */
  readonly message?: string
}

/** What generation tells. */
export type GenerationEvent = TokenEvent | EndEvent

/**
 * Writes on from a prompt; of an encoder-decoder, writes what belongs to a text, or to a tensor [1 …] of pixels or sound. Yields an event
 * for each token as soon as it is known, then one for the end; an aborted signal ends it with what there is. With beam search all tokens
 * come at the end. Throws ConfigError, HeedError, ShapeError, ValueError, TextError.
 */
export async function* generate(
  model: Model,
  tokenizer: Tokenizer,
  prompt: Prompt | Tensor,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationEvent, void, void> {
  checkTokenizer(model, tokenizer)
  const job = prepare(model, prompt instanceof Tensor ? prompt : [prompt], options, { tokenizer })
  const count = job.starts.length * (job.config.numReturnSequences ?? 1)
  if (count !== 1)
    throw new ValueError(`generate: expected one text, but ${count} were asked for`, "use generateIds for several")
  const pieces = tokenizer.streamingDecoder({ skipSpecialTokens: true })
  // what the prompt's last tokens are decides how the first one is written (a blank before a word)
  for (const id of job.starts[0]!) pieces.push(id)
  yield* job.config.numBeams > 1 ? beamEvents(job, pieces) : tokenEvents(job, pieces)
}

/** The whole text that follows a prompt. Options as `generate`. */
export async function generateText(
  model: Model,
  tokenizer: Tokenizer,
  prompt: Prompt | Tensor,
  options: GenerateOptions = {},
): Promise<string> {
  let text = ""
  for await (const event of generate(model, tokenizer, prompt, options)) if (event.type === "end") text = event.text
  return text
}

type Pieces = ReturnType<Tokenizer["streamingDecoder"]>

async function* tokenEvents(job: Job, pieces: Pieces): AsyncGenerator<GenerationEvent, void, void> {
  const { config, run, plan, model } = job
  const scanner = new StopScanner(config.stop)
  const texts = new Texts(job.starts, plan, run.stoppingCriteria)
  const [writing] = texts.rows
  let text = ""
  for await (const [token] of writeTokens(job, texts)) {
    if (!token) continue
    const last = writing!.reason !== null
    let piece = scanner.push(pieces.push(token.id) + (last ? pieces.flush() : ""))
    if (last && !piece.stopped) piece = { text: piece.text + scanner.flush(), stopped: false }
    if (piece.stopped) writing!.reason = "stop"
    text += piece.text
    yield { type: "token", ...token, text: piece.text }
  }
  const reason = writing!.reason ?? "aborted"
  const { written, start } = writing!
  const full =
    reason === "length" && written.length < config.maxNewTokens && plan.limit === model.context - start.length + 1
  yield {
    type: "end",
    reason,
    text,
    ids: written,
    promptTokens: job.inputTokens[0]!,
    forgotten: texts.forgotten,
    ...(full ? { message: fullMessage(start.length, written.length, model.context) } : {}),
  }
}

function fullMessage(prompt: number, written: number, context: number): string {
  return `the model's context of ${context} tokens is full: ${prompt} of the prompt and ${written} written; shorten the prompt, set contextFull to "slide" to go on without the oldest part, or use a model with a longer context`
}

async function* beamEvents(job: Job, pieces: Pieces): AsyncGenerator<GenerationEvent, void, void> {
  const { rows, stopped } = await searchTexts(job)
  const [best] = rows[0] ?? []
  const { ids, finished } = best ?? { ids: [], finished: false }
  let text = ""
  for (const [i, id] of ids.entries()) {
    const piece = pieces.push(id) + (i === ids.length - 1 ? pieces.flush() : "")
    text += piece
    yield { type: "token", id, text: piece }
  }
  const reason = finished ? "eos" : (stopped ?? "length")
  yield {
    type: "end",
    reason,
    text,
    ids,
    promptTokens: job.inputTokens[0]!,
    forgotten: 0,
    ...(best ? { score: best.score } : {}),
  }
}

/** Throws ValueError where a tokenizer knows more tokens than the model. */
function checkTokenizer(model: Model, tokenizer: Tokenizer): void {
  const vocabulary = vocabularyOf(model)
  if (vocabulary !== undefined && tokenizer.vocabularySize > vocabulary)
    throw new ValueError(
      `generate: expected a tokenizer of at most ${vocabulary} tokens, the model's vocabulary, but got ${tokenizer.vocabularySize}`,
      "open the tokenizer that belongs to the model",
    )
}
