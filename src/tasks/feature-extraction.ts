// feature-extraction: the vectors of a text, one a token or pooled into one (Reimers & Gurevych 2019, "Sentence-BERT").

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { EncoderDecoder, normalized, type Pooling, pooled, poolings } from "../models/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { EncoderRunner, type Reading, type RowValue } from "./encoder.ts"
import type { Features } from "./features.ts"
import { HostTensor } from "./host-tensor.ts"
import { readCall } from "./options.ts"
import { encodeRows, padTokenOf, rowOptions } from "./rows.ts"
import { listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "feature-extraction"

/** Options that say which vector stands for a text. */
export const poolingOptions = {
  pooling: option(
    z.enum(["none", ...poolings]),
    "One vector for a text: the mean of its tokens, the first (cls), or the largest of each element; none: one a token",
    { default: "none" },
  ),
  normalize: option(z.boolean(), "Bring each vector to length 1", { default: false }),
}

const options = declare({ ...poolingOptions, ...rowOptions }, name)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** Vectors [B T D] of the tokens of each text, or [B D] of the texts with a pooling. */
export type FeatureExtraction = (texts: string | readonly string[], options?: CallOptions) => Promise<Features>

type Way = "none" | Pooling

/** What is read of the model for a way of pooling. */
function readingOf(pooling: Way, normalize: boolean): Reading {
  const finish = (x: Tensor): Tensor => (normalize ? normalized(x) : x)
  return pooling === "none"
    ? { values: ({ hidden }) => ({ vectors: finish(hidden) }), perToken: true }
    : {
        values: ({ hidden }, mask) => ({ vectors: finish(pooled(hidden, pooling, mask ?? undefined)) }),
        perToken: false,
      }
}

/** Families that read something else than one text. */
const otherReaders = ["clip", "clip_vision_model", "vit", "wav2vec2"]

/** A function that gives the vectors of texts: one program for each way of pooling. Throws HeedError for a model that reads no text alone. */
export function vectorsOf(task: string, opened: Opened): FeatureExtraction {
  const { model, run } = opened
  if (model instanceof EncoderDecoder || otherReaders.includes(model.family))
    refuseModel(task, model, "a model that reads texts and gives vectors: an encoder or a language model")
  const tokenizer = needTokenizer(task, opened)
  const runners = new Map<string, EncoderRunner>()
  const runnerFor = (pooling: Way, normalize: boolean): EncoderRunner => {
    const key = `${pooling} ${normalize}`
    const known = runners.get(key) ?? new EncoderRunner(model, readingOf(pooling, normalize), run)
    runners.set(key, known)
    return known
  }
  return async (inputs, given = {}) => {
    const { list } = listOf(task, inputs)
    const { pooling, normalize, batchSize, signal, ...cutting } = readCall(options, given)
    const runner = runnerFor(pooling, normalize)
    const rows = encodeRows(task, tokenizer, list, cutting, runner.context)
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    return joined(results.map(result => result.vectors!))
  }
}

/** Vectors of rows as one block; shorter rows of tokens are filled up with 0. */
function joined(rows: readonly RowValue[]): Features {
  const longest = Math.max(...rows.map(({ shape }) => shape[0]!))
  const [, ...rest] = rows[0]!.shape
  const size = longest * rest.reduce((a, b) => a * b, 1)
  const data = new Float32Array(rows.length * size)
  for (const [i, row] of rows.entries()) data.set(row.data, i * size)
  return new HostTensor<Float32Array>("float32", data, [rows.length, longest, ...rest])
}

/** The task. */
export const featureExtraction: Task<FeatureExtraction> = {
  name,
  aliases: ["embeddings"],
  summary: "the vectors of a text, one a token or one for all",
  options,
  arguments: [{ name: "text", help: "a text", many: true }],
  fromWords: words => [words],
  open: opened => vectorsOf(name, opened),
}
