// What a model is called with, under the published names: tensors of the host, nested lists, or heed's own tensors.

import type { Model } from "../../models/index.ts"
import { fromHost, HeedError, Tensor, ValueError } from "../../tensor/index.ts"
import { fromLists, HostTensor } from "../host-tensor.ts"

/** A value of a call. */
export type InputValue = HostTensor | Tensor | readonly unknown[] | number | boolean | null | undefined

/** A call by published names. */
export type ModelInputs = Readonly<Record<string, unknown>>

/** What a call asks for besides the usual. */
export interface Flags {
  readonly hiddenStates: boolean
  readonly attentions: boolean
}

/** A call as models take it. */
export interface ModelCall {
  readonly input: Tensor
  /** By their names here. */
  readonly options: Readonly<Record<string, Tensor | readonly Tensor[]>>
  /** Numbers that decide what is recorded. */
  readonly fixed: Readonly<Record<string, number>>
  readonly flags: Flags
}

/** What stands first in a call of ours; further ones of these are options. */
const mainInputs = ["input_ids", "inputs_embeds", "input_values", "input_features", "pixel_values"] as const

const floats: ReadonlySet<string> = new Set(["inputs_embeds", "input_values", "input_features", "pixel_values", "mems"])

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** The call that published names describe. Throws HeedError, ShapeError, ValueError. */
export function readCall(what: string, model: Model, given: ModelInputs): ModelCall {
  const { output_hidden_states, output_attentions, return_dict, use_cache, return_loss, ...rest } = given
  const flag = (name: string, value: unknown): boolean => {
    if (value !== undefined && value !== null && typeof value !== "boolean")
      throw new ValueError(`${what}: expected ${name} true or false, but got ${JSON.stringify(value)}`)
    return value === true
  }
  flag("return_loss", return_loss) // a loss is given where it can be
  if (flag("use_cache", use_cache))
    throw new HeedError(`${what}: expected no use_cache in a call, which keeps no cache`, "generate() has one")
  if (return_dict === false)
    throw new HeedError(`${what}: expected return_dict true, but got false`, "outputs are always given by their names")
  const present = Object.entries(withoutSegments(model, rest)).filter(
    ([, value]) => value !== undefined && value !== null,
  )
  const main = mainInputs.find(name => present.some(([key]) => key === name))
  if (!main)
    throw new HeedError(
      `${what}: expected one of ${mainInputs.join(", ")}, but got ${Object.keys(rest).join(", ") || "nothing"}`,
      "pass what the tokenizer or the processor gives",
    )
  const options: Record<string, Tensor | readonly Tensor[]> = {}
  const fixed: Record<string, number> = {}
  for (const [name, value] of present) {
    if (name === main) continue
    if (typeof value === "number") fixed[camelCase(name)] = value
    else if (name === "mems") options.mems = (value as readonly unknown[]).map(one => inputTensor(model, name, one))
    else options[camelCase(name)] = inputTensor(model, name, value)
    if (name === "global_attention_mask" && !("global_tokens" in given)) fixed.globalTokens = mostOnes(value)
  }
  return {
    input: inputTensor(model, main, rest[main]),
    options,
    fixed,
    flags: {
      hiddenStates: flag("output_hidden_states", output_hidden_states),
      attentions: flag("output_attentions", output_attentions),
    },
  }
}

/** A value as heed's own tensor. Throws ShapeError, ValueError. */
export function inputTensor(model: Model, name: string, value: unknown): Tensor {
  if (value instanceof Tensor) return value
  const { data, dims } = hostValue(model, name, value)
  return fromHost(data, [...dims], data instanceof Float32Array ? "f32" : "i32")
}

/** A value on the host. Throws ShapeError, ValueError. */
export function hostValue(model: Model, name: string, value: unknown): HostTensor {
  if (value instanceof HostTensor) return value
  if (typeof value === "object" && value !== null && "dims" in value && "data" in value) {
    const { dims, data } = value as { readonly dims: readonly number[]; readonly data: ArrayLike<number | bigint> }
    return new HostTensor(data instanceof Float32Array ? "float32" : "int64", data, dims)
  }
  if (!Array.isArray(value))
    throw new ValueError(
      `${name}: expected a tensor or nested lists of numbers, but got ${value === null ? "null" : typeof value}`,
      value instanceof Promise ? "await it" : undefined,
    )
  return fromLists(name, value, isFloat(model, name, value) ? "float32" : "int32")
}

function isFloat({ config }: Model, name: string, list: readonly unknown[]): boolean {
  if (floats.has(name)) return true
  if (name !== "labels") return false
  const several = config.problem === "regression" || config.problem === "multi_label_classification"
  return several || list.flat(Infinity).some(x => !Number.isInteger(Number(x)))
}

/** Segments that say nothing are left out for models without: tokenizers of several families give them. */
export function withoutSegments(model: Model, given: ModelInputs): ModelInputs {
  const { token_type_ids: types, ...rest } = given
  if (types === undefined || types === null || model.config.segments !== undefined) return given
  if (types instanceof Tensor) return given
  return hostValue(model, "token_type_ids", types).data.every(x => x === 0) ? rest : given
}

/** The most ones in a row of a mask. */
function mostOnes(mask: unknown): number {
  if (mask instanceof Tensor)
    throw new HeedError("global_attention_mask: expected numbers of the host, but got a lazy tensor", "await x.read()")
  const rows = mask instanceof HostTensor ? (mask.tolist() as number[][]) : (mask as readonly (readonly unknown[])[])
  return Math.max(0, ...rows.map(row => row.filter(x => Number(x) !== 0).length))
}
