// Sentence patterns: words, places for words of a class, and pronouns of a place. Each token is one word, so matching is a walk.
//   "the {a:animal} [did not/didn't] cross the {x:cross} because {?.it} was too {s:reason}."
// `{a:animal}` takes a word of a class, `{a.it}` speaks of what place `a` holds, `{?.it}` of a place that the meaning chooses,
// and `[one/other]` stands for either.
import { classes, people, type WordClass } from "./lexicon.ts"

/** The pronouns of patterns; `he` stands for he or she, `him` for him or her, `his` for his or her. */
export type PronounForm = "it" | "he" | "him" | "his"

/** One word of a pattern. */
export type PatternToken =
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "place"; readonly place: string; readonly words: WordClass }
  | { readonly kind: "pronoun"; readonly place: string; readonly form: PronounForm }

/** A pattern without alternatives. */
export type Pattern = readonly PatternToken[]

/** Which word each place holds. */
export type Filling = Readonly<Record<string, string>>

/** A word of a sentence, and where it stands in the text. */
export interface Token {
  readonly text: string
  readonly start: number
  readonly end: number
}

const personForms = { he: ["he", "she"], him: ["him", "her"], his: ["his", "her"] } as const

/** All patterns that a text with alternatives stands for. */
export function parsePatterns(text: string): Pattern[] {
  const open = text.lastIndexOf("[")
  if (open >= 0) {
    const close = text.indexOf("]", open)
    const options = text.slice(open + 1, close).split("/")
    return options.flatMap(option => parsePatterns(text.slice(0, open) + option + text.slice(close + 1)))
  }
  return [text.match(/\{[^}]+\}|[\w']+|[.,]/g)!.map(parseToken)]
}

function parseToken(text: string): PatternToken {
  const place = /^\{(\w+):(\w+)\}$/.exec(text)
  if (place !== null) return { kind: "place", place: place[1]!, words: place[2] as WordClass }
  const pronoun = /^\{(\w+|\?)\.(\w+)\}$/.exec(text)
  if (pronoun !== null) return { kind: "pronoun", place: pronoun[1]!, form: pronoun[2] as PronounForm }
  return { kind: "word", word: text }
}

/** The words that may stand at a token. */
export function wordsAt(token: PatternToken): readonly string[] {
  if (token.kind === "word") return [token.word]
  if (token.kind === "place") return classes[token.words]
  return token.form === "it" ? ["it"] : personForms[token.form]
}

/** The pronoun of a form that speaks of a name. */
export function pronounFor(form: PronounForm, name: string): string {
  if (form === "it") return "it"
  return personForms[form][people[name] === "she" ? 1 : 0]
}

/** Whom a pronoun word can speak of: "he", "she" or "it". */
export function genderOf(pronoun: string): "he" | "she" | "it" {
  if (pronoun === "it") return "it"
  return pronoun === "she" || pronoun === "her" ? "she" : "he"
}

/** How a name is spoken of. */
export function genderOfName(name: string): "he" | "she" | "it" {
  return people[name] ?? "it"
}

/** Whether the pattern has a place of this name (rather than only a pronoun of it). */
export function hasPlace(pattern: Pattern, place: string): boolean {
  return pattern.some(token => token.kind === "place" && token.place === place)
}

/** The words of a pattern when its places are filled; the first one is written large. */
export function wordsOf(pattern: Pattern, filling: Filling, chosen: string | null): string[] {
  const words = pattern.map(token => {
    if (token.kind === "word") return token.word
    if (token.kind === "place") return filling[token.place]!
    return pronounFor(token.form, filling[token.place === "?" ? chosen! : token.place]!)
  })
  words[0] = capitalize(words[0]!)
  return words
}

/** The places that the words of a sentence fill, or null where they do not match the pattern. */
export function match(pattern: Pattern, words: readonly string[]): Record<string, string> | null {
  if (pattern.length !== words.length) return null
  const filling: Record<string, string> = {}
  for (let at = 0; at < pattern.length; at++) {
    const token = pattern[at]!
    const word = at === 0 ? uncapitalize(words[0]!) : words[at]!
    if (!wordsAt(token).includes(word)) return null
    if (token.kind === "place") filling[token.place] = word
  }
  return filling
}

/** The words and signs of a text with their places in it. */
export function tokenize(text: string, offset = 0): Token[] {
  return [...text.matchAll(/[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*|[^\s\p{L}\p{N}]/gu)].map(found => ({
    text: found[0],
    start: offset + found.index,
    end: offset + found.index + found[0].length,
  }))
}

/** Words and signs as a sentence is written. */
export function join(words: readonly string[]): string {
  return words.map((word, at) => (at === 0 || word === "." || word === "," ? word : ` ${word}`)).join("")
}

/** A word as the first of a sentence. */
export function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

function uncapitalize(word: string): string {
  if (word in people) return word
  const small = word.charAt(0).toLowerCase() + word.slice(1)
  return small === word ? `${word} ` : small // a sentence must begin with a large letter: a small one matches nothing
}
