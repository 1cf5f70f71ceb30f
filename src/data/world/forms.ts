// Every sentence that the tiny world can tell: its patterns, what "it" or "she" speaks of where the reason decides, and what the
// sentence changes in the story. The generator and the checker use the same forms, so they cannot disagree.
import type { Facts } from "./facts.ts"
import { type Deed, deeds, gratitudes, motives, sizes, speeds, strengths } from "./lexicon.ts"
import { type Filling, type Pattern, parsePatterns } from "./pattern.ts"

/** A kind of sentence. */
export interface Form {
  readonly name: string
  readonly patterns: readonly Pattern[]
  /** The place that the pronoun of `{?.it}` speaks of, or null where the reason fits none. */
  readonly antecedent: (filling: Filling) => string | null
  /** Tells the facts, or complains. */
  readonly meaning: (facts: Facts, filling: Filling) => void
}

type Words = Record<string, string>

function form(
  name: string,
  text: string,
  meaning: (facts: Facts, words: Words) => void,
  antecedent: (words: Words) => string | null = () => null,
): Form {
  return {
    name,
    patterns: parsePatterns(text),
    meaning: (facts, filling) => meaning(facts, filling as Words),
    antecedent: filling => antecedent(filling as Words),
  }
}

/** Describes whom the reason speaks of, or says that it fits neither. */
function because(facts: Facts, words: Words, place: string | null, names: readonly string[]): void {
  const reason = words.s!
  if (place === null) facts.require(false, `neither ${names[0]} nor ${names[1]} can be ${reason} here`)
  else facts.describe(words[place]!, reason)
}

const spot = (words: Words) => `${words.r} the ${words.f}`

const beginnings: readonly Form[] = [
  form("had an animal", "{p:person} had a {a:namedAnimal}.", (facts, { p, a }) => {
    facts.introduce(p!)
    facts.introduce(a!)
    facts.own(p!, a!)
    facts.topic = a!
  }),
  form(
    "walked with an animal",
    "one day {p:person} went for a walk with a {t:trait} {a:animal}.",
    (facts, { p, a, t }) => {
      facts.introduce(p!)
      facts.introduce(a!)
      facts.describe(a!, t!)
      facts.topic = a!
    },
  ),
  form(
    "there was an animal",
    "there was a {t:trait} {a:animal}, and {p:person} liked {a.it}.",
    (facts, { p, a, t }) => {
      facts.introduce(a!)
      facts.introduce(p!)
      facts.describe(a!, t!)
      facts.topic = a!
    },
  ),
  form("had a thing", "{p:person} had a {c:color} {o:object}.", (facts, { p, c, o }) => {
    facts.introduce(p!)
    facts.introduce(o!)
    facts.describe(o!, c!)
    facts.own(p!, o!)
    facts.topic = o!
  }),
  form("had a thing and a box", "{p:person} had a {c:color} {o:object} and a {b:box}.", (facts, { p, c, o, b }) => {
    facts.introduce(p!)
    facts.introduce(o!)
    facts.introduce(b!)
    facts.describe(o!, c!)
    facts.own(p!, o!)
    facts.own(p!, b!)
  }),
  form("saw an animal", "a {t:trait} {a:animal} saw a {b:namedAnimal}.", (facts, { a, b, t }) => {
    facts.require(a !== b, `the ${a} cannot see itself`)
    facts.introduce(a!)
    facts.introduce(b!)
    facts.describe(a!, t!)
    facts.topic = a!
  }),
  form("walked", "one day {p:person} went for a walk.", (facts, { p }) => facts.introduce(p!)),
]

