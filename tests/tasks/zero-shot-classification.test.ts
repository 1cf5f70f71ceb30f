import { beforeAll, describe, expect, test } from "vitest"
import { bert, gpt2 } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { learn, numbers, rowsOf, small, wordTokenizer } from "./learn.ts"

const topics: Readonly<Record<string, readonly string[]>> = {
  sport: ["the team won the game", "she ran a fast race"],
  food: ["the soup was hot", "he bakes fresh bread"],
  music: ["the band played a song", "a piano and a drum"],
}
const labels = Object.keys(topics)
const lessons = labels.flatMap(topic =>
  topics[topic]!.flatMap(text => labels.map(label => ({ text, label, entailed: label === topic }))),
)
const hypothesis = (label: string): string => `This example is ${label}.`
const prompt = (text: string): string => `${text} This text is about`
const tokenizer = wordTokenizer([
  ...lessons.flatMap(({ text, label }) => [`${prompt(text)} ${label}`, hypothesis(label)]),
])

describe("zero-shot-classification by inference", () => {
  let classify: Pipeline<"zero-shot-classification">

  beforeAll(async () => {
    const classes = ["contradiction", "neutral", "entailment"]
    const model = bert.build(
      { ...small, head: "classification", vocabulary: tokenizer.vocabularySize, labels: classes },
      { seed: 5 },
    )
    const rows = lessons.map(({ text, label }) => tokenizer.encodeWithOffsets(text, { pair: hypothesis(label) }))
    const { ids, mask } = rowsOf(rows.map(row => row.ids))
    const tokenTypeIds = rowsOf(rows.map(row => row.typeIds)).ids
    const wanted = numbers(lessons.map(({ entailed }) => (entailed ? 2 : 0)))
    const options = { attentionMask: mask, tokenTypeIds, labels: wanted }
    expect(await learn(model, { input: ids, options }, 150)).toBeLessThan(0.2)
    classify = await pipeline("zero-shot-classification", { model, tokenizer })
  })

  test("orders the labels, and their scores add up to 1", async () => {
    const answer = await classify("the team won the game", labels)
    expect(answer.sequence).toBe("the team won the game")
    expect(answer.labels[0]).toBe("sport")
    expect(answer.scores.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
    expect([...answer.labels].sort()).toEqual([...labels].sort())
  })

  test("judges each label by itself with multiLabel, and takes labels in one text", async () => {
    const [first, second] = await classify(["he bakes fresh bread", "a piano and a drum"], "sport, food, music", {
      multi_label: true,
    })
    expect([first!.labels[0], second!.labels[0]]).toEqual(["food", "music"])
    expect(first!.scores[0]).toBeGreaterThan(0.5)
    expect(first!.scores[2]).toBeLessThan(0.5)
  })

  test("says what is wrong", async () => {
    await expect(classify("a song", [])).rejects.toThrow(/expected labels to choose from/)
    await expect(classify("a song", labels, { hypothesisTemplate: "none" })).rejects.toThrow(
      /expected \{\} in hypothesisTemplate/,
    )
  })
})

describe("zero-shot-classification by prompting", () => {
  test("compares the labels as continuations", async () => {
    const model = gpt2.build(
      {
        vocabulary: tokenizer.vocabularySize,
        context: 32,
        width: 48,
        layers: 2,
        heads: 4,
        embeddingDropout: 0,
        residualDropout: 0,
        attentionDropout: 0,
      },
      { seed: 6 },
    )
    const rows = labels.flatMap(topic => topics[topic]!.map(text => tokenizer.encode(`${prompt(text)} ${topic}`)))
    const { ids } = rowsOf(rows)
    const wanted = rowsOf(rows, -100).ids
    expect(await learn(model, { input: ids, options: { labels: wanted } }, 120)).toBeLessThan(0.6)
    const classify = await pipeline("zero-shot-classification", { model, tokenizer })
    const given = { promptTemplate: "{} This text is about" }
    for (const [topic, texts] of Object.entries(topics))
      expect((await classify(texts[0]!, labels, given)).labels[0]).toBe(topic)
    await expect(classify("a song", labels, { multiLabel: true })).rejects.toThrow(
      /multiLabel false with a language model/,
    )
  })
})

test("classes without entailment are refused", async () => {
  const model = bert.build({ ...small, head: "classification", vocabulary: tokenizer.vocabularySize })
  await expect(pipeline("zero-shot-classification", { model, tokenizer })).rejects.toThrow(
    /a class "entailment", but its classes are LABEL_0, LABEL_1/,
  )
})
