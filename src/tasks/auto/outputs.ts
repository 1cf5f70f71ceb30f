// What a model gives, under the published names.

import type { Model, ModelOutput } from "../../models/index.ts"
import { Tensor } from "../../tensor/index.ts"
import type { HostTensor } from "../host-tensor.ts"

/** Outputs by published names: tensors, lists of one a block, and those of a tower inside. */
export type Published<T> = { [name: string]: T | readonly T[] | Published<T> }

/** What classes with a head give. */
export interface HeadOutputs {
  readonly logits: HostTensor<Float32Array>
  /** Where labels were given. */
  readonly loss?: HostTensor<Float32Array>
  /** With output_hidden_states. */
  readonly hidden_states?: readonly HostTensor<Float32Array>[]
  /** With output_attentions. */
  readonly attentions?: readonly HostTensor<Float32Array>[]
}

/** What models of two stacks give. */
export interface Seq2SeqOutputs extends Omit<HeadOutputs, "hidden_states" | "attentions"> {
  readonly encoder_last_hidden_state: HostTensor<Float32Array>
  readonly decoder_hidden_states?: readonly HostTensor<Float32Array>[]
  readonly encoder_hidden_states?: readonly HostTensor<Float32Array>[]
  readonly decoder_attentions?: readonly HostTensor<Float32Array>[]
  readonly encoder_attentions?: readonly HostTensor<Float32Array>[]
  readonly cross_attentions?: readonly HostTensor<Float32Array>[]
}

/** What a model that finds answers gives. */
export interface SpanOutputs extends Omit<HeadOutputs, "logits"> {
  readonly start_logits: HostTensor<Float32Array>
  readonly end_logits: HostTensor<Float32Array>
}

/** What a model that was trained on two things at once gives. */
export interface PretrainingOutputs extends Omit<HeadOutputs, "logits"> {
  readonly prediction_logits: HostTensor<Float32Array>
  readonly seq_relationship_logits: HostTensor<Float32Array>
}

/** What a model without its head gives; CLIP gives its scores and vectors instead. */
export interface BaseOutputs extends Omit<HeadOutputs, "logits"> {
  readonly last_hidden_state: HostTensor<Float32Array>
  readonly pooler_output?: HostTensor<Float32Array>
  readonly [name: string]: unknown
}

/** Which names are given: those of the model alone, those of its head, or those of its head as it was pretrained. */
export type Naming = "base" | "head" | "pretraining"

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

const ofStream: Readonly<Record<string, string>> = { hidden: "last_hidden_state", pooled: "pooler_output" }
const ofHead = ["logits", "loss", "losses", "nextSentenceLogits", "startLogits", "endLogits"]

/** Outputs of a forward pass by their published names; those that are not published are left out. */
export function publishedOutputs(model: Model, output: ModelOutput, naming: Naming): Published<Tensor> {
  if (model.family === "clip") return ofPair(output)
  const paired = "encoderHidden" in output
  const tower = model.family.match(/^clip_(text|vision)_model$/)?.[1]
  const nameOf = (key: string): string | null => {
    if (key === "buckets") return null
    if (naming === "base" ? ofHead.includes(key) : key in ofStream) return null
    if (key in ofStream) return ofStream[key]!
    if (key === "projected") return tower === "text" ? "text_embeds" : "image_embeds"
    if (key === "encoderHidden") return "encoder_last_hidden_state"
    if (paired && (key === "hiddenStates" || key === "attentions")) return `decoder_${snakeCase(key)}`
    if (key === "nextSentenceLogits")
      return naming === "pretraining"
        ? "seq_relationship_logits"
        : model.config.head === "nextSentence"
          ? "logits"
          : null
    if (key === "logits" && naming === "pretraining") return "prediction_logits"
    return snakeCase(key)
  }
  const named = Object.fromEntries(
    Object.entries(output).flatMap(([key, value]) => {
      const name = nameOf(key)
      return name === null || value === undefined ? [] : [[name, numbers(value)]]
    }),
  )
  return model.family === "transfo-xl" && named.logits ? { ...named, prediction_scores: named.logits } : named
}

/** CLIP's: scores and vectors, and the outputs of both towers. */
function ofPair(output: ModelOutput): Published<Tensor> {
  const inner = (tower: object): Published<Tensor> =>
    Object.fromEntries(
      Object.entries(tower)
        .filter(([key]) => key !== "projected")
        .map(([key, value]) => [ofStream[key] ?? snakeCase(key), numbers(value)]),
    )
  const {
    text,
    vision,
    hidden: _,
    ...rest
  } = output as ModelOutput & { readonly text: object; readonly vision: object }
  return {
    ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [snakeCase(key), numbers(value)])),
    text_model_output: inner(text),
    vision_model_output: inner(vision),
  }
}

/** Floats are read as f32, whatever they were computed in. */
function numbers(value: unknown): Tensor | Tensor[] {
  if (Array.isArray(value)) return value.map(one => numbers(one) as Tensor)
  const x = value as Tensor
  return x.dtype === "i32" || x.dtype === "f32" ? x : x.cast("f32")
}

/** The tensors of outputs, in order. */
export function leavesOf(outputs: Published<Tensor>): Tensor[] {
  return Object.values(outputs).flatMap(value =>
    value instanceof Tensor
      ? [value]
      : Array.isArray(value)
        ? (value as Tensor[])
        : leavesOf(value as Published<Tensor>),
  )
}

/** The same outputs with each tensor replaced by what stands for it. */
export function mapOutputs<T>(outputs: Published<Tensor>, fn: (leaf: Tensor) => T): Published<T> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]): [string, T | T[] | Published<T>] => [
      name,
      value instanceof Tensor
        ? fn(value)
        : Array.isArray(value)
          ? (value as Tensor[]).map(fn)
          : mapOutputs(value as Published<Tensor>, fn),
    ]),
  )
}
