// What is true in a story so far, kept sentence by sentence. The generator asks before it tells; the checker complains where a text
// does not fit. Each kind of thing occurs once in a story, so its noun is its name.
import { areOpposite, people } from "./lexicon.ts"

/** The state of a story, and what was wrong with the sentences that made it. */
export class Facts {
  /** Sentences told. */
  sentences = 0
  /** What does not fit, in words. */
  readonly reasons: string[] = []
  /** The thing or animal that "it" speaks of in the next sentence. */
  topic: string | null = null
  private readonly known = new Set<string>()
  private readonly spoken: string[] = [] // people, the last mentioned at the end
  private readonly traits = new Map<string, Set<string>>()
  private readonly owners = new Map<string, string>()
  private readonly spots = new Map<string, string>()
  private readonly goals = new Map<string, string>()
  private readonly outcomes = new Map<string, boolean>()
  private readonly home = new Set<string>()

  /** A state that changes apart from this one. */
  copy(): Facts {
    const other = new Facts()
    other.sentences = this.sentences
    other.reasons.push(...this.reasons)
    other.topic = this.topic
    for (const noun of this.known) other.known.add(noun)
    other.spoken.push(...this.spoken)
    for (const [noun, traits] of this.traits) other.traits.set(noun, new Set(traits))
    for (const [thing, owner] of this.owners) other.owners.set(thing, owner)
    for (const [thing, spot] of this.spots) other.spots.set(thing, spot)
    for (const [animal, goal] of this.goals) other.goals.set(animal, goal)
    for (const [deed, done] of this.outcomes) other.outcomes.set(deed, done)
    for (const name of this.home) other.home.add(name)
    return other
  }

  /** Notes that something does not fit unless it holds. */
  require(holds: boolean, reason: string): void {
    if (!holds) this.reasons.push(reason)
  }

  /** A person, an animal or a thing comes into the story for the first time. */
  introduce(name: string): void {
    this.require(!this.known.has(name), `${name} is in the story already`)
    this.known.add(name)
    this.mention(name)
  }

  /** Someone or something that must be in the story already; the first sentence may begin in the middle of things. */
  expect(name: string): void {
    if (this.sentences > 0) this.require(this.known.has(name), `${name} is not in the story yet`)
    this.known.add(name)
    this.mention(name)
  }

  /** A place, or food that is at hand: it may be spoken of without being introduced. */
  meet(name: string): void {
    this.known.add(name)
  }

  private mention(name: string): void {
    if (!(name in people)) return
    const before = this.spoken.indexOf(name)
    if (before >= 0) this.spoken.splice(before, 1)
    this.spoken.push(name)
  }

  /** The person whom "he" or "she" speaks of: the last one mentioned, or null. */
  lastPerson(pronoun: "he" | "she"): string | null {
    return this.spoken.findLast(name => people[name] === pronoun) ?? null
  }

  /** Whether "he" or "she" can mean this person only. */
  isOnly(name: string): boolean {
    return this.spoken.every(other => other === name || people[other] !== people[name])
  }

  /** Says how someone or something is. */
  describe(name: string, trait: string): void {
    const traits = this.traits.get(name) ?? new Set<string>()
    for (const other of traits) this.require(!areOpposite(trait, other), `${name} was ${other} and cannot be ${trait}`)
    traits.add(trait)
    this.traits.set(name, traits)
  }

  /** Someone or something must have been described so. */
  expectTrait(name: string, trait: string): void {
    this.require(this.traits.get(name)?.has(trait) === true, `nobody said that ${name} was ${trait}`)
  }

  /** A thing or an animal belongs to someone from now on. */
  own(person: string, thing: string): void {
    this.owners.set(thing, person)
    this.spots.delete(thing)
  }

  /** A thing must belong to someone; where nothing was said, it does from now on. */
  expectOwner(person: string, thing: string): void {
    const owner = this.owners.get(thing)
    this.require(owner === undefined || owner === person, `the ${thing} is ${owner}'s, not ${person}'s`)
    this.owners.set(thing, person)
  }

  /** A thing is put somewhere. */
  put(thing: string, spot: string): void {
    this.spots.set(thing, spot)
  }

  /** A thing must be where it was put. */
  expectSpot(thing: string, spot: string): void {
    const known = this.spots.get(thing)
    this.require(
      known === spot,
      known === undefined ? `nobody put the ${thing} anywhere` : `the ${thing} is ${known}, not ${spot}`,
    )
  }

  /** Someone goes home, who must still be away. */
  goHome(name: string): void {
    this.require(!this.home.has(name), `${name} is at home already`)
    this.home.add(name)
  }

  /** An animal wants to do something. */
  want(animal: string, deed: string): void {
    this.goals.set(animal, deed)
  }

  /** An animal does something or does not; it must be what it wanted, and cannot be both. */
  act(animal: string, deed: string, done: boolean): void {
    const goal = this.goals.get(animal)
    this.require(goal === undefined || goal === deed, `the ${animal} wanted to ${goal}, not to ${deed}`)
    const before = this.outcomes.get(`${animal} ${deed}`)
    this.require(before === undefined || before === done, `the ${animal} cannot both ${deed} and not ${deed}`)
    this.outcomes.set(`${animal} ${deed}`, done)
  }
}
