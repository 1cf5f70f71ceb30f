// A recipe: a training run as data, with the result it must reach. Who changes the engine runs recipes to see that it still learns.

import { TokenDataset } from "../src/data/index.ts"
import { type Run, readTextFile } from "../src/files/index.ts"
import { familyOf } from "../src/models/index.ts"
import { CharacterTokenizer, type Tokenizer, trainByteLevel } from "../src/text/index.ts"
import { type TrainingEvent, type TrainingInput, train } from "../src/train/index.ts"

/** A training run and its result. */
export interface Recipe {
  readonly name: string
  /** What is trained, and where the figures come from. */
  readonly about: string
  /** What to ask for where the text is not at hand. */
  readonly text: string
  readonly tokenizer: { readonly kind: "character" } | { readonly kind: "bpe"; readonly vocabularySize: number }
  /** Share of the text that is held out, its end. */
  readonly heldOut: number
  /** Family, and options beside vocabulary and context. */
  readonly model: { readonly family: string; readonly options: Readonly<Record<string, unknown>> }
  /** Paths of weights that stay as they begin, such as biases at 0. */
  readonly frozen?: RegExp
  readonly training: TrainingInput & { readonly context: number }
  /** The lowest loss on held-out text must be at most this, in nats per token, in each precision. */
  readonly reaches: { readonly loss: number; readonly precisions: readonly ("fp32" | "bf16")[] }
}

/** What a recipe came to. */
export interface RecipeResult {
  readonly type: "result"
  readonly loss: number
  readonly wanted: number
  readonly reached: boolean
  readonly seconds: number
}

/** How to run a recipe. */
export interface RecipeOptions {
  /** Path of the text. */
  readonly data: string
  /** Replaces options of the training: precision, seed, steps. */
  readonly training?: TrainingInput
  readonly run?: Run
  readonly signal?: AbortSignal
}

async function tokenizerOf({ tokenizer }: Recipe, data: string): Promise<Tokenizer> {
  if (tokenizer.kind === "character") return CharacterTokenizer.fromStream(readTextFile(data))
  return trainByteLevel(readTextFile(data), { vocabularySize: tokenizer.vocabularySize })
}

/** Runs a recipe; the last event says whether it reached its result. */
export async function* runRecipe(
  recipe: Recipe,
  { data, training = {}, run, signal }: RecipeOptions,
): AsyncGenerator<TrainingEvent | RecipeResult, void, void> {
  const config = { ...recipe.training, ...training }
  const tokenizer = await tokenizerOf(recipe, data)
  const parts = (await TokenDataset.fromText(tokenizer, readTextFile(data))).split(recipe.heldOut, config.context + 1)
  const sizes = { vocabulary: tokenizer.vocabularySize, context: config.context }
  const model = familyOf(recipe.model.family).build({ ...recipe.model.options, ...sizes }, { seed: config.seed ?? 1 })
  if (recipe.frozen) model.freeze(recipe.frozen)
  for await (const event of train({ model, data: parts, tokenizer, config, run, signal })) {
    yield event
    if (event.type !== "end") continue
    const loss = event.best?.loss ?? Number.POSITIVE_INFINITY
    const wanted = recipe.reaches.loss
    yield { type: "result", loss, wanted, reached: loss <= wanted, seconds: event.seconds }
  }
}
