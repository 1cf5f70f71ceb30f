import { beforeAll, describe, expect, test } from "vitest"
import { bert } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { learn, rowsOf, small, wordTokenizer } from "./learn.ts"

const texts = ["the cat drinks milk", "the dog eats bones", "the owl hunts mice", "the bee makes honey"]
const tokenizer = wordTokenizer([...texts, "water"])
const mask = tokenizer.tokenId("[MASK]")!

describe("fill-mask", () => {
  let fill: Pipeline<"fill-mask">

  beforeAll(async () => {
    const model = bert.build({ ...small, head: "masked", vocabulary: tokenizer.vocabularySize }, { seed: 3 })
    const rows = texts.flatMap(text => {
      const ids = [...tokenizer.encode(text)]
      return [2, 3, 4].map(at => ({ ids: ids.with(at, mask), labels: ids.map((id, i) => (i === at ? id : -100)) }))
    })
    const { ids } = rowsOf(rows.map(row => row.ids))
    const labels = rowsOf(rows.map(row => row.labels)).ids
    expect(await learn(model, { input: ids, options: { labels } }, 100)).toBeLessThan(0.7)
    fill = await pipeline("fill-mask", { model, tokenizer })
  })

  test("the word that fits comes first", async () => {
    const found = await fill("the cat drinks [MASK]")
    expect(found.length).toBe(5)
    expect(found[0]).toMatchObject({
      token_str: "milk",
      token: tokenizer.tokenId("milk"),
      sequence: "the cat drinks milk",
    })
    const scores = found.map(one => one.score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
  })

  test("several texts, several masks, and only some words", async () => {
    const [a, b] = await fill(["the dog [MASK] bones", "the owl hunts [MASK]"], { top_k: 1 })
    expect([a![0]!.token_str, b![0]!.token_str]).toEqual(["eats", "mice"])
    const two = (await fill("the [MASK] makes [MASK]", { topK: 2 })) as unknown as { token_str: string }[][]
    expect(two.map(one => one.length)).toEqual([2, 2])
    expect(two[1]![0]!.token_str).toBe("honey")
    const chosen = await fill("the bee makes [MASK]", { targets: ["milk", "bones"] })
    expect(new Set(chosen.map(one => one.token_str))).toEqual(new Set(["milk", "bones"]))
  })

  test("says what is wrong", async () => {
    await expect(fill("the cat drinks")).rejects.toThrow(/expected \[MASK\] in the text, but there is none/)
    await expect(fill("[MASK]", { targets: ["two words"] })).rejects.toThrow(/one token each/)
  })
})
