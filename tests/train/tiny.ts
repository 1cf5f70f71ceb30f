// A GPT small enough to learn something in a second, a corpus for it, and how it is saved.

import { TokenDataset } from "../../src/data/index.ts"
import { openSafetensors, type Run, safetensorsContent } from "../../src/files/index.ts"
import {
  Dropout,
  Embedding,
  FeedForward,
  Initializer,
  LayerNorm,
  Module,
  PreNormBlock,
  SelfAttention,
} from "../../src/nn/index.ts"
import { arange, type Tensor } from "../../src/tensor/index.ts"
import { CharacterTokenizer } from "../../src/text/index.ts"
import { lazyTensors, type ModelFormat, takeOver } from "../../src/train/checkpoint.ts"
import { type LanguageModel, type TrainingEvent, type TrainOptions, train } from "../../src/train/index.ts"

export interface TinySizes {
  readonly vocabulary: number
  readonly context: number
  readonly width?: number
  readonly layers?: number
  readonly dropout?: number
  readonly seed?: number
}

/** A GPT without biases whose output projection is its token table. */
export class TinyGpt extends Module implements LanguageModel {
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly blocks: PreNormBlock[]
  readonly norm: LayerNorm
  readonly drop: Dropout

  constructor({ vocabulary, context, width = 32, layers = 2, dropout = 0, seed = 1 }: TinySizes) {
    super()
    const init = new Initializer({ seed })
    const options = { bias: false, dropout, deviation: 0.02 }
    this.tokens = new Embedding(init, vocabulary, width, { deviation: 0.02 })
    this.positions = new Embedding(init, context, width, { deviation: 0.02 })
    this.blocks = Array.from(
      { length: layers },
      () =>
        new PreNormBlock({
          attentionNorm: new LayerNorm(init, width, { bias: false }),
          attention: new SelfAttention(init, width, { heads: 4, ...options }),
          feedForwardNorm: new LayerNorm(init, width, { bias: false }),
          feedForward: new FeedForward(init, width, { inner: 4 * width, activation: "gelu", ...options }),
          dropout,
        }),
    )
    this.norm = new LayerNorm(init, width, { bias: false })
    this.drop = new Dropout(dropout)
  }

  hidden(ids: Tensor): Tensor {
    const x = this.tokens.forward(ids).add(this.positions.forward(arange(ids.shape[1]!)))
    return this.norm.forward(this.blocks.reduce((stream, block) => block.forward(stream), this.drop.forward(x)))
  }

  projection() {
    return { weight: this.tokens.weight }
  }

  forward(ids: Tensor): Tensor {
    return this.hidden(ids).matmul(this.tokens.weight.transpose())
  }
}

/** Weights under their own names. */
export const tinyFormat: ModelFormat<TinyGpt> = {
  files: model => ({
    "config.json": "{}\n",
    "model.safetensors": () => safetensorsContent(lazyTensors(model.state())),
  }),
  load: async (model, folder) => {
    const file = await openSafetensors(`${folder}/model.safetensors`)
    for (const [name, parameter] of model.state()) takeOver(parameter, await file.read(name), name)
    await file.close()
  },
}

/** Sentences in which each word follows from those before. */
export const corpus = Array.from({ length: 400 }, (_, i) => {
  const [who, what] = [["the cat", "a dog", "the owl"][i % 3]!, ["milk", "a bone", "mice"][i % 3]!]
  return `${who} likes ${what}. `
}).join("")

/** The corpus in ids, split. */
export async function tinyData(text = corpus) {
  const tokenizer = CharacterTokenizer.fromText(text)
  const data = (await TokenDataset.fromText(tokenizer, text)).split(0.1)
  return { tokenizer, data }
}

/** Runs to the end. */
export async function collect(options: TrainOptions<TinyGpt>): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = []
  for await (const event of train(options)) events.push(event)
  return events
}

/** Events of one type. */
export function eventsOf<T extends TrainingEvent["type"]>(events: readonly TrainingEvent[], type: T) {
  return events.filter((event): event is Extract<TrainingEvent, { type: T }> => event.type === type)
}

/** Metrics of a run without what depends on the clock. */
export async function losses(run: Run): Promise<unknown[]> {
  return (await run.readMetrics()).map(({ tokensPerSecond: _, ...row }) => row)
}
