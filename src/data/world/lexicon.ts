// The words of the tiny world: who and what there is, and what each can be. Closed and small, so that a small model can know it all.

/** People and how they are spoken of. */
export const people: Readonly<Record<string, "he" | "she">> = {
  Tom: "he",
  Ben: "he",
  Sam: "he",
  Max: "he",
  Leo: "he",
  Jack: "he",
  Anna: "she",
  Lily: "she",
  Mia: "she",
  Emma: "she",
  Lucy: "she",
  Sara: "she",
}

const namedAnimals = "dog cat horse cow goat pig sheep rabbit fox duck hen bear mouse frog donkey pony lamb wolf".split(
  " ",
)

/** Animals; "animal" is used like a kind of its own. */
export const animals: readonly string[] = [...namedAnimals, "animal"]

/** Why an animal (or a person) does not do something. */
export const weaknesses: readonly string[] = "tired sleepy sick weak lazy scared nervous shy hungry thirsty".split(" ")

/** Why an animal does something. */
export const strengths: readonly string[] = "brave curious strong clever".split(" ")

/** Something that can be done with a place or with food, and what keeps one from it. */
export interface Deed {
  readonly verb: string
  readonly past: string
  /** Each thing it can be done with, and how that thing can be too much. */
  readonly things: Readonly<Record<string, readonly string[]>>
  /** How the thing can invite it; empty where stories never tell of it. */
  readonly invitations: readonly string[]
  /** What keeps an animal from it. */
  readonly weaknesses: readonly string[]
}

const words = (text: string): readonly string[] => text.split(" ")
const meek = words("tired sleepy sick scared nervous shy")

/** What animals do in the world. */
export const deeds: readonly Deed[] = [
  {
    verb: "cross",
    past: "crossed",
    things: {
      street: words("wide busy long icy noisy"),
      road: words("wide busy long icy muddy"),
      river: words("wide deep rough"),
      stream: words("wide deep rough"),
      bridge: words("long narrow icy slippery high"),
      field: words("wide long muddy"),
      path: words("long muddy icy steep narrow"),
      valley: words("wide deep long"),
      lake: words("wide deep icy rough"),
      square: words("wide busy crowded noisy"),
    },
    invitations: words("quiet safe"),
    weaknesses,
  },
  {
    verb: "climb",
    past: "climbed",
    things: {
      hill: words("high steep icy slippery muddy"),
      wall: words("high smooth slippery"),
      rock: words("high steep smooth slippery"),
      fence: words("high smooth"),
      ladder: words("high narrow slippery long"),
      mountain: words("high steep icy"),
      tower: words("high narrow smooth"),
    },
    invitations: words("low safe"),
    weaknesses,
  },
  {
    verb: "enter",
    past: "entered",
    things: {
      cave: words("dark deep narrow"),
      barn: words("dark crowded noisy dusty"),
      house: words("dark crowded noisy dusty"),
      garden: words("crowded noisy muddy"),
      shop: words("crowded busy noisy dusty"),
      tent: words("dark narrow crowded"),
      shed: words("dark dusty narrow crowded"),
    },
    invitations: words("quiet warm"),
    weaknesses,
  },
  {
    verb: "eat",
    past: "ate",
    things: {
      bread: words("hard dry"),
      soup: words("hot salty"),
      cake: words("hot dry sweet"),
      pear: words("hard sour"),
      carrot: words("hard dirty"),
      cheese: words("hard salty"),
      corn: words("hot hard dry"),
    },
    invitations: [],
    weaknesses: meek,
  },
  {
    verb: "drink",
    past: "drank",
    things: {
      water: words("cold hot dirty salty"),
      milk: words("hot cold sour"),
      juice: words("cold sour sweet"),
      tea: words("hot sweet"),
    },
    invitations: [],
    weaknesses: meek,
  },
]

/** The classes of words that a sentence may have a place for. */
export const classes = {
  person: Object.keys(people),
  animal: animals,
  namedAnimal: namedAnimals,
  trait: words("little young brown grey friendly"),
  color: words("red blue green yellow white black"),
  object: words("ball book hat kite coat drum toy lamp clock doll boat"),
  box: words("box bag basket drawer chest"),
  preposition: words("on under behind"),
  furniture: words("table bed chair shelf"),
  cross: Object.keys(deeds[0]!.things),
  climb: Object.keys(deeds[1]!.things),
  enter: Object.keys(deeds[2]!.things),
  eat: Object.keys(deeds[3]!.things),
  drink: Object.keys(deeds[4]!.things),
  weakness: weaknesses,
  quality: [...new Set(deeds.flatMap(deed => Object.values(deed.things).flat()))],
  reason: [...new Set([...weaknesses, ...deeds.flatMap(deed => Object.values(deed.things).flat())])],
  encouragement: [...new Set([...strengths, ...deeds.flatMap(deed => deed.invitations)])],
  size: words("big large thick small tiny full"),
  motive: words("kind generous nice sad lonely bored"),
  gratitude: words("kind helpful happy glad"),
  speed: words("fast quick strong slow careless lame"),
  mood: words("happy glad sad"),
} satisfies Record<string, readonly string[]>

/** The name of a class of words. */
export type WordClass = keyof typeof classes

/** Which of the two in "The ball did not fit in the box because it was too …" a size speaks of. */
export const sizes = { object: words("big large thick"), box: words("small tiny full") }
/** Which of the two in "Anna gave Lily a ball because she was …" a motive speaks of. */
export const motives = { giver: words("kind generous nice"), receiver: words("sad lonely bored") }
/** Which of the two in "Anna thanked Lily because she was …" a feeling speaks of. */
export const gratitudes = { thanked: words("kind helpful"), thanking: words("happy glad") }
/** Which of the two in "The fox caught the hen because it was …" a speed speaks of. */
export const speeds = { catcher: words("fast quick strong"), caught: words("slow careless lame") }

const opposites: readonly (readonly [string, string])[] = [
  ["wide", "narrow"],
  ["hot", "cold"],
  ["big", "small"],
  ["big", "tiny"],
  ["large", "small"],
  ["large", "tiny"],
  ["strong", "weak"],
  ["fast", "slow"],
  ["fast", "lame"],
  ["quick", "slow"],
  ["quick", "lame"],
  ["brave", "scared"],
  ["brave", "nervous"],
  ["brave", "shy"],
  ["quiet", "noisy"],
  ["quiet", "busy"],
  ["quiet", "crowded"],
  ["low", "high"],
  ["happy", "sad"],
  ["glad", "sad"],
]

/** Whether nothing can be both. */
export function areOpposite(a: string, b: string): boolean {
  return opposites.some(([x, y]) => (x === a && y === b) || (x === b && y === a))
}
