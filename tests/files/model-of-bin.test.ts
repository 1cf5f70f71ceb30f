// A whole model whose folder has only PyTorch's files, and one that is opened by its name: the same logits, bit for bit.
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test, vi } from "vitest"
import { openWeights, toFloat32 } from "../../src/files/index.ts"
import { fromHost } from "../../src/index.ts"
import { languageModel, loadModel } from "../../src/models/index.ts"
import { freshFolder } from "./folder.ts"
import { checkpoint } from "./torch-writer.ts"

const reference = join(import.meta.dirname, "../reference/gpt2")

async function logitsOf(name: string): Promise<unknown> {
  const model = languageModel(name, await loadModel(name)).eval()
  return model.forward(fromHost(Int32Array.of(1, 2, 3, 4), [1, 4], "i32")).logits.read()
}

async function tensors(): Promise<Record<string, { shape: readonly number[]; data: Float32Array }>> {
  const file = await openWeights(reference)
  const all: Record<string, { shape: readonly number[]; data: Float32Array }> = {}
  for (const name of file.names)
    all[name] = { shape: file.info(name).shape, data: toFloat32(await file.read(name), name) }
  await file.close()
  return all
}

test.each(["archive", "row", "shards"] as const)("a folder with .bin only: %s", async form => {
  const folder = await freshFolder()
  cpSync(join(reference, "config.json"), join(folder, "config.json"))
  const all = await tensors()
  if (form !== "shards") writeFileSync(join(folder, "pytorch_model.bin"), checkpoint(all, form))
  else {
    const shard = (name: string) =>
      name.includes("h.0") ? "pytorch_model-00001-of-00002.bin" : "pytorch_model-00002-of-00002.bin"
    const weightMap = Object.fromEntries(Object.keys(all).map(name => [name, shard(name)]))
    for (const file of new Set(Object.values(weightMap))) {
      const part = Object.fromEntries(Object.entries(all).filter(([name]) => weightMap[name] === file))
      writeFileSync(join(folder, file), checkpoint(part, "archive"))
    }
    writeFileSync(join(folder, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: weightMap }))
  }
  expect(await logitsOf(folder)).toEqual(await logitsOf(reference))
})

test("a model of the cache, by its name", async () => {
  const home = await freshFolder()
  const repository = join(home, "hub/models--tiny--gpt2")
  const commit = "f".repeat(40)
  mkdirSync(join(repository, "refs"), { recursive: true })
  cpSync(reference, join(repository, "snapshots", commit), { recursive: true })
  writeFileSync(join(repository, "refs/main"), commit)
  vi.stubEnv("HF_HOME", home)
  vi.stubEnv("HF_HUB_CACHE", "")
  try {
    expect(await logitsOf("tiny/gpt2")).toEqual(await logitsOf(reference))
    await expect(loadModel("tiny/gpt3")).rejects.toThrow(/download it: heed pull tiny\/gpt3/)
  } finally {
    vi.unstubAllEnvs()
  }
})
