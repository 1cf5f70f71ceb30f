// A vision transformer that sees and a GPT-2 that writes learn captions of coloured bars, and caption some they have not seen.
import { pictureProcessor } from "heed/media"
import { visionEncoderDecoder } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainWordPiece } from "heed/text"
import { trainOn } from "heed/train"

const colours = { red: 0xdc1e1e, green: 0x1ec828, blue: 0x2828dc, white: 0xf0f0f0, yellow: 0xe6dc14 }
const places = ["top", "bottom", "left", "right"]
const bars = Object.entries(colours).flatMap(([name, rgb]) => places.map((place, side) => ({ name, rgb, place, side })))
type Bar = (typeof bars)[number]
const caption = ({ name, place }: Bar): string => `a ${name} bar at the ${place}`
const draw = ({ rgb, side }: Bar) => {
  const data = new Uint8Array(16 * 16 * 3).map((_, i) => {
    const [x, y] = [Math.floor(i / 3) % 16, Math.floor(i / 48)]
    return [y < 8, y > 7, x < 8, x > 7][side] ? rgb >> (16 - 8 * (i % 3)) : 128
  })
  return { width: 16, height: 16, channels: 3, data } as const
}
const unseen = bars.filter((_, n) => n % 7 === 4)
const seen = bars.filter(bar => !unseen.includes(bar))

const tokenizer = await trainWordPiece(bars.map(caption).join("\n"), { vocabularySize: 80, minimumFrequency: 1 })
const preprocessor = { image_processor_type: "ViTImageProcessor", size: { height: 16, width: 16 } }
const shape = { width: 32, layers: 2, heads: 4 }
const encoder = { family: "vit", ...shape, image: 16, patch: 8, inner: 64, deviation: 0.1 }
const decoder = { family: "gpt2", ...shape, vocabulary: tokenizer.vocabularySize, context: 16, crossAttention: true }
const special = { startToken: 2, beginToken: 2, endToken: 3, padToken: 0 } // [CLS], [SEP], [PAD]
const model = visionEncoderDecoder.build({ encoder, decoder, ...special }, { seed: 4 })

const input = pictureProcessor(preprocessor).process(seen.map(draw))
const labels = seen.map(bar => tokenizer.encode(caption(bar)).slice(1))
for await (const { type, loss } of trainOn(model, { input, labels }, { steps: 100, learningRate: 5e-3 }))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const describe = await pipeline("image-to-text", { model, tokenizer, preprocessor })
for (const bar of unseen)
  console.log(`${(await describe(draw(bar), { max_new_tokens: 10 }))[0]!.generated_text} (${caption(bar)})`)
