// The run that is killed, and the same run that is not.
import { context, tinyData, tinyGpt } from "./tiny.ts"

export const steps = 60

/** Model, data and options, the same in every process. */
export async function runOfKill() {
  const { tokenizer, data } = await tinyData()
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize, dropout: 0.1, seed: 5 })
  const config = { steps, batchSize: 4, context, learningRate: 3e-3, evalSteps: 12, evalBatches: 1, saveSteps: 4 }
  return { model, data, tokenizer, config }
}
