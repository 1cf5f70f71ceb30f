// Model folders and checkpoints that are broken, cut or made to harm: every one is refused in words, and memory stays small.
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { createRun, openRun, openSafetensors, readJsonFile, writeSafetensors } from "../../src/files/index.ts"
import { gpt2, loadModel, saveModel } from "../../src/models/index.ts"
import { loadTokenizer } from "../../src/text/index.ts"
import { collect, context, eventsOf, tinyData, tinyGpt } from "../train/tiny.ts"

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-hostile-"))
  await saveModel(gpt2.build({ vocabulary: 5, context: 4, width: 4, layers: 1, heads: 1 }), folder)
})
afterEach(() => rm(folder, { recursive: true }))

const at = (name: string): string => join(folder, name)

/** The message of an error that names what is wrong; anything from inside fails the test. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("expected a refusal"),
    (caught: unknown) => caught as Error,
  )
  expect(error.name, error.stack).toMatch(
    /^(HeedError|ShapeError|ValueError|TypeMismatchError|FileError|ConfigError|TextError|TrainingError|DataError)$/,
  )
  expect(error.message).toMatch(/expected/)
  return error.message
}

describe("config.json", () => {
  test.each([
    ["null", "null"],
    ["a list", "[]"],
    ["a number", "7"],
    ["no JSON", '{"model_type": '],
    ["nothing", ""],
    ["bytes", "\u0000\u0001\u0002"],
    ["deep nesting", "[".repeat(100_000)],
    ["deep nesting that ends", `{"model_type": "gpt2", "n_embd": ${"[".repeat(5000)}${"]".repeat(5000)}}`],
    ["no model_type", '{"n_embd": 4}'],
    ["a model_type that is no text", '{"model_type": ["gpt2"]}'],
    ["a name of every object", '{"model_type": "__proto__"}'],
  ])("that is %s", async (_, text) => {
    await writeFile(at("config.json"), text)
    await refusal(loadModel(folder))
  })

  test.each([
    { n_embd: null },
    { n_embd: "4" },
    { n_embd: -4 },
    { n_embd: 4.5 },
    { n_embd: 2 ** 40, n_head: 1 },
    { n_layer: 1e9 },
    { vocab_size: 1e15 },
    { n_positions: 0 },
    { n_head: 3 },
    { layer_norm_epsilon: "small" },
    { activation_function: {} },
    { architectures: "GPT2LMHeadModel" },
    { __proto__: { n_embd: 8 }, n_embd: [] },
  ])("with %o", async change => {
    const config = JSON.parse(await readFile(at("config.json"), "utf8"))
    await writeFile(at("config.json"), JSON.stringify({ ...config, ...change }))
    const before = process.memoryUsage().rss
    await refusal(loadModel(folder))
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6)
  })

  test("that is missing", async () => {
    await rm(at("config.json"))
    expect(await refusal(loadModel(folder))).toContain("config.json")
  })
})

describe("weights", () => {
  const header = async (text: string, length = BigInt(Buffer.byteLength(text)), rest = Buffer.alloc(0)) => {
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(length)
    await writeFile(at("model.safetensors"), Buffer.concat([size, Buffer.from(text), rest]))
  }
  const one = (start: number, end: number, more = {}) => ({
    dtype: "F32",
    shape: [(end - start) / 4],
    data_offsets: [start, end],
    ...more,
  })

  test.each([
    ["a giant header", "{}", 2n ** 60n],
    ["a header beyond the file", "{}", 1000n],
    ["no JSON", "{", undefined],
    ["a list", "[]", undefined],
    ["overlapping tensors", JSON.stringify({ "wte.weight": one(0, 80), "wpe.weight": one(40, 104) }), undefined],
    ["a tensor beyond the file", JSON.stringify({ "wte.weight": one(0, 8000) }), undefined],
    ["offsets backwards", JSON.stringify({ "wte.weight": one(80, 0) }), undefined],
    ["a shape that overflows", JSON.stringify({ "wte.weight": one(0, 80, { shape: [2 ** 50, 2 ** 50] }) }), undefined],
    ["an unknown dtype", JSON.stringify({ "wte.weight": one(0, 80, { dtype: "Q9" }) }), undefined],
    ["a dtype that does not fit", JSON.stringify({ "wte.weight": one(0, 80, { dtype: "F64" }) }), undefined],
  ])("with %s", async (_, text, length) => {
    await header(text, length, Buffer.alloc(200))
    await refusal(loadModel(folder))
  })

  test("that are whole numbers", async () => {
    const source = await openSafetensors(at("model.safetensors"))
    const all: Record<string, Awaited<ReturnType<typeof source.read>>> = {}
    for (const name of source.names) all[name] = await source.read(name)
    await source.close()
    const name = Object.keys(all).find(key => key.endsWith("wpe.weight"))!
    await writeSafetensors(at("model.safetensors"), {
      ...all,
      [name]: { ...all[name]!, dtype: "i32", data: new Int32Array(16) },
    })
    expect(await refusal(loadModel(folder))).toContain("wpe.weight")
  })

  test.each([0, 4, 8, 100])("that are cut after %i bytes", async bytes => {
    await truncate(at("model.safetensors"), bytes)
    expect(await refusal(loadModel(folder))).toContain("model.safetensors")
  })

  test("that are missing, or longer than they say", async () => {
    await appendFile(at("model.safetensors"), Buffer.alloc(64))
    await refusal(loadModel(folder))
    await rm(at("model.safetensors"))
    expect(await refusal(loadModel(folder))).toContain("safetensors")
  })

  test.each(["../model.safetensors", "/etc/passwd", "a/../../b.safetensors", "", 5, null])(
    "whose index names %o",
    async file => {
      await rm(at("model.safetensors"))
      await writeFile(at("model.safetensors.index.json"), JSON.stringify({ weight_map: { "wte.weight": file } }))
      await refusal(loadModel(folder))
    },
  )

  test.each(["null", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{"])("with the index %s", async text => {
    await rm(at("model.safetensors"))
    await writeFile(at("model.safetensors.index.json"), text)
    await refusal(loadModel(folder))
  })
})

describe("tokenizer.json", () => {
  const vocab = { a: 0, b: 1, ab: 2 }
  test.each([
    null,
    [],
    {},
    { model: null },
    { model: { type: "BPE" } },
    { model: { type: "BPE", vocab: { a: "x" }, merges: [] } },
    { model: { type: "BPE", vocab: { a: -1 }, merges: [] } },
    { model: { type: "BPE", vocab: { a: 1e15 }, merges: [] } },
    { model: { type: "BPE", vocab: [], merges: 5 } },
    { model: { type: "BPE", vocab, merges: [5] } },
    { model: { type: "WordLevel", vocab: [1] } },
    { model: { type: "Sentences", vocab } },
    { model: { type: "BPE", vocab, merges: [] }, pre_tokenizer: { type: "Nonsense" } },
    { model: { type: "BPE", vocab, merges: [] }, added_tokens: 5 },
  ])("that is %o", async json => {
    await refusal((async () => loadTokenizer(json).encode("ab"))())
  })

  test.each(["", "{", "[".repeat(100_000)])("that is no JSON", async text => {
    await writeFile(at("tokenizer.json"), text)
    expect(await refusal(readJsonFile(at("tokenizer.json")))).toContain("tokenizer.json")
  })
})

describe("a checkpoint that was damaged", () => {
  const config = { steps: 6, batchSize: 2, context, saveSteps: 3, learningRate: 1e-3 }

  const trained = async () => {
    const { tokenizer, data } = await tinyData()
    const options = { data, tokenizer, config }
    const model = () => tinyGpt({ vocabulary: tokenizer.vocabularySize })
    const run = await createRun(at("run"), config)
    await collect({ ...options, model: model(), run })
    const { folder: newest } = (await run.latest())!
    await run.close()
    const resume = async () => {
      const again = await openRun(at("run"))
      try {
        return await collect({ ...options, config: { ...config, steps: 7 }, model: model(), run: again, resume: true })
      } finally {
        await again.close()
      }
    }
    return { newest, resume }
  }

  test.each([
    ["a cut optimizer.safetensors", (path: string) => truncate(join(path, "optimizer.safetensors"), 200)],
    ["a cut model.safetensors", (path: string) => truncate(join(path, "model.safetensors"), 200)],
    ["no state.json", (path: string) => rm(join(path, "state.json"))],
    ["no optimizer.safetensors", (path: string) => rm(join(path, "optimizer.safetensors"))],
  ])("by %s: the one before serves, and the run says so", async (_, damage) => {
    const { newest, resume } = await trained()
    await damage(newest)
    const events = await resume()
    expect(eventsOf(events, "start")[0]).toMatchObject({ step: 3 })
    expect(
      eventsOf(events, "warning")
        .map(({ message }) => message)
        .join(),
    ).toContain(newest)
  })

  test("every one of them: nothing begins anew by itself", async () => {
    const { newest, resume } = await trained()
    for (const step of ["3", "6"]) await rm(join(newest, "..", step, "model.safetensors"))
    expect(await refusal(resume())).toContain("every one is damaged")
  })

  test("by other content of the same size is refused", async () => {
    const { newest, resume } = await trained()
    const state = join(newest, "state.json")
    await writeFile(state, "x".repeat((await readFile(state)).length))
    expect(await refusal(resume())).toContain("state.json")
  })
})
