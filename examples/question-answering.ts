// A small BERT learns to point at who, what and where in a sentence, and answers about sentences it has not seen.
import { bert } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const people = ["Ada", "Max", "Eva", "Tom"]
const things = ["bread", "fish", "rice", "soup"]
const places = ["Rome", "Oslo", "Kiel", "Bonn"]
const facts = Array.from({ length: 64 }, (_, n) => {
  const [who, what, where] = [people[n % 4]!, things[Math.floor(n / 4) % 4]!, places[Math.floor(n / 16)]!]
  const context = n % 5 < 3 ? `${who} eats ${what} in ${where} .` : `in ${where} they saw ${who} , who eats ${what} .`
  const questions = [`who eats in ${where} ?`, `what does ${who} eat ?`, `where was ${who} ?`]
  return questions.map((question, i) => ({ question, context, answer: [who, what, where][i]! }))
})
const unseen = facts.filter((_, n) => n % 21 === 9).flat()
const seen = facts.filter((_, n) => n % 21 !== 9 && n % 2 === 0).flat()

const corpus = facts.flat().map(({ question, context }) => `${question} ${context}`)
const tokenizer = await trainWordPiece(corpus.join("\n"), { vocabularySize: 200 })
const shape = { width: 48, layers: 2, heads: 4, inner: 96, context: 32, dropout: 0, deviation: 0.1 }
const vocabulary = tokenizer.vocabularySize
const model = bert.build({ ...shape, vocabulary, head: "questionAnswering" }, { seed: 4 })

const rows = seen.map(({ question, context }) => tokenizer.encodeWithOffsets(question, { pair: context }))
const at = rows.map(({ offsets, sequenceIds }, i) => {
  const place = seen[i]!.context.indexOf(seen[i]!.answer)
  return offsets.findIndex(([start], k) => sequenceIds[k] === 1 && start === place)
})
const [input, tokenTypeIds] = [rows.map(row => row.ids), rows.map(row => row.typeIds)]
const lesson = { input, tokenTypeIds, startPositions: at, endPositions: at }
for await (const { type, loss } of trainOn(model, lesson, { steps: 60, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const ask = await pipeline("question-answering", { model, tokenizer })
for (const { question, context, answer } of unseen)
  console.log(`${context} ${question} → ${(await ask(question, context)).answer} (${answer})`)
