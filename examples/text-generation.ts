// A small GPT-2 learns three lines and one conversation, letter by letter; then it goes on from their beginnings, and answers.
import { gpt2 } from "heed/models"
import { pipeline, TextStreamer } from "heed/tasks"
import { CharacterTokenizer, chatML, parseChatTemplate } from "heed/text"
import { trainOn } from "heed/train"

const conversation = [
  { role: "user", content: "hello" },
  { role: "assistant", content: "welcome." },
]
const chat = parseChatTemplate(chatML).apply(conversation)
const lines = ["the cat drinks milk.", "a dog eats bones.", "birds sing at dawn.", chat]

const tokenizer = CharacterTokenizer.fromText(lines.join(""))
const shape = { context: 96, width: 64, layers: 2, heads: 4 }
const model = gpt2.build({ ...shape, vocabulary: tokenizer.vocabularySize }, { seed: 6 })

const rows = lines.map(line => tokenizer.encode(line)) // shifted by the model: each letter shall predict the next
for await (const { type, loss } of trainOn(model, { input: rows, labels: rows }, { steps: 120, learningRate: 4e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const generator = await pipeline("text-generation", { model, tokenizer, tokenizerConfig: { chat_template: chatML } })
const options = { max_new_tokens: 20, stop: "." }
for (const [text] of await generator(["the cat", "birds"], options)) console.log(text!.generated_text)

const pieces: string[] = []
const streamer = new TextStreamer(tokenizer, { callback_function: text => pieces.push(text) })
await generator("a dog ", { max_new_tokens: 11, streamer })
console.log(pieces.join("·"))

const [answer] = await generator([{ role: "user", content: "hello" }], options)
for (const { role, content } of answer!.generated_text) console.log(`${role}: ${content}`)
