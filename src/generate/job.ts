// A generation made ready: options and defaults, what the encoder reads and the decoder begins with, how many tokens have room.

import { EncoderDecoder } from "../models/encoder-decoder.ts"
import type { Model } from "../models/model.ts"
import { HeedError, ShapeError, Tensor, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { type BeamResult, searchBeams } from "./beams.ts"
import { checkRun } from "./check-run.ts"
import { chooseTokens, type Step } from "./choose.ts"
import { type GenerationConfig, type GenerationInput, generationConfig, samples, strategyOf } from "./config.ts"
import { contrastiveTokens } from "./contrastive.ts"
import type { Decoder, DecoderOptions } from "./decoder.ts"
import { generationDefaults, mergeGeneration } from "./defaults.ts"
import { withDecoder } from "./lend.ts"
import type { Plan } from "./plan.ts"
import { processorsOf, type ScoreProcessor } from "./processors.ts"
import { countOf, readSource, type Source, tensorSource } from "./source.ts"
import { checkDraft, type Draft, LookupDraft, ModelDraft, speculativeTokens } from "./speculative.ts"
import { type StoppingCriterion, type Texts, unlessAborted } from "./texts.ts"
import { decoderStarts, endTokens, fillToken, type Prompt, promptIds } from "./tokens.ts"
import { type WritingModel, writingModel } from "./writing.ts"

/** Where a generation runs, what of the caller's own takes part, and a signal that ends it. */
export interface RunOptions extends DecoderOptions {
  /** Ends the generation: what was written so far is the result. */
  readonly signal?: AbortSignal
  /** A smaller model of the same vocabulary that guesses what comes next (speculative decoding); the text stays the same. */
  readonly assistantModel?: Model
  /** The caller's own processors, run after those of the options and before what shapes draws. */
  readonly logitsProcessor?: readonly ScoreProcessor[]
  /** The caller's own reasons to end a text. */
  readonly stoppingCriteria?: readonly StoppingCriterion[]
  /** Encoder-decoders: what the decoder begins with, instead of its start token; one row for all inputs, or one for each. */
  readonly decoderInputIds?: ArrayLike<number> | readonly ArrayLike<number>[]
  /** Of a tensor as input: [B S], false or 0 at padding. */
  readonly attentionMask?: Tensor
}

/** Everything a caller may pass. */
export type GenerateOptions = GenerationInput & RunOptions

const runNames = {
  signal: "signal",
  device: "device",
  precision: "precision",
  cacheType: "cacheType",
  assistantModel: "assistantModel",
  assistant_model: "assistantModel",
  logitsProcessor: "logitsProcessor",
  logits_processor: "logitsProcessor",
  stoppingCriteria: "stoppingCriteria",
  stopping_criteria: "stoppingCriteria",
  decoderInputIds: "decoderInputIds",
  decoder_input_ids: "decoderInputIds",
  attentionMask: "attentionMask",
} as const satisfies Readonly<Record<string, keyof RunOptions>>

/** Options apart from where and how they run, over those that were published with the model. Throws ConfigError. */
export function splitOptions(model: Model, options: GenerateOptions): { config: GenerationConfig; run: RunOptions } {
  const run: Record<string, unknown> = {}
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const own = Object.hasOwn(runNames, name) ? runNames[name as keyof typeof runNames] : undefined
    if (own === undefined) given[name] = value
    else if (value !== undefined && value !== null) run[own] = value
  }
  checkRun(run)
  return { config: generationConfig(mergeGeneration(generationDefaults(model), given)), run: run as RunOptions }
}

/** A generation that can run. */
export interface Job {
  readonly model: WritingModel
  readonly config: GenerationConfig
  readonly run: RunOptions
  /** What the decoder begins with, for each input. */
  readonly starts: readonly (readonly number[])[]
  readonly source: Source | null
  /** Tokens of each input: of the prompt, or of what the encoder reads (0 where that is no text). */
  readonly inputTokens: readonly number[]
  readonly plan: Plan
}

/** Inputs of a generation: prompts, or what the encoder reads, [B …]. */
export type Inputs = readonly Prompt[] | Tensor

/** What else decides how a job runs. */
export interface JobSettings {
  readonly tokenizer: Tokenizer | null
  /** Only ids below may be written; as many as the tokenizer has unless given. */
  readonly tokens?: number
  readonly record?: Plan["record"]
}

