// A run from its beginning to what can be done with it: trained, killed, resumed, stopped, asked and explained.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { finish, heed, start, temporaryFolder } from "./terminal.ts"

const { folder, remove } = temporaryFolder()
afterAll(remove)

const tiny = ["--stories", "200", "--layers", "2", "--width", "32", "--heads", "2", "--context", "16"]
const short = [...tiny, "--batch-size", "4", "--eval-steps", "20", "--save-steps", "20"]

const weights = (run: string, step: number): Buffer => readFileSync(join(run, `checkpoints/${step}/model.safetensors`))
const metrics = (run: string): unknown[] =>
  readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map(line => {
      const { tokensPerSecond: _, ...row } = JSON.parse(line) as Record<string, unknown>
      return row
    })

const whole = join(folder, "whole")

beforeAll(async () => {
  const { code, out, err } = await heed("train", ...short, "--steps", "60", "--out", whole)
  expect(err).toBe("")
  expect(code).toBe(0)
  expect(out).toContain("the tiny world: ")
  expect(out).toMatch(/step 60\/60 {2}loss \d/)
  expect(out).toMatch(/step 40: held-out loss \d/)
  expect(out).toContain(`saved in ${whole}`)
  expect(out).toMatch(new RegExp(`generate --model ${whole} "One day"`))
})

describe("train", () => {
  test("the run folder says what it was made from", () => {
    const { data, model, training } = JSON.parse(readFileSync(join(whole, "config.json"), "utf8"))
    expect(data).toMatchObject({ stories: 200, tokenizer: "auto" })
    expect(model).toMatchObject({ model: "gpt2", layers: 2, width: 32 })
    expect(training).toMatchObject({ steps: 60, context: 16, optimizer: "adamw", learningRate: 1e-3 })
    expect(readdirSync(join(whole, "checkpoints")).sort()).toEqual(["40", "60"])
  })

  test("a folder that holds a run is refused, and what to do is said", async () => {
    const { err, code } = await heed("train", ...short, "--out", whole)
    expect(err).toContain(`${whole} holds a run already`)
    expect(err).toContain(`train --resume ${whole}, or begin another: --out ${whole}-2`)
    expect(code).toBe(1)
  })

  test("a configuration file, with flags over it", async () => {
    const file = join(folder, "config.json")
    writeFileSync(file, readFileSync(join(whole, "config.json")))
    const again = join(folder, "again")
    await heed("train", "--config", file, "--steps", "20", "--out", again)
    expect(JSON.parse(readFileSync(join(again, "config.json"), "utf8")).training).toMatchObject({
      steps: 20,
      context: 16,
    })
    writeFileSync(file, '{ "stepz": 3 }')
    const { err } = await heed("train", "--config", file)
    expect(err).toContain("stepz")
    expect(err).toContain("did you mean steps?")
  })

  test("killed at any moment and resumed, it ends with the same bits", async () => {
    const run = join(folder, "killed")
    const child = start(["train", ...short, "--steps", "60", "--out", run])
    const killed = await finish(child, { at: "step 20: held-out", signal: "SIGKILL" })
    expect(killed.code).toBe(-1)
    expect(existsSync(join(run, "checkpoints/60"))).toBe(false)
    const { out, err, code } = await heed("train", "--resume", run)
    expect(err).toBe("")
    expect(code).toBe(0)
    expect(out).toContain("after 60 steps")
    expect(weights(run, 60).equals(weights(whole, 60))).toBe(true)
    expect(metrics(run)).toEqual(metrics(whole))
  })

  test("Ctrl-C saves and says how to resume; that ends with the same bits", async () => {
    const run = join(folder, "stopped")
    const child = start(["train", ...short, "--steps", "60", "--out", run])
    const stopped = await finish(child, { at: "step 1/60", signal: "SIGINT" })
    expect(stopped.code).toBe(130)
    expect(stopped.out).toMatch(
      new RegExp(`Stopped after step \\d+ of 60 and saved. To go on: .*train --resume ${run}`),
    )
    await heed("train", "--resume", run)
    expect(weights(run, 60).equals(weights(whole, 60))).toBe(true)
    expect(metrics(run)).toEqual(metrics(whole))
  })

  test("a resumed run keeps its data and its model", async () => {
    const { err, code } = await heed("train", "--resume", whole, "--key-value-heads", "1")
    expect(err).toContain("expected no --key-value-heads with --resume")
    expect(code).toBe(1)
    expect((await heed("train", "--resume", folder)).err).toContain("expected a run")
  })

  test("texts that cannot be learnt from", async () => {
    const file = join(folder, "text.txt")
    writeFileSync(file, "")
    expect((await heed("train", file)).err).toContain("the text is empty")
    writeFileSync(file, "too short")
    expect((await heed("train", file)).err).toContain("use a corpus of 1290 tokens or more, a shorter context")
    expect((await heed("train", join(folder, "none.txt"))).err).toContain("none.txt")
    expect(existsSync("runs/text")).toBe(false)
  })

  test("any text file, in letters", async () => {
    const file = join(folder, "letters.txt")
    writeFileSync(file, "the cat sat on the mat. a dog ran. ".repeat(60))
    const run = join(folder, "letters")
    const shape = ["--layers", "1", "--width", "16", "--heads", "2", "--context", "16", "--model", "llama"]
    const { out, err } = await heed("train", file, ...shape, "--steps", "10", "--batch-size", "2", "--out", run)
    expect(err).toBe("")
    expect(out).toContain("character")
    expect(out).toMatch(/explain "[a-z ,.]+" --model/) // words that the tokenizer has
    expect((await heed("train", file, "--tokenizer", "wrod")).err).toContain("did you mean word?")
    const written = await heed("generate", "the ", "--model", run, "--max-new-tokens", "8")
    expect(written.out).toMatch(/^the .{8}\n$/s)
  })

  test("a loss that is no number stops the run and says what helps", async () => {
    const wild = ["--optimizer", "sgd", "--learning-rate", "1e6", "--max-grad-norm", "0", "--steps", "60"]
    const { err, code } = await heed("train", ...short, ...wild, "--out", join(folder, "wild"))
    expect(err).toMatch(/expected finite numbers, but got a (loss|gradient norm) of (NaN|Infinity)/)
    expect(err).toContain("lower learningRate")
    expect(code).toBe(1)
  })
})