function formsOf(deed: Deed): Form[] {
  const { verb, past, things, invitations, weaknesses } = deed
  const what = ({ x }: Words) => `${verb} the ${x}`
  const tooMuch = ({ x, s }: Words) => (weaknesses.includes(s!) ? "a" : things[x!]!.includes(s!) ? "x" : null)
  const inviting = ({ s }: Words) => (strengths.includes(s!) ? "a" : invitations.includes(s!) ? "x" : null)
  const list = [
    form(`wanted to ${verb}`, `[the {a:animal}/{a.it}] wanted to ${verb} the {x:${verb}}.`, (facts, words) => {
      facts.expect(words.a!)
      facts.meet(words.x!)
      facts.want(words.a!, what(words))
      facts.topic = words.a!
    }),
    form(`person wanted to ${verb}`, `[{p:person}/{p.he}] wanted to ${verb} the {x:${verb}}.`, (facts, words) => {
      facts.expect(words.p!)
      facts.meet(words.x!)
      facts.want(words.p!, what(words))
    }),
    form(
      `did not ${verb}`,
      `the {a:animal} [did not/didn't/could not] ${verb} the {x:${verb}} because {?.it} was too {s:reason}.`,
      (facts, words) => {
        facts.expect(words.a!)
        facts.meet(words.x!)
        facts.act(words.a!, what(words), false)
        because(facts, words, tooMuch(words), [`the ${words.a}`, `the ${words.x}`])
      },
      tooMuch,
    ),
    form(
      `person did not ${verb}, being weak`,
      `{p:person} [did not/didn't/could not] ${verb} the {x:${verb}} because {p.he} was too {s:weakness}.`,
      (facts, words) => {
        facts.expect(words.p!)
        facts.meet(words.x!)
        facts.act(words.p!, what(words), false)
        facts.require(weaknesses.includes(words.s!), `being ${words.s} is no reason not to ${verb}`)
        facts.describe(words.p!, words.s!)
      },
    ),
    form(
      `person did not ${verb}`,
      `{p:person} [did not/didn't/could not] ${verb} the {x:${verb}} because {x.it} was too {s:quality}.`,
      (facts, words) => {
        facts.expect(words.p!)
        facts.meet(words.x!)
        facts.act(words.p!, what(words), false)
        facts.require(things[words.x!]!.includes(words.s!), `the ${words.x} cannot be ${words.s}`)
        facts.describe(words.x!, words.s!)
      },
    ),
  ]
  if (invitations.length === 0) return list
  const success = form(
    `did ${verb}`,
    `the {a:animal} ${past} the {x:${verb}} because {?.it} was very {s:encouragement}.`,
    (facts, words) => {
      facts.expect(words.a!)
      facts.meet(words.x!)
      facts.act(words.a!, what(words), true)
      because(facts, words, inviting(words), [`the ${words.a}`, `the ${words.x}`])
      facts.topic = words.a!
    },
    inviting,
  )
  return [...list, success]
}

/** What follows from how someone or something is: only after it was said, and only from a cause that has this effect. */
function follows(name: string, text: string, place: string, causes: string, home: readonly string[] = []): Form {
  const allowed = causes.split(" ")
  return form(name, text, (facts, words) => {
    const named = words[place]!
    if (place === "x") facts.meet(named)
    else facts.expect(named)
    facts.expectTrait(named, words.s!)
    facts.require(allowed.includes(words.s!), `that does not follow from being ${words.s}`)
    if (words.p !== undefined) facts.expect(words.p)
    if (words.r !== undefined) facts.put(named, spot(words))
    for (const traveller of home) facts.goHome(words[traveller]!)
  })
}

