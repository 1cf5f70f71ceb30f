import { describe, expect, it } from "vitest"
import {
  checkStory,
  DataError,
  hash32,
  pronounQuestions,
  questionShapes,
  sentenceSpans,
  worldStories,
  worldStory,
  worldText,
  worldTokenizer,
  worldWords,
} from "../../../src/data/index.ts"
import { forms } from "../../../src/data/world/forms.ts"
import { classes, deeds, people } from "../../../src/data/world/lexicon.ts"
import { LibraryTokenizer, loadTokenizer, WordTokenizer } from "../../../src/text/index.ts"

const stories = [...worldStories(1, 3000)]

describe("stories", () => {
  it("are the same from the same seed, on every platform", () => {
    expect(worldStory(1, 0).text).toBe(
      "Sara had a white lamp and a box. Sara wanted to put the lamp in the box. The lamp didn't fit in the box because it was too large. The lamp was so large that Sara put it under the shelf. In the evening the lamp was still under the shelf.",
    )
    const text = worldText(7, 300)
    expect(hash32(...[...text].map(character => character.charCodeAt(0)))).toBe(4264155177)
    expect(worldText(8, 3)).not.toBe(worldText(7, 3))
    expect(worldStory(7, 2).text).toBe(text.split("\n")[2])
    expect([...worldStories(7, 1, 2)][0]).toEqual(worldStory(7, 2))
  })

  it("are what the checker takes for stories, with the same pronouns", () => {
    for (const story of stories) {
      const check = checkStory(story.text)
      expect(check.reasons).toEqual([])
      expect(check.isStory).toBe(true)
      expect(check.pronouns).toEqual(story.pronouns)
      expect(check.sentences.map(sentence => sentence.span)).toEqual(story.sentences)
    }
  })

  it("have three to six sentences, and pronouns whose antecedents stand before them", () => {
    for (const { text, sentences, pronouns } of stories) {
      expect(sentences.length).toBeGreaterThanOrEqual(3)
      expect(sentences.length).toBeLessThanOrEqual(6)
      const spoken = [...text.matchAll(/\b(it|he|she|him|her|his)\b/gi)].map(found => found.index)
      expect(pronouns.map(({ span }) => span[0])).toEqual(spoken)
      for (const { span, antecedent, antecedentText } of pronouns) {
        expect(text.slice(...antecedent)).toBe(antecedentText)
        expect(antecedent[1]).toBeLessThan(span[0])
      }
    }
  })

  it("use every form and almost every word, and mean animals and places about equally often", () => {
    const used = new Set<string | null>()
    const counts = { animal: 0, thing: 0 }
    for (const { text } of stories) {
      const check = checkStory(text)
      for (const { form, text: sentence } of check.sentences) {
        used.add(form)
        if (!/^did not (cross|climb|enter|eat|drink)/.test(form ?? "")) continue
        const [{ antecedentText } = { antecedentText: "" }] = checkStory(sentence).pronouns
        counts[classes.animal.includes(antecedentText) ? "animal" : "thing"]++
      }
    }
    expect(forms.map(form => form.name).filter(name => !used.has(name))).toEqual([])
    expect(counts.animal / (counts.animal + counts.thing)).toBeGreaterThan(0.45)
    expect(counts.animal / (counts.animal + counts.thing)).toBeLessThan(0.55)
    const words = new Set(worldTokenizer().encode(worldText(1, 3000)))
    expect(words.size).toBe(worldWords().length)
  })

  it("refuse a seed that is not whole", () => {
    expect(() => worldStory(0.5, 0)).toThrow(DataError)
    expect(() => worldStory(1, -1)).toThrow(DataError)
  })
})

describe("the words", () => {
  it("tell animals from places and food by the reason", () => {
    const animalReasons = new Set(deeds.flatMap(deed => deed.weaknesses))
    for (const deed of deeds)
      for (const reasons of Object.values(deed.things))
        for (const reason of reasons) expect(animalReasons.has(reason)).toBe(false)
  })

  it("are few, and each noun has one kind", () => {
    expect(worldWords().length).toBeLessThan(300)
    const nouns = [
      ...classes.animal,
      ...classes.object,
      ...classes.box,
      ...classes.furniture,
      ...Object.keys(people),
      ...deeds.flatMap(deed => Object.keys(deed.things)),
    ]
    expect(new Set(nouns).size).toBe(nouns.length)
  })

  it("have a tokenizer whose files the library opens with the same ids", () => {
    const tokenizer = worldTokenizer()
    const json = JSON.parse(JSON.stringify(tokenizer))
    const library = new LibraryTokenizer(json, tokenizer.configuration())
    const text = worldText(3, 200)
    const ids = tokenizer.encode(text)
    expect([...ids]).toEqual([...library.encode(text)])
    expect(tokenizer.decode(ids)).toBe(text)
    expect(library.decode(ids)).toBe(text)
    expect(loadTokenizer(json)).toBeInstanceOf(WordTokenizer)
    expect(() => tokenizer.encode("The elephant")).toThrow(/got "elephant"/)
    expect(tokenizer.encode("The animal didn't cross the street because it was too tired.").length).toBe(12)
  })
})

