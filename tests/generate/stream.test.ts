import { describe, expect, test } from "vitest"
import {
  type EndEvent,
  type GenerateOptions,
  generate,
  generateText,
  type TokenEvent,
} from "../../src/generate/index.ts"
import type { LanguageModel } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { builders, smallGPT2, smallLlama, tokenizer } from "./models.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]

async function collect(
  model: LanguageModel,
  prompt: string | readonly number[],
  options: GenerateOptions,
): Promise<{ tokens: TokenEvent[]; end: EndEvent }> {
  const tokens: TokenEvent[] = []
  let end: EndEvent | undefined
  for await (const event of generate(model, tokenizer, prompt, options))
    if (event.type === "token") tokens.push(event)
    else end = event
  return { tokens, end: end! }
}

/** What the model without a cache would write: the whole text is read again for every token. */
async function uncached(
  model: LanguageModel,
  device: "native" | "wasm",
  prompt: string,
  count: number,
): Promise<number[]> {
  const ids = [...tokenizer.encode(prompt)]
  const written: number[] = []
  for (let i = 0; i < count; i++) {
    const { logits } = model.forward(tensor(Int32Array.from(ids), [1, ids.length]))
    const [row] = await evaluateOn(device, [logits.select(1, -1)])
    const id = [...row!].indexOf(Math.max(...row!))
    ids.push(id)
    written.push(id)
  }
  return written
}

describe.each(devices)("%s", device => {
  describe.each(builders)("%s", (_, build) => {
    test("with a cache it writes what it writes without", async () => {
      const model = build()
      const prompt = "a tale of two"
      const { end, tokens } = await collect(model, prompt, { maxNewTokens: 24, device })
      expect(end.ids).toEqual(await uncached(model, device, prompt, 24))
      expect(end.reason).toBe("length")
      expect(tokens.map(token => token.id)).toEqual(end.ids)
      expect(tokens.map(token => token.text).join("")).toBe(end.text)
      expect(end.text).toBe(tokenizer.decode(end.ids))
      expect(end.promptTokens).toBe(prompt.length)
    })

    test("a prompt of several chunks is read like a short one", async () => {
      const model = build(1024)
      const prompt = "the cat sat on a mat and ".repeat(30) // 750 tokens: a full chunk and a rest
      const { end } = await collect(model, prompt, { maxNewTokens: 3, device })
      expect(end.ids).toEqual(await uncached(model, device, prompt, 3))
    })

    test("the seed decides what is drawn", async () => {
      const model = build()
      const draw = (seed: number) =>
        generateText(model, tokenizer, "once", { maxNewTokens: 30, doSample: true, seed, device })
      expect(await draw(5)).toBe(await draw(5))
      expect(await draw(5)).not.toBe(await draw(6))
    })
  })

  test("log-probabilities are those of the model", async () => {
    const model = smallGPT2()
    const { tokens } = await collect(model, "abc", { maxNewTokens: 2, logprobs: true, device, topK: 1 })
    const [row] = await evaluateOn(device, [
      model
        .forward(tensor(tokenizer.encode("abc"), [1, 3]))
        .logits.select(1, -1)
        .logSoftmax(-1),
    ])
    expect(tokens[0]!.logprob).toBeCloseTo(row![tokens[0]!.id]!, 4)
  })

  test("a slid context goes on from what is left", async () => {
    const model = smallGPT2(16)
    const { end } = await collect(model, "abcdefgh", { maxNewTokens: 40, contextFull: "slide", device })
    expect(end.ids.length).toBe(40)
    expect(end.forgotten).toBeGreaterThan(20)
    // 8 + 9 tokens are one more than it sees: the newest 12 of them are read again
    const sixteen = await collect(model, "abcdefgh", { maxNewTokens: 9, device })
    expect(sixteen.end.ids).toEqual(end.ids.slice(0, 9))
    const seen = [...tokenizer.encode("abcdefgh"), ...end.ids.slice(0, 9)].slice(-12)
    const again = await collect(model, seen, { maxNewTokens: 4, device })
    expect(again.end.ids).toEqual(end.ids.slice(9, 13))
  })
})

const device = devices[0]!

test("a full context ends the text and says so", async () => {
  const { end } = await collect(smallGPT2(16), "abcdefgh", { maxNewTokens: 40, device })
  expect(end.ids.length).toBe(9) // the last one is written, not read
  expect(end.reason).toBe("length")
  expect(end.message).toMatch(/context of 16 tokens is full: 8 of the prompt and 9 written.*"slide"/)
  await expect(collect(smallGPT2(16), "a".repeat(17), { device })).rejects.toThrow(/at most 16 tokens.*got 17/)
  const long = await collect(smallGPT2(16), "a".repeat(17), { maxNewTokens: 2, contextFull: "slide", device })
  expect(long.end.forgotten).toBe(5)
})

test("stop texts end it and never get out, wherever tokens cut them", async () => {
  const model = smallLlama()
  const options = { maxNewTokens: 40, doSample: true, seed: 2, device }
  const whole = await generateText(model, tokenizer, "once", options)
  for (const stop of [whole.slice(5, 6), whole.slice(7, 10), whole.slice(20, 26)]) {
    const { tokens, end } = await collect(model, "once", { ...options, stop })
    expect(end.reason).toBe("stop")
    expect(end.text).toBe(whole.slice(0, whole.indexOf(stop)))
    expect(tokens.map(token => token.text).join("")).toBe(end.text)
  }
  const { end } = await collect(model, "once", { ...options, stop: ["no such text in it"] })
  expect(end.text).toBe(whole)
})

