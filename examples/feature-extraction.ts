// A small BERT learns words by guessing hidden ones; the vectors of its sentences then find the sentence that is nearest to another.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const animals = ["cat", "dog", "horse"].flatMap(who => [
  `the ${who} sleeps in the barn`,
  `the ${who} runs over the field`,
])
const machines = ["pump", "drill"].flatMap(who => [`the ${who} needs new oil today`, `the ${who} makes a loud noise`])
const texts = [...animals, ...machines]

const tokenizer = await trainWordPiece(texts.join("\n"), { vocabularySize: 200, minimumFrequency: 1 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 16, dropout: 0, deviation: 0.1 }
const model = bert.build({ ...shape, head: "masked", vocabulary: tokenizer.vocabularySize }, { seed: 7 })

// each word hidden once; all words are asked for, so that every vector knows its word and its neighbours
const mask = tokenizer.tokenId("[MASK]")!
const all = texts.map(text => [...tokenizer.encode(text)])
const rows = all.flatMap(ids => ids.slice(2).map((_, i) => ({ ids: ids.with(i + 1, mask), labels: ids })))
const lesson = { input: rows.map(row => row.ids), labels: rows.map(row => row.labels) }
for await (const { type, loss } of trainOn(model, lesson, { steps: 60, learningRate: 3e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const extract = await pipeline("feature-extraction", { model, tokenizer })
console.log(`one vector a token: ${(await extract(texts[0]!)).dims.join(" × ")}`)
const vectors = await extract(texts, { pooling: "mean", normalize: true })
for (const text of ["the pump needs clean oil today", "the cat jumps over the field"]) {
  const asked = (await extract(text, { pooling: "mean", normalize: true })).row(0)
  const alike = texts.map((_, i) => vectors.row(i).reduce((sum, x, k) => sum + x * asked[k]!, 0))
  const best = alike.indexOf(Math.max(...alike))
  console.log(`${text} → ${texts[best]} (${alike[best]!.toFixed(2)})`)
}
