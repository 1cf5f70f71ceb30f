// A small BART learns to say in five words what a story of three sentences tells, and sums up stories it has not seen.
import { bart } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const who = ["a girl", "a boy", "a fox", "a bear"]
const what = ["a key", "a coin", "a map", "an apple"]
const where = ["in the forest", "by the river", "in the town"]
const weather = ["it was a sunny day .", "it rained all night .", "the wind was cold ."]
const stories = Array.from({ length: 48 }, (_, n) => {
  const [i, j, k] = [n % 4, Math.floor(n / 4) % 4, Math.floor(n / 16)] as const
  const begin = `${weather[n % 3]} ${who[i]} walked ${where[k]} .`
  return { story: `${begin} suddenly ${i % 2 ? "he" : "she"} saw ${what[j]} .`, summary: `${who[i]} found ${what[j]}` }
})
const unseen = stories.filter((_, i) => i % 13 === 7)
const seen = stories.filter(one => !unseen.includes(one))

const corpus = stories.map(({ story, summary }) => `${story} ${summary}`).join("\n")
const tokenizer = await trainWordPiece(corpus, { vocabularySize: 250, minimumFrequency: 1 })
const sizes = { width: 48, encoderLayers: 1, decoderLayers: 1, encoderHeads: 4, decoderHeads: 4 }
const inner = { encoderInner: 96, decoderInner: 96, dropout: 0, deviation: 0.1 }
const special = { padToken: 0, beginToken: 2, endToken: 3, startToken: 3 } // [PAD], [CLS], [SEP]
const vocabulary = tokenizer.vocabularySize
const model = bart.build({ ...sizes, ...inner, ...special, vocabulary, context: 40 }, { seed: 9 })

const input = seen.map(({ story }) => tokenizer.encode(story))
const labels = seen.map(({ summary }) => tokenizer.encode(summary).slice(1))
for await (const { type, loss } of trainOn(model, { input, labels }, { steps: 120, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const summarize = await pipeline("summarization", { model, tokenizer })
for (const { story, summary } of unseen)
  console.log(`${story} → ${(await summarize(story, { max_new_tokens: 8 }))[0]!.summary_text} (${summary})`)
