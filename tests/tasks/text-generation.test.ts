import { beforeAll, describe, expect, test } from "vitest"
import { gpt2, type Model } from "../../src/models/index.ts"
import { type Pipeline, pipeline, TextStreamer } from "../../src/tasks/index.ts"
import { CharacterTokenizer, chatML } from "../../src/text/index.ts"
import { learn, rowsOf } from "./learn.ts"

const lines = [
  "the cat drinks milk.",
  "a dog eats bones.",
  "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nwelcome.<|im_end|>",
]
const tokenizer = CharacterTokenizer.fromText(lines.join(""))

describe("text-generation", () => {
  let model: Model
  let write: Pipeline<"text-generation">

  beforeAll(async () => {
    model = gpt2.build(
      {
        vocabulary: tokenizer.vocabularySize,
        context: 96,
        width: 64,
        layers: 2,
        heads: 4,
        embeddingDropout: 0,
        residualDropout: 0,
        attentionDropout: 0,
      },
      { seed: 6 },
    )
    const rows = lines.map(line => tokenizer.encode(line))
    const labels = rowsOf(rows, -100).ids
    expect(await learn(model, { input: rowsOf(rows).ids, options: { labels } }, 150)).toBeLessThan(0.2)
    write = await pipeline("text-generation", { model, tokenizer })
  })

  test("goes on from a text, with or without it", async () => {
    const options = { max_new_tokens: 30, stop: "." }
    expect(await write("the cat ", options)).toEqual([{ generated_text: "the cat drinks milk." }])
    expect(await write("the cat ", { ...options, return_full_text: false })).toEqual([
      { generated_text: "drinks milk." },
    ])
  })

  test("several texts, several continuations of each", async () => {
    const all = await write(["the cat", "a dog e"], { maxNewTokens: 8, doSample: true, numReturnSequences: 2, seed: 3 })
    expect(all.map(one => one.length)).toEqual([2, 2])
    for (const one of all[1]!) expect(one.generated_text.startsWith("a dog e")).toBe(true)
  })

  test("answers a conversation in the tokenizer's template, and refuses one without it", async () => {
    const chat = await pipeline("text-generation", { model, tokenizer, tokenizerConfig: { chat_template: chatML } })
    const messages = [{ role: "user", content: "hello" }]
    const [answer] = await chat(messages, { max_new_tokens: 30, stop: "<|im_end|>" })
    const [question, reply] = answer!.generated_text
    expect(question).toEqual(messages[0])
    expect(reply!.role).toBe("assistant")
    expect(String(reply!.content)).toMatch(/^welcome\./)
    const [said] = (await chat("hello", {
      chat: true,
      max_new_tokens: 30,
      stop: "<|im_end|>",
    })) as unknown as (typeof answer)[]
    expect(said).toEqual(answer)
    await expect(write(messages)).rejects.toThrow(/expected a chat template beside the tokenizer/)
  })

  test("streams to a callback", async () => {
    const pieces: string[] = []
    const ids: number[] = []
    const streamer = new TextStreamer(tokenizer, {
      skip_prompt: true,
      callback_function: text => pieces.push(text),
      token_callback_function: all => ids.push(...all),
    })
    const [whole] = await write("a dog ", { max_new_tokens: 11, streamer, return_full_text: false })
    expect(pieces.join("")).toBe(whole!.generated_text)
    expect(pieces.length).toBeGreaterThan(3)
    expect(ids.length).toBe(11)
    const quiet = new TextStreamer(tokenizer, { callback_function: () => {} })
    expect(await write("the cat ", { max_new_tokens: 30, stop: ".", streamer: quiet })).toEqual(
      await write("the cat ", { max_new_tokens: 30, stop: "." }),
    )
    await expect(write(["a", "b"], { streamer })).rejects.toThrow(/one input with a streamer/)
  })

  test("says what is wrong", async () => {
    await expect(write("")).rejects.toThrow(/expected a text, but it is empty/)
    await expect(write("a", { maxnewtokens: 3 })).rejects.toThrow(/maxNewTokens/)
    await expect(write("the cat drinks milk.".repeat(20))).rejects.toThrow(/context/)
  })
})
