// fill-mask: which tokens fit in the place of the mask.

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { HeedError, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { EncoderRunner, largest, softmaxRow } from "./encoder.ts"
import { readCall } from "./options.ts"
import { encodeRows, padTokenOf, rowOptions } from "./rows.ts"
import { listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "fill-mask"

const options = declare(
  {
    topK: option(z.int().min(1), "How many tokens are given for each mask", { default: 5 }),
    targets: option(z.array(z.string().min(1)).optional(), "Choose among these words only, each a single token"),
    ...rowOptions,
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** A token in the place of the mask. */
export interface FilledMask {
  /** 0 .. 1 */
  readonly score: number
  /** Its id. */
  readonly token: number
  readonly token_str: string
  /** The text with it. */
  readonly sequence: string
}

/** Tokens for the mask of a text (of each mask, where there are several), or for each of several texts. */
export interface FillMask {
  (text: string, options?: CallOptions): Promise<FilledMask[]>
  (texts: readonly string[], options?: CallOptions): Promise<FilledMask[][]>
}

function targetIds(tokenizer: Tokenizer, words: readonly string[]): number[] {
  return words.map(word => {
    const plain = tokenizer.encode(word, { addSpecialTokens: false })
    const ids = plain.length === 1 ? plain : tokenizer.encode(` ${word}`, { addSpecialTokens: false })
    if (ids.length === 1) return ids[0]!
    throw new ValueError(
      `fill-mask: expected targets that are one token each, but ${JSON.stringify(word)} is ${ids.length}`,
      "choose other words, or leave targets out",
    )
  })
}

function open(opened: Opened): FillMask {
  const { model, run } = opened
  if (model.config.head !== "masked" && model.config.head !== "pretraining")
    refuseModel(name, model, "a model that predicts masked tokens")
  const tokenizer = needTokenizer(name, opened)
  const mask = tokenizer.roles.mask
  const maskId = mask === undefined ? undefined : tokenizer.tokenId(mask)
  if (mask === undefined || maskId === undefined)
    throw new HeedError("fill-mask: expected a tokenizer with a mask token, but it has none")
  const runner = new EncoderRunner(model, { values: ({ logits }) => ({ logits: logits! }), perToken: true }, run)

  const answer = async (inputs: string | readonly string[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf(name, inputs)
    const { topK, targets, batchSize, signal, ...cutting } = readCall(options, given)
    const allowed = targets ? targetIds(tokenizer, targets) : null
    const rows = encodeRows(name, tokenizer, list, cutting, runner.context)
    for (const [i, { ids }] of rows.entries())
      if (!ids.includes(maskId))
        throw new ValueError(
          `fill-mask: expected ${mask} in the text, but there is none in ${JSON.stringify(list[i])}`,
          `write ${mask} where a word is to be found`,
        )
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    const filled = rows.map(({ ids }, i) => {
      const { data, shape } = results[i]!.logits!
      const V = shape[1]!
      const masks = [...ids.keys()].filter(position => ids[position] === maskId)
      const each = masks.map(position => {
        const chances = softmaxRow(data.subarray(position * V, (position + 1) * V))
        // a model may have more rows than there are tokens: those mean nothing
        const words = chances.subarray(0, tokenizer.vocabularySize)
        const order = allowed
          ? [...allowed].sort((a, b) => chances[b]! - chances[a]!).slice(0, topK)
          : largest(words, topK)
        return order.map((token): FilledMask => {
          const sequence = Int32Array.from(ids, (id, k) => (k === position ? token : id))
          return {
            score: chances[token]!,
            token,
            token_str: tokenizer.decode([token]).trim(),
            sequence: tokenizer.decode(sequence, { skipSpecialTokens: masks.length === 1 }).trim(),
          }
        })
      })
      return each.length === 1 ? each[0]! : each
    })
    return single ? filled[0] : filled
  }
  return answer as FillMask
}

/** The task. */
export const fillMask: Task<FillMask> = {
  name,
  aliases: [],
  summary: "which tokens fit in the place of the mask",
  options,
  arguments: [{ name: "text", help: "a text with the mask token in it", many: true }],
  fromWords: words => [words],
  open,
}