/** Makes a generation ready. Throws ConfigError, HeedError, ShapeError, ValueError. */
export function prepare(given: Model, inputs: Inputs, options: GenerateOptions, settings: JobSettings): Job {
  const model = writingModel("generate", given)
  const { config, run } = splitOptions(model, options)
  const { tokenizer, record, tokens = tokenizer?.vocabularySize } = settings
  const source = model instanceof EncoderDecoder ? sourceOf(model, tokenizer, inputs, run) : null
  if (!source) refuseForEncoder(model, { ...options })
  const starts = source
    ? decoderStarts(model as EncoderDecoder, config, countOf(source), run.decoderInputIds)
    : promptsOf(inputs).map(prompt => promptIds(model, tokenizer, prompt, config.bosTokenId))
  if (starts.length === 0) throw new ValueError("generateIds: expected at least one prompt, but got none")
  const { seed } = config
  if (typeof seed !== "number" && seed.length !== starts.length)
    throw new ValueError(
      `generate: expected one seed, or ${starts.length} as there are prompts, but got ${seed.length}`,
    )
  refuseWithoutEncoder(config, source)
  checkAssistant(model, config, run, starts.length)
  const limit = limitOf(model, config, starts)
  const ends = endTokens(model, tokenizer, config)
  const ids = source && !("input" in source) ? source : undefined
  return {
    model,
    config,
    run,
    starts,
    source,
    inputTokens: source ? starts.map((_, i) => ids?.[i]?.length ?? 0) : starts.map(start => start.length),
    plan: {
      config,
      ends,
      fill: fillToken(model, tokenizer, config, ends),
      limit,
      processors: processorsOf(config, {
        ends,
        limit,
        ...(ids ? { source: ids } : {}),
        ...(run.logitsProcessor ? { own: run.logitsProcessor } : {}),
      }),
      copies: config.numBeams === 1 && samples(config) ? (config.numReturnSequences ?? 1) : 1,
      ...(tokens === undefined ? {} : { tokens }),
      ...(run.signal ? { signal: run.signal } : {}),
      ...(record ? { record } : {}),
    },
  }
}

function promptsOf(inputs: Inputs): readonly Prompt[] {
  if (!(inputs instanceof Tensor)) return inputs
  throw new ValueError(
    `generate: expected prompts for a model without an encoder, but got ${inputs}`,
    "pass ids or texts",
  )
}

function sourceOf(model: EncoderDecoder, tokenizer: Tokenizer | null, inputs: Inputs, run: RunOptions): Source {
  if (inputs instanceof Tensor) return tensorSource(inputs, run.attentionMask)
  return inputs.map(prompt => promptIds(model, tokenizer, prompt))
}

function refuseForEncoder({ family }: WritingModel, options: Readonly<Record<string, unknown>>): void {
  const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const wrong = Object.keys(options).find(
    name => ["decoderInputIds", "decoderStartTokenId", "attentionMask"].includes(camel(name)) && options[name] != null,
  )
  if (wrong)
    throw new ValueError(
      `generate: expected no ${wrong} for ${family}, which has no encoder`,
      "what it begins with is the prompt; prompts of different lengths are padded inside",
    )
}

function refuseWithoutEncoder(config: GenerationConfig, source: Source | null): void {
  for (const key of ["encoderRepetitionPenalty", "encoderNoRepeatNgramSize"] as const) {
    const off = key === "encoderRepetitionPenalty" ? 1 : 0
    if (config[key] !== off && (!source || "input" in source))
      throw new ValueError(
        `generate: expected ${key} ${off} for a model whose encoder reads no text, but got ${config[key]}`,
        `leave ${key} out`,
      )
  }
}

function checkAssistant(
  model: WritingModel,
  config: GenerationConfig,
  { assistantModel }: RunOptions,
  count: number,
): void {
  if (assistantModel) checkDraft(model, assistantModel)
  else if (config.numAssistantTokens !== undefined)
    throw new ValueError(
      "generate: expected an assistantModel with numAssistantTokens, but got none",
      "give one, or promptLookupNumTokens to guess from the text itself",
    )
  const strategy = strategyOf(config, assistantModel !== undefined)
  if (assistantModel && strategy !== "speculative")
    throw new ValueError(`generate: expected no assistantModel with ${strategy}`, "choose one of them")
  if (strategy !== "speculative") return
  if (assistantModel && config.promptLookupNumTokens !== undefined)
    throw new ValueError("generate: expected an assistantModel or promptLookupNumTokens, but got both", "choose one")
  if (count > 1 || (config.numReturnSequences ?? 1) > 1)
    throw new ValueError(
      "generate: expected a single text with speculative decoding, but got several",
      "write them one after the other",
    )
  if (config.contextFull !== "stop")
    throw new ValueError("generate: expected contextFull stop with speculative decoding", "leave contextFull out")
}

