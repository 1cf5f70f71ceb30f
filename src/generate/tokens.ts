// Which tokens begin, end and fill texts, and what a prompt is in ids.

import type { EncoderDecoder } from "../models/encoder-decoder.ts"
import { HeedError, ShapeError, ValueError } from "../tensor/index.ts"
import type { SpecialRole, Tokenizer } from "../text/index.ts"
import type { GenerationConfig } from "./config.ts"
import type { WritingModel } from "./writing.ts"

/** A text, or its ids. */
export type Prompt = string | ArrayLike<number>

function roleId(tokenizer: Tokenizer | null, role: SpecialRole): number | undefined {
  const token = tokenizer?.roles[role]
  return token === undefined ? undefined : tokenizer!.tokenId(token)
}

const asNumber = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)

/** Tokens that end a text: as the options say, else as the model does, else the tokenizer's. */
export function endTokens(
  model: WritingModel,
  tokenizer: Tokenizer | null,
  config: GenerationConfig,
): readonly number[] {
  const given = config.eosTokenId ?? (model.config.endToken as number | readonly number[] | null | undefined)
  const ids = given ?? roleId(tokenizer, "end") ?? []
  return typeof ids === "number" ? [ids] : ids
}

/** The token that fills rows: as the options say, else as the model does, else the tokenizer's, else an end token, else 0. */
export function fillToken(
  model: WritingModel,
  tokenizer: Tokenizer | null,
  config: GenerationConfig,
  ends: readonly number[],
): number {
  return config.padTokenId ?? asNumber(model.config.padToken) ?? roleId(tokenizer, "padding") ?? ends[0] ?? 0
}

/**
 * The ids of a prompt, checked. An empty text becomes the token that texts begin with: the options', the model's, the tokenizer's, or a
 * line end. Throws ShapeError where there is none, ValueError for ids that are no tokens of the model.
 */
export function promptIds(
  model: WritingModel,
  tokenizer: Tokenizer | null,
  prompt: Prompt,
  begin?: number | undefined,
): number[] {
  const ids = typeof prompt === "string" ? encodePrompt(model, tokenizer, prompt, begin) : Array.from(prompt)
  if (ids.length === 0 && begin !== undefined) ids.push(begin)
  if (ids.length === 0)
    throw new ShapeError(
      "generate: expected a prompt of at least one token, but it is empty",
      "give its first token, or bosTokenId for the one that texts begin with",
    )
  return checkTokenIds(model, ids)
}

/** Number of tokens a model knows (one of two models in one: its decoder); undefined where its configuration does not say. */
export function vocabularyOf(model: Pick<WritingModel, "config">): number | undefined {
  const { vocabulary, decoder } = model.config
  return asNumber(vocabulary) ?? asNumber((decoder as { readonly vocabulary?: unknown } | null | undefined)?.vocabulary)
}

/** Throws ValueError for ids that are no tokens of the model. */
export function checkTokenIds(model: WritingModel, ids: number[]): number[] {
  const size = vocabularyOf(model) ?? Number.POSITIVE_INFINITY
  const wrong = ids.find(id => !(Number.isInteger(id) && id >= 0 && id < size))
  if (wrong === undefined) return ids
  throw new ValueError(
    `generate: expected token ids 0 .. ${size - 1} of the model's vocabulary, but got ${wrong}`,
    "is this the tokenizer that the model was trained with?",
  )
}

function encodePrompt(
  model: WritingModel,
  tokenizer: Tokenizer | null,
  prompt: string,
  given: number | undefined,
): number[] {
  if (!tokenizer) throw new ValueError("generate: expected a prompt of ids without a tokenizer, but got a text")
  const ids = [...tokenizer.encode(prompt)]
  if (ids.length > 0) return ids
  const begin = given ?? asNumber(model.config.beginToken) ?? roleId(tokenizer, "beginning") ?? tokenizer.tokenId("\n")
  if (begin === undefined)
    throw new ShapeError(
      "generate: expected a prompt of at least one token, but the text is empty and there is no token that texts begin with",
      "give the first word",
    )
  return [begin]
}

/** What the decoder of an encoder-decoder begins with, for each of `count` texts. Throws HeedError where nobody says it, ShapeError. */
export function decoderStarts(
  model: EncoderDecoder,
  config: GenerationConfig,
  count: number,
  given: ArrayLike<number> | readonly ArrayLike<number>[] | undefined,
): number[][] {
  if (given !== undefined) {
    const lists = typeof given[0] === "number" ? [given as ArrayLike<number>] : (given as readonly ArrayLike<number>[])
    const rows = lists.map(list => checkTokenIds(model, Array.from(list)))
    if (rows.some(row => row.length === 0) || (rows.length !== 1 && rows.length !== count))
      throw new ShapeError(
        `generate: expected decoderInputIds of one row, or of ${count} as there are inputs, none of them empty, but got ${rows.length} of ${rows.map(row => row.length).join(", ")} tokens`,
      )
    return Array.from({ length: count }, (_, i) => [...rows[rows.length === 1 ? 0 : i]!])
  }
  const start =
    config.decoderStartTokenId ??
    asNumber(model.config.startToken) ??
    config.bosTokenId ??
    asNumber(model.config.beginToken)
  if (start === undefined)
    throw new HeedError(
      `generate: expected a token that the decoder of ${model.family} begins with, but neither the model nor the options name one`,
      "give decoderStartTokenId, or decoderInputIds",
    )
  const list = typeof start === "number" ? [start] : start
  if (list.length !== 1 && list.length !== count)
    throw new ShapeError(
      `generate: expected one decoderStartTokenId, or ${count} as there are inputs, but got ${list.length}`,
    )
  return Array.from({ length: count }, (_, i) => [list[list.length === 1 ? 0 : i]!])
}
