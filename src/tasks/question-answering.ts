// question-answering: the part of a context that answers a question. Long contexts are read in overlapping windows (Devlin et al. 2019),
// and a model that learned to may say that there is no answer (SQuAD 2).

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { Encoding } from "../text/index.ts"
import { EncoderRunner, type RowValue } from "./encoder.ts"
import { readCall } from "./options.ts"
import { padTokenOf } from "./rows.ts"
import { checkText, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "question-answering"

const options = declare(
  {
    topK: option(z.int().min(1), "How many answers are given, most likely first", { default: 1 }),
    maxAnswerLen: option(z.int().min(1), "Tokens of an answer at most", { default: 15, alias: "max_answer_length" }),
    maxSeqLen: option(
      z.int().min(8).optional(),
      "Tokens of a window at most; 384, or the model's context where that is less",
    ),
    docStride: option(
      z.int().min(0).optional(),
      "Tokens that neighbouring windows share; 128, or half a window where that is less",
    ),
    handleImpossibleAnswer: option(z.boolean(), "Give an empty answer where none is more likely", { default: false }),
    batchSize: option(z.int().min(1).max(1024), "Windows that are run together at most", { default: 8 }),
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** An answer; empty where there is none. */
export interface Answered {
  readonly answer: string
  /** 0 .. 1 */
  readonly score: number
  /** Where it stands in the context, in UTF-16 code units. */
  readonly start: number
  readonly end: number
}

/** The question and context of one call as one object. */
export interface QuestionInput {
  readonly question: string
  readonly context: string
}

/** One answer with topK 1, else a list of them. */
export interface QuestionAnswering {
  (
    question: string,
    context: string,
    options: CallOptions & ({ readonly topK: number } | { readonly top_k: number }),
  ): Promise<Answered[] | Answered>
  (question: string, context: string, options?: CallOptions): Promise<Answered>
  (input: QuestionInput, options?: CallOptions): Promise<Answered>
}

/** Probabilities of positions where an answer may begin or end; 0 elsewhere. */
function chancesOf(logits: Float32Array, allowed: Uint8Array): Float64Array {
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < logits.length; i++) if (allowed[i]) most = Math.max(most, logits[i]!)
  const out = Float64Array.from(logits, (x, i) => (allowed[i] ? Math.exp(x - most) : 0))
  const sum = out.reduce((total, x) => total + x, 0)
  return out.map(x => x / sum)
}

/** Answers of one window, and how likely it has none (its first token is where "none" points). */
function answersOf(
  context: string,
  window: Encoding,
  values: Readonly<Record<string, RowValue>>,
  longest: number,
  count: number,
): { readonly answers: Answered[]; readonly none: number } {
  const allowed = Uint8Array.from(window.sequenceIds, (sequence, i) => (sequence === 1 || i === 0 ? 1 : 0))
  const starts = chancesOf(values.starts!.data, allowed)
  const ends = chancesOf(values.ends!.data, allowed)
  const found: { score: number; from: number; to: number }[] = []
  for (let from = 1; from < starts.length; from++) {
    if (window.sequenceIds[from] !== 1) continue
    for (let to = from; to < Math.min(from + longest, ends.length) && window.sequenceIds[to] === 1; to++)
      found.push({ score: starts[from]! * ends[to]!, from, to })
  }
  found.sort((a, b) => b.score - a.score)
  return {
    none: starts[0]! * ends[0]!,
    answers: found.slice(0, count).map(({ score, from, to }) => {
      const [start, end] = [window.offsets[from]![0], window.offsets[to]![1]]
      return { answer: context.slice(start, end), score, start, end }
    }),
  }
}

function open(opened: Opened): QuestionAnswering {
  const { model, run } = opened
  if (model.config.head !== "questionAnswering") refuseModel(name, model, "a model that finds answers in a context")
  const tokenizer = needTokenizer(name, opened)
  const reading = (output: object) => {
    const { startLogits, endLogits } = output as { startLogits: never; endLogits: never }
    return { starts: startLogits, ends: endLogits }
  }
  const runner = new EncoderRunner(model, { values: reading, perToken: true }, run)

  const answer = async (
    first: string | QuestionInput,
    second?: string | CallOptions,
    third: CallOptions = {},
  ): Promise<unknown> => {
    const whole = typeof first === "object" && first !== null
    const question = checkText(name, whole ? first.question : first, "a question")
    const context = checkText(name, whole ? first.context : second, "a context")
    const given = whole ? ((second as CallOptions | undefined) ?? {}) : third
    const { topK, maxAnswerLen, maxSeqLen, docStride, handleImpossibleAnswer, batchSize, signal } = readCall(
      options,
      given,
    )
    const maxLength = Math.min(maxSeqLen ?? 384, runner.context)
    const stride = docStride ?? Math.min(128, Math.floor(maxLength / 2))
    const asked = tokenizer.encode(question, { addSpecialTokens: false }).length
    if (asked + 4 > maxLength)
      throw new HeedError(
        `${name}: expected a question that leaves room for the context, but it has ${asked} tokens of ${maxLength}`,
        "ask a shorter question",
      )
    const room = maxLength - asked - 4
    const windows = tokenizer.encodeWindows(question, {
      pair: context,
      maxLength,
      stride: Math.min(stride, Math.max(0, room - 1)),
    })
    // Longformer's question is global, as the original has it
    const rows =
      model.family === "longformer" ? windows.map(window => ({ ...window, globals: questionEnd(window) })) : windows
    const results = await runner.run(rows, {
      padToken: padTokenOf(model, tokenizer),
      batchSize,
      ...(signal ? { signal } : {}),
    })
    const found = windows.map((window, i) => answersOf(context, window, results[i]!, maxAnswerLen, topK))
    const none = Math.min(...found.map(one => one.none))
    const all = distinct(found.flatMap(one => one.answers))
    if (handleImpossibleAnswer) all.push({ answer: "", score: none, start: 0, end: 0 })
    all.sort((a, b) => b.score - a.score)
    const best = all.slice(0, topK)
    return topK === 1 ? best[0] : best
  }
  return answer as QuestionAnswering
}

/** How many tokens stand before the end of the question. */
const questionEnd = ({ sequenceIds }: Encoding): number => Array.from(sequenceIds).lastIndexOf(0) + 1

/** Answers that several windows found, once, with the better score. */
function distinct(answers: readonly Answered[]): Answered[] {
  const best = new Map<string, Answered>()
  for (const one of answers) {
    const key = `${one.start}:${one.end}`
    if (one.score > (best.get(key)?.score ?? -1)) best.set(key, one)
  }
  return [...best.values()]
}

/** The task. */
export const questionAnswering: Task<QuestionAnswering> = {
  name,
  aliases: [],
  summary: "the part of a context that answers a question",
  options,
  arguments: [
    { name: "question", help: "the question" },
    { name: "context", help: "the text that answers it" },
  ],
  fromWords: ([question, context]) => [question, context],
  open,
}
