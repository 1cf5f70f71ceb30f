// heed explain: where every head of a model looks in a sentence, drawn or as numbers.

import type { Command } from "commander"
import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { attentionPatterns, type TokenizedText, tokenizeText, wordTokens } from "../inspect/index.ts"
import { type Attention, drawLooks, drawMatrices, drawNumbers, headPattern } from "./draw.ts"
import { addFlags, type Flags, valuesOf } from "./flags.ts"
import { chooseMachine, machineOptions } from "./machine.ts"
import { openModel, runsFolder } from "./models.ts"
import { CommandError, colours } from "./terminal.ts"

const explainOptions = declare(
  {
    word: option(
      z.string().min(1).optional(),
      "Whose looks are listed; a pronoun of the sentence, else its last word",
      {
        alias: "w",
      },
    ),
    layer: option(z.int().min(1).optional(), "Only this layer, counted from 1"),
    head: option(z.int().min(1).optional(), "Only this head of each layer, counted from 1"),
    numbers: option(z.boolean(), "Tables of percents instead of shaded cells", { default: false }),
    json: option(z.boolean(), "One JSON object: tokens and the weights as [layer][head][from][to]", { default: false }),
  },
  "drawing",
)

const pronouns = ["it", "he", "she", "they", "him", "her", "them", "It", "He", "She", "They"]

/** Gives the command its flags and what it does. */
export function registerExplain(command: Command): void {
  command
    .argument("<sentence>", "what the model reads")
    .option(
      "--model <folder>",
      `a run folder or a Hugging Face folder; the newest run under ${runsFolder}/ unless given`,
    )
  addFlags(command, explainOptions, machineOptions)
  command.action(async (sentence: string, { model: folder, ...flags }: { readonly model?: string } & Flags) => {
    const { word, layer, head, numbers, json } = valuesOf(explainOptions, flags)
    chooseMachine(flags)
    const { model, tokenizer, name } = await openModel(folder)
    const text = tokenizeText(tokenizer, sentence)
    const attention = await attentionOf(model, text)
    const chosen = chooseHeads(attention, layer, head)
    const [from, looking] = positionOf(text, word)
    if (json) {
      console.log(JSON.stringify(asJson(attention, { model: name, text: sentence, word: looking, position: from })))
      return
    }
    const size = `${attention.layers} layers of ${attention.heads} heads`
    console.log(colours.dim(`${name}: ${size}; a row shows where its token looks, the columns are the same tokens`))
    if (numbers) for (const [l, h] of chosen) console.log(`\n${drawNumbers(attention, l, h)}`)
    else {
      console.log(`\n${drawMatrices(attention, chosen, process.stdout.columns ?? 100)}`)
      console.log(colours.dim("\nshades: · 3 %  ░ 10 %  ▒ 25 %  ▓ 50 %  █ 75 % and more"))
    }
    console.log(`\nwhere ${colours.bold(looking)} looks, head by head:\n${drawLooks(attention, from, chosen)}`)
  })
}

/** The attention of a model over a text, with tokens as a person reads them. */
export async function attentionOf(
  model: Parameters<typeof attentionPatterns>[0],
  text: TokenizedText,
): Promise<Attention> {
  const { layers, heads, pattern } = await attentionPatterns(model, text.ids)
  const tokens = text.pieces.map(piece => piece.replace(/^ (?=.)/, ""))
  return { tokens, layers, heads, pattern }
}

/** Layers and heads to show, counted from 0. Throws CommandError for one that the model does not have. */
function chooseHeads({ layers, heads }: Attention, layer?: number, head?: number): [number, number][] {
  for (const [what, given, count] of [
    ["layer", layer, layers],
    ["head", head, heads],
  ] as const)
    if (given !== undefined && given > count)
      throw new CommandError(
        `explain: expected --${what} from 1 to ${count}, but got ${given}`,
        `the nearest valid value is ${count}`,
      )
  const every = Array.from({ length: layers }, (_, l) =>
    Array.from({ length: heads }, (_, h): [number, number] => [l, h]),
  )
  return every.flat().filter(([l, h]) => (layer ?? l + 1) === l + 1 && (head ?? h + 1) === h + 1)
}

/** The token whose looks are listed, and how it reads: the last one of the word that was asked for, a pronoun, or the last word. */
function positionOf(text: TokenizedText, word: string | undefined): readonly [position: number, looking: string] {
  for (const candidate of word === undefined ? pronouns : [word]) {
    try {
      return [wordTokens(text, candidate)[1] - 1, candidate]
    } catch (problem) {
      if (word !== undefined) throw problem
    }
  }
  const last = text.pieces.findLastIndex(piece => /[\p{L}\p{N}]/u.test(piece))
  const position = last < 0 ? text.pieces.length - 1 : last
  return [position, text.pieces[position]!.trim()]
}

function asJson(attention: Attention, facts: Readonly<Record<string, unknown>>): unknown {
  const { tokens, layers, heads } = attention
  const rows = (weights: Float32Array) =>
    tokens.map((_, i) =>
      Array.from(weights.subarray(i * tokens.length, (i + 1) * tokens.length), weight => Number(weight.toFixed(4))),
    )
  const pattern = Array.from({ length: layers }, (_, l) =>
    Array.from({ length: heads }, (_, h) => rows(headPattern(attention, l, h))),
  )
  return { ...facts, tokens, layers, heads, pattern }
}
