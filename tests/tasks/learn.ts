// Models for tests of tasks: small, and trained here in a few seconds until they know a handful of sentences.

import type { ForwardOptions, Model } from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { compile, connectRuntime, read } from "../../src/runtime/index.ts"
import { fromHost, grad, randomKey, type Tensor } from "../../src/tensor/index.ts"
import { loadTokenizer, type Tokenizer } from "../../src/text/index.ts"
import { adamW } from "../../src/train/index.ts"

connectRuntime()

/** Sizes of a small encoder without dropout. */
export const small = {
  context: 48,
  width: 48,
  layers: 2,
  heads: 4,
  inner: 96,
  dropout: 0,
  attentionDropout: 0,
  deviation: 0.1,
} as const

/** A tokenizer of words in BERT's template: [CLS] a [SEP], [CLS] a [SEP] b [SEP]. */
export function wordTokenizer(texts: readonly string[]): Tokenizer {
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  const words = [...new Set(texts.flatMap(text => text.match(/\w+|[^\w\s]/g) ?? []))].sort()
  const vocab = Object.fromEntries([...special, ...words].map((word, id) => [word, id]))
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } })
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  return loadTokenizer(
    {
      version: "1.0",
      added_tokens: special.map((content, id) => ({
        id,
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      normalizer: null,
      pre_tokenizer: { type: "Whitespace" },
      post_processor: {
        type: "TemplateProcessing",
        single: [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)],
        pair: [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0), sequence("B", 1), token("[SEP]", 1)],
        special_tokens: Object.fromEntries(["[CLS]", "[SEP]"].map(id => [id, { id, ids: [vocab[id]], tokens: [id] }])),
      },
      decoder: null,
      model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
    },
    { unk_token: "[UNK]", pad_token: "[PAD]", cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" },
  )
}

/** One call of a model with labels. */
export interface Lesson {
  readonly input: Tensor
  readonly options: ForwardOptions & { readonly [name: string]: unknown }
}

/** Trains a model on the same lesson again and again, and gives its last loss. */
export async function learn(model: Model, lesson: Lesson, steps = 60, rate = 3e-3): Promise<number> {
  const parameters = model.train().trainableParameters()
  const optimizer = adamW(parameters, { weightDecay: 0 })
  const step = compile((given: Lesson, key: Tensor, scalars: Record<string, Tensor>) => {
    const loss = withRandom(key, () => model.forward(given.input, given.options).loss!)
    optimizer.update(grad(loss, parameters), scalars)
    return loss
  })
  let last = Number.NaN
  for (let i = 0; i < steps; i++) {
    const loss = await step(lesson, randomKey(i), optimizer.scalars(i + 1, rate))
    last = (await read(loss))[0]!
  }
  model.eval()
  return last
}

/** Rows of ids of one length, filled up on the right with 0, and the mask that hides it. */
export function rowsOf(rows: readonly ArrayLike<number>[], fill = 0): { ids: Tensor; mask: Tensor } {
  const T = Math.max(...rows.map(row => row.length))
  const [ids, mask] = [new Int32Array(rows.length * T).fill(fill), new Int32Array(rows.length * T)]
  for (const [i, row] of rows.entries()) {
    ids.set(row, i * T)
    mask.fill(1, i * T, i * T + row.length)
  }
  return { ids: fromHost(ids, [rows.length, T], "i32"), mask: fromHost(mask, [rows.length, T], "i32") }
}

/** Whole numbers as i32 [B]. */
export const numbers = (values: readonly number[]): Tensor => fromHost(Int32Array.from(values), [values.length], "i32")
