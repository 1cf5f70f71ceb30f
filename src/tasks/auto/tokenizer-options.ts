// What a call of a tokenizer may say, and what an encoding shall be under it.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../../config/index.ts"
import { ValueError } from "../../tensor/index.ts"
import type { PairOptions, TruncationStrategy } from "../../text/index.ts"

/** Options of a call, in camelCase; snake_case names work too. */
export const tokenizerOptions = declare(
  {
    textPair: option(
      z.union([z.string(), z.array(z.string())]).nullable(),
      "The second text, or one for each of several",
      { default: null },
    ),
    padding: option(
      z.union([z.boolean(), z.enum(["longest", "max_length"])]),
      "Fill rows up: true or longest to the longest, max_length to maxLength",
      { default: false },
    ),
    truncation: option(
      z.union([z.boolean(), z.enum(["longest_first", "only_first", "only_second"])]).nullable(),
      "Cut texts to maxLength; true is longest_first, null cuts where maxLength is given",
      { default: null },
    ),
    maxLength: option(z.int().min(1).nullable(), "Tokens of a row at most; what the model reads unless given", {
      default: null,
    }),
    addSpecialTokens: option(z.boolean(), "Put the tokens that the template asks for around texts", { default: true }),
    returnTensor: option(z.boolean(), "Give tensors; false gives lists", { default: true }),
    returnTokenTypeIds: option(z.boolean().nullable(), "Give token_type_ids; as the model wants them where null", {
      default: null,
    }),
    returnAttentionMask: option(z.boolean(), "Give attention_mask", { default: true }),
    paddingSide: option(z.enum(["left", "right"]).nullable(), "Where padding goes; as published where null", {
      default: null,
    }),
  },
  "tokenizer",
)

/** Options of a call, checked. */
export type TokenizerValues = ValuesOf<typeof tokenizerOptions>

/** How each text is cut. Throws ValueError where nothing says to which length, or where maxLength would have no effect. */
export function cutting(
  { padding, truncation, maxLength, addSpecialTokens }: TokenizerValues,
  longest: number,
): Omit<PairOptions, "pair"> {
  const special = { addSpecialTokens }
  const fills = padding === "max_length"
  if (fills && maxLength === null && !Number.isFinite(longest))
    throw new ValueError(
      "tokenizer: expected max_length with padding max_length, but got none, and the tokenizer names none",
      "pass max_length, or padding: true to fill rows up to the longest",
    )
  if (truncation === false && maxLength !== null && !fills)
    throw new ValueError(
      `tokenizer: expected truncation or padding "max_length" with max_length ${maxLength}, but got neither`,
      "leave max_length out, or truncation: true to cut texts",
    )
  if (truncation === false || (truncation === null && (maxLength === null || fills))) return special
  const most = maxLength ?? longest
  const strategy: TruncationStrategy = truncation === true || truncation === null ? "longest_first" : truncation
  return Number.isFinite(most) ? { ...special, maxLength: most, truncation: strategy } : special
}
