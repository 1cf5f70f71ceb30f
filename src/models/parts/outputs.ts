// Inner values that a caller asks for: found by their taps below the running module.

import { collectTaps, currentScope, Tensor } from "../../tensor/index.ts"
import type { ModelOutput, OutputRequest } from "../model.ts"

/** Names of taps below the running module, by the output they are given as. */
export type OutputTaps = Readonly<Record<string, readonly string[]>>

/** Names of the taps of a stack of blocks below `prefix` ("" or "encoder."). */
export const stackTaps = {
  /** `hidden.0` … `hidden.L`. */
  hidden: (depth: number, prefix = ""): string[] => Array.from({ length: depth + 1 }, (_, i) => `${prefix}hidden.${i}`),
  /** Attention weights of each block. */
  attention: (depth: number, prefix = "", part = "attention"): string[] =>
    Array.from({ length: depth }, (_, i) => `${prefix}blocks.${i}.${part}.pattern`),
}

/** Adds inner values to an output; all its tensors then share one graph with them. */
export function collectOutputs<O extends object>(output: O, wanted: OutputTaps): O {
  const scope = currentScope()
  const full = (name: string): string => (scope === "" ? name : `${scope}.${name}`)
  const names = Object.entries(wanted).map(([key, taps]) => [key, taps.map(full)] as const)
  const asked = new Set(names.flatMap(([, taps]) => taps))
  if (asked.size === 0) return output
  const given = Object.entries(output).flatMap(([key, value]) =>
    value instanceof Tensor ? [[key, value] as const] : [],
  )
  const { outputs, taps } = collectTaps(
    given.map(([, value]) => value),
    name => asked.has(name),
  )
  return {
    ...output,
    ...Object.fromEntries(given.map(([key], i) => [key, outputs[i]!])),
    ...Object.fromEntries(names.map(([key, list]) => [key, list.map(name => newest(taps, name))])),
  }
}

/** The tap of this call: an earlier call that the graph holds too (the segment before) has the name without a number. */
function newest(taps: ReadonlyMap<string, Tensor>, name: string): Tensor {
  let found = taps.get(name)!
  for (let n = 2; taps.has(`${name}#${n}`); n++) found = taps.get(`${name}#${n}`)!
  return found
}

/** Adds the hidden states and attention weights of one stack, where they were asked for. */
export function withOutputs<O extends ModelOutput>(output: O, request: OutputRequest | undefined, depth: number): O {
  return collectOutputs(output, {
    ...(request?.hiddenStates ? { hiddenStates: stackTaps.hidden(depth) } : {}),
    ...(request?.attentions ? { attentions: stackTaps.attention(depth) } : {}),
  })
}
