// Stories of the tiny world from a seed: story number i depends on the seed and i alone, on every platform.
import { DataError } from "../errors.ts"
import { Random } from "../random.ts"
import { Facts } from "./facts.ts"
import { formNamed } from "./forms.ts"
import { genderOfName, hasPlace, join, type Pattern, tokenize, wordsAt, wordsOf } from "./pattern.ts"
import { plots, type Step } from "./plots.ts"
import { type Mentions, type Pronoun, type Span, tell } from "./tell.ts"

/** A story and what is known about it. */
export interface StoryRecord {
  /** Three to six sentences, separated by blanks. */
  readonly text: string
  /** The kind of story. */
  readonly plot: string
  /** Where each sentence stands. */
  readonly sentences: readonly Span[]
  /** Every pronoun of the third person, and whom or what it means. */
  readonly pronouns: readonly Pronoun[]
}

/** The story of a number. Throws DataError for a seed or a number that is not whole. */
export function worldStory(seed: number, number: number): StoryRecord {
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(number) || number < 0)
    throw new DataError(`the tiny world: expected whole numbers as seed and story, but got ${seed} and ${number}`)
  const random = new Random(seed, number, 0x3021d)
  let ticket = random.below(plots.reduce((sum, { weight }) => sum + weight, 0))
  const { name, plot } = plots.find(({ weight }) => (ticket -= weight) < 0)!
  return { ...tellSteps(plot(random), random), plot: name }
}

/** Stories from a seed, `count` of them, from number `first` on. */
export function* worldStories(seed: number, count: number, first = 0): Generator<StoryRecord, void, void> {
  for (let number = first; number < first + count; number++) yield worldStory(seed, number)
}

/** Stories as a text to learn from: one story a line, each line ended. */
export function worldText(seed: number, stories: number): string {
  let text = ""
  for (const story of worldStories(seed, stories)) text += `${story.text}\n`
  return text
}

/** Tells steps one after another, choosing between names and pronouns where both are clear. */
function tellSteps(steps: readonly Step[], random: Random): Omit<StoryRecord, "plot"> {
  const facts = new Facts()
  const mentions: Mentions = new Map()
  const sentences: Span[] = []
  const pronouns: Pronoun[] = []
  let text = ""
  for (const { form: formName, filling } of steps) {
    const form = formNamed(formName)
    const pattern = random.pick(form.patterns.filter(candidate => isClear(facts, candidate, filling)))
    const start = text === "" ? 0 : text.length + 1
    const sentence = join(wordsOf(pattern, filling, form.antecedent(filling)))
    text = text === "" ? sentence : `${text} ${sentence}`
    sentences.push([start, text.length])
    pronouns.push(...tell(facts, mentions, form, pattern, filling, tokenize(sentence, start)))
  }
  if (facts.reasons.length > 0)
    throw new DataError(`the tiny world told nonsense: ${facts.reasons.join("; ")} (${text})`)
  return { text, sentences, pronouns }
}

/** Whether each word of the steps has its place in the pattern, or a pronoun that can only mean it. */
function isClear(facts: Facts, pattern: Pattern, filling: Step["filling"]): boolean {
  return pattern.every(token => {
    if (token.kind === "place") return wordsAt(token).includes(filling[token.place]!)
    if (token.kind !== "pronoun" || token.place === "?" || hasPlace(pattern, token.place)) return true
    const name = filling[token.place]!
    const gender = genderOfName(name)
    if (gender === "it") return facts.topic === name
    return facts.lastPerson(gender) === name && facts.isOnly(name)
  })
}
