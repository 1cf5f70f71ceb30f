// One sentence told into a story: the words, the pronouns with whom they mean, and the facts that change.
import type { Facts } from "./facts.ts"
import type { Form } from "./forms.ts"
import { type Filling, genderOf, genderOfName, hasPlace, type Pattern, type Token } from "./pattern.ts"

/** A stretch of text: from the first code unit to the one after the last. */
export type Span = readonly [start: number, end: number]

/** A pronoun and what it speaks of. */
export interface Pronoun {
  /** Where the pronoun stands. */
  readonly span: Span
  /** The last time its antecedent was named before it (the noun or the name alone). */
  readonly antecedent: Span
  readonly antecedentText: string
}

/** Where each name was last written in a story. */
export type Mentions = Map<string, Span>

/**
 * The places that a sentence does not fill itself but speaks of with a pronoun ("He put it …"), filled from the story so far.
 * Places for which the story has nobody are left out.
 */
export function resolve(facts: Facts, pattern: Pattern, filling: Filling, words: readonly string[]): Filling {
  const resolved: Record<string, string> = { ...filling }
  pattern.forEach((token, at) => {
    if (token.kind !== "pronoun" || token.place === "?" || token.place in resolved) return
    const gender = genderOf(words[at]!.toLowerCase())
    const name = gender === "it" ? facts.topic : facts.lastPerson(gender)
    if (name !== null) resolved[token.place] = name
  })
  return resolved
}

/** Tells a sentence: changes facts and mentions, and returns its pronouns. What does not fit is added to the facts' reasons. */
export function tell(
  facts: Facts,
  mentions: Mentions,
  form: Form,
  pattern: Pattern,
  filling: Filling,
  tokens: readonly Token[],
): Pronoun[] {
  const pronouns: Pronoun[] = []
  const chosen = form.antecedent(filling)
  let complete = true
  pattern.forEach((token, at) => {
    const { text, start, end } = tokens[at]!
    if (token.kind === "place") mentions.set(filling[token.place]!, [start, end])
    if (token.kind !== "pronoun") return
    const place = token.place === "?" ? chosen : token.place
    if (place === null) return // the meaning says what is wrong
    const name = filling[place]
    const pronoun = text.toLowerCase()
    if (name === undefined) {
      facts.require(false, `"${pronoun}" speaks of nobody who was named`)
      complete = false
      return
    }
    const gender = genderOf(pronoun)
    facts.require(gender === genderOfName(name), `"${pronoun}" cannot speak of ${name}`)
    if (!hasPlace(pattern, place)) {
      const meant = gender === "it" ? facts.topic : facts.lastPerson(gender)
      facts.require(meant === name, `"${pronoun}" speaks of ${meant}, not of ${name}`)
    }
    const antecedent = mentions.get(name)
    if (antecedent !== undefined) pronouns.push({ span: [start, end], antecedent, antecedentText: name })
  })
  facts.topic = null
  if (complete) form.meaning(facts, filling)
  facts.sentences++
  return pronouns
}
