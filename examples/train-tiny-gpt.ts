// A small GPT learns the first words of the tiny world: data, model, training and a sample.
import "heed"
import { TokenDataset, worldText, worldTokenizer } from "heed/data"
import { generateText } from "heed/generate"
import { gpt2 } from "heed/models"
import { train } from "heed/train"

const tokenizer = worldTokenizer()
const corpus = await TokenDataset.fromText(tokenizer, worldText(1, 400))
const data = corpus.split(0.1, 65)

const shape = { layers: 2, heads: 2, width: 48, context: 64, vocabulary: tokenizer.vocabularySize }
const model = gpt2.build({ ...shape, embeddingDropout: 0, residualDropout: 0, attentionDropout: 0 }, { seed: 1 })
const config = { steps: 60, batchSize: 8, context: 64, learningRate: 6e-3 }

for await (const event of train({ model, data, config })) {
  if (event.type === "start") console.log(`${event.parameters} weights on ${event.device.name}`)
  if (event.type === "step" && event.step % 20 === 0)
    console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}, ${Math.round(event.tokensPerSecond)} tokens/s`)
  if (event.type === "evaluation") console.log(`held-out loss ${event.loss.toFixed(3)}`)
}

console.log(await generateText(model, tokenizer, "\n", { maxNewTokens: 40, temperature: 0.7, stop: "\n" }))
