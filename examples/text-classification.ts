// A small BERT learns the mood of a dozen sentences, and judges others.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const good = ["a good day", "the kind dog helped us", "a happy song", "she likes the warm bread", "we love this town"]
const bad = ["a bad day", "the angry dog bit us", "a sad song", "she hates the cold bread", "we left this dull town"]
const texts = [...good, ...bad]

const tokenizer = await trainWordPiece(texts.join("\n"), { vocabularySize: 200, minimumFrequency: 1 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 32, dropout: 0, deviation: 0.1 }
const labels = ["NEGATIVE", "POSITIVE"]
const vocabulary = tokenizer.vocabularySize
const model = bert.build({ ...shape, vocabulary, head: "classification", labels }, { seed: 1 })

const moods = texts.map(text => (good.includes(text) ? 1 : 0))
const lesson = { input: texts.map(text => tokenizer.encode(text)), labels: moods }
for await (const { type, step, loss } of trainOn(model, lesson, { steps: 60, learningRate: 3e-3 }))
  if (type === "end" || step === 1) console.log(`step ${step}: loss ${loss.toFixed(3)}`)

const classify = await pipeline("sentiment-analysis", { model, tokenizer })
for (const text of ["a happy dog helped us", "the sad town", "she likes a good song"]) {
  const [answer] = await classify(text)
  console.log(`${text} → ${answer!.label} ${answer!.score.toFixed(2)}`)
}
