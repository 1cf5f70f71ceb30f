import { existsSync, readdirSync } from "node:fs"
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { openSafetensors, safetensorsContent, toFloat32, writeSafetensors } from "../../src/files/index.ts"
import { familyOf, gpt2, llama, loadModel, loadWeights, saveModel } from "../../src/models/index.ts"
import { connectRuntime, evaluateOn } from "../../src/runtime/index.ts"
import { fromHost } from "../../src/tensor/index.ts"

connectRuntime()

const reference = join(import.meta.dirname, "../reference")

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-models-"))
})
afterEach(() => rm(folder, { recursive: true }))

const config = async (name: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(reference, name, "config.json"), "utf8"))

/** Every key that both have says the same; so do those of nested configurations, where the published one names architectures or not. */
function expectSame(written: Record<string, unknown>, published: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(written)) {
    if (!(key in published) || (key === "architectures" && published[key] === null)) continue
    const nested = /^((text|vision)_config|encoder|decoder)$/.test(key)
    if (nested) expectSame(value as Record<string, unknown>, published[key] as Record<string, unknown>)
    else expect(value, key).toEqual(published[key])
  }
}

const cases = readdirSync(reference).filter(name => existsSync(join(reference, name, "model.safetensors")))

describe.each(cases)("%s", name => {
  test("saved and loaded, every weight has the same bits and the published name and shape", async () => {
    const model = await loadModel(join(reference, name))
    await saveModel(model, join(folder, "copy"))
    const before = await openSafetensors(join(reference, name, "model.safetensors"))
    const after = await openSafetensors(join(folder, "copy", "model.safetensors"))
    expect([...after.names].sort()).toEqual([...before.names].sort())
    for (const one of before.names) {
      expect(after.info(one).shape).toEqual(before.info(one).shape)
      const [was, is] = [toFloat32(await before.read(one)), toFloat32(await after.read(one))]
      expect(Buffer.compare(Buffer.from(is.buffer), Buffer.from(was.buffer)), one).toBe(0)
    }
    await before.close()
    await after.close()
    const again = await loadModel(join(folder, "copy"))
    expect(again.config).toEqual(model.config)
  })

  test("the saved configuration says what the published one says", async () => {
    const model = await loadModel(join(reference, name))
    const published = await config(name)
    const written = familyOf(model).writeConfig(model.config)
    const { id2label, label2id, ...rest } = written
    // of a tower or another part, what is published may leave out defaults
    expectSame(rest, published)
    expect(written.model_type).toBe(published.model_type)
    if (published.id2label) expect([id2label, label2id]).toEqual([published.id2label, published.label2id])
  })
})

test("saving into a folder leaves its other files alone", async () => {
  await writeFile(join(folder, "tokenizer.json"), "{}")
  await saveModel(gpt2.build({ vocabulary: 5, context: 4, width: 4, layers: 1, heads: 1 }), folder)
  expect(await readFile(join(folder, "tokenizer.json"), "utf8")).toBe("{}")
  expect((await loadModel(folder)).parameterCount()).toBe(5 * 4 + 4 * 4 + 8 + 60 + 20 + 8 + 80 + 68 + 8)
})

test("weights are kept in bf16 on request, and saved so", async () => {
  const model = await loadModel(join(reference, "llama"), { dtype: "bf16" })
  const types = new Map([...model.namedParameters()].map(([path, parameter]) => [path, parameter.dtype]))
  expect(types.get("blocks.0.attention.qkv.weight")).toBe("bf16")
  expect(types.get("tokens.weight")).toBe("bf16")
  expect(types.get("blocks.0.attentionNorm.weight")).toBe("f32")
  const full = await loadModel(join(reference, "llama"))
  const ids = fromHost(Int32Array.of(1, 2, 3), [1, 3], "i32")
  const [a, b] = await evaluateOn("reference", [model.forward(ids).logits!, full.forward(ids).logits!])
  const largest = Math.max(...b!.map(Math.abs))
  for (const [i, x] of b!.entries()) expect(Math.abs(x - a![i]!)).toBeLessThan(0.03 * largest)
  await saveModel(model, join(folder, "short"))
  const file = await openSafetensors(join(folder, "short", "model.safetensors"))
  expect(file.info("model.layers.0.mlp.up_proj.weight").dtype).toBe("bf16")
  await file.close()
  expect(JSON.parse(await readFile(join(folder, "short", "config.json"), "utf8")).torch_dtype).toBe("bfloat16")
})

test("names without the prefix, saved masks and copies of tied weights are understood", async () => {
  const source = await openSafetensors(join(reference, "gpt2", "model.safetensors"))
  const bare: Record<string, Awaited<ReturnType<typeof source.read>>> = {}
  for (const name of source.names) bare[name.replace("transformer.", "")] = await source.read(name)
  bare["h.0.attn.bias"] = { dtype: "f32", shape: [1, 1, 2, 2], data: new Float32Array(4) }
  bare["lm_head.weight"] = bare["wte.weight"]!
  await source.close()
  await cp(join(reference, "gpt2", "config.json"), join(folder, "config.json"))
  await writeSafetensors(join(folder, "model.safetensors"), bare)
  const [a, b] = [await loadModel(folder), await loadModel(join(reference, "gpt2"))]
  const values = await evaluateOn("reference", [...a.parameters(), ...b.parameters()])
  expect(values.slice(0, values.length / 2)).toEqual(values.slice(values.length / 2))
})

