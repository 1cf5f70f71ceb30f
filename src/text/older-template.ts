// Parts that tokenizers of older folders share when they are written as a tokenizer.json: special tokens and templates.
import { TextError } from "./errors.ts"
import type { AddedTokenJson, TokenizerConfiguration, TokenizerJson, TokenizerPartJson } from "./tokenizer.ts"

/** What an older folder says in today's form, and its special tokens where tokenizer_config.json names none. */
export interface OlderTokenizer {
  readonly json: TokenizerJson
  readonly defaults: Record<string, string>
}

/** The special tokens by their settings: the folder's own, else those of the family. */
export function specialNames(
  configuration: TokenizerConfiguration,
  family: Readonly<Record<string, string>>,
): Record<string, string> {
  const names: Record<string, string> = {}
  for (const [setting, usual] of Object.entries(family)) {
    const value = configuration[setting]
    const content = typeof value === "object" && value !== null && "content" in value ? value.content : value
    names[setting] = typeof content === "string" ? content : usual
  }
  return names
}

/** The special tokens that the vocabulary has, and tokens added beside it. */
export function addedTokens(
  special: readonly string[],
  vocabulary: ReadonlyMap<string, number>,
  added: readonly AddedTokenJson[],
): AddedTokenJson[] {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false }
  const tokens = new Map<string, AddedTokenJson>()
  for (const content of special) {
    const id = vocabulary.get(content)
    if (id !== undefined) tokens.set(content, { id, content, ...flags, special: true })
  }
  for (const token of added) {
    const isSpecial = token.special === true || special.includes(token.content)
    tokens.set(token.content, { ...flags, ...token, special: isSpecial })
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id)
}

/** TemplateProcessing from items such as "[CLS]:0" and "A:0". Throws TextError for a token without an id. */
export function template(
  single: readonly string[],
  pair: readonly string[],
  ids: ReadonlyMap<string, number>,
): TokenizerPartJson {
  const used: Record<string, { id: string; ids: number[]; tokens: string[] }> = {}
  const item = (text: string): object => {
    const at = text.lastIndexOf(":")
    const name = text.slice(0, at)
    const typeId = Number(text.slice(at + 1))
    if (name === "A" || name === "B") return { Sequence: { id: name, type_id: typeId } }
    const id = ids.get(name)
    if (id === undefined)
      throw new TextError(
        `tokenizer: expected the special token ${JSON.stringify(name)} in the vocabulary, but it has none`,
        "the files belong to another kind of model, or are damaged",
      )
    used[name] = { id: name, ids: [id], tokens: [name] }
    return { SpecialToken: { id: name, type_id: typeId } }
  }
  return { type: "TemplateProcessing", single: single.map(item), pair: pair.map(item), special_tokens: used }
}

/** A vocabulary as JSON writes it. */
export function vocabularyObject(vocabulary: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries(vocabulary)
}