const places = "[{x:cross}/{x:climb}/{x:enter}]"
const food = "[{x:eat}/{x:drink}]"
const consequences: readonly Form[] = [
  follows(
    "rested",
    "the {a:animal} was so {s:weakness} that {a.it} [slept under a tree/lay down in the grass].",
    "a",
    "tired sleepy lazy",
  ),
  follows(
    "hid",
    "the {a:animal} was so {s:weakness} that {a.it} hid [behind a tree/in the grass].",
    "a",
    "scared nervous shy",
  ),
  follows("was carried", "the {a:animal} was so {s:weakness} that {p:person} carried {a.it} home.", "a", "sick weak", [
    "a",
    "p",
  ]),
  follows("was fed", "the {a:animal} was so {s:weakness} that {p:person} gave {a.it} some bread.", "a", "hungry"),
  follows("was watered", "the {a:animal} was so {s:weakness} that {p:person} gave {a.it} some water.", "a", "thirsty"),
  follows(
    "person rested",
    "{p:person} was so {s:weakness} that {p.he} [slept under a tree/lay down in the grass].",
    "p",
    "tired sleepy lazy",
  ),
  follows(
    "person went home",
    "{p:person} was so {s:weakness} that {p.he} went home.",
    "p",
    "scared nervous shy sick weak hungry thirsty",
    ["p"],
  ),
  follows(
    "another way",
    `the ${places} was so {s:quality} that {p:person} looked for another way.`,
    "x",
    "wide long deep rough icy muddy narrow slippery steep high smooth",
  ),
  follows(
    "waited",
    `the ${places} was so {s:quality} that {p:person} waited until the evening.`,
    "x",
    "busy noisy crowded",
  ),
  follows("got a light", `the ${places} was so {s:quality} that {p:person} went home to get a light.`, "x", "dark", [
    "p",
  ]),
  follows("cleaned", `the ${places} was so {s:quality} that {p:person} cleaned {x.it}.`, "x", "dusty"),
  follows("cooled", `the ${food} was so {s:quality} that {p:person} waited until {x.it} was cold.`, "x", "hot"),
  follows("warmed", `the ${food} was so {s:quality} that {p:person} put {x.it} near the fire.`, "x", "cold"),
  follows(
    "thrown away",
    `the ${food} was so {s:quality} that {p:person} threw {x.it} away.`,
    "x",
    "hard dry sour sweet salty dirty",
  ),
  follows(
    "put elsewhere",
    "the {o:object} was so {s:size} that {p:person} put {o.it} {r:preposition} the {f:furniture}.",
    "o",
    sizes.object.join(" "),
  ),
  follows(
    "another box",
    "the {b:box} was so {s:size} that {p:person} looked for another one.",
    "b",
    sizes.box.join(" "),
  ),
  follows(
    "unstoppable",
    "the {a:animal} was so {s:speed} that nobody could stop {a.it}.",
    "a",
    speeds.catcher.join(" "),
  ),
  follows("not away", "the {a:animal} was so {s:speed} that {a.it} could not run away.", "a", speeds.caught.join(" ")),
]

const fits = ({ s }: Words) => (sizes.object.includes(s!) ? "o" : sizes.box.includes(s!) ? "b" : null)
const gives = ({ s }: Words) => (motives.giver.includes(s!) ? "p" : motives.receiver.includes(s!) ? "q" : null)
const thanks = ({ s }: Words) => (gratitudes.thanked.includes(s!) ? "q" : gratitudes.thanking.includes(s!) ? "p" : null)
const catches = ({ s }: Words) => (speeds.catcher.includes(s!) ? "a" : speeds.caught.includes(s!) ? "b" : null)

