// text-classification (sentiment-analysis): which class a text, or a pair of texts, is of.

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { EncoderRunner, largest, sigmoidRow, softmaxRow } from "./encoder.ts"
import { readCall } from "./options.ts"
import { encodeRows, padTokenOf, rowOptions, type TextInput } from "./rows.ts"
import { labelsOf, listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "text-classification"

const options = declare(
  {
    topK: option(z.int().min(1).nullable(), "How many classes are given, most likely first; all where null", {
      default: 1,
    }),
    functionToApply: option(
      z.enum(["softmax", "sigmoid", "none"]).optional(),
      "What makes scores of logits; found from the model unless given",
    ),
    ...rowOptions,
  },
  name,
)

const functions = {
  softmax: softmaxRow,
  sigmoid: sigmoidRow,
  none: (logits: Float32Array) => Float64Array.from(logits),
}

/** A class and how sure the model is of it. */
export interface Classification {
  readonly label: string
  /** 0 .. 1 (any number where functionToApply is "none"). */
  readonly score: number
}

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** One text: its classes. Several with topK 1: the class of each; otherwise the classes of each. */
export interface TextClassification {
  (text: TextInput, options?: CallOptions): Promise<Classification[]>
  (
    texts: readonly TextInput[],
    options: CallOptions & ({ readonly topK: number | null } | { readonly top_k: number | null }),
  ): Promise<Classification[][]>
  (texts: readonly TextInput[], options?: CallOptions): Promise<Classification[]>
}

function open(opened: Opened): TextClassification {
  const { model, run } = opened
  const tokenizer = needTokenizer(name, opened)
  const labels = labelsOf(model)
  if (model.config.head !== "classification") refuseModel(name, model, "a model that classifies sequences")
  const runner = new EncoderRunner(model, { values: ({ logits }) => ({ logits: logits! }), perToken: false }, run)
  const { problem } = model.config
  const usual =
    problem === "regression"
      ? "none"
      : problem === "multi_label_classification" || labels.length === 1
        ? "sigmoid"
        : "softmax"

  const answer = async (inputs: TextInput | readonly TextInput[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf(name, inputs)
    const { topK, functionToApply, batchSize, signal, ...cutting } = readCall(options, given)
    const apply = functions[functionToApply ?? usual]
    const rows = encodeRows(name, tokenizer, list, cutting, runner.context)
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    const classes = results.map(({ logits }) => {
      const scores = apply(logits!.data)
      return largest(scores, topK).map((i): Classification => ({ label: labels[i] ?? `LABEL_${i}`, score: scores[i]! }))
    })
    if (topK === 1) return classes.flat()
    return single ? classes[0] : classes
  }
  return answer as TextClassification
}

/** The task. */
export const textClassification: Task<TextClassification> = {
  name,
  aliases: ["sentiment-analysis"],
  summary: "which class a text is of",
  options,
  arguments: [{ name: "text", help: "a text", many: true }],
  fromWords: words => [words],
  open,
}
