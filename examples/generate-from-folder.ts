// A model is saved as a Hugging Face folder, opened again, and writes: streamed, drawn with a seed, several prompts at once.
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import "heed"
import { readJsonFile } from "heed/files"
import { generate, generateIds } from "heed/generate"
import { llama, loadModel, saveModel } from "heed/models"
import { CharacterTokenizer, loadTokenizer } from "heed/text"

const folder = join(await mkdtemp(join(tmpdir(), "heed-")), "model")
const characters = CharacterTokenizer.fromText(" abcdefghijklmnopqrstuvwxyz.\n")
const shape = { width: 32, layers: 2, heads: 4, groups: 2, inner: 64, context: 128, deviation: 0.3 }
await saveModel(llama.build({ ...shape, vocabulary: characters.vocabularySize }, { seed: 7 }), folder)
await writeFile(join(folder, "tokenizer.json"), JSON.stringify(characters))

const model = await loadModel(folder)
const tokenizer = loadTokenizer(await readJsonFile(join(folder, "tokenizer.json")))
console.log(`${model.family}, ${model.parameterCount()} random weights, context ${model.config.context}`)

let line = "once upon "
for await (const event of generate(model, tokenizer, line, { maxNewTokens: 40, topP: 0.9, seed: 3, stop: "." })) {
  if (event.type === "token") line += event.text
  else console.log(`${JSON.stringify(line)} (${event.reason} after ${event.ids.length} tokens)`)
}

const prompts = ["a b", "long ago"].map(text => tokenizer.encode(text))
const { newIds, scores } = await generateIds(model, prompts, { maxNewTokens: 12, numBeams: 4, lengthPenalty: 1 })
for (const [i, ids] of newIds.entries()) console.log(JSON.stringify(tokenizer.decode(ids)), scores![i]!.toFixed(3))
await rm(join(folder, ".."), { recursive: true })
