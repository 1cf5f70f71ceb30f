// A GPT small enough to learn something in a second, a corpus for it, and what tests ask of a run.
import { TokenDataset } from "../../src/data/index.ts"
import type { Run } from "../../src/files/index.ts"
import { type GPT2, gpt2 } from "../../src/models/index.ts"
import { CharacterTokenizer } from "../../src/text/index.ts"
import { type TrainingEvent, type TrainOptions, train } from "../../src/train/index.ts"

/** Tokens a tiny GPT sees at once. */
export const context = 32

/** A GPT-2 of 2 layers, width 32. */
export function tinyGpt({
  vocabulary,
  dropout = 0,
  seed = 1,
}: {
  vocabulary: number
  dropout?: number
  seed?: number
}): GPT2 {
  const rates = { embeddingDropout: dropout, residualDropout: dropout, attentionDropout: dropout }
  return gpt2.build({ vocabulary, context, width: 32, layers: 2, heads: 4, ...rates }, { seed })
}

/** Sentences in which each word follows from those before. */
export const corpus = Array.from({ length: 400 }, (_, i) => {
  const who = (i * i + (i >> 2)) % 3
  return `${["the cat", "a dog", "the owl"][who]} likes ${["milk", "a bone", "mice"][who]}. `
}).join("")

/** The corpus in ids, the last tenth held out. */
export async function tinyData(text = corpus) {
  const tokenizer = CharacterTokenizer.fromText(text)
  const data = (await TokenDataset.fromText(tokenizer, text)).split(0.1)
  return { tokenizer, data }
}

/** The events of a run, to its end. */
export async function collect(options: TrainOptions): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = []
  for await (const event of train(options)) events.push(event)
  return events
}

/** Events of one type. */
export function eventsOf<T extends TrainingEvent["type"]>(events: readonly TrainingEvent[], type: T) {
  return events.filter((event): event is Extract<TrainingEvent, { type: T }> => event.type === type)
}

/** Metrics of a run without what depends on the clock. */
export async function metricsOf(run: Run): Promise<unknown[]> {
  return (await run.readMetrics()).map(({ tokensPerSecond: _, ...row }) => row)
}