test("an end token ends it, but not before the least number of tokens", async () => {
  const model = smallLlama()
  const { end } = await collect(model, "once", { maxNewTokens: 20, device })
  const eosTokenId = end.ids[4]!
  const ended = await collect(model, "once", { maxNewTokens: 20, eosTokenId, device })
  expect(ended.end.reason).toBe("eos")
  expect(ended.end.ids).toEqual(end.ids.slice(0, end.ids.indexOf(eosTokenId) + 1))
  const later = await collect(model, "once", { maxNewTokens: 20, minNewTokens: 12, eosTokenId, device })
  expect(later.end.ids.slice(0, 12)).not.toContain(eosTokenId)
})

test("a signal gives what was written so far", async () => {
  const abort = new AbortController()
  const pieces: string[] = []
  for await (const event of generate(smallGPT2(), tokenizer, "once", {
    maxNewTokens: 50,
    device,
    signal: abort.signal,
  })) {
    if (event.type === "token") pieces.push(event.text)
    else expect(event).toMatchObject({ reason: "aborted", text: pieces.join("") })
    if (pieces.length === 3) abort.abort()
  }
  expect(pieces.length).toBe(3)
  expect(await generateText(smallGPT2(), tokenizer, "once", { signal: abort.signal, device })).toBe("")
})

test("a signal that comes in the middle of a program leaves the model as good as new", async () => {
  const model = smallLlama(1024)
  const prompt = "the cat sat on a mat and ".repeat(38)
  const text = await generateText(model, tokenizer, prompt, { maxNewTokens: 5, device })
  for (const milliseconds of [0, 1, 2, 4]) {
    const signal = AbortSignal.timeout(milliseconds)
    const { end } = await collect(model, prompt, { maxNewTokens: 60, device, signal })
    expect(end.reason === "aborted" || end.ids.length === 60).toBe(true)
    expect(await generateText(model, tokenizer, prompt, { maxNewTokens: 5, device })).toBe(text)
  }
})

test("options shape what is written", async () => {
  const model = smallGPT2()
  const greedy = (await collect(model, "once", { maxNewTokens: 40, device })).end.ids
  const pairs = (ids: readonly number[]) => ids.slice(1).map((id, i) => `${ids[i]} ${id}`)
  const ids = (await collect(model, "once", { maxNewTokens: 40, noRepeatNgramSize: 2, device })).end.ids
  expect(new Set(pairs(greedy)).size).toBeLessThan(39)
  expect(new Set(pairs(ids)).size).toBe(39)
  const without = await collect(model, "once", {
    maxNewTokens: 40,
    bad_words_ids: [[greedy[0]!]],
    device,
  })
  expect(without.end.ids).not.toContain(greedy[0])
  expect((await collect(model, "once", { maxNewTokens: 40, topK: 1, device })).end.ids).toEqual(greedy)
  expect((await collect(model, "once", { maxNewTokens: 40, topP: 1e-6, device })).end.ids).toEqual(greedy)
  expect((await collect(model, "once", { maxNewTokens: 40, minP: 1, device })).end.ids).toEqual(greedy)
  expect((await collect(model, "once", { maxNewTokens: 40, temperature: 0, device })).end.ids).toEqual(greedy)
})

test("beam search streams its best text at the end", async () => {
  const { tokens, end } = await collect(smallGPT2(), "once", { numBeams: 3, maxNewTokens: 8, device })
  expect(tokens.map(token => token.id)).toEqual(end.ids)
  expect(tokens.map(token => token.text).join("")).toBe(end.text)
})

test("two texts at once do not disturb each other, and a reader may leave", async () => {
  const model = smallLlama()
  const alone = await generateText(model, tokenizer, "once", { maxNewTokens: 20, device })
  const other = await generateText(model, tokenizer, "upon", { maxNewTokens: 20, device })
  for await (const _ of generate(model, tokenizer, "leave", { device })) break
  const both = await Promise.all(
    ["once", "upon"].map(text => generateText(model, tokenizer, text, { maxNewTokens: 20, device })),
  )
  expect(both).toEqual([alone, other])
})

test("weights that change count for the next text", async () => {
  const model = smallGPT2()
  const before = await generateText(model, tokenizer, "once", { maxNewTokens: 20, device })
  model.loadState(new Map([...smallGPT2().state()].map(([path, value]) => [path, value.mul(-1)])))
  expect(await generateText(model, tokenizer, "once", { maxNewTokens: 20, device })).not.toBe(before)
})

test("nothing is dropped out while writing, also of a model that is being trained", async () => {
  const model = smallGPT2()
  const text = await generateText(smallGPT2(), tokenizer, "once", { maxNewTokens: 10, device })
  expect(await generateText(model.train(), tokenizer, "once", { maxNewTokens: 10, device })).toBe(text)
  expect(model.training).toBe(true)
})

test("an empty prompt begins at a line end", async () => {
  const ids = [tokenizer.tokenId("\n")!]
  const expected = await collect(smallGPT2(), ids, { maxNewTokens: 5, device })
  expect((await collect(smallGPT2(), "", { maxNewTokens: 5, device })).end.ids).toEqual(expected.end.ids)
})

test("prompts that are none are refused", async () => {
  await expect(collect(smallGPT2(), [], { device })).rejects.toThrow(/at least one token/)
  await expect(collect(smallGPT2(), [28], { device })).rejects.toThrow(/0 \.\. 27.*got 28/)
  await expect(collect(smallGPT2(), "once", { maxNewToken: 3, device } as GenerateOptions)).rejects.toThrow(
    /maxNewTokens/,
  )
})
