// Pipelines given what nobody should give them: odd texts, options of other kinds, calls at the same time, calls that are aborted.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { connectRuntime } from "../../src/runtime/index.ts"
import { pipeline } from "../../src/tasks/index.ts"
import { makeFolder } from "../tasks/folders.ts"

connectRuntime()

type Call = (...inputs: readonly unknown[]) => Promise<unknown>

const home = mkdtempSync(join(tmpdir(), "heed-hostile-"))
afterAll(() => rmSync(home, { recursive: true }))

const folders: Record<string, string> = {}
const calls: Record<string, Call> = {}
const used = [
  ["sentiment", "text-classification"],
  ["masked-model", "fill-mask"],
  ["nli", "zero-shot-classification"],
  ["squad", "question-answering"],
  ["sentence-vectors", "feature-extraction"],
  ["chat", "text-generation"],
  ["translator", "translation"],
] as const
beforeAll(async () => {
  for (const [folder, task] of used) {
    folders[folder] = await makeFolder(folder, home)
    calls[task] = (await pipeline(task, folders[folder])) as unknown as Call
  }
}, 60_000)

/** Our own error with what was expected; anything else fails. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    answer => new Error(`answered ${JSON.stringify(answer)?.slice(0, 80)}`),
    (caught: unknown) => caught as Error,
  )
  expect(error.name, error.stack).toMatch(/^(HeedError|ShapeError|ValueError|ConfigError|TextError)$/)
  expect(error.message).toMatch(/expected/)
  return error.message
}

const noTexts = [
  null,
  undefined,
  5,
  {},
  { text: 5 },
  [],
  [""],
  ["a", null],
  new Date(0),
  () => 1,
  Symbol("x"),
  "",
  " \n\t",
]
const oddTexts = [
  "\ud800",
  "a\udfffb",
  "\u0000\u0001\u001b[31m",
  "مرحبا بالعالم",
  "👩‍👩‍👧‍👦👍🏽🇩🇪",
  "x".repeat(100_000),
]

describe.each(["text-classification", "feature-extraction", "zero-shot-classification", "translation"])("%s", task => {
  const more =
    task === "zero-shot-classification" ? [["a", "b"]] : task === "translation" ? [{ max_new_tokens: 2 }] : []

  test("refuses what is no text", async () => {
    for (const text of noTexts) await refusal(calls[task]!(text, ...more))
  })

  test("answers any text, or says why not", async () => {
    for (const text of oddTexts) expect(await calls[task]!(text, ...more)).toBeTruthy()
  })
})

test("labels and contexts that are none are refused", async () => {
  for (const labels of [5, {}, [], "", " , ", ["a", null], [["a"]], () => 1, Symbol("x"), new Date(0)])
    expect(await refusal(calls["zero-shot-classification"]!("film", labels))).toMatch(/labels/)
  for (const context of noTexts) await refusal(calls["question-answering"]!("Where", context))
})

test("options of another kind are refused by name", async () => {
  const write = calls["text-generation"]!
  for (const [options, message] of [
    [{ signal: "now" }, /signal to be an AbortSignal, but got "now"/],
    [{ device: "gpu" }, /device to be native or wasm, but got "gpu"/],
    [{ logits_processor: 5 }, /logitsProcessor to be a list of functions/],
    [{ stopping_criteria: ["end"] }, /stoppingCriteria to be a list of functions/],
    [{ assistant_model: "gpt2" }, /assistantModel to be a model/],
    [{ streamer: 5 }, /TextStreamer/],
    [{ num_return_sequences: 1e9, do_sample: true }, /num_return_sequences: expected a whole number from 1 to 1024/],
    [{ temperature: Number.NaN }, /temperature/],
    [{ max_new_tokens: Number.POSITIVE_INFINITY }, /max_new_tokens/],
    [null, /expected an object, but got null/],
    [7, /expected an object, but got 7/],
    [[], /expected an object, but got \[\]/],
  ] as const)
    expect(await refusal(write("Ada", options))).toMatch(message)
  const classify = calls["text-classification"]!
  for (const options of [
    { top_k: Number.NaN },
    { top_k: -0 },
    { topK: 1, top_k: 2 },
    { nonsense: 1 },
    null,
    5,
    "x",
    [],
  ])
    await refusal(classify("film", options))
  expect(await classify("film", Object.create({ nonsense: 1 }))).toHaveLength(1) // what an object inherits is no option
})

test("a pipeline says what it cannot be opened with", async () => {
  const open = pipeline as unknown as Call
  const folder = folders.sentiment
  for (const [inputs, message] of [
    [[undefined, folder], /expected a task of/],
    [[{}, folder], /expected a task of/],
    [["__proto__", folder], /expected a task of/],
    [["ner", folder, null], /expected an object, but got null/],
    [["ner", folder, { progress_callback: 5 }], /progress_callback to be a function/],
    [["ner", folder, { dtype: "q4" }], /dtype: expected one of/],
    [["ner", folder], /a model that classifies tokens, but got bert \(classification\)/],
    [["ner", 5], /expected a folder/],
    [["ner", { model: 5 }], /expected a folder/],
  ] as const)
    expect(await refusal(open(...inputs))).toMatch(message)
})

test("calls at the same time answer as calls one after the other", async () => {
  const texts = ["I love this film", "What a waste of time !", "Ada", "Where was Ada born ? The weather is nice today"]
  for (const [task, more] of [
    ["text-classification", [{ top_k: null }]],
    ["feature-extraction", [{ pooling: "mean" }]],
    ["translation", [{ max_new_tokens: 4 }]],
    ["translation", [{ max_new_tokens: 4, num_beams: 2 }]],
    ["text-generation", [{ max_new_tokens: 6, do_sample: true, seed: 4 }]],
  ] as const) {
    const call = calls[task]!
    const alone: unknown[] = []
    for (const text of texts) alone.push(await call(text, ...more))
    expect(await Promise.all(texts.map(text => call(text, ...more)))).toEqual(alone)
  }
})

test("an aborted call gives what there is, and the next one answers as ever", async () => {
  const write = calls["text-generation"]!
  const usual = await write("Ada", { max_new_tokens: 8, do_sample: false })
  expect(await write("Ada", { max_new_tokens: 8, signal: AbortSignal.abort() })).toEqual([{ generated_text: "Ada" }])
  const controller = new AbortController()
  const abort = (): boolean => {
    controller.abort()
    return false
  }
  const cut = (await write("Ada", {
    max_new_tokens: 400,
    signal: controller.signal,
    stopping_criteria: [abort],
  })) as { generated_text: string }[]
  expect(cut[0]!.generated_text.length).toBeLessThan(20)
  expect(await write("Ada", { max_new_tokens: 8, do_sample: false })).toEqual(usual)
  const open = pipeline("text-classification", folders.sentiment!, { signal: AbortSignal.abort() })
  await expect(open).rejects.toThrow(/abort/)
})
