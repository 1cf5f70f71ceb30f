import { beforeAll, describe, expect, test } from "vitest"
import { bert, longformer } from "../../src/models/index.ts"
import { read } from "../../src/runtime/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import type { Tensor } from "../../src/tensor/index.ts"
import { learn, numbers, rowsOf, small, wordTokenizer } from "./learn.ts"

const people = ["Ada", "Max", "Eva", "Tom", "Lea"]
const places = ["Rome", "Oslo", "Kiel", "Bonn"]
const filler = "it was a warm day and the birds sang in the trees"

const facts = people.flatMap((who, i) =>
  places.map((where, k) => ({
    question: `where lives ${who} ?`,
    context: `${people[(i + 1 + (k % 3)) % 5]} has a dog . ${who} lives in ${where} . ${k % 2 ? "it was warm ." : ""}`,
    answer: where,
  })),
)
// windows without an answer: the model learns to point at [CLS]
const unanswered = people.flatMap(who => {
  const words = `${filler} . ${filler} . Max has a dog .`.split(" ")
  return [0, 5, 9, 14].map(from => ({
    question: `where lives ${who} ?`,
    context: words.slice(from, from + 20).join(" "),
    answer: null,
  }))
})
const tokenizer = wordTokenizer([...facts.flatMap(({ question, context }) => [question, context]), filler])

describe("question-answering", () => {
  let ask: Pipeline<"question-answering">

  beforeAll(async () => {
    const model = bert.build({ ...small, head: "questionAnswering", vocabulary: tokenizer.vocabularySize }, { seed: 4 })
    const lessons = [...facts, ...unanswered]
    const rows = lessons.map(({ question, context }) => tokenizer.encodeWithOffsets(question, { pair: context }))
    const { ids, mask } = rowsOf(rows.map(row => row.ids))
    const types = rowsOf(rows.map(row => row.typeIds)).ids
    const at = rows.map((row, i) => {
      const { context, answer } = lessons[i]!
      if (answer === null) return 0
      const place = context.indexOf(answer)
      return row.offsets.findIndex(([start], k) => start === place && row.sequenceIds[k] === 1)
    })
    const options = { attentionMask: mask, tokenTypeIds: types, startPositions: numbers(at), endPositions: numbers(at) }
    expect(await learn(model, { input: ids, options }, 120)).toBeLessThan(0.3)
    ask = await pipeline("question-answering", { model, tokenizer })
  })

  test("finds the answer and where it stands", async () => {
    const context = "Max has a dog . Ada lives in Rome ."
    const found = await ask("where lives Ada ?", context)
    expect(found.answer).toBe("Rome")
    expect(context.slice(found.start, found.end)).toBe("Rome")
    expect(found.score).toBeGreaterThan(0.5)
    expect(await ask({ question: "where lives Ada ?", context })).toEqual(found)
  })

  test("reads a long context in windows that overlap", async () => {
    const context = [...Array(12).fill(filler), "Max has a dog . Eva lives in Kiel", ...Array(3).fill(filler)].join(
      " . ",
    )
    const found = await ask("where lives Eva ?", context, { maxSeqLen: 32, docStride: 12 })
    expect(found.answer).toBe("Kiel")
    expect(context.slice(found.start, found.end)).toBe("Kiel")
  })

  test("gives several answers, most likely first, none longer than allowed", async () => {
    const answers = (await ask("where lives Tom ?", "Lea has a dog . Tom lives in Bonn .", {
      topK: 3,
      maxAnswerLen: 2,
    })) as unknown as { answer: string; score: number }[]
    expect(answers.length).toBe(3)
    expect(answers[0]!.answer).toBe("Bonn")
    expect(answers[0]!.score).toBeGreaterThanOrEqual(answers[1]!.score)
    for (const { answer } of answers) expect(answer.split(" ").length).toBeLessThanOrEqual(2)
  })

  test("may say that there is no answer", async () => {
    const [first, second] = (await ask("where lives Tom ?", "Tom lives in Bonn .", {
      handle_impossible_answer: true,
      top_k: 12,
    })) as unknown as { answer: string }[]
    expect(first!.answer).toBe("Bonn")
    expect(second).toBeDefined()
    const all = (await ask("where lives Tom ?", "a dog .", { handleImpossibleAnswer: true, topK: 30 })) as unknown as {
      answer: string
      start: number
      end: number
    }[]
    expect(all).toContainEqual(expect.objectContaining({ answer: "", start: 0, end: 0 }))
  })

  test("says what is wrong", async () => {
    await expect(ask("", "a")).rejects.toThrow(/expected a question, but it is empty/)
    await expect(ask("where ?", " ")).rejects.toThrow(/expected a context, but it is empty/)
    await expect(ask("Ada ".repeat(60), "Ada")).rejects.toThrow(/leaves room for the context/)
  })
})

test("a model of another kind is refused", async () => {
  const model = bert.build({ ...small, head: "masked", vocabulary: tokenizer.vocabularySize })
  await expect(pipeline("question-answering", { model, tokenizer })).rejects.toThrow(
    /finds answers in a context, but got bert \(masked\)/,
  )
})

test("the question is global in a Longformer, as in the original", async () => {
  const sizes = { width: 16, layers: 1, heads: 2, inner: 24, window: 4, positions: 60, padToken: 0, deviation: 0.4 }
  const model = longformer.build(
    { ...sizes, head: "questionAnswering", vocabulary: tokenizer.vocabularySize },
    { seed: 1 },
  )
  const [question, context] = ["where lives Ada ?", "Ada lives in Rome . Max has a dog ."]
  const { ids, sequenceIds } = tokenizer.encodeWithOffsets(question, { pair: context })
  const globals = Int32Array.from(ids, (_, i) => (i <= 4 ? 1 : 0)) // [CLS] where lives Ada ?
  const output = model.forward(rowsOf([ids]).ids, { globalAttentionMask: rowsOf([globals]).ids })
  const { startLogits, endLogits } = output as { startLogits?: Tensor; endLogits?: Tensor }
  const [starts, ends] = await Promise.all([read(startLogits!), read(endLogits!)])
  const chances = (logits: ArrayLike<number>): number[] => {
    const all = Array.from(logits, (x, i) => (sequenceIds[i] === 1 || i === 0 ? Math.exp(x) : 0))
    return all.map(x => x / all.reduce((a, b) => a + b, 0))
  }
  const [a, b] = [chances(starts), chances(ends)]
  const pairs = a.flatMap((x, i) => b.map((y, k) => (i > 0 && k >= i && k < i + 15 ? x * y : 0)))
  const ask = await pipeline("question-answering", { model, tokenizer })
  expect((await ask(question, context)).score).toBeCloseTo(Math.max(...pairs), 5)
})
