// Whisper's special tokens, and what its decoder begins with: language, task, and whether times are written (Radford et al. 2022, section 2.3).

import { HeedError, ValueError } from "../tensor/index.ts"
import { languageCode, whisperLanguages } from "./whisper-languages.ts"

/** Ids of the special tokens of one model. */
export interface WhisperTokens {
  readonly start: number
  readonly end: number
  /** Says that no times are written. */
  readonly noTimestamps: number
  /** 0.00 seconds; each of the following ids is 0.02 seconds later. */
  readonly firstTimestamp: number
  /** The latest time a text may begin with, in steps of 0.02 seconds; null: any. */
  readonly latestBegin: number | null
  /** Null in models that know English only, as the next. */
  readonly tasks: { readonly transcribe: number; readonly translate: number } | null
  /** Ids by code ("de"). */
  readonly languages: ReadonlyMap<string, number>
  /** Stands before what was said earlier; null in models without. */
  readonly previous: number | null
}

/** Seconds between times. */
export const timestampStep = 0.02

/** Where special tokens are found: generation_config.json, and a tokenizer by its tokens' texts. */
export interface WhisperSource {
  readonly generation: Readonly<Record<string, unknown>>
  readonly tokenId: (token: string) => number | undefined
}

/** The special tokens of a model. Throws HeedError for a tokenizer that is not Whisper's. */
export function whisperTokens({ generation, tokenId }: WhisperSource): WhisperTokens {
  const find = (token: string, published?: unknown): number | null =>
    typeof published === "number" ? published : (tokenId(token) ?? null)
  const need = (token: string, published?: unknown): number => {
    const id = find(token, published)
    if (id !== null) return id
    throw new HeedError(
      `whisper: expected a tokenizer with the token ${token}, but it has none`,
      "the tokenizer must be the one the model was published with",
    )
  }
  const listed = (name: string): Readonly<Record<string, unknown>> => {
    const value = generation[name]
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
  }
  const languages = new Map<string, number>()
  for (const code of whisperLanguages.keys()) {
    const id = find(`<|${code}|>`, listed("lang_to_id")[`<|${code}|>`])
    if (id !== null) languages.set(code, id)
  }
  const tasks = listed("task_to_id")
  const transcribe = find("<|transcribe|>", tasks.transcribe)
  const translate = find("<|translate|>", tasks.translate)
  const many = generation.is_multilingual !== false && languages.size > 0 && transcribe !== null && translate !== null
  const noTimestamps = need("<|notimestamps|>", generation.no_timestamps_token_id)
  const latest = generation.max_initial_timestamp_index
  return {
    start: need("<|startoftranscript|>", generation.decoder_start_token_id),
    end: need("<|endoftext|>", Array.isArray(generation.eos_token_id) ? undefined : generation.eos_token_id),
    noTimestamps,
    firstTimestamp: noTimestamps + 1,
    latestBegin: typeof latest === "number" ? latest : null,
    tasks: many ? { transcribe, translate } : null,
    languages: many ? languages : new Map(),
    previous: find("<|startofprev|>", generation.prev_sot_token_id),
  }
}

/** What shall be written. */
export interface WhisperRequest {
  /** Name or code of the language that is spoken; needed by models of many languages (see `likeliestLanguage`). */
  readonly language?: string
  /** "translate" writes in English what is said in another language. Default "transcribe". */
  readonly task?: "transcribe" | "translate"
  /** Also write when what was said. Default false. */
  readonly timestamps?: boolean
  /** Ids of what was said before, for context; the last `mostPrevious` of them are used. */
  readonly previous?: ArrayLike<number>
  /** Default 223: half of the decoder's context, less one. */
  readonly mostPrevious?: number
}

/** What the decoder begins with. Throws ValueError for a language or task that the model does not know. */
export function whisperPrompt(tokens: WhisperTokens, request: WhisperRequest = {}): number[] {
  const { language, task = "transcribe", timestamps = false, previous = [], mostPrevious = 223 } = request
  const code = language === undefined ? undefined : languageCode(language)
  if (task !== "transcribe" && task !== "translate")
    throw new ValueError(`whisper: expected the task transcribe or translate, but got ${JSON.stringify(task)}`)
  const words: number[] = [tokens.start]
  if (tokens.tasks) {
    if (code === undefined)
      throw new ValueError("whisper: expected the language that is spoken, but got none", 'for example "english"')
    const id = tokens.languages.get(code)
    if (id === undefined)
      throw new ValueError(
        `whisper: expected a language of this model, but got ${JSON.stringify(language)}`,
        `it knows ${[...tokens.languages.keys()].join(", ")}`,
      )
    words.push(id, tokens.tasks[task])
  } else if (task === "translate" || (code !== undefined && code !== "en"))
    throw new ValueError(
      `whisper: expected English to be transcribed, which is all this model knows, but got ${
        task === "translate" ? "the task translate" : `the language ${language}`
      }`,
      "take a model of many languages, whose name does not end in .en",
    )
  if (!timestamps) words.push(tokens.noTimestamps)
  const before = tokens.previous === null ? [] : Array.from(previous).slice(-Math.max(0, mostPrevious) || Infinity)
  return before.length > 0 && mostPrevious > 0 ? [tokens.previous!, ...before, ...words] : words
}

/** The language whose token has the best score after the start token. scores: [V]. Throws HeedError for a model of one language. */
export function likeliestLanguage(scores: ArrayLike<number>, { languages }: WhisperTokens): string {
  let best: string | null = null
  for (const [code, id] of languages) if (best === null || scores[id]! > scores[languages.get(best)!]!) best = code
  if (best === null) throw new HeedError("whisper: expected a model of many languages, but it knows English only")
  return best
}
