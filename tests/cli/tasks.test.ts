// heed run: every task on small models with random weights, as a person reads it and as JSON; what is piped in; what is wrong.

import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import wavefile from "wavefile"
import { tasks } from "../../src/tasks/index.ts"
import { makeFolder } from "../tasks/folders.ts"
import { tone } from "../tasks/speech.ts"
import { heed, temporaryFolder } from "./terminal.ts"

const { folder, remove } = temporaryFolder()
afterAll(remove)

const picture = join(folder, "red.png")
const sound = join(folder, "tone.wav")
const models = new Map<string, Promise<string>>()

/** The folder of a small model, made once. */
function model(name: string): Promise<string> {
  if (!models.has(name)) models.set(name, makeFolder(name, folder))
  return models.get(name)!
}

beforeAll(async () => {
  const red = { create: { width: 40, height: 30, channels: 3, background: "#dc1e1e" } } as const
  await sharp(red).png().toFile(picture)
  const wav = new wavefile.WaveFile()
  wav.fromScratch(1, 16000, "32f", tone(440, 1))
  await writeFile(sound, wav.toBuffer())
})

const short = ["--max-new-tokens", "5"]
const score = expect.any(Number)
const text = expect.any(String)

/** Of each task: the model, what stands on the command line, what is printed, and the JSON. */
const calls: Readonly<Record<string, readonly [model: string, words: readonly string[], said: RegExp, json: unknown]>> =
  {
    "text-generation": ["chat", ["The weather", ...short], /^The weather.{5}/s, [[{ generated_text: text }]]],
    "fill-mask": [
      "masked-model",
      ["The [MASK] is nice", "--top-k", "1"],
      /^\S+ +\d+\.\d % {2}The \S+ is nice\n$/,
      [[{ score, token: score, token_str: text, sequence: text }]],
    ],
    "text-classification": ["sentiment", ["I love it"], /^(POSI|NEGA)TIVE +\d+\.\d %\n$/, [{ label: text, score }]],
    "zero-shot-classification": [
      "nli",
      ["the birds sing", "--candidate-labels", "music,weather"],
      /^(music|weather) +\d+\.\d %\n(music|weather) +\d+\.\d %\n$/,
      [{ sequence: "the birds sing", labels: [text, text], scores: [score, score] }],
    ],
    "token-classification": [
      "ner",
      ["Ada was", "--ignore-labels", "none"],
      /^Ada +\S+ +\d+\.\d % {2}0–3\nwas +\S+ +\d+\.\d % {2}4–7\n$/,
      [
        [
          { entity: text, score, index: 1, word: "Ada", start: 0, end: 3 },
          { entity: text, score, index: 2, word: "was", start: 4, end: 7 },
        ],
      ],
    ],
    "question-answering": [
      "squad",
      ["Where was Ada born ?", "Ada was born in London ."],
      /^\S.* {2}\d+\.\d %\n$/,
      { answer: text, score, start: score, end: score },
    ],
    summarization: ["summarizer", ["the birds sing", ...short], /^.*\n$/, [{ summary_text: text }]],
    translation: [
      "translator",
      ["the birds sing", "--num-beams", "2", ...short],
      /^.*\n$/,
      [{ translation_text: text }],
    ],
    "text2text-generation": [
      "t5",
      ["the birds sing", "and", ...short],
      /^.*\n.*\n$/,
      [{}, {}].map(() => ({ generated_text: text })),
    ],
    "feature-extraction": [
      "sentence-vectors",
      ["the birds sing", "music", "--pooling", "mean", "--normalize"],
      /^2 × 48 numbers: (-?\d\.\d{4} ){6}… {2}\(--json gives all of them\)\n$/,
      [expect.arrayContaining([score]), expect.arrayContaining([score])],
    ],
    "sentence-similarity": [
      "sentence-vectors",
      ["the birds sing", "the birds sing", "music"],
      /^1\.0000\n-?\d\.\d{4}\n$/,
      [expect.closeTo(1, 4), score],
    ],
    "image-classification": [
      "pictures",
      [picture, "--top-k", "2"],
      /^((cat|dog|bird) +\d+\.\d %\n){2}$/,
      [
        [
          { label: text, score },
          { label: text, score },
        ],
      ],
    ],
    "image-to-text": ["captioner", [picture, ...short], /^.*\n$/, [[{ generated_text: text }]]],
    "automatic-speech-recognition": [
      "letters",
      [sound, "--return-timestamps", "word"],
      /^.*\n$/s,
      [{ text, chunks: expect.any(Array) }],
    ],
  }

test("every task is called", () => expect(Object.keys(calls)).toEqual(Object.keys(tasks)))

test.each(Object.entries(calls))("%s", async (task, [name, words, said, json]) => {
  const command = ["run", task, "--model", await model(name), ...words]
  const read = await heed(...command)
  expect(read.err).toBe("")
  expect(read.code).toBe(0)
  expect(read.out).toMatch(said)
  const asJson = await heed(...command, "--json")
  expect(asJson.err).toBe("")
  expect(JSON.parse(asJson.out)).toEqual(json)
})

