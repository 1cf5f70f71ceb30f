// One text, written token by token: an async generator of events that can be drawn, sent, counted and stopped at any moment.

import { type LanguageModel, languageModel } from "../models/language-model.ts"
import type { Model } from "../models/model.ts"
import { ShapeError, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { beamSearch } from "./beams.ts"
import { chooseToken, logSumExp } from "./choose.ts"
import { type GenerationConfig, type GenerationInput, generationConfig } from "./config.ts"
import { type Decoder, type DecoderOptions, withDecoder } from "./decoder.ts"
import { StopScanner } from "./stop.ts"
import { endTokens, type Prompt, promptIds } from "./tokens.ts"

/** Options of a generation, where it runs, and a signal that ends it. */
export interface RunOptions extends DecoderOptions {
  /** Ends the generation: what was written so far is the result. */
  readonly signal?: AbortSignal
}

/** Everything a caller may pass. */
export type GenerateOptions = GenerationInput & RunOptions

/** A token was written. */
export interface TokenEvent {
  readonly type: "token"
  readonly id: number
  /** The text that is certain now: empty while a character or a possible stop text is incomplete. */
  readonly text: string
  /** Natural logarithm of its probability before any option changed it; with `logprobs`. */
  readonly logprob?: number
}

/** Why a text ended: an end token, enough tokens (or a full context), a stop text, or the caller's signal. */
export type EndReason = "eos" | "length" | "stop" | "aborted"

/** The text is complete. */
export interface EndEvent {
  readonly type: "end"
  readonly reason: EndReason
  /** The whole text that was written: the texts of all events joined. */
  readonly text: string
  /** The ids that were written, an end token included. */
  readonly ids: readonly number[]
  readonly promptTokens: number
  /** Tokens at the beginning that were left behind when the context was full. */
  readonly forgotten: number
  /** What to know about the end: that the context is full. */
  readonly message?: string
}

/** What generation tells. */
export type GenerationEvent = TokenEvent | EndEvent

/** Options apart from where and how it runs. */
export function splitOptions(options: GenerateOptions): { config: GenerationConfig; run: RunOptions } {
  const { signal, device, precision, cacheType, ...given } = options
  const run = {
    ...(signal ? { signal } : {}),
    ...(device ? { device } : {}),
    ...(precision ? { precision } : {}),
    ...(cacheType ? { cacheType } : {}),
  }
  return { config: generationConfig(given), run }
}

/**
 * Writes on from a prompt. Yields an event for each token as soon as it is known, then one for the end; an aborted signal ends it
 * with what there is. With beam search all tokens come at the end. Throws ConfigError, ShapeError, ValueError, TextError.
 */
export async function* generate(
  anyModel: Model,
  tokenizer: Tokenizer,
  prompt: Prompt,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationEvent, void, void> {
  const model = languageModel("generate", anyModel)
  const { config, run } = splitOptions(options)
  checkTokenizer(model, tokenizer)
  const ids = promptIds(model, tokenizer, prompt)
  if (config.numBeams > 1) {
    yield* beamEvents(model, tokenizer, ids, config, run)
    return
  }
  checkRoom(ids.length, model.context, config)
  const slides = config.contextFull === "slide"
  const positions = slides
    ? Math.min(ids.length, model.context) + config.maxNewTokens
    : ids.length + config.maxNewTokens
  yield* withDecoder(model, { ...run, batch: 1, positions }, decoder =>
    write(decoder, tokenizer, ids, config, run.signal),
  )
}

/** The whole text that follows a prompt. Options as `generate`. */
export async function generateText(
  model: Model,
  tokenizer: Tokenizer,
  prompt: Prompt,
  options: GenerateOptions = {},
): Promise<string> {
  let text = ""
  for await (const event of generate(model, tokenizer, prompt, options)) if (event.type === "end") text = event.text
  return text
}

async function* write(
  decoder: Decoder,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  config: GenerationConfig,
  signal: AbortSignal | undefined,
): AsyncGenerator<GenerationEvent, void, void> {
  const { model } = decoder
  const ends = endTokens(model, tokenizer, config)
  const pieces = tokenizer.streamingDecoder({ skipSpecialTokens: true })
  // what the prompt's last tokens are decides how the first one is written (a blank before a word)
  for (const id of prompt) pieces.push(id)
  const scanner = new StopScanner(config.stop)
  const all = [...prompt]
  const written: number[] = []
  let text = ""
  let forgotten = 0
  const end = (reason: EndReason, message?: string): EndEvent => ({
    type: "end",
    reason,
    text,
    ids: written,
    promptTokens: prompt.length,
    forgotten,
    ...(message === undefined ? {} : { message }),
  })

  for (;;) {
    let scores: Float32Array
    try {
      signal?.throwIfAborted()
      if (written.length > 0 && decoder.position < decoder.capacity)
        scores = await decoder.step(Int32Array.of(all.at(-1)!), signal ? { signal } : {})
      else {
        const seen = all.length > model.context || written.length > 0 ? recent(all, model.context) : all
        forgotten = all.length - seen.length
        scores = await decoder.start([seen], signal)
      }
    } catch (problem) {
      if (!signal?.aborted) throw problem
      yield end("aborted")
      return
    }
    const raw = config.logprobs ? scores.slice() : scores
    for (let id = tokenizer.vocabularySize; id < scores.length; id++) scores[id] = -Infinity // rows that fill up the table
    const id = chooseToken(scores, { ids: all, generated: written.length, row: 0 }, config, ends)
    all.push(id)
    written.push(id)
    const ended = ends.includes(id)
    const enough = written.length >= config.maxNewTokens
    const full = config.contextFull === "stop" && all.length > model.context
    const last = ended || enough || full
    let piece = scanner.push(pieces.push(id) + (last ? pieces.flush() : ""))
    if (last && !piece.stopped) piece = { text: piece.text + scanner.flush(), stopped: false }
    text += piece.text
    yield {
      type: "token",
      id,
      text: piece.text,
      ...(config.logprobs ? { logprob: raw[id]! - logSumExp(raw) } : {}),
    }
    if (piece.stopped) yield end("stop")
    else if (ended) yield end("eos")
    else if (enough) yield end("length")
    else if (full) yield end("length", fullMessage(prompt.length, written.length, model.context))
    if (piece.stopped || last) return
  }
}

/** The newest three quarters of what a context holds. */
function recent(ids: readonly number[], context: number): readonly number[] {
  return ids.slice(-Math.max(1, Math.floor((context * 3) / 4)))
}

function fullMessage(prompt: number, written: number, context: number): string {
  return `the model's context of ${context} tokens is full: ${prompt} of the prompt and ${written} written; shorten the prompt, set contextFull to "slide" to go on without the oldest part, or use a model with a longer context`
}

/** Throws ShapeError where a prompt alone is longer than what the model sees. */
export function checkRoom(length: number, context: number, config: GenerationConfig): void {
  if (length <= context || config.contextFull === "slide") return
  throw new ShapeError(
    `generate: expected a prompt of at most ${context} tokens, the model's context, but got ${length}`,
    config.numBeams > 1 ? "shorten it" : 'shorten it, or set contextFull to "slide" to read only its end',
  )
}

/** Throws ValueError where a tokenizer knows more tokens than the model. */
export function checkTokenizer(model: LanguageModel, tokenizer: Tokenizer): void {
  const { vocabulary } = model.config
  if (typeof vocabulary === "number" && tokenizer.vocabularySize > vocabulary)
    throw new ValueError(
      `generate: expected a tokenizer of at most ${vocabulary} tokens, the model's vocabulary, but got ${tokenizer.vocabularySize}`,
      "open the tokenizer that belongs to the model",
    )
}

async function* beamEvents(
  model: LanguageModel,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  config: GenerationConfig,
  run: RunOptions,
): AsyncGenerator<GenerationEvent, void, void> {
  const ends = endTokens(model, tokenizer, config)
  const found = await beamSearch(model, [prompt], config, { ...run, ends, tokens: tokenizer.vocabularySize })
  const { ids, finished } = found.rows[0]?.[0] ?? { ids: [], finished: false }
  const pieces = tokenizer.streamingDecoder({ skipSpecialTokens: true })
  for (const id of prompt) pieces.push(id)
  let text = ""
  for (const [i, id] of ids.entries()) {
    const piece = pieces.push(id) + (i === ids.length - 1 ? pieces.flush() : "")
    text += piece
    yield { type: "token", id, text: piece }
  }
  const reason = found.aborted ? "aborted" : finished ? "eos" : "length"
  yield { type: "end", reason, text, ids, promptTokens: prompt.length, forgotten: 0 }
}
