// A small vision transformer learns squares, crosses and stripes in any place and colour, and names new ones.
import { pictureProcessor } from "heed/media"
import { vit } from "heed/models"
import { pipeline } from "heed/tasks"
import { trainOn } from "heed/train"

const labels = ["square", "cross", "stripes"]
const size = 24

/** A picture of one of the shapes; the number chooses which, where and in what colour. */
function draw(n: number) {
  const [x0, y0] = [6 + ((n * 7) % 12), 6 + ((n * 5) % 12)]
  const data = new Uint8Array(size * size * 3).map((_, i) => {
    const [x, y] = [Math.abs((Math.floor(i / 3) % size) - x0), Math.abs(Math.floor(i / 3 / size) - y0)]
    const inside = [x < 4 && y < 4, Math.min(x, y) < 1 && x + y < 6, y % 4 < 2][n % 3]
    return inside ? (n * 67 * ((i % 3) + 1)) % 256 : 128
  })
  return { width: size, height: size, channels: 3, data } as const
}

const preprocessor = { image_processor_type: "ViTImageProcessor", size: { height: size, width: size } }
const shape = { image: size, patch: 6, width: 48, layers: 2, heads: 4, inner: 96, deviation: 0.1 }
const model = vit.build({ ...shape, labels }, { seed: 1 })

const seen = Array.from({ length: 150 }, (_, n) => n)
const input = pictureProcessor(preprocessor).process(seen.map(draw))
for await (const { type, loss } of trainOn(
  model,
  { input, labels: seen.map(n => n % 3) },
  { steps: 60, learningRate: 2e-3 },
))
  if (type === "end") console.log(`loss ${loss.toFixed(3)}`)

const classify = await pipeline("image-classification", { model, preprocessor })
const unseen = Array.from({ length: 12 }, (_, i) => 300 + i)
const found = await classify(unseen.map(draw), { top_k: 1 })
console.log(
  `${unseen.filter((n, i) => found[i]![0]!.label === labels[n % 3]).length} of 12 new pictures are named rightly`,
)
console.log((await classify(draw(301))).map(({ label, score }) => `${label} ${score.toFixed(2)}`).join(", "))