const doings: readonly Form[] = [
  form("wanted to pack", "[{p:person}/{p.he}] wanted to put the {o:object} in the {b:box}.", (facts, { p, o, b }) => {
    facts.expect(p!)
    facts.expect(o!)
    facts.expect(b!)
    facts.expectOwner(p!, o!)
  }),
  form(
    "did not fit",
    "the {o:object} [did not/didn't] fit in the {b:box} because {?.it} was too {s:size}.",
    (facts, words) => {
      facts.expect(words.o!)
      facts.expect(words.b!)
      because(facts, words, fits(words), [`the ${words.o}`, `the ${words.b}`])
    },
    fits,
  ),
  form("came", "[one day/then] {q:person} came to visit {p:person}.", (facts, { p, q }) => {
    facts.expect(p!)
    facts.introduce(q!)
  }),
  form(
    "gave",
    "{p:person} gave the {o:object} to {q:person} because {?.he} was {s:motive}.",
    (facts, words) => {
      const { p, q, o } = words
      facts.require(p !== q, `${p} cannot give something to the same person`)
      facts.expect(p!)
      facts.expect(q!)
      facts.expect(o!)
      facts.expectOwner(p!, o!)
      facts.own(q!, o!)
      because(facts, words, gives(words), [p!, q!])
    },
    gives,
  ),
  form(
    "thanked",
    "{p:person} thanked {q:person} because {?.he} was {s:gratitude}.",
    (facts, words) => {
      facts.require(words.p !== words.q, `${words.p} cannot thank the same person`)
      facts.expect(words.p!)
      facts.expect(words.q!)
      because(facts, words, thanks(words), [words.p!, words.q!])
    },
    thanks,
  ),
  form("now had", "now {p:person} had the {c:color} {o:object}.", (facts, { p, c, o }) => {
    facts.expect(p!)
    facts.expect(o!)
    facts.expectTrait(o!, c!)
    facts.expectOwner(p!, o!)
    facts.topic = o!
  }),
  form("played", "[{p:person}/{p.he}] played with {o.it} [all day/until the evening].", (facts, { p, o }) => {
    facts.expect(p!)
    facts.expectOwner(p!, o!)
  }),
  form("put", "[{p:person}/{p.he}] put [the {o:object}/{o.it}] {r:preposition} the {f:furniture}.", (facts, words) => {
    facts.expect(words.p!)
    facts.expect(words.o!)
    facts.expectOwner(words.p!, words.o!)
    facts.put(words.o!, spot(words))
    facts.topic = words.o!
  }),
  form("looked for", "then {q:person} came and looked for the {o:object}.", (facts, { q, o }) => {
    facts.introduce(q!)
    facts.expect(o!)
    facts.topic = o!
  }),
  form("found", "{q:person} found [the {o:object}/{o.it}] {r:preposition} the {f:furniture}.", (facts, words) => {
    facts.expect(words.q!)
    facts.expect(words.o!)
    facts.expectSpot(words.o!, spot(words))
    facts.topic = words.o!
  }),
  form("brought back", "{q:person} gave [the {o:object}/{o.it}] back to {p:person}.", (facts, { p, q, o }) => {
    facts.require(p !== q, `${q} cannot give something back to the same person`)
    facts.expect(q!)
    facts.expect(o!)
    facts.expect(p!)
    facts.expectOwner(p!, o!)
    facts.own(p!, o!)
  }),
  form("still there", "in the evening the {o:object} was still {r:preposition} the {f:furniture}.", (facts, words) => {
    facts.expect(words.o!)
    facts.expectSpot(words.o!, spot(words))
    facts.topic = words.o!
  }),
  form("ran after", "[the {a:animal}/{a.it}] ran after the {b:animal}.", (facts, { a, b }) => {
    facts.require(a !== b, `the ${a} cannot run after itself`)
    facts.expect(a!)
    facts.expect(b!)
    facts.topic = a!
  }),
  form(
    "caught",
    "the {a:animal} caught the {b:animal} because {?.it} was very {s:speed}.",
    (facts, words) => {
      facts.require(words.a !== words.b, `the ${words.a} cannot catch itself`)
      facts.expect(words.a!)
      facts.expect(words.b!)
      because(facts, words, catches(words), [`the ${words.a}`, `the ${words.b}`])
    },
    catches,
  ),
  form("let go", "in the end the {a:animal} let the {b:animal} go.", (facts, { a, b }) => {
    facts.require(a !== b, `the ${a} cannot let itself go`)
    facts.expect(a!)
    facts.expect(b!)
    facts.topic = b!
  }),
  form("ran home", "then [the {b:animal}/{b.it}] ran home.", (facts, { b }) => {
    facts.expect(b!)
    facts.goHome(b!)
  }),
  form("both went home", "[then/in the evening] {p:person} and the {a:animal} went home.", (facts, { p, a }) => {
    facts.expect(p!)
    facts.expect(a!)
    facts.goHome(p!)
    facts.goHome(a!)
  }),
  form("went home", "in the evening [{p:person}/{p.he}] went home.", (facts, { p }) => {
    facts.expect(p!)
    facts.goHome(p!)
  }),
  form("was proud", "[{p:person}/{p.he}] was very proud of {a.it}.", (facts, { p, a }) => {
    facts.expect(p!)
    facts.expect(a!)
    facts.describe(p!, "proud")
  }),
  form("felt", "in the end [{p:person}/{p.he}] was {m:mood}.", (facts, { p, m }) => {
    facts.expect(p!)
    facts.describe(p!, m!)
  }),
]

/** The names of the forms with which stories begin. */
export const beginningNames: ReadonlySet<string> = new Set(beginnings.map(({ name }) => name))

/** Every form, in the order in which sentences are tried. */
export const forms: readonly Form[] = [...beginnings, ...deeds.flatMap(formsOf), ...consequences, ...doings]

const byName = new Map(forms.map(entry => [entry.name, entry]))

/** The form of a name. */
export function formNamed(name: string): Form {
  return byName.get(name)!
}
