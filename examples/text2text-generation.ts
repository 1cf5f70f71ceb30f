// A small T5 learns two tricks, told apart by the prefix, from one list of words: opposites, and how to count backwards.
import { t5 } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const opposites = ["hot cold", "big small", "old new", "fast slow", "light dark", "high low"].map(pair =>
  pair.split(" "),
)
const numbers = ["one", "two", "three", "four", "five", "six", "seven"]
const pairs = [
  ...opposites.flatMap(([a, b]) => [
    [`opposite: ${a}`, b!],
    [`opposite: ${b}`, a!],
  ]),
  ...numbers.slice(2).map((name, i) => [`back from: ${name}`, `${name} ${numbers[i + 1]} ${numbers[i]}`]),
] as [string, string][]

const tokenizer = await trainWordPiece(pairs.flat().join("\n"), { vocabularySize: 200, minimumFrequency: 1 })
const sizes = { width: 48, layers: 2, heads: 4, headWidth: 12, inner: 96, dropout: 0 }
const special = { padToken: 0, endToken: 3, startToken: 0 } // [PAD], [SEP]
const model = t5.build({ ...sizes, ...special, vocabulary: tokenizer.vocabularySize }, { seed: 6 })

const input = pairs.map(([from]) => tokenizer.encode(from))
const labels = pairs.map(([, to]) => tokenizer.encode(to).slice(1))
for await (const { type, loss } of trainOn(model, { input, labels }, { steps: 150, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const write = await pipeline("text2text-generation", { model, tokenizer })
for (const prefix of ["opposite: ", "back from: "]) {
  const words = prefix.startsWith("o") ? ["slow", "high"] : ["four", "seven"]
  const answers = await write(words, { prefix, max_new_tokens: 6 })
  for (const [i, word] of words.entries()) console.log(`${prefix}${word} → ${answers[i]!.generated_text}`)
}
