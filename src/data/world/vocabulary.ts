// All words of the tiny world, taken from its forms, and a tokenizer of them.
import { WordTokenizer } from "../../text/index.ts"
import { forms } from "./forms.ts"
import { capitalize, wordsAt } from "./pattern.ts"

/** Every word and sign that a story can have, the line end first, in a fixed order. */
export function worldWords(): string[] {
  const words = new Set<string>()
  for (const { patterns } of forms)
    for (const pattern of patterns)
      pattern.forEach((token, at) => {
        for (const word of wordsAt(token)) words.add(at === 0 ? capitalize(word) : word)
      })
  return ["\n", ...[...words].sort()]
}

/** One id per word of the tiny world. A word that the world does not know is an error that names it. */
export function worldTokenizer(): WordTokenizer {
  return new WordTokenizer(worldWords())
}
