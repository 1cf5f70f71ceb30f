// sentence-similarity: how alike texts are, as the cosine between their vectors.

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { poolings } from "../models/index.ts"
import { vectorsOf } from "./feature-extraction.ts"
import { cosine } from "./features.ts"
import { readCall } from "./options.ts"
import { rowOptions } from "./rows.ts"
import { checkText, listOf, type Opened, type Task } from "./task.ts"

const name = "sentence-similarity"

const options = declare(
  {
    pooling: option(
      z.enum(poolings),
      "Which vector stands for a text: the mean of its tokens, the first, the largest",
      {
        default: "mean",
      },
    ),
    ...rowOptions,
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** A text and those it is compared with, as the hub's API names them. */
export interface SimilarityInput {
  readonly source_sentence: string
  readonly sentences: readonly string[]
}

/** The cosine between a text and each of others, -1 .. 1. */
export interface SentenceSimilarity {
  (source: string, sentences: string | readonly string[], options?: CallOptions): Promise<number[]>
  (input: SimilarityInput, options?: CallOptions): Promise<number[]>
}

function open(opened: Opened): SentenceSimilarity {
  const vectors = vectorsOf(name, opened)
  const answer = async (
    first: string | SimilarityInput,
    second: string | readonly string[] | CallOptions = {},
    third: CallOptions = {},
  ): Promise<number[]> => {
    const whole = typeof first === "object" && first !== null
    const source = checkText(name, whole ? first.source_sentence : first)
    const { list } = listOf(name, whole ? first.sentences : (second as string | readonly string[]))
    const given = whole ? (second as CallOptions) : third
    const features = await vectors([source, ...list], readCall(options, given))
    return list.map((_, i) => cosine(features.row(0), features.row(i + 1)))
  }
  return answer as SentenceSimilarity
}

/** The task. */
export const sentenceSimilarity: Task<SentenceSimilarity> = {
  name,
  aliases: [],
  summary: "how alike texts are",
  options,
  arguments: [
    { name: "source", help: "a text" },
    { name: "sentence", help: "texts it is compared with", many: true },
  ],
  fromWords: ([source, ...sentences]) => [source, sentences],
  open,
}
