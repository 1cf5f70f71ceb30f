// token-classification (NER): a class for each token, or for each group of tokens that belong together. Grouping follows the
// strategies of Hugging Face: none, simple, first, average, max.

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import type { Encoding, Tokenizer } from "../text/index.ts"
import { EncoderRunner, type RowValue, softmaxRow } from "./encoder.ts"
import { readCall } from "./options.ts"
import { encodeRows, padTokenOf, rowOptions } from "./rows.ts"
import { labelsOf, listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "token-classification"

const options = declare(
  {
    aggregationStrategy: option(
      z.enum(["none", "simple", "first", "average", "max"]),
      "How tokens are grouped: not at all; neighbours of one class; or whole words, whose class is that of the first token, of the mean scores, or of the highest score",
      { default: "none" },
    ),
    ignoreLabels: option(z.array(z.string()), "Classes that are left out", { default: ["O"] }),
    ...rowOptions,
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** A token and its class. */
export interface TokenEntity {
  readonly entity: string
  /** 0 .. 1 */
  readonly score: number
  /** Position among the tokens. */
  readonly index: number
  readonly word: string
  /** Where it stands in the text, in UTF-16 code units. */
  readonly start: number
  readonly end: number
}

/** Tokens that belong together. */
export interface EntityGroup {
  readonly entity_group: string
  readonly score: number
  readonly word: string
  readonly start: number
  readonly end: number
}

/** The entities of a text, or of each of several. */
export interface TokenClassification {
  (text: string, options: CallOptions & { readonly aggregation_strategy: Strategy }): Promise<EntityGroup[]>
  (text: string, options: CallOptions & { readonly aggregationStrategy: Strategy }): Promise<EntityGroup[]>
  (text: string, options?: CallOptions): Promise<TokenEntity[]>
  (texts: readonly string[], options?: CallOptions): Promise<(TokenEntity[] | EntityGroup[])[]>
}

type Strategy = "simple" | "first" | "average" | "max"

/** A token with the scores of all classes. */
interface Scored {
  readonly scores: Float64Array
  readonly index: number
  readonly start: number
  readonly end: number
  readonly word: string
}

function scoredTokens(text: string, tokenizer: Tokenizer, encoding: Encoding, { data, shape }: RowValue): Scored[] {
  const classes = shape[1]!
  const tokens: Scored[] = []
  for (let i = 0; i < encoding.ids.length; i++) {
    if (encoding.specialTokensMask[i] === 1) continue
    const [start, end] = encoding.offsets[i]!
    const word = tokenizer.tokens[encoding.ids[i]!] ?? text.slice(start, end)
    tokens.push({ scores: softmaxRow(data.subarray(i * classes, (i + 1) * classes)), index: i, start, end, word })
  }
  return tokens
}

const best = (scores: ArrayLike<number>): number => {
  let at = 0
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[at]!) at = i
  return at
}

/** One part of a text with its class: a token, or a word made of several. */
interface Part {
  readonly label: string
  readonly score: number
  readonly start: number
  readonly end: number
}

/** The tokens of each word as one part. */
function wordParts(
  tokens: readonly Scored[],
  wordIds: Int32Array,
  labels: readonly string[],
  strategy: Strategy,
): Part[] {
  const words: Scored[][] = []
  let last = -1
  for (const token of tokens) {
    const word = wordIds[token.index]!
    if (word === last && words.length > 0) words.at(-1)!.push(token)
    else words.push([token])
    last = word
  }
  return words.map(word => {
    const scores = wordScores(word, strategy)
    const label = best(scores)
    return { label: labels[label]!, score: scores[label]!, start: word[0]!.start, end: word.at(-1)!.end }
  })
}

function wordScores(word: readonly Scored[], strategy: Strategy): ArrayLike<number> {
  if (strategy === "first") return word[0]!.scores
  if (strategy === "average")
    return word[0]!.scores.map((_, c) => word.reduce((sum, { scores }) => sum + scores[c]!, 0) / word.length)
  return word.reduce((a, b) => (Math.max(...b.scores) > Math.max(...a.scores) ? b : a)).scores
}

/** "B-PER" as whether it begins a group, and its class. */
function tagOf(label: string): { readonly begins: boolean; readonly kind: string } {
  const match = /^([BI])-(.*)$/.exec(label)
  return match ? { begins: match[1] === "B", kind: match[2]! } : { begins: false, kind: label }
}

/** Neighbours of one class as one group; "B-" begins a new one. */
function grouped(text: string, parts: readonly Part[]): EntityGroup[] {
  const groups: { kind: string; parts: Part[] }[] = []
  for (const part of parts) {
    const { begins, kind } = tagOf(part.label)
    const open = groups.at(-1)
    if (open && open.kind === kind && !begins) open.parts.push(part)
    else groups.push({ kind, parts: [part] })
  }
  return groups.map(({ kind, parts }) => {
    const [start, end] = [parts[0]!.start, parts.at(-1)!.end]
    const score = parts.reduce((sum, part) => sum + part.score, 0) / parts.length
    return { entity_group: kind, score, word: text.slice(start, end), start, end }
  })
}

function open(opened: Opened): TokenClassification {
  const { model, run } = opened
  if (model.config.head !== "tokenClassification") refuseModel(name, model, "a model that classifies tokens")
  const tokenizer = needTokenizer(name, opened)
  const labels = labelsOf(model)
  const runner = new EncoderRunner(model, { values: ({ logits }) => ({ logits: logits! }), perToken: true }, run)

  const answer = async (inputs: string | readonly string[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf(name, inputs)
    const { aggregationStrategy: strategy, ignoreLabels, batchSize, signal, ...cutting } = readCall(options, given)
    const rows = encodeRows(name, tokenizer, list, cutting, runner.context)
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    const entities = list.map((text, i) => {
      const tokens = scoredTokens(text, tokenizer, rows[i]!, results[i]!.logits!)
      if (strategy === "none")
        return tokens
          .map(({ scores, ...rest }): TokenEntity => {
            const label = best(scores)
            return { entity: labels[label]!, score: scores[label]!, ...rest }
          })
          .filter(({ entity }) => !ignoreLabels.includes(entity))
      const parts =
        strategy === "simple"
          ? tokens.map(({ scores, start, end }): Part => {
              const label = best(scores)
              return { label: labels[label]!, score: scores[label]!, start, end }
            })
          : wordParts(tokens, rows[i]!.wordIds, labels, strategy)
      return grouped(text, parts).filter(group => !ignoreLabels.includes(group.entity_group))
    })
    return single ? entities[0] : entities
  }
  return answer as TokenClassification
}

/** The task. */
export const tokenClassification: Task<TokenClassification> = {
  name,
  aliases: ["ner"],
  summary: "named entities: the class of each token, or of each group of tokens",
  options,
  arguments: [{ name: "text", help: "a text", many: true }],
  fromWords: words => [words],
  open,
}
