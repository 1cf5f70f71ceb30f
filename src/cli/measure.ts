// What a model of the tiny world can do, measured: stories that the world's rules accept, pronouns taken for what they mean, and
// the heads that look from a word at the things it could mean.

import { checkStory, type PronounQuestion } from "../data/index.ts"
import { generateIds } from "../generate/index.ts"
import { type AttentionPatterns, attentionAt, attentionPatterns, tokenizeText } from "../inspect/index.ts"
import type { LanguageModel } from "../models/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { CommandError } from "./terminal.ts"

/** Stories that a model told, and how many of them are right. */
export interface StoriesTold {
  readonly texts: readonly string[]
  /** Every sentence is one of the world's. */
  readonly grammatical: number
  /** And no sentence contradicts another. */
  readonly accepted: number
}

function lineEnd(tokenizer: Tokenizer): number {
  const id = tokenizer.tokenId("\n")
  if (id === undefined) throw new CommandError("measure: expected a tokenizer with a line end, but got one without")
  return id
}

/** Lets a model tell stories, each from its beginning, and checks them. */
export async function tellStories(
  model: LanguageModel,
  tokenizer: Tokenizer,
  count: number,
  options: { readonly temperature: number; readonly seed: number },
): Promise<StoriesTold> {
  const end = lineEnd(tokenizer)
  const prompts = Array.from({ length: count }, () => [end])
  const { newIds } = await generateIds(model, prompts, { ...options, maxNewTokens: model.context - 1, eosTokenId: end })
  const texts = newIds.map(ids => tokenizer.decode(ids).trim())
  const checks = texts.map(text => checkStory(text))
  return {
    texts,
    grammatical: checks.filter(check => check.grammatical).length,
    accepted: checks.filter(check => check.isStory).length,
  }
}

/** What a model takes pronouns for: the probabilities of the two candidates as the next word after question.prompt. */
export interface Answer {
  readonly question: PronounQuestion
  /** P(antecedent), P(the other one). */
  readonly antecedent: number
  readonly other: number
}

/** Asks questions, all in one batch. Questions without a prompt are left out. */
export async function answer(
  model: LanguageModel,
  tokenizer: Tokenizer,
  questions: readonly PronounQuestion[],
): Promise<Answer[]> {
  const end = lineEnd(tokenizer)
  const asked = questions.filter(question => question.prompt !== null)
  const prompts = asked.map(question => [end, ...tokenizer.encode(question.prompt!)])
  const { stepLogits } = await generateIds(model, prompts, { maxNewTokens: 1, stepLogits: true })
  const scores = stepLogits![0]!
  const size = scores.length / asked.length
  return asked.map((question, row) => {
    const own = scores.subarray(row * size, (row + 1) * size)
    const largest = own.reduce((a, b) => Math.max(a, b))
    const sum = own.reduce((total, score) => total + Math.exp(score - largest), 0)
    const chance = (word: string): number => Math.exp(own[tokenizer.tokenId(word)!]! - largest) / sum
    return { question, antecedent: chance(question.antecedentText), other: chance(question.wrongText) }
  })
}

/** How much one head looks from a word at the two things that the pronoun could mean, on average. */
export interface HeadLook {
  readonly layer: number
  readonly head: number
  readonly antecedent: number
  readonly other: number
}

/** Where words of a question stand among the tokens of its prompt. */
export interface Places {
  readonly pronoun: number
  /** Every mention before the pronoun. */
  readonly antecedent: readonly number[]
  readonly other: readonly number[]
  /** The last word, behind which the antecedent is expected. */
  readonly last: number
}

/** The text that is looked into for a question, and where its words stand: a line end, then the prompt. */
export function placesOf(tokenizer: Tokenizer, question: PronounQuestion): { text: string; places: Places } {
  const text = `\n${question.prompt ?? question.sentence}`
  const words = tokenizeText(tokenizer, text).pieces.map(piece => piece.trim())
  const pronoun = words.lastIndexOf(question.pronounText)
  const before = (word: string): number[] => words.flatMap((one, at) => (one === word && at < pronoun ? [at] : []))
  return {
    text,
    places: {
      pronoun,
      antecedent: before(question.antecedentText),
      other: before(question.wrongText),
      last: words.length - 1,
    },
  }
}

/** Every head's looks from the pronoun and from the last word: means over questions. */
export async function headLooks(
  model: LanguageModel,
  tokenizer: Tokenizer,
  questions: readonly PronounQuestion[],
): Promise<Readonly<Record<"pronoun" | "last", readonly HeadLook[]>>> {
  const looks: Record<"pronoun" | "last", HeadLook[]> = { pronoun: [], last: [] }
  const inside: { readonly places: Places; readonly attention: AttentionPatterns }[] = []
  for (const question of questions) {
    const { text, places } = placesOf(tokenizer, question)
    inside.push({ places, attention: await attentionPatterns(model, tokenizer.encode(text)) })
  }
  const { layers, heads } = inside[0]!.attention
  for (let layer = 0; layer < layers; layer++)
    for (let head = 0; head < heads; head++)
      for (const from of ["pronoun", "last"] as const) {
        const share = (to: "antecedent" | "other"): number =>
          inside
            .flatMap(({ attention, places }) =>
              places[to].map(mention => attentionAt(attention, layer, head, places[from], mention)),
            )
            .reduce((sum, weight) => sum + weight, 0)
        const [antecedent, other] = [share("antecedent") / inside.length, share("other") / inside.length]
        looks[from].push({ layer, head, antecedent, other })
      }
  return looks
}
