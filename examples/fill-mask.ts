// A small BERT learns who does what by guessing hidden words, and then says what fits in the place of the mask.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const texts = ["the cat drinks milk", "the dog eats bones", "the owl hunts mice", "the bee makes honey"]

const tokenizer = await trainWordPiece(texts.join("\n"), { vocabularySize: 100, minimumFrequency: 1 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 16, dropout: 0, deviation: 0.1 }
const model = bert.build({ ...shape, head: "masked", vocabulary: tokenizer.vocabularySize }, { seed: 2 })

// each word of each sentence is hidden once; -100 asks for nothing
const mask = tokenizer.tokenId("[MASK]")!
const all = texts.map(text => [...tokenizer.encode(text)])
const hide = (ids: number[], at: number) => ({
  ids: ids.with(at, mask),
  labels: ids.map((id, k) => (k === at ? id : -100)),
})
const rows = all.flatMap(ids => ids.slice(3).map((_, i) => hide(ids, i + 2)))
const lesson = { input: rows.map(row => row.ids), labels: rows.map(row => row.labels) }
for await (const { type, loss } of trainOn(model, lesson, { steps: 100, learningRate: 3e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const fill = await pipeline("fill-mask", { model, tokenizer })
for (const text of ["the cat drinks [MASK]", "the [MASK] makes honey", "the owl [MASK] mice"]) {
  const [best, next] = await fill(text, { top_k: 2 })
  console.log(`${best!.sequence} (${best!.score.toFixed(2)}; ${next!.token_str} ${next!.score.toFixed(2)})`)
}
