// nanoGPT's configuration for a CPU (its README, "I only have a macbook"): a character-level GPT on the works of Shakespeare.

import type { Recipe } from "./recipe.ts"

export const shakespeareChar: Recipe = {
  name: "shakespeare-char",
  about: "nanoGPT's CPU configuration on tiny Shakespeare; published validation loss 1.88",
  text: "tiny Shakespeare (Karpathy 2015, char-rnn), 1.1 MB of plain text",
  tokenizer: { kind: "character" },
  heldOut: 0.1,
  model: {
    family: "gpt2",
    options: {
      layers: 4,
      heads: 4,
      width: 128,
      activation: "gelu",
      embeddingDropout: 0,
      residualDropout: 0,
      attentionDropout: 0,
    },
  },
  // nanoGPT has no biases; GPT-2's folders do, so here they stay 0
  frozen: /\.bias$/,
  training: {
    steps: 2000,
    batchSize: 12,
    context: 64,
    learningRate: 1e-3,
    lrSchedulerType: "cosine_with_min_lr",
    minLearningRate: 1e-4,
    warmupSteps: 100,
    optimizer: "adamw",
    adamBeta2: 0.99,
    weightDecay: 0.1,
    maxGradNorm: 1,
    evalSteps: 250,
    evalBatches: 20,
  },
  reaches: { loss: 1.9, precisions: ["fp32", "bf16"] },
}
