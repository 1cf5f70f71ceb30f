// Small models with random weights, and a tokenizer whose ids fit them.
import { type GPT2, gpt2, type LanguageModel, type Llama, llama } from "../../src/models/index.ts"
import { CharacterTokenizer } from "../../src/text/index.ts"

const letters = "\n abcdefghijklmnopqrstuvwxyz"

/** 28 characters. */
export const tokenizer = CharacterTokenizer.fromText(letters)

const shape = { vocabulary: tokenizer.vocabularySize, width: 32, layers: 2, heads: 4, deviation: 0.3 }

export function smallGPT2(context = 64): GPT2 {
  return gpt2.build({ ...shape, context }, { seed: 3 }) as GPT2
}

export function smallLlama(context = 64): Llama {
  return llama.build({ ...shape, groups: 2, inner: 48, context }, { seed: 4 }) as Llama
}

/** Both families. */
export const builders: readonly (readonly [name: string, build: (context?: number) => LanguageModel])[] = [
  ["gpt2", smallGPT2],
  ["llama", smallLlama],
]
