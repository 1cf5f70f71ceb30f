import { cp, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { bert, saveModel } from "../../src/models/index.ts"
import { findTask, type ProgressInfo, pipeline, tasks } from "../../src/tasks/index.ts"
import { makeFolder } from "./folders.ts"
import { small, wordTokenizer } from "./learn.ts"

const tokenizer = wordTokenizer(["the cat drinks milk"])
const model = bert.build({ ...small, head: "masked", vocabulary: tokenizer.vocabularySize }, { seed: 3 })

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-tasks-"))
  await saveModel(model, folder)
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer.toJSON()))
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizer.configuration()))
})
afterAll(() => rm(folder, { recursive: true }))

describe("pipeline", () => {
  test("opens a folder, tells when it is ready, and answers as an open model does", async () => {
    const told: ProgressInfo[] = []
    const fill = await pipeline("fill-mask", folder, { progress_callback: info => told.push(info) })
    expect(told.at(-1)).toMatchObject({ status: "ready", task: "fill-mask", model: folder })
    expect(fill.task).toBe("fill-mask")
    expect(fill.model.family).toBe("bert")
    const open = await pipeline("fill-mask", { model, tokenizer })
    const [a, b] = [await fill("the cat [MASK] milk"), await open("the cat [MASK] milk")]
    expect(a.map(one => one.token)).toEqual(b.map(one => one.token))
  })

  test("the chat template of a folder serves, whatever its tokenizer keeps", async () => {
    const chat = await pipeline("text-generation", await makeFolder("chat", folder))
    const [answer] = await chat([{ role: "user", content: "hello" }], { max_new_tokens: 2 })
    expect(answer!.generated_text.map(({ role }) => role)).toEqual(["user", "assistant"])
  })

  test("bf16 halves the weights and gives nearly the same scores", async () => {
    const [full, short] = [await pipeline("fill-mask", folder), await pipeline("fill-mask", folder, { dtype: "bf16" })]
    expect(short.model.parameters().some(parameter => parameter.dtype === "bf16")).toBe(true)
    const [a, b] = [await full("the [MASK]", { topK: 1 }), await short("the [MASK]", { topK: 1 })]
    expect(b[0]!.score).toBeCloseTo(a[0]!.score, 1)
  })

  test("names and aliases are found, and wrong ones named with the nearest", () => {
    for (const [name, task] of Object.entries(tasks)) {
      expect(findTask(name)).toBe(task)
      for (const alias of task.aliases) expect(findTask(alias)).toBe(task)
    }
    expect(findTask("translation_en_to_de").name).toBe("translation")
    expect(() => findTask("fil-mask")).toThrow(/the nearest is fill-mask/)
  })

  test("says what is wrong", async () => {
    await expect(pipeline("fill-mask", join(folder, "none"))).rejects.toThrow(/there is no such folder/)
    await expect(pipeline("fill-mask", folder, { dtype: "q4" as never })).rejects.toThrow(/dtype: expected one of fp32/)
    await expect(pipeline("fill-mask", folder, { speed: 3 } as never)).rejects.toThrow(
      /speed: expected an option that exists/,
    )
    await expect(pipeline("fill-mask", 3 as never)).rejects.toThrow(/expected a folder, the name of a model/)
    await expect(pipeline("text-generation", folder)).rejects.toThrow(/a language model .*, but got bert \(masked\)/)
    const bare = join(folder, "bare")
    await cp(join(folder, "config.json"), join(bare, "config.json"))
    await cp(join(folder, "model.safetensors"), join(bare, "model.safetensors"))
    await expect(pipeline("fill-mask", bare)).rejects.toThrow(/expected a tokenizer beside the model bert \(masked\)/)
  })
})