describe("wrong weights", () => {
  const tensors = async () => {
    const source = await openSafetensors(join(reference, "llama", "model.safetensors"))
    const all: Record<string, Awaited<ReturnType<typeof source.read>>> = {}
    for (const name of source.names) all[name] = await source.read(name)
    await source.close()
    return all
  }
  const load = async (all: Awaited<ReturnType<typeof tensors>>, options = {}) => {
    await cp(join(reference, "llama", "config.json"), join(folder, "config.json"))
    await writeSafetensors(join(folder, "model.safetensors"), all)
    return loadModel(folder, options)
  }

  test("unknown, missing and misshapen ones are named", async () => {
    const all = await tensors()
    await expect(load({ ...all, "model.layers.7.mlp.up_proj.weight": all["model.norm.weight"]! })).rejects.toThrow(
      /unknown model\.layers\.7\.mlp\.up_proj\.weight/,
    )
    const { "model.norm.weight": norm, ...without } = all
    await expect(load(without)).rejects.toThrow(/no model\.norm\.weight/)
    expect((await load(without, { partial: true })).parameterCount()).toBeGreaterThan(0)
    await expect(load({ ...all, "model.norm.weight": all["lm_head.weight"]! })).rejects.toThrow(
      /\[32\], but got \[99 32\]/,
    )
    expect(norm!.shape).toEqual([32])
  })

  test("bytes in memory load as files do", async () => {
    const all = await tensors()
    const source = { names: Object.keys(all), info: (name: string) => all[name]!, read: (name: string) => all[name]! }
    const model = llama.build(llama.readConfig(await config("llama")))
    await loadWeights(model, llama, source)
    expect(safetensorsContent(all).bytes).toBeGreaterThan(4 * model.parameterCount())
  })
})

describe("configurations", () => {
  test("an unknown architecture lists the known ones and the nearest", async () => {
    await cp(join(reference, "llama", "model.safetensors"), join(folder, "model.safetensors"))
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...(await config("llama")), model_type: "lama" }))
    await expect(loadModel(folder)).rejects.toThrow(
      /one of .*gpt2.*, llama.*, but got "lama"\n {2}hint: the nearest is llama/,
    )
    await writeFile(join(folder, "config.json"), "[]")
    await expect(loadModel(folder)).rejects.toThrow(/expected an object, but got a list/)
  })

  test.each([
    ["llama", { add_cross_attention: true }, /add_cross_attention to be false/],
    ["gpt2", { activation_function: "mish" }, /activation_function: expected one of relu/],
    ["gpt2", { n_head: 5 }, /share evenly/],
    ["gpt2", { architectures: ["GPT2DoubleHeadsModel"] }, /GPT2LMHeadModel, GPT2Model, GPT2ForSequenceClassification/],
    ["gpt2", { quantization_config: { bits: 4 } }, /quantization_config/],
    ["llama", { rope_scaling: { rope_type: "longrope", factor: 2 } }, /rope_scaling/],
    ["llama", { rope_scaling: { rope_type: "linear", factor: 2, speed: 1 } }, /rope_scaling/],
    ["llama", { sliding_window: 4 }, /sliding_window: expected an option that exists/],
    ["llama", { num_key_value_heads: 3 }, /multiple of groups/],
    ["llama", { hidden_size: "wide" }, /hidden_size: expected a whole number/],
    [
      "bert-sequence-classification",
      { id2label: { "0": "a", "2": "c" } },
      /classes 0 \.\. 1, but got "2" in place of 1/,
    ],
    [
      "bert-sequence-classification",
      { id2label: undefined, num_labels: 1e9 },
      /num_labels of 0 to 1000000, but got 1000000000/,
    ],
    ["bert-sequence-classification", { id2label: { zero: "a" } }, /but got "zero" in place of 0/],
    ["bert-sequence-classification", { id2label: { "0": "a", "1": 5 } }, /id2label|labels: expected a list/],
  ])("%s refuses %o", async (name, change, message) => {
    const original = await config(name)
    const family = familyOf(String(original.model_type))
    const published = { ...original, ...change }
    expect(() => family.readConfig(published)).toThrow(message)
  })

  test("unknown keys can be left aside by name", async () => {
    const published = { ...(await config("llama")), new_switch: 1 }
    expect(() => llama.readConfig(published)).toThrow(/new_switch/)
    expect(llama.readConfig(published, { ignore: ["new_switch"] })).toEqual(llama.readConfig(await config("llama")))
  })

  test("newer files keep rotary options together, older ones say type", async () => {
    const { rope_scaling, rope_theta, ...rest } = await config("llama-rope-linear")
    const expected = llama.readConfig({ ...rest, rope_scaling, rope_theta })
    expect(expected.ropeScaling).toEqual({ kind: "linear", factor: 4 })
    expect(llama.readConfig({ ...rest, rope_parameters: { rope_theta, ...(rope_scaling as object) } })).toEqual(
      expected,
    )
    expect(llama.readConfig({ ...rest, rope_theta, rope_scaling: { type: "linear", factor: 4 } })).toEqual(expected)
  })
})
