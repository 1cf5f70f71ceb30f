// How many megabytes of text a second are encoded, against `@huggingface/tokenizers` with the same vocabulary on the same text in the same
// run: WordPiece as BERT has it, and byte-level BPE as GPT-2 has it. Both are learned here, from stories and from hard Unicode.

import { Tokenizer as Library } from "@huggingface/tokenizers"
import { worldText } from "../src/data/world/index.ts"
import { loadTokenizer, type Tokenizer, trainByteLevel, trainWordPiece } from "../src/text/index.ts"
import { median, type Question, type Row, timed } from "./question.ts"

/** Texts whose words seldom come twice: numbers make what a cache of words cannot know. */
function variedText(stories: string): string {
  let number = 1
  return stories.replace(/\. /g, () => {
    number = (Math.imul(number, 1103515245) + 12345) >>> 0
    return ` (№ ${number}, naïve${number % 977} café–${(number >>> 7).toString(36)}). `
  })
}

/** Words of letters of many scripts that hardly ever come twice: no cache helps, and every word loses marks. */
function uniqueWords(count: number): string {
  const letters = "aàâbcçdeéèêëfghiîïjklmnoôpqrstuùûüvwxyzåäöøñßœžščαβγδεабвгд"
  let state = 1
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 16) % limit
  }
  const word = (): string => Array.from({ length: 3 + below(8) }, () => letters[below(letters.length)]).join("")
  return Array.from({ length: count }, word).join(" ")
}

async function row(name: string, tokenizer: Tokenizer, text: string, runs: number, atLeast = 1): Promise<Row> {
  const json = JSON.parse(JSON.stringify(tokenizer))
  const megabytes = new TextEncoder().encode(text).length / 1e6
  const times = { own: [] as number[], library: [] as number[] }
  for (let run = 0; run < runs; run++) {
    // both begin anew each time, so that neither knows the words of this text already
    const own = loadTokenizer(json, tokenizer.configuration())
    const library = new Library(json, tokenizer.configuration())
    times.own.push(...(await timed(() => own.encode(text), 1, 0)))
    times.library.push(...(await timed(() => library.encode(text), 1, 0)))
  }
  const rate = (list: number[]): number => megabytes / (median(list.sort((a, b) => a - b)) / 1000)
  const [own, library] = [rate(times.own), rate(times.library)]
  return {
    name: `tokenizing ${name}`,
    value: own,
    unit: "MB/s",
    against: `@huggingface/tokenizers ${library.toFixed(2)} MB/s`,
    ratio: own / library,
    atLeast,
    aim: 3,
  }
}

export const question: Question = {
  name: "tokenizing",
  async run({ smoke }) {
    const text = variedText(worldText(3, smoke ? 40 : 1500))
    const runs = smoke ? 1 : 5
    const vocabularySize = smoke ? 600 : 4000
    const wordPiece = await trainWordPiece(text, { vocabularySize })
    return [
      await row("WordPiece", wordPiece, text, runs, 3),
      await row("WordPiece, unique words", wordPiece, uniqueWords(smoke ? 1000 : 80_000), runs, 2),
      await row("byte-level BPE", await trainByteLevel(text, { vocabularySize }), text, runs),
    ]
  },
}
