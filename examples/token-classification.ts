// A small BERT learns names of people and places, and finds them in other sentences.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const labels = ["O", "B-PER", "I-PER", "B-LOC"]
const tags: Readonly<Record<string, string>> = {
  Ada: "B-PER",
  Byron: "I-PER",
  Max: "B-PER",
  Eva: "B-PER",
  Lind: "I-PER",
}
const people = ["Ada Byron", "Max", "Eva Lind"]
const places = ["London", "Oslo", "Rome"]
const texts = people.flatMap((who, i) =>
  places.flatMap(where => [`${who} lives in ${where} .`, `in ${where} live ${who} and ${people[(i + 1) % 3]} , too .`]),
)

const tokenizer = await trainWordPiece(texts.join("\n"), { vocabularySize: 200, minimumFrequency: 1, lowercase: false })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 32, dropout: 0, deviation: 0.1 }
const vocabulary = tokenizer.vocabularySize
const model = bert.build({ ...shape, vocabulary, head: "tokenClassification", labels }, { seed: 3 })

// every token has the class of its word; [CLS] and [SEP] have none: -100
const tagOf = (word: string): string => tags[word] ?? (places.includes(word) ? "B-LOC" : "O")
const rows = texts.map(text => tokenizer.encodeWithOffsets(text))
const classes = rows.map(({ wordIds }, i) =>
  Array.from(wordIds, word => (word < 0 ? -100 : labels.indexOf(tagOf(texts[i]!.split(" ")[word]!)))),
)
for await (const { type, loss } of trainOn(model, { input: rows.map(row => row.ids), labels: classes }, { steps: 60 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const recognize = await pipeline("ner", { model, tokenizer })
const text = "Max lives in Rome , and Ada Byron in Oslo ."
for (const { entity_group, word, start, end } of await recognize(text, { aggregation_strategy: "simple" }))
  console.log(`${entity_group} ${word} at ${start}–${end}`)
