// What happens in the stories of the tiny world: each plot is a list of sentences by form, with who and what is in them.
// A choice that would be a mere matter of words (a name or a pronoun, "did not" or "didn't") is left to the telling.
import type { Random } from "../random.ts"
import { classes, type Deed, deeds, gratitudes, motives, sizes, speeds, strengths } from "./lexicon.ts"

/** A sentence to tell: its form, and the words of its places. */
export interface Step {
  readonly form: string
  readonly filling: Readonly<Record<string, string>>
}

type Plot = (random: Random) => Step[]

const step = (form: string, filling: Record<string, string>): Step => ({ form, filling })

function pickTwo<T>(random: Random, items: readonly T[]): [T, T] {
  const first = random.below(items.length)
  const second = (first + 1 + random.below(items.length - 1)) % items.length
  return [items[first]!, items[second]!]
}

function beginWithAnimal(random: Random, p: string, a: string): Step {
  const t = random.pick(classes.trait)
  if (a !== "animal" && random.chance(1, 3)) return step("had an animal", { p, a })
  return random.chance(1, 2) ? step("walked with an animal", { p, a, t }) : step("there was an animal", { p, a, t })
}

const afterWeakness: Readonly<Record<string, string>> = {
  tired: "rested",
  sleepy: "rested",
  lazy: "rested",
  scared: "hid",
  nervous: "hid",
  shy: "hid",
  sick: "was carried",
  weak: "was carried",
  hungry: "was fed",
  thirsty: "was watered",
}

function afterQuality(deed: Deed, s: string): string {
  if (deed.verb === "eat" || deed.verb === "drink")
    return s === "hot" ? "cooled" : s === "cold" ? "warmed" : "thrown away"
  if (s === "dark") return "got a light"
  if (s === "dusty") return "cleaned"
  return ["busy", "noisy", "crowded"].includes(s) ? "waited" : "another way"
}

/** An animal wants something and does not do it, for a reason that lies in it or in the thing. */
function hindered(random: Random): Step[] {
  const deed = random.pick(deeds)
  const p = random.pick(classes.person)
  const a = random.pick(classes.animal)
  const x = random.pick(Object.keys(deed.things))
  const weak = random.chance(1, 2)
  const s = random.pick(weak ? deed.weaknesses : deed.things[x]!)
  const steps = [beginWithAnimal(random, p, a)]
  if (random.chance(2, 3)) steps.push(step(`wanted to ${deed.verb}`, { a, x }))
  steps.push(step(`did not ${deed.verb}`, { a, x, s }))
  if (weak) steps.push(step(afterWeakness[s]!, { a, p, s }))
  else steps.push(step(afterQuality(deed, s), { x, p, s }))
  const ending = random.below(4)
  const awayStill = s !== "sick" && s !== "weak" && s !== "dark" // otherwise somebody is at home already
  if (ending < 2 && awayStill) steps.push(step("both went home", { p, a }))
  if (ending === 2) steps.push(step("felt", { p, m: weak ? random.pick(["happy", "glad"]) : "sad" }))
  return steps
}

/** An animal does what it wants. */
function encouraged(random: Random): Step[] {
  const deed = random.pick(deeds.filter(({ invitations }) => invitations.length > 0))
  const p = random.pick(classes.person)
  const a = random.pick(classes.animal)
  const x = random.pick(Object.keys(deed.things))
  const s = random.pick(random.chance(1, 2) ? strengths : deed.invitations)
  const steps = [
    beginWithAnimal(random, p, a),
    step(`wanted to ${deed.verb}`, { a, x }),
    step(`did ${deed.verb}`, { a, x, s }),
    step("was proud", { p, a }),
  ]
  if (random.chance(1, 2)) steps.push(step("both went home", { p, a }))
  return steps
}

/** A person wants something and does not do it. */
function hinderedPerson(random: Random): Step[] {
  const deed = random.pick(deeds)
  const p = random.pick(classes.person)
  const x = random.pick(Object.keys(deed.things))
  const weak = random.chance(1, 2)
  const s = random.pick(weak ? deed.weaknesses : deed.things[x]!)
  const steps = [step("walked", { p }), step(`person wanted to ${deed.verb}`, { p, x })]
  if (weak) {
    const rests = afterWeakness[s] === "rested"
    steps.push(step(`person did not ${deed.verb}, being weak`, { p, x, s }))
    steps.push(step(rests ? "person rested" : "person went home", { p, s }))
    if (rests) steps.push(step("went home", { p }))
  } else {
    steps.push(step(`person did not ${deed.verb}`, { p, x, s }))
    steps.push(step(afterQuality(deed, s), { x, p, s }))
    steps.push(step("felt", { p, m: random.pick(classes.mood) }))
  }
  return steps
}

