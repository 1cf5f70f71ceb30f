// zero-shot-classification: classes that the model was never trained on. A model of natural language inference judges "This example is
// about …" for each label (Yin et al. 2019); a language model is prompted, and the labels' probabilities as its continuation compared
// (Brown et al. 2020).

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { LanguageModel } from "../models/index.ts"
import { HeedError, ValueError } from "../tensor/index.ts"
import { continuationScores } from "./continuations.ts"
import { EncoderRunner, softmaxRow } from "./encoder.ts"
import { readCall } from "./options.ts"
import { encodeRows, padTokenOf, rowOptions } from "./rows.ts"
import { checkText, labelsOf, listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "zero-shot-classification"

const options = declare(
  {
    hypothesisTemplate: option(z.string().min(1), "What is judged, with {} in the place of the label", {
      default: "This example is {}.",
    }),
    promptTemplate: option(
      z.string().min(1),
      "Language models: what comes before the label, with {} in the place of the text",
      { default: "{}\n\nThis text is about" },
    ),
    multiLabel: option(z.boolean(), "Each label is judged by itself: several may be true", { default: false }),
    candidateLabels: option(z.array(z.string().min(1)).optional(), "The labels, where they are not given apart"),
    ...rowOptions,
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** A text with the labels, most likely first. */
export interface ZeroShot {
  readonly sequence: string
  readonly labels: readonly string[]
  /** 0 .. 1; they add up to 1 unless each label is judged by itself. */
  readonly scores: readonly number[]
}

/** Labels of a text, or of each of several; labels may stand in one text, with commas between them. */
export interface ZeroShotClassification {
  (text: string, labels: string | readonly string[], options?: CallOptions): Promise<ZeroShot>
  (texts: readonly string[], labels: string | readonly string[], options?: CallOptions): Promise<ZeroShot[]>
}

type Judge = (texts: readonly string[], labels: readonly string[], given: Values) => Promise<number[][]>
type Values = ReturnType<typeof options.parse> & { readonly signal?: AbortSignal }

function filled(template: string, what: string, key: string): string {
  if (!template.includes("{}"))
    throw new ValueError(`${name}: expected {} in ${key}, but got ${JSON.stringify(template)}`, "it marks the place")
  return template.replace("{}", () => what)
}

/** Judges by inference: premise and hypothesis in one row. */
function byInference(opened: Opened): Judge {
  const { model, run } = opened
  const tokenizer = needTokenizer(name, opened)
  const classes = labelsOf(model).map(label => label.toLowerCase())
  const entails = classes.findIndex(label => label.startsWith("entail"))
  const contradicts = classes.findIndex(label => label.startsWith("contra"))
  if (entails < 0)
    throw new HeedError(
      `${name}: expected a model with a class "entailment", but its classes are ${labelsOf(model).join(", ")}`,
      "use a model that was trained on natural language inference, or a language model",
    )
  const other = contradicts >= 0 ? contradicts : entails === 0 ? classes.length - 1 : 0
  const runner = new EncoderRunner(model, { values: ({ logits }) => ({ logits: logits! }), perToken: false }, run)
  return async (texts, labels, { hypothesisTemplate, multiLabel, batchSize, signal, ...cutting }) => {
    const pairs = texts.flatMap(text =>
      labels.map(label => ({ text, textPair: filled(hypothesisTemplate, label, "hypothesisTemplate") })),
    )
    const rows = encodeRows(name, tokenizer, pairs, cutting, runner.context)
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    return texts.map((_, t) => {
      const logits = labels.map((_, i) => results[t * labels.length + i]!.logits!.data)
      if (multiLabel || labels.length === 1) return logits.map(row => softmaxRow([row[other]!, row[entails]!])[1]!)
      return [...softmaxRow(logits.map(row => row[entails]!))]
    })
  }
}

/** Judges by prompting: how likely each label goes on from the prompt, for each of its tokens. */
function byPrompt(opened: Opened): Judge {
  const tokenizer = needTokenizer(name, opened)
  const scores = continuationScores(opened.model as LanguageModel, tokenizer, opened.run)
  return async (texts, labels, { promptTemplate, multiLabel }) => {
    if (multiLabel)
      throw new HeedError(
        `${name}: expected multiLabel false with a language model, whose scores compare labels, but got true`,
        "use a model of natural language inference, such as facebook/bart-large-mnli",
      )
    const judged: number[][] = []
    for (const text of texts) {
      const prompt = filled(promptTemplate, text, "promptTemplate")
      const means = (
        await scores(
          prompt,
          labels.map(label => ` ${label}`),
        )
      ).map(one => one.logProbability / one.tokens)
      judged.push([...softmaxRow(means)])
    }
    return judged
  }
}

function open(opened: Opened): ZeroShotClassification {
  const { model } = opened
  const isClassifier = model.config.head === "classification"
  if (!isClassifier && !(model instanceof LanguageModel))
    refuseModel(name, model, "a classifier of natural language inference or a language model")
  const judge = isClassifier ? byInference(opened) : byPrompt(opened)

  const answer = async (
    inputs: string | readonly string[],
    labels: string | readonly string[] | undefined,
    given: CallOptions = {},
  ): Promise<ZeroShot | ZeroShot[]> => {
    const { list, single } = listOf(name, inputs)
    const values = readCall(options, given)
    const wanted = labelList(labels ?? values.candidateLabels)
    const texts = list.map(text => checkText(name, text))
    const judged = await judge(texts, wanted, values)
    const results = texts.map((sequence, t): ZeroShot => {
      const order = [...wanted.keys()].sort((a, b) => judged[t]![b]! - judged[t]![a]!)
      return { sequence, labels: order.map(i => wanted[i]!), scores: order.map(i => judged[t]![i]!) }
    })
    return single ? results[0]! : results
  }
  return answer as ZeroShotClassification
}

function labelList(labels: string | readonly string[] | undefined): string[] {
  const given: unknown = typeof labels === "string" ? labels.split(",") : labels
  const list = Array.isArray(given) ? given.map(label => (typeof label === "string" ? label.trim() : "")) : []
  if (list.length === 0 || list.some(label => label === ""))
    throw new HeedError(
      `${name}: expected labels to choose from, but got ${JSON.stringify(labels) ?? "none"}`,
      'for example ["sport", "politics"]',
    )
  return list
}

/** The task. */
export const zeroShotClassification: Task<ZeroShotClassification> = {
  name,
  aliases: [],
  summary: "classes that the model was never trained on",
  options,
  arguments: [{ name: "text", help: "a text; the labels are given by --candidate-labels", many: true }],
  fromWords: words => [words, undefined],
  open,
}
