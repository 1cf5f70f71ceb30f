// Can a text be a story of the tiny world? Each sentence is matched against the world's forms, and the facts must agree.
import { Facts } from "./facts.ts"
import { beginningNames, forms } from "./forms.ts"
import { match, tokenize } from "./pattern.ts"
import { type Mentions, type Pronoun, resolve, type Span, tell } from "./tell.ts"

/** One sentence of a checked text. */
export interface CheckedSentence {
  readonly text: string
  readonly span: Span
  /** The form that it has, or null when the world has no such sentence. */
  readonly form: string | null
  /** Why it does not fit what was said before or what the world is like; empty when it does. */
  readonly reasons: readonly string[]
}

/** What is right and wrong with a text. */
export interface StoryCheck {
  readonly sentences: readonly CheckedSentence[]
  /** Every sentence has a form of the world, and the last one is finished. */
  readonly grammatical: boolean
  /** Grammatical, and no sentence contradicts another or the world. */
  readonly consistent: boolean
  /** Consistent, begun as the world's stories begin, and of three to six sentences. */
  readonly isStory: boolean
  /** All reasons against the text, with the sentence's number. */
  readonly reasons: readonly string[]
  /** The pronouns of the sentences that have a form. */
  readonly pronouns: readonly Pronoun[]
}

/** Checks one story: what is wrong with which sentence, and whom each pronoun means. An empty text is not a story. */
export function checkStory(text: string): StoryCheck {
  let facts = new Facts()
  let mentions: Mentions = new Map()
  const sentences: CheckedSentence[] = []
  const pronouns: Pronoun[] = []
  for (const span of sentenceSpans(text)) {
    const tokens = tokenize(text.slice(...span), span[0])
    const words = tokens.map(token => token.text)
    const before = facts.reasons.length
    let best: { form: string; facts: Facts; mentions: Mentions; pronouns: Pronoun[] } | null = null
    for (const form of forms)
      for (const pattern of form.patterns) {
        const found = match(pattern, words)
        if (found === null) continue
        const tried = facts.copy()
        const tellings: Mentions = new Map(mentions)
        const told = tell(tried, tellings, form, pattern, resolve(facts, pattern, found, words), tokens)
        if (best === null || tried.reasons.length < best.facts.reasons.length)
          best = { form: form.name, facts: tried, mentions: tellings, pronouns: told }
      }
    if (best !== null) {
      facts = best.facts
      mentions = best.mentions
      pronouns.push(...best.pronouns)
    }
    const spaced = wellSpaced(text.slice(...span))
    sentences.push({
      text: text.slice(...span),
      span,
      form: spaced ? (best?.form ?? null) : null,
      reasons: best === null || !spaced ? ["the world has no such sentence"] : facts.reasons.slice(before),
    })
  }
  const grammatical = sentences.length > 0 && sentences.every(sentence => sentence.form !== null)
  const reasons = sentences.flatMap(({ reasons }, at) => reasons.map(reason => `sentence ${at + 1}: ${reason}`))
  const consistent = grammatical && reasons.length === 0
  const isStory =
    consistent && sentences.length >= 3 && sentences.length <= 6 && beginningNames.has(sentences[0]!.form!)
  return { sentences, grammatical, consistent, isStory, reasons, pronouns }
}

/** Where the sentences of a text stand, each with its full stop; what follows the last full stop counts as one. */
export function sentenceSpans(text: string): Span[] {
  const spans: Span[] = []
  for (const found of text.matchAll(/[^.\s][^.]*\.?|\./g)) {
    const start = found.index
    spans.push([start, start + found[0].trimEnd().length])
  }
  return spans
}

/** Whether words are separated by single blanks, and signs follow their word at once. */
function wellSpaced(sentence: string): boolean {
  return !/\s\s|\s[.,]|[^\S ]/.test(sentence)
}