/** A thing does not fit into a box. */
function packing(random: Random): Step[] {
  const p = random.pick(classes.person)
  const o = random.pick(classes.object)
  const b = random.pick(classes.box)
  const large = random.chance(1, 2)
  const s = random.pick(large ? sizes.object : sizes.box)
  const r = random.pick(classes.preposition)
  const f = random.pick(classes.furniture)
  const steps = [
    step("had a thing and a box", { p, c: random.pick(classes.color), o, b }),
    step("wanted to pack", { p, o, b }),
    step("did not fit", { o, b, s }),
  ]
  if (!large) steps.push(step("another box", { b, s, p }), step("felt", { p, m: random.pick(classes.mood) }))
  else {
    steps.push(step("put elsewhere", { o, s, p, r, f }))
    if (random.chance(1, 2)) steps.push(step("still there", { o, r, f }))
  }
  return steps
}

/** Someone gives something away. */
function giving(random: Random): Step[] {
  const [p, q] = pickTwo(random, classes.person)
  const o = random.pick(classes.object)
  const c = random.pick(classes.color)
  const kind = random.chance(1, 2)
  const s = random.pick(kind ? motives.giver : motives.receiver)
  const steps = [step("had a thing", { p, c, o }), step("came", { p, q }), step("gave", { p, q, o, s })]
  if (random.chance(1, 2)) {
    const feelings = random.chance(1, 2) ? gratitudes.thanked : gratitudes.thanking
    // Who was just said to be sad is not happy in the same breath.
    const gratitude = kind ? random.pick(feelings) : random.pick(gratitudes.thanked)
    steps.push(step("thanked", { p: q, q: p, s: gratitude }))
  }
  steps.push(step("now had", { p: q, c, o }))
  if (random.chance(1, 2)) steps.push(step("played", { p: q, o }))
  return steps
}

/** Someone puts a thing somewhere, and someone else finds it there. */
function finding(random: Random): Step[] {
  const [p, q] = pickTwo(random, classes.person)
  const o = random.pick(classes.object)
  const r = random.pick(classes.preposition)
  const f = random.pick(classes.furniture)
  const steps = [
    step("had a thing", { p, c: random.pick(classes.color), o }),
    step("put", { p, o, r, f }),
    step("looked for", { q, o }),
    step("found", { q, o, r, f }),
  ]
  if (random.chance(2, 3)) {
    steps.push(step("brought back", { p, q, o }))
    const feelings = random.chance(1, 2) ? gratitudes.thanked : gratitudes.thanking
    steps.push(step("thanked", { p, q, s: random.pick(feelings) }))
  }
  return steps
}

/** One animal catches another. */
function catching(random: Random): Step[] {
  const [first, second] = pickTwo(random, classes.animal)
  const [a, b] = second === "animal" ? [second, first] : [first, second] // only a kind can be introduced without more words
  const fast = random.chance(1, 2)
  const s = random.pick(fast ? speeds.catcher : speeds.caught)
  const steps = [
    step("saw an animal", { a, b, t: random.pick(classes.trait) }),
    step("ran after", { a, b }),
    step("caught", { a, b, s }),
    fast ? step("unstoppable", { a, s }) : step("not away", { a: b, s }),
    step("let go", { a, b }),
  ]
  if (random.chance(1, 2)) steps.push(step("ran home", { b }))
  return steps
}

/** Every plot and how often it comes, in parts of the sum. */
export const plots: readonly { readonly name: string; readonly weight: number; readonly plot: Plot }[] = [
  { name: "hindered", weight: 8, plot: hindered },
  { name: "encouraged", weight: 2, plot: encouraged },
  { name: "hindered person", weight: 2, plot: hinderedPerson },
  { name: "packing", weight: 2, plot: packing },
  { name: "giving", weight: 2, plot: giving },
  { name: "finding", weight: 2, plot: finding },
  { name: "catching", weight: 2, plot: catching },
]
