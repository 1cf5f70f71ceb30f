// A small BART learns to translate sentences into German, where articles follow the gender, and translates some it has not seen.
import { bart } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const subjects = { "the cat": "die Katze", "the dog": "der Hund", "the child": "das Kind", "the bird": "der Vogel" }
const verbs = { eats: "isst", sees: "sieht", wants: "will", finds: "findet" }
const objects = { bread: "Brot", milk: "Milch", fish: "Fisch" }
const pairs = Object.entries(subjects).flatMap(([who, wer]) =>
  Object.entries(verbs).flatMap(([does, tut]) =>
    Object.entries(objects).map(([what, was]) => [`${who} ${does} ${what}`, `${wer} ${tut} ${was}`] as const),
  ),
)
const unseen = pairs.filter((_, i) => i % 11 === 5)
const seen = pairs.filter(pair => !unseen.includes(pair))

const corpus = pairs.flat().join("\n")
const tokenizer = await trainWordPiece(corpus, { vocabularySize: 200, minimumFrequency: 1, lowercase: false })
const sizes = { width: 48, encoderLayers: 1, decoderLayers: 1, encoderHeads: 4, decoderHeads: 4 }
const inner = { encoderInner: 96, decoderInner: 96, dropout: 0, deviation: 0.1 }
const special = { padToken: 0, beginToken: 2, endToken: 3, startToken: 3 } // [PAD], [CLS], [SEP]
const vocabulary = tokenizer.vocabularySize
const model = bart.build({ ...sizes, ...inner, ...special, vocabulary, context: 16 }, { seed: 9 })

const input = seen.map(([from]) => tokenizer.encode(from))
const labels = seen.map(([, to]) => tokenizer.encode(to).slice(1))
for await (const { type, loss } of trainOn(model, { input, labels }, { steps: 120, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const translate = await pipeline("translation_en_to_de", { model, tokenizer })
for (const [from, to] of unseen)
  console.log(`${from} → ${(await translate(from, { max_new_tokens: 8, num_beams: 2 }))[0]!.translation_text} (${to})`)
