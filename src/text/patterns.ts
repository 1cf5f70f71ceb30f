// The patterns of tokenizer.json's Split and Replace parts: plain strings, and regular expressions in Oniguruma's dialect, which the
// library knows how to write for JavaScript.
import { Tokenizer as Library } from "@huggingface/tokenizers"
import { TextError } from "./errors.ts"
import { escapePattern } from "./segments.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"

/** The pattern of a part, as a global expression; null where the part has none. Throws TextError for a pattern that cannot be read. */
export function partPattern(json: TokenizerPartJson): RegExp | null {
  const { pattern } = json
  if (typeof pattern === "string") return new RegExp(escapePattern(pattern), "gu")
  if (typeof pattern !== "object" || pattern === null) return null
  if ("String" in pattern && typeof pattern.String === "string") return new RegExp(escapePattern(pattern.String), "gu")
  if (!("Regex" in pattern) || typeof pattern.Regex !== "string") return null
  try {
    const split = { type: "Split", pattern: { Regex: pattern.Regex }, behavior: "Isolated", invert: false }
    const parts = { added_tokens: [], normalizer: null, post_processor: null, decoder: null, pre_tokenizer: split }
    const library = new Library({ ...parts, model: { type: "WordPiece", vocab: {} } }, {})
    return library.pre_tokenizer.pattern as RegExp | null
  } catch (cause) {
    throw new TextError(
      `${json.type}: expected a regular expression, but got ${JSON.stringify(pattern.Regex)}: ${(cause as Error).message}`,
      "the tokenizer.json is broken, or uses an expression that JavaScript does not have",
      { cause },
    )
  }
}
