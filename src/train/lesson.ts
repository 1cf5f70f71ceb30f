// Lessons: what a model reads and what it should have answered, written as lists of numbers, as the tensors of one call. Rows of
// different lengths are filled up, and a mask hides what was filled in.

import type { ForwardOptions, Model } from "../models/index.ts"
import { fromHost, ShapeError, Tensor, ValueError } from "../tensor/index.ts"
import { TrainingError } from "./events.ts"
import { ignoredTarget, type Objective } from "./objective.ts"

/** Rows of ids [B][T], one a text, of any lengths; or of numbers, as Float32Array of one length. */
export type Rows = readonly ArrayLike<number>[]

/** One call of a model in training: its input, `labels`, and every other option of its forward as it would have it. */
export interface Lesson {
  /** Ids of texts, or a tensor of ids, pixels, sound. */
  readonly input: Tensor | Rows
  /** Rows fill up with -100, which asks for nothing. A list of numbers is one for each row: a class, a position, a value. */
  readonly labels?: Tensor | Rows | ArrayLike<number>
  readonly [option: string]: Tensor | Rows | ArrayLike<number> | undefined
}

/** The tensors of one call, by the names of the options; `input` is the first argument. */
export type LessonTensors = Readonly<Record<string, Tensor>>

const isList = (value: unknown): boolean => Array.isArray(value) || ArrayBuffer.isView(value)

/** Refuses what is no number, or no whole one where ids are meant. Throws ValueError. */
function checkNumbers(name: string, values: ArrayLike<unknown>, whole: boolean): void {
  const is = whole ? Number.isInteger : Number.isFinite
  const wrong = Array.from(values).find(value => !is(value))
  if (wrong === undefined && Array.from(values).every(is)) return
  const hint =
    typeof wrong === "string"
      ? name === "input"
        ? "texts become ids by tokenizer.encode(text)"
        : "classes are given by number: labels.indexOf(name)"
      : whole
        ? "numbers with fractions are given as rows of Float32Array"
        : undefined
  throw new ValueError(
    `lesson: expected ${whole ? "whole numbers" : "numbers"} as ${name}, but got ${JSON.stringify(wrong) ?? wrong}`,
    hint,
  )
}

/** One number for each row: i32 [B], or f32 [B] of a Float32Array and of numbers with fractions. */
function column(name: string, values: ArrayLike<number>): Tensor {
  checkNumbers(name, values, false)
  const whole = !(values instanceof Float32Array) && Array.from(values).every(Number.isInteger)
  return fromHost(whole ? Int32Array.from(values) : Float32Array.from(values), [values.length], whole ? "i32" : "f32")
}

/** Rows as i32 [B T] filled up on the right, or f32 [B N] of rows in Float32Array. Throws ShapeError for such of several lengths. */
function matrix(name: string, rows: Rows, fill: number): Tensor {
  const [B, T] = [rows.length, Math.max(...rows.map(row => row.length))]
  const floats = rows[0] instanceof Float32Array
  if (floats && rows.some(row => row.length !== T))
    throw new ShapeError(
      `lesson: expected rows of numbers of one length as ${name}, but got ${rows.map(row => row.length).join(", ")}`,
      "ids may differ in length: give them as Int32Array or number[]",
    )
  for (const row of rows) checkNumbers(name, row, !floats)
  const data = floats ? new Float32Array(B * T) : new Int32Array(B * T).fill(fill)
  for (const [i, row] of rows.entries()) data.set(row, i * T)
  return fromHost(data, [B, T], floats ? "f32" : "i32")
}

/** What fills up rows of an option: padding where ids are read, "nothing is asked" where answers stand, 0 in masks and segments. */
function fillOf(name: string, padToken: number): number {
  if (name === "labels" || name === "targets") return ignoredTarget
  return name === "input" || name === "decoderInputIds" ? padToken : 0
}

function tensorOf(name: string, value: Tensor | Rows | ArrayLike<number>, padToken: number): Tensor {
  if (value instanceof Tensor) return value
  if (!isList(value) || value.length === 0)
    throw new ValueError(
      `lesson: expected a tensor, rows or numbers as ${name}, but got ${isList(value) ? "an empty list" : typeof value}`,
    )
  if (isList(value[0])) return matrix(name, value as Rows, fillOf(name, padToken))
  if (name === "input" && typeof value[0] === "number")
    throw new ValueError("lesson: expected rows of ids as input, but got one row", "input: [ids] is a batch of one")
  return column(name, value as ArrayLike<number>)
}

/**
 * A lesson as tensors: rows of ids are filled up with the model's padding token, labels with -100; where rows of the input differ in
 * length and no attentionMask is given, one hides the filling. Throws ValueError, ShapeError.
 */
export function lessonTensors(lesson: Lesson, model: Pick<Model, "config">): LessonTensors {
  const padToken = typeof model.config.padToken === "number" ? model.config.padToken : 0
  const tensors: Record<string, Tensor> = {}
  for (const [name, value] of Object.entries(lesson))
    if (value !== undefined) tensors[name] = tensorOf(name, value, padToken)
  const { input } = lesson
  if (!(input instanceof Tensor) && !lesson.attentionMask && input.some(row => row.length !== input[0]!.length)) {
    const masks = input.map(row => new Int32Array(row.length).fill(1))
    tensors.attentionMask = matrix("attentionMask", masks, 0)
  }
  return tensors
}

/** The loss that a model gives for its labels, whatever kind of model it is. */
export const modelLoss: Objective<Model, LessonTensors> = {
  name: "the model's own loss",
  tensors: batch => batch,
  terms: () => 1, // the model's loss is a mean over the batch
  total: (model, { input, ...options }) => {
    const { loss } = model.forward(input!, options as ForwardOptions)
    if (loss) return loss
    throw new TrainingError(
      `train: expected a loss, but ${model.family} gives none for ${Object.keys(options).join(", ") || "no labels"}`,
      "give labels, and build the model with a head that answers them: head",
    )
  },
}
