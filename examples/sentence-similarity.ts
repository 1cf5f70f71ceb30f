// A small BERT learns topics; sentences of one topic then have vectors that point the same way, whatever their words.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const topics: Readonly<Record<string, readonly string[]>> = {
  music: ["a man plays the guitar", "someone sings a song", "the band has a drum", "she plays a tune"],
  weather: ["it rains all day", "the sun is warm", "a storm brings snow", "the wind is cold"],
  food: ["he bakes fresh bread", "the soup is hot", "she cooks rice and fish", "we eat cheese"],
}
const labels = Object.keys(topics)
const texts = labels.flatMap(topic => topics[topic]!.map(text => ({ text, topic })))

const corpus = texts.map(({ text }) => text).join("\n")
const tokenizer = await trainWordPiece(corpus, { vocabularySize: 200, minimumFrequency: 1 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 16, dropout: 0, deviation: 0.1 }
const vocabulary = tokenizer.vocabularySize
const model = bert.build({ ...shape, vocabulary, head: "classification", labels }, { seed: 8 })

const lesson = {
  input: texts.map(({ text }) => tokenizer.encode(text)),
  labels: texts.map(({ topic }) => labels.indexOf(topic)),
}
for await (const { type, loss } of trainOn(model, lesson, { steps: 60, learningRate: 3e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const compare = await pipeline("sentence-similarity", { model, tokenizer })
const source = "a man plays the guitar"
const others = ["someone sings a tune", "the storm is cold", "we eat fresh bread"]
const alike = await compare(source, others)
for (const [i, text] of others.entries()) console.log(`${source} ~ ${text}: ${alike[i]!.toFixed(2)}`)