describe("pronounQuestions", () => {
  const questions = pronounQuestions(5, 600, { shapes: questionShapes })

  it("mean what the checker finds, and their twins mean the other", () => {
    for (const question of questions) {
      const { sentence, twin } = question
      for (const [text, meant] of [
        [sentence, question.antecedentText],
        [twin, question.wrongText],
      ] as const) {
        const check = checkStory(text)
        expect(check.reasons).toEqual([])
        expect(check.pronouns.map(({ antecedentText }) => antecedentText)).toEqual([meant])
      }
      expect(sentence.slice(...question.pronoun)).toBe(question.pronounText)
      expect(sentence.slice(...question.antecedent)).toBe(question.antecedentText)
      expect(sentence.slice(...question.wrong)).toBe(question.wrongText)
      expect(sentence.slice(...question.reason)).toBe(question.reasonText)
      expect(twin.slice(0, question.reason[0])).toBe(sentence.slice(0, question.reason[0]))
    }
  })

  it("have a prompt that stories continue with the antecedent", () => {
    for (const { prompt, sentence, shape, antecedentText, wrongText, reasonText } of questions) {
      if (shape === "give" || shape === "thank") expect(prompt).toBeNull()
      else {
        expect(prompt!.endsWith(`${sentence} The`)).toBe(true)
        expect(checkStory(prompt!.slice(0, -4)).reasons).toEqual([])
        const ends = [
          "it slept under a tree",
          "it hid in the grass",
          "Tom carried it home",
          "Tom gave it some bread",
          "Tom gave it some water",
        ]
        const others = [
          "Tom looked for another way",
          "Tom waited until the evening",
          "Tom went home to get a light",
          "Tom cleaned it",
          "Tom waited until it was cold",
          "Tom put it near the fire",
          "Tom threw it away",
          "Tom put it on the bed",
          "Tom looked for another one",
          "nobody could stop it",
          "it could not run away",
        ]
        const goesOn = (noun: string) =>
          [...ends, ...others].some(end => {
            const story = checkStory(`${prompt} ${noun} was so ${reasonText} that ${end}.`)
            return story.sentences.at(-1)!.reasons.every(reason => /^Tom is not/.test(reason)) && story.grammatical
          })
        expect(goesOn(antecedentText)).toBe(true)
        expect(goesOn(wrongText)).toBe(false)
      }
    }
  })

  it("mean the first candidate as often as the second, and come in every shape", () => {
    const first = questions.filter(({ antecedent, wrong }) => antecedent[0] < wrong[0]).length
    expect(first).toBe(300)
    expect(new Set(questions.map(({ shape }) => shape)).size).toBe(questionShapes.length)
    expect(new Set(pronounQuestions(5, 100).map(({ shape }) => shape))).toEqual(
      new Set(["cross", "climb", "enter", "eat", "drink"]),
    )
    expect(pronounQuestions(5, 10, { shapes: ["cross"] })).toEqual(
      pronounQuestions(5, 20, { shapes: ["cross"] }).slice(0, 10),
    )
  })

  it("refuse what is no shape", () => {
    // @ts-expect-error a shape that does not exist
    expect(() => pronounQuestions(1, 1, { shapes: ["fly"] })).toThrow(/expected shapes of cross, climb/)
    expect(() => pronounQuestions(1, 1, { shapes: [] })).toThrow(DataError)
  })
})