describe("generate", () => {
  test("goes on from the prompt; the same seed gives the same text", async () => {
    const flags = ["--model", whole, "--max-new-tokens", "6", "--temperature", "0.9", "--seed", "3"]
    const [one, two] = [await heed("generate", "One day", ...flags), await heed("generate", "One day", ...flags)]
    expect(one.code).toBe(0)
    expect(one.out.startsWith("One day")).toBe(true)
    expect(one.out).toBe(two.out)
  })

  test("as JSON", async () => {
    const { out } = await heed("generate", "One day", "--model", whole, "--max-new-tokens", "4", "--json", "--logprobs")
    const { text, ids, reason, logprobs, prompt } = JSON.parse(out)
    expect(prompt).toBe("One day")
    expect(typeof text).toBe("string")
    expect([ids.length, logprobs.length, reason]).toEqual([4, 4, "length"])
  })

  test("a checkpoint is a Hugging Face folder of its own", async () => {
    const { out } = await heed("generate", "The dog", "--model", join(whole, "checkpoints/60"), "--max-new-tokens", "2")
    expect(out.startsWith("The dog")).toBe(true)
  })

  test("a word that the tokenizer does not have, and an option without effect", async () => {
    expect((await heed("generate", "Zebra", "--model", whole)).err).toContain('but got "Zebra"')
    expect((await heed("generate", "The", "--model", whole, "--top-k", "4", "--no-do-sample")).err).toContain(
      "doSample",
    )
  })
})

describe("explain", () => {
  const sentence = "The dog did not cross the street because it was too tired."

  test("draws every head and lists where the pronoun looks", async () => {
    const { out, code } = await heed("explain", sentence, "--model", whole)
    expect(code).toBe(0)
    for (const name of ["L1 H1", "L1 H2", "L2 H1", "L2 H2"]) expect(out).toMatch(new RegExp(`${name} {2}it → `))
    expect(out).toMatch(/^because [·░▒▓█ ]+/m)
  })

  test("one head, another word, numbers", async () => {
    const { out } = await heed(
      "explain",
      sentence,
      "--model",
      whole,
      "--layer",
      "2",
      "--head",
      "1",
      "--word",
      "dog",
      "--numbers",
    )
    expect(out).toContain("L2 H1, percent of each row")
    expect(out).toMatch(/L2 H1 {2}dog → /)
    expect(out).not.toContain("L1 H1")
  })

  test("as JSON: rows of weights that sum to one, and nobody looks ahead", async () => {
    const { out } = await heed("explain", sentence, "--model", whole, "--json")
    const { tokens, pattern, word, position } = JSON.parse(out)
    expect([word, tokens[position]]).toEqual(["it", "it"])
    expect([pattern.length, pattern[0].length]).toEqual([2, 2])
    for (const row of pattern.flat(2)) expect(row.reduce((a: number, b: number) => a + b, 0)).toBeCloseTo(1, 2)
    expect(pattern[0][0][0].slice(1).every((weight: number) => weight === 0)).toBe(true)
  })

  test("a layer that is not there, a word that is not there", async () => {
    expect((await heed("explain", sentence, "--model", whole, "--layer", "3")).err).toContain(
      "the nearest valid value is 2",
    )
    expect((await heed("explain", sentence, "--model", whole, "--word", "cat")).err).toContain('the word "cat"')
  })
})
