// A small BERT learns what follows from a sentence (natural language inference), and so can choose among labels given by name.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const topics: Readonly<Record<string, readonly string[]>> = {
  sport: ["the team won the game", "she ran a fast race", "he kicked the ball"],
  food: ["the soup was hot", "he bakes fresh bread", "she cooked rice"],
  music: ["the band played a song", "a piano and a drum", "he sings a tune"],
}
const names = Object.keys(topics)
const judged = (text: string, topic: string) =>
  names.map(name => ({ text, pair: `This example is ${name}.`, follows: name === topic }))
const pairs = names.flatMap(topic => topics[topic]!.flatMap(text => judged(text, topic)))

const corpus = pairs.map(({ text, pair }) => `${text} ${pair}`).join("\n")
const tokenizer = await trainWordPiece(corpus, { vocabularySize: 200, minimumFrequency: 1 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 32, dropout: 0, deviation: 0.1 }
const labels = ["contradiction", "neutral", "entailment"]
const vocabulary = tokenizer.vocabularySize
const model = bert.build({ ...shape, vocabulary, head: "classification", labels }, { seed: 5 })

const rows = pairs.map(({ text, pair }) => tokenizer.encodeWithOffsets(text, { pair }))
const [input, tokenTypeIds] = [rows.map(row => row.ids), rows.map(row => row.typeIds)]
const lesson = { input, tokenTypeIds, labels: pairs.map(({ follows }) => (follows ? 2 : 0)) }
for await (const { type, loss } of trainOn(model, lesson, { steps: 150, learningRate: 3e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const classify = await pipeline("zero-shot-classification", { model, tokenizer })
for (const text of ["the team won the game", "he bakes fresh bread", "the band played a tune"]) {
  const { labels, scores } = await classify(text, names)
  console.log(`${text} → ${labels.map((label, i) => `${label} ${scores[i]!.toFixed(2)}`).join(", ")}`)
}