/** Tokens that are written at most. Throws ShapeError where a prompt leaves no room. */
function limitOf(model: WritingModel, config: GenerationConfig, starts: readonly (readonly number[])[]): number {
  const longest = Math.max(...starts.map(start => start.length))
  checkRoom(longest, model.context, config)
  const { maxNewTokens, maxLength = Number.POSITIVE_INFINITY, contextFull } = config
  if (longest >= maxLength)
    throw new ShapeError(
      `generate: expected a prompt of fewer tokens than maxLength, ${maxLength}, but got ${longest}`,
      "raise maxLength, or give maxNewTokens instead",
    )
  const room = contextFull === "slide" ? Number.POSITIVE_INFINITY : model.context - longest + 1
  return Math.min(maxNewTokens, maxLength - longest, room)
}

/** Throws ShapeError where a prompt alone is longer than what the model sees. */
function checkRoom(length: number, context: number, config: GenerationConfig): void {
  if (length <= context || config.contextFull === "slide") return
  throw new ShapeError(
    `generate: expected a prompt of at most ${context} tokens, the model's context, but got ${length}: ${length - context} too many`,
    config.numBeams > 1 ? "shorten it" : 'shorten it, or set contextFull to "slide" to read only its end',
  )
}

/** Runs `fn` with a decoder of `each` rows for each input. */
async function* decoding<E>(
  { model, config, run, starts, source, plan }: Job,
  each: number,
  fn: (decoder: Decoder) => AsyncGenerator<E, void, void>,
  states = false,
): AsyncGenerator<E, void, void> {
  const { device, precision, cacheType, signal } = run
  const how = {
    ...(device ? { device } : {}),
    ...(precision ? { precision } : {}),
    ...(cacheType ? { cacheType } : {}),
  }
  const batch = starts.length * each
  const longest = Math.min(model.context, Math.max(...starts.map(start => start.length)))
  const request = { ...how, batch, positions: longest + plan.limit, states, useCache: config.useCache }
  yield* withDecoder(model, request, async function* (decoder) {
    if (source) {
      const rows = Array.from({ length: batch }, (_, row) => Math.floor(row / each))
      const read = () => readSource(model as EncoderDecoder, source, rows, { ...how, ...(signal ? { signal } : {}) })
      const attended = await unlessAborted(signal, read)
      if (attended) decoder.attend(attended) // else the first step finds the signal
    }
    yield* fn(decoder)
  })
}

/** Writes token by token, by the strategy that the options ask for; `texts` holds what was written. */
export async function* writeTokens(job: Job, texts: Texts): AsyncGenerator<Step, void, void> {
  const { config, plan, run } = job
  switch (strategyOf(config, run.assistantModel !== undefined)) {
    case "choose":
      yield* decoding(job, plan.copies, decoder => chooseTokens(decoder, texts, plan))
      return
    case "contrastive":
      yield* decoding(job, config.topK!, decoder => contrastiveTokens(decoder, texts, plan), true)
      return
    case "speculative":
      yield* drafting(job, (draft, count) =>
        decoding(job, 1, decoder => speculativeTokens(decoder, texts, plan, draft, count)),
      )
      return
    case "beams":
      throw new HeedError("generate: expected a strategy that writes token by token, but got beams", "use searchTexts")
  }
}

async function* drafting(
  job: Job,
  fn: (draft: Draft, count: number) => AsyncGenerator<Step, void, void>,
): AsyncGenerator<Step, void, void> {
  const { config, run, plan } = job
  if (!run.assistantModel) {
    yield* fn(new LookupDraft(config.maxMatchingNgramSize ?? 2), config.promptLookupNumTokens!)
    return
  }
  const model = writingModel("generate", run.assistantModel)
  if (model instanceof EncoderDecoder !== job.model instanceof EncoderDecoder)
    throw new ValueError(
      `generate: expected an assistantModel of the same kind as ${job.model.family}, but got ${model.family}`,
      "both are language models, or both encoder-decoders",
    )
  const own = { ...job, model }
  yield* decoding(own, 1, decoder => fn(new ModelDraft(decoder, plan), config.numAssistantTokens ?? 5))
}

/** Searches with beams. */
export async function searchTexts(job: Job): Promise<BeamResult> {
  for await (const found of decoding(job, job.config.numBeams, decoder => searchBeams(decoder, job.starts, job.plan)))
    return found
  return { rows: job.starts.map(() => []), stopped: "aborted" }
}