describe("checkStory", () => {
  it("decides by the reason whom it means", () => {
    const meant = (text: string) => checkStory(text).pronouns[0]?.antecedentText
    expect(meant("The animal didn't cross the street because it was too tired.")).toBe("animal")
    expect(meant("The animal didn't cross the street because it was too wide.")).toBe("street")
    expect(meant("The doll did not fit in the bag because it was too full.")).toBe("bag")
    expect(meant("Anna gave the kite to Lily because she was sad.")).toBe("Lily")
  })

  const wrong: readonly (readonly [why: string, text: string, reason: RegExp])[] = [
    [
      "a reason that fits neither",
      "The dog did not cross the street because it was too salty.",
      /neither the dog nor the street can be salty/,
    ],
    [
      "what nobody said",
      "Tom had a dog. The dog was so tired that it slept under a tree.",
      /nobody said that dog was tired/,
    ],
    [
      "the other one's trait",
      "Tom had a dog. The dog did not cross the road because it was too wide. The dog was so tired that it lay down in the grass.",
      /nobody said that dog was tired/,
    ],
    ["who is not there", "Tom had a dog. The cat wanted to cross the road.", /cat is not in the story yet/],
    ["someone twice", "Tom had a dog. There was a young dog, and Ben liked it.", /dog is in the story already/],
    [
      "the wrong place",
      "Tom had a red ball. He put it on the bed. Then Mia came and looked for the ball. Mia found it under the bed.",
      /the ball is on the bed, not under the bed/,
    ],
    [
      "the wrong owner",
      "Tom had a red ball. One day Mia came to visit Tom. Mia gave the ball to Tom because she was kind.",
      /the ball is Tom's, not Mia's/,
    ],
    [
      "the wrong colour",
      "Tom had a red ball. One day Mia came to visit Tom. Tom gave the ball to Mia because she was sad. Now Mia had the blue ball.",
      /nobody said that ball was blue/,
    ],
    ["the wrong pronoun", "Tom had a red ball. She put the ball on the bed.", /"she" speaks of nobody/],
    [
      "the wrong gender in a sentence",
      "Tom did not climb the wall because she was too tired.",
      /"she" cannot speak of Tom/,
    ],
    [
      "an it without a topic",
      "Tom did not climb the wall because he was too tired. It ran after the dog.",
      /"it" speaks of nobody/,
    ],
    [
      "another goal",
      "Tom had a dog. The dog wanted to cross the road. The dog did not climb the hill because it was too high.",
      /wanted to cross the road, not to climb the hill/,
    ],
    [
      "both and",
      "The dog crossed the road because it was very brave. The dog did not cross the road because it was too tired.",
      /cannot both/,
    ],
    [
      "opposites",
      "The dog did not drink the milk because it was too hot. The dog did not drink the milk because it was too cold.",
      /milk was hot and cannot be cold/,
    ],
    [
      "home twice",
      "One day Tom went for a walk. In the evening Tom went home. In the evening he went home.",
      /Tom is at home already/,
    ],
    ["oneself", "Tom had a red ball. Tom gave the ball to Tom because he was kind.", /same person/],
  ]
  it.each(wrong)("finds %s", (_, text, reason) => {
    const check = checkStory(text)
    expect(check.consistent).toBe(false)
    expect(check.isStory).toBe(false)
    expect(check.reasons.join("; ")).toMatch(reason)
  })

  it.each([
    "",
    "The",
    "Tom had a dog",
    "Tom had a elephant.",
    "tom had a dog.",
    "the dog crossed the road because it was very brave.",
    "Tom  had a dog.",
    "Tom had a dog .",
    "Tom had dog a.",
    "Tom had a dog..",
    "Tom had\na dog.",
    "Tom had a Dog.",
  ])("does not take %j for a sentence of the world", text => {
    const check = checkStory(text)
    expect(check.grammatical).toBe(false)
    expect(check.consistent).toBe(false)
  })

  it("says which sentences are right, and takes a good fragment for no story", () => {
    const check = checkStory("Tom had a dog. Dogs are nice. It wanted to cross the road.")
    expect(check.sentences.map(({ form }) => form)).toEqual(["had an animal", null, "wanted to cross"])
    expect(check.reasons).toEqual(["sentence 2: the world has no such sentence"])
    const fragment = checkStory("The dog crossed the road because it was very brave.")
    expect([fragment.consistent, fragment.isStory]).toEqual([true, false])
    expect(sentenceSpans("One. Two.  Three")).toEqual([
      [0, 4],
      [5, 9],
      [11, 16],
    ])
  })

  it("notices most stories whose words were changed", () => {
    const words = worldWords().filter(word => /[a-z]/i.test(word))
    let noticed = 0
    stories.slice(0, 400).forEach((story, number) => {
      const parts = story.text.split(" ")
      const at = hash32(number, 1) % parts.length
      const sign = /[.,]$/.exec(parts[at]!)?.[0] ?? ""
      parts[at] = words[hash32(number, 2) % words.length]! + sign
      if (!checkStory(parts.join(" ")).consistent) noticed++
    })
    expect(noticed).toBeGreaterThan(370)
  })
})
