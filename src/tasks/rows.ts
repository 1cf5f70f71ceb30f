// Texts, or pairs of texts, as rows of ids with where each token stands.

import { z } from "zod"
import { option, type ValuesOf } from "../config/index.ts"
import type { Model } from "../models/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { Encoding, Tokenizer } from "../text/index.ts"
import { checkText } from "./task.ts"

/** A text, or two that belong together (a premise and a hypothesis). */
export type TextInput = string | { readonly text: string; readonly text_pair?: string; readonly textPair?: string }

/** Options of every task that reads rows of text. */
export const rowOptions = {
  truncation: option(z.boolean(), "Cut texts that are longer than the model's context; otherwise they are refused", {
    default: true,
  }),
  maxLength: option(z.int().min(2).optional(), "Tokens of a text at most; as many as the model's context unless given"),
  batchSize: option(z.int().min(1).max(1024), "Rows that are run together at most", { default: 8 }),
}

/** The token that fills short rows: the model's, else the tokenizer's, else 0 (nobody sees it). */
export function padTokenOf({ config }: Model, tokenizer: Tokenizer): number {
  if (typeof config.padToken === "number") return config.padToken
  const { padding } = tokenizer.roles
  return (padding === undefined ? undefined : tokenizer.tokenId(padding)) ?? 0
}

/** Texts as encodings within the context. Throws HeedError, TextError for what is no text, and for texts beyond the context where they shall not be cut. */
export function encodeRows(
  task: string,
  tokenizer: Tokenizer,
  inputs: readonly TextInput[],
  { truncation, maxLength }: Pick<ValuesOf<typeof rowOptions>, "truncation" | "maxLength">,
  context: number,
): Encoding[] {
  const most = Math.min(maxLength ?? context, context)
  return inputs.map(input => {
    const { text, pair } = partsOf(task, input)
    const encoding = tokenizer.encodeWithOffsets(text, {
      ...(pair === undefined ? {} : { pair }),
      ...(truncation && Number.isFinite(most) ? { maxLength: most } : {}),
    })
    const length = encoding.ids.length
    if (length > most)
      throw new HeedError(
        `${task}: expected at most ${most} tokens, but the text has ${length}: ${length - most} too many`,
        "leave truncation at true to cut such texts, or shorten the text",
      )
    if (length === 0) throw new HeedError(`${task}: expected a text with tokens, but ${JSON.stringify(text)} has none`)
    return encoding
  })
}

function partsOf(task: string, input: TextInput): { text: string; pair?: string } {
  if (typeof input !== "object" || input === null) return { text: checkText(task, input) }
  const pair = input.text_pair ?? input.textPair
  const text = checkText(task, input.text)
  return pair === undefined ? { text } : { text, pair: checkText(task, pair, "a second text") }
}