test("aliases, Whisper, bf16", async () => {
  const whisper = ["run", "asr", "--model", await model("speech"), sound, "--language", "en"]
  expect(JSON.parse((await heed(...whisper, "--json")).out)).toEqual([{ text }])
  const german = ["run", "translation_en_to_de", "--model", await model("translator"), "the birds", ...short, "--json"]
  expect(JSON.parse((await heed(...german)).out)).toEqual([{ translation_text: text }])
  const half = [
    "run",
    "ner",
    "--model",
    await model("ner"),
    "Ada was",
    "--dtype",
    "bf16",
    "--aggregation-strategy",
    "simple",
  ]
  expect((await heed(...half, "--json")).code).toBe(0)
})

describe("heed run says what is wrong", () => {
  const wrong = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await heed("run", ...words)
    expect(code).toBe(1)
    expect(out).toBe("")
    return err
  }

  test("a task that does not exist, with the nearest", async () => {
    const err = await wrong("fil-mask", "--model", "m", "a")
    expect(err).toContain("expected a task of text-generation, fill-mask,")
    expect(err).toContain("the nearest is fill-mask")
  })

  test("no model, and one that is not there", async () => {
    expect(await wrong("fill-mask", "a [MASK]")).toContain("run fill-mask: expected a model, but got none")
    expect(await wrong("fill-mask", "--model", join(folder, "none"), "a [MASK]")).toContain("there is no such folder")
  })

  test("a model of another kind", async () => {
    const err = await wrong("text-generation", "--model", await model("ner"), "a")
    expect(err).toMatch(/text-generation: expected a .*model.*, but got bert \(tokenClassification\)/)
    expect(await wrong("image-classification", "--model", await model("chat"), picture)).toContain(
      "classifies pictures",
    )
    expect(await wrong("fill-mask", "--model", await model("pictures"), "a")).toContain("predicts masked tokens")
  })

  test("inputs that are too many, or are no such thing", async () => {
    const squad = ["question-answering", "--model", await model("squad")]
    expect(await wrong(...squad, "a", "b", "c")).toContain("expected question context, but got 3 inputs")
    expect(await wrong("sentiment-analysis", "--model", await model("sentiment"), "a", " ")).toContain("it is empty")
    expect(await wrong("asr", "--model", await model("letters"), picture)).toContain("expected a WAV file")
    expect(await wrong("image-to-text", "--model", await model("captioner"), sound)).toMatch(/picture/)
    expect(await wrong("zero-shot-classification", "--model", await model("nli"), "a")).toContain(
      "--candidate-labels sport",
    )
  })

  test("options that do not exist or have no such value, with the nearest", async () => {
    const fill = ["fill-mask", "--model", await model("masked-model"), "a [MASK]"]
    expect(await wrong(...fill, "--topk", "3")).toContain("did you mean --top-k?")
    expect(await wrong(...fill, "--top-k", "0")).toContain("--top-k: expected a whole number at least 1, but got")
    expect(await wrong(...fill, "--num-beams", "2")).toContain("expected an option that exists, but got --num-beams")
    const write = ["text-generation", "--model", await model("chat"), "a"]
    expect(await wrong(...write, "--temperature", "0.5", "--num-beams", "2", "--do-sample", "--top-k", "-1")).toContain(
      "--top-k",
    )
  })

  test("help lists tasks, and the options of one", async () => {
    const all = await heed("run", "--help")
    for (const { name, summary } of Object.values(tasks)) expect(all.out).toMatch(new RegExp(`${name} +${summary}`))
    const one = await heed("run", "question-answering", "--help")
    expect(one.out).toContain("--doc-stride")
    expect(one.out).toMatch(/question +the question\n +context +the text that answers it/)
  })
})

describe("what is piped in", () => {
  const root = resolve(import.meta.dirname, "../..")
  /** Runs a line of the shell in which $HEED is the command. */
  const shell = async (line: string): Promise<{ code: number; out: string; err: string }> => {
    const HEED = `${process.execPath} --import ${import.meta.resolve("tsx")} ${join(root, "src/cli/main.ts")}`
    const env = { ...process.env, HEED, NO_COLOR: "1" }
    return promisify(execFile)("sh", ["-c", line], { cwd: root, env }).then(
      ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
      problem => ({ code: problem.code, out: problem.stdout, err: problem.stderr }),
    )
  }

  test("is the last input; nothing at all is an error", async () => {
    const squad = await model("squad")
    const [answered, missing] = await Promise.all([
      shell(
        `echo "Ada was born in London ." | $HEED run question-answering --model ${squad} "Where was Ada born ?" --json`,
      ),
      shell(`$HEED run question-answering --model ${squad} "Where was Ada born ?" < /dev/null`),
    ])
    expect(answered.err).toBe("")
    const { answer, start, end } = JSON.parse(answered.out) as { answer: string; start: number; end: number }
    expect("Ada was born in London .".slice(start, end)).toBe(answer)
    expect(missing.code).toBe(1)
    expect(missing.err).toContain("expected question context, but got one input")
  })
})
