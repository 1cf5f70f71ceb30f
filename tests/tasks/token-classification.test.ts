import { beforeAll, describe, expect, test } from "vitest"
import { bert } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { learn, rowsOf, small, wordTokenizer } from "./learn.ts"

const labels = ["O", "B-PER", "I-PER", "B-LOC"]
const tagged: readonly (readonly [text: string, tags: readonly string[]])[] = [
  ["Ada Byron lives in London .", ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]],
  ["in Paris lives Max .", ["O", "B-LOC", "O", "B-PER", "O"]],
  ["Max and Ada Byron like Paris .", ["B-PER", "O", "B-PER", "I-PER", "O", "B-LOC", "O"]],
  ["London is far from Paris .", ["B-LOC", "O", "O", "O", "B-LOC", "O"]],
]
const tokenizer = wordTokenizer(tagged.map(([text]) => text))

describe("token-classification", () => {
  let recognize: Pipeline<"token-classification">

  beforeAll(async () => {
    const model = bert.build(
      { ...small, head: "tokenClassification", vocabulary: tokenizer.vocabularySize, labels },
      { seed: 2 },
    )
    const { ids, mask } = rowsOf(tagged.map(([text]) => tokenizer.encode(text)))
    const classes = rowsOf(
      tagged.map(([, tags]) => [-100, ...tags.map(tag => labels.indexOf(tag)), -100]),
      -100,
    ).ids
    expect(await learn(model, { input: ids, options: { attentionMask: mask, labels: classes } })).toBeLessThan(0.1)
    recognize = await pipeline("ner", { model, tokenizer })
  })

  test("gives each token that is no O, with its place", async () => {
    const text = "Ada Byron lives in London ."
    const found = await recognize(text)
    expect(found.map(({ entity, word }) => [entity, word])).toEqual([
      ["B-PER", "Ada"],
      ["I-PER", "Byron"],
      ["B-LOC", "London"],
    ])
    for (const { word, start, end } of found) expect(text.slice(start, end)).toBe(word)
    expect(found.map(one => one.index)).toEqual([1, 2, 5])
  })

  test.each(["simple", "first", "average", "max"] as const)(
    "%s: tokens of one entity are one group",
    async strategy => {
      const groups = await recognize("Max and Ada Byron like Paris .", { aggregation_strategy: strategy })
      expect(groups.map(({ entity_group, word, start, end }) => [entity_group, word, start, end])).toEqual([
        ["PER", "Max", 0, 3],
        ["PER", "Ada Byron", 8, 17],
        ["LOC", "Paris", 23, 28],
      ])
    },
  )

  test("several texts, and classes that are left out", async () => {
    const all = await recognize(["in Paris lives Max .", "London is far from Paris ."], {
      ignoreLabels: ["O", "B-LOC"],
    })
    expect(all.map(one => one.length)).toEqual([1, 0])
  })
})
