// Reading inner values of a model: asking for a tap opens the formula that holds it, so nothing is written twice.

import type { Model } from "../models/model.ts"
import { readOn } from "../runtime/index.ts"
import {
  collectTaps,
  type DType,
  fromHost,
  HeedError,
  type HostArray,
  type Shape,
  ShapeError,
  type Tensor,
  tapNames,
  ValueError,
} from "../tensor/index.ts"

/** A value that was read. */
export interface TapValue {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: HostArray
}

/** What a model gave, and the inner values that were asked for by name. */
export interface TappedRun {
  /** [1 T V]; the last hidden states [1 T D] of a model without a head. */
  readonly logits: TapValue
  readonly taps: ReadonlyMap<string, TapValue>
}

/** Token ids as a batch of one, i32 [1 T]. Throws ShapeError, ValueError for ids that are none of the model's. */
export function idsTensor(model: Model, ids: ArrayLike<number>): Tensor {
  const limit = (option: unknown): number => (typeof option === "number" ? option : Number.POSITIVE_INFINITY)
  const [context, size] = [limit(model.config.context), limit(model.config.vocabulary)]
  if (ids.length === 0 || ids.length > context)
    throw new ShapeError(
      `inspect: expected 1 to ${context} tokens, the model's context, but got ${ids.length}`,
      ids.length === 0 ? "give a text" : "cut the text",
    )
  const wrong = Array.from(ids).find(id => !(Number.isInteger(id) && id >= 0 && id < size))
  if (wrong !== undefined)
    throw new ValueError(
      `inspect: expected token ids 0 .. ${size - 1} of the model's vocabulary, but got ${wrong}`,
      "is this the tokenizer that the model was trained with?",
    )
  return fromHost(Int32Array.from(ids), [1, ids.length], "i32")
}

/** Logits, or the last hidden states of a model without a head. */
function answerOf(model: Model, ids: Tensor): Tensor {
  const { logits, hidden } = model.forward(ids)
  return logits ?? hidden
}

/** Names of everything that can be asked for, in the order it is computed. */
export function tapsOf(model: Model, length = 1): string[] {
  const ids = idsTensor(model, new Int32Array(length))
  return model.inEvaluation(() => tapNames([answerOf(model, ids)]))
}

/**
 * Runs a model on ids and reads inner values: exact names, or a pattern that names must match. Throws HeedError for a name that does not
 * exist and for a pattern that nothing matches.
 */
export async function runWithTaps(
  model: Model,
  ids: ArrayLike<number>,
  names: readonly string[] | RegExp,
): Promise<TappedRun> {
  const { outputs, taps } = model.inEvaluation(() => {
    const logits = answerOf(model, idsTensor(model, ids))
    const all = tapNames([logits])
    const wanted = new Set(names instanceof RegExp ? all.filter(name => name.search(names) >= 0) : names)
    const unknown = [...wanted].filter(name => !all.includes(name))
    if (unknown.length > 0 || (wanted.size === 0 && names instanceof RegExp))
      throw new HeedError(
        `runWithTaps: expected names of taps, but got ${names instanceof RegExp ? String(names) : unknown.join(", ")}`,
        `there is ${all.slice(0, 24).join(", ")}${all.length > 24 ? ", …" : ""}`,
      )
    return collectTaps([logits], name => wanted.has(name))
  })
  const tensors = [outputs[0]!, ...taps.values()]
  const data = await readOn(undefined, tensors)
  const values = tensors.map(({ shape, dtype }, i): TapValue => ({ shape, dtype, data: data[i]! }))
  return { logits: values[0]!, taps: new Map([...taps.keys()].map((name, i) => [name, values[i + 1]!])) }
}
