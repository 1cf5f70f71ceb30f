// Questions about pronouns, in the shape of "The animal didn't cross the street because it was too tired": two things could be meant,
// and the reason decides (Winograd schemas; Levesque et al. 2012).
import { DataError } from "../errors.ts"
import { Random } from "../random.ts"
import { formNamed } from "./forms.ts"
import { classes, deeds, gratitudes, motives, people, sizes, speeds } from "./lexicon.ts"
import { join, tokenize, wordsOf } from "./pattern.ts"
import type { Step } from "./plots.ts"
import type { Span } from "./tell.ts"

/** The kinds of questions. In the first five "it" is the animal or the thing; in the others both could be it by what they are. */
export type QuestionShape = "cross" | "climb" | "enter" | "eat" | "drink" | "fit" | "give" | "thank" | "catch"

/** A sentence with a pronoun, what it means and what it does not mean. */
export interface PronounQuestion {
  readonly sentence: string
  readonly shape: QuestionShape
  /** Where the pronoun stands. */
  readonly pronoun: Span
  readonly pronounText: string
  /** What the pronoun means (the noun or the name alone). */
  readonly antecedent: Span
  readonly antecedentText: string
  /** The other one. */
  readonly wrong: Span
  readonly wrongText: string
  /** The last word, which decides. */
  readonly reason: Span
  readonly reasonText: string
  /** The same sentence with another last word, for which the other one is meant. */
  readonly twin: string
  /**
   * A beginning of a story, the sentence and "The": stories go on with the antecedent, so a model that reads from left to right, and
   * meets the pronoun before the reason, shows here what it took the pronoun for. Null for shapes whose stories go on otherwise.
   */
  readonly prompt: string | null
}

interface Draft {
  readonly form: string
  readonly filling: Record<string, string>
  /** The places that could be meant, and the reasons that speak of each. */
  readonly candidates: readonly (readonly [place: string, reasons: readonly string[]])[]
  /** How a story comes to this sentence, or null where it does not go on with the antecedent. */
  readonly beginning: readonly Step[] | null
}

const two = (random: Random, items: readonly string[]): [string, string] => {
  const first = random.pick(items)
  return [first, random.pick(items.filter(item => item !== first))]
}

function draftDeed(verb: string): (random: Random) => Draft {
  const deed = deeds.find(candidate => candidate.verb === verb)!
  return random => {
    const filling = { a: random.pick(classes.animal), x: random.pick(Object.keys(deed.things)) }
    const p = random.pick(classes.person)
    const t = random.pick(classes.trait)
    return {
      form: `did not ${verb}`,
      filling,
      beginning: [{ form: "walked with an animal", filling: { p, a: filling.a, t } }],
      candidates: [
        ["a", deed.weaknesses],
        ["x", deed.things[filling.x]!],
      ],
    }
  }
}

/** Two people of whom the same pronoun speaks. */
function drawPair(random: Random): { p: string; q: string } {
  const pronoun = random.pick(["he", "she"])
  const [p, q] = two(
    random,
    classes.person.filter(name => people[name] === pronoun),
  )
  return { p, q }
}

const drafts: Readonly<Record<QuestionShape, (random: Random) => Draft>> = {
  cross: draftDeed("cross"),
  climb: draftDeed("climb"),
  enter: draftDeed("enter"),
  eat: draftDeed("eat"),
  drink: draftDeed("drink"),
  fit: random => {
    const filling = { o: random.pick(classes.object), b: random.pick(classes.box) }
    const p = random.pick(classes.person)
    const c = random.pick(classes.color)
    return {
      form: "did not fit",
      filling,
      beginning: [{ form: "had a thing and a box", filling: { ...filling, p, c } }],
      candidates: [
        ["o", sizes.object],
        ["b", sizes.box],
      ],
    }
  },
  give: random => ({
    form: "gave",
    filling: { ...drawPair(random), o: random.pick(classes.object) },
    beginning: null,
    candidates: [
      ["p", motives.giver],
      ["q", motives.receiver],
    ],
  }),
  thank: random => ({
    form: "thanked",
    filling: drawPair(random),
    beginning: null,
    candidates: [
      ["p", gratitudes.thanking],
      ["q", gratitudes.thanked],
    ],
  }),
  catch: (random): Draft => {
    const b = random.pick(classes.namedAnimal)
    const a = random.pick(classes.animal.filter(animal => animal !== b))
    return {
      form: "caught",
      filling: { a, b },
      beginning: [
        { form: "saw an animal", filling: { a, b, t: random.pick(classes.trait) } },
        { form: "ran after", filling: { a, b } },
      ],
      candidates: [
        ["a", speeds.catcher],
        ["b", speeds.caught],
      ],
    }
  },
}

/** Every shape of question. */
export const questionShapes = Object.keys(drafts) as readonly QuestionShape[]

/**
 * `count` questions from a seed. The first and the second candidate are meant equally often, in turn. Default shapes: those where an
 * animal or a place or food can be meant ("cross", "climb", "enter", "eat", "drink").
 */
export function pronounQuestions(
  seed: number,
  count: number,
  options: { readonly shapes?: readonly QuestionShape[] } = {},
): PronounQuestion[] {
  const { shapes = questionShapes.slice(0, 5) } = options
  for (const shape of shapes)
    if (!(shape in drafts))
      throw new DataError(
        `pronounQuestions: expected shapes of ${questionShapes.join(", ")}, but got ${JSON.stringify(shape)}`,
      )
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 0 || shapes.length === 0)
    throw new DataError(
      `pronounQuestions: expected a whole seed, a count and a shape, but got ${seed}, ${count} and ${shapes.length} shapes`,
    )
  return Array.from({ length: count }, (_, number) => {
    const random = new Random(seed, number, 0x9e57)
    return question(random.pick(shapes), number % 2, random)
  })
}

function question(shape: QuestionShape, meant: number, random: Random): PronounQuestion {
  const { form: name, filling, candidates, beginning } = drafts[shape](random)
  const form = formNamed(name)
  const [right, reasons] = candidates[meant]!
  const [other, otherReasons] = candidates[1 - meant]!
  const pattern = random.pick(form.patterns)
  const write = (place: string, reason: string) => join(wordsOf(pattern, { ...filling, s: reason }, place))
  const reasonText = random.pick(reasons)
  const sentence = write(right, reasonText)
  const tokens = tokenize(sentence)
  const opening = (beginning ?? []).map(({ form, filling }) =>
    join(wordsOf(formNamed(form).patterns[0]!, filling, null)),
  )
  const at = (test: (token: (typeof pattern)[number]) => boolean) => tokens[pattern.findIndex(test)]!
  const pronoun = at(token => token.kind === "pronoun")
  const antecedent = at(token => token.kind === "place" && token.place === right)
  const wrong = at(token => token.kind === "place" && token.place === other)
  const reason = at(token => token.kind === "place" && token.place === "s")
  return {
    sentence,
    shape,
    pronoun: [pronoun.start, pronoun.end],
    pronounText: pronoun.text,
    antecedent: [antecedent.start, antecedent.end],
    antecedentText: antecedent.text,
    wrong: [wrong.start, wrong.end],
    wrongText: wrong.text,
    reason: [reason.start, reason.end],
    reasonText,
    twin: write(other, random.pick(otherReasons)),
    prompt: beginning === null ? null : [...opening, sentence, "The"].join(" "),
  }
}
