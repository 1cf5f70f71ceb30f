// Which tokens begin, end and fill texts, and what a prompt is in ids.

import type { Model } from "../models/model.ts"
import { ShapeError, ValueError } from "../tensor/index.ts"
import type { SpecialRole, Tokenizer } from "../text/index.ts"
import type { GenerationConfig } from "./config.ts"

/** A text, or its ids. */
export type Prompt = string | ArrayLike<number>

function roleId(tokenizer: Tokenizer | null, role: SpecialRole): number | undefined {
  const token = tokenizer?.roles[role]
  return token === undefined ? undefined : tokenizer!.tokenId(token)
}

const asNumber = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)

/** Tokens that end a text: as the options say, else as the model does, else the tokenizer's. */
export function endTokens(model: Model, tokenizer: Tokenizer | null, config: GenerationConfig): readonly number[] {
  const given = config.eosTokenId ?? (model.config.endToken as number | readonly number[] | null | undefined)
  const ids = given ?? roleId(tokenizer, "end") ?? []
  return typeof ids === "number" ? [ids] : ids
}

/** The token that fills rows: as the options say, else as the model does, else the tokenizer's, else an end token, else 0. */
export function fillToken(
  model: Model,
  tokenizer: Tokenizer | null,
  config: GenerationConfig,
  ends: readonly number[],
): number {
  return config.padTokenId ?? asNumber(model.config.padToken) ?? roleId(tokenizer, "padding") ?? ends[0] ?? 0
}

/**
 * The ids of a prompt, checked. An empty text becomes the token that texts begin with: the model's, the tokenizer's, or a line end.
 * Throws ShapeError where there is none, ValueError for ids that are no tokens of the model.
 */
export function promptIds(model: Model, tokenizer: Tokenizer | null, prompt: Prompt): number[] {
  const ids = typeof prompt === "string" ? encodePrompt(model, tokenizer, prompt) : Array.from(prompt)
  if (ids.length === 0) throw new ShapeError("generate: expected a prompt of at least one token, but it is empty")
  const { vocabulary } = model.config
  const size = typeof vocabulary === "number" ? vocabulary : Number.POSITIVE_INFINITY
  const wrong = ids.find(id => !(Number.isInteger(id) && id >= 0 && id < size))
  if (wrong !== undefined)
    throw new ValueError(
      `generate: expected token ids 0 .. ${size - 1} of the model's vocabulary, but got ${wrong}`,
      "is this the tokenizer that the model was trained with?",
    )
  return ids
}

function encodePrompt(model: Model, tokenizer: Tokenizer | null, prompt: string): number[] {
  if (!tokenizer) throw new ValueError("generate: expected a prompt of ids without a tokenizer, but got a text")
  const ids = [...tokenizer.encode(prompt)]
  if (ids.length > 0) return ids
  const begin = asNumber(model.config.beginToken) ?? roleId(tokenizer, "beginning") ?? tokenizer.tokenId("\n")
  if (begin === undefined)
    throw new ShapeError(
      "generate: expected a prompt of at least one token, but the text is empty and there is no token that texts begin with",
      "give the first word",
    )
  return [begin]
}
