// How the original's calls are made here: which input comes first, what its arguments are called, and where its outputs stand.

import {
  type EncoderDecoder,
  type ForwardOptions,
  familyOf,
  type Model,
  type ModelOutput,
  meanPooled,
  normalized,
  publishedParts,
  type TransformerXLOutput,
} from "../../src/models/index.ts"
import { collectTaps, fromHost, gather, grad, Tensor } from "../../src/tensor/index.ts"
import { type Case, camelCase, inputTensor, type Run } from "./golden.ts"

/** What comes first; further ones of these are options. */
const mainInputs = ["input_ids", "inputs_embeds", "input_values", "input_features", "pixel_values"]

/** Arguments of the original that only say how much it gives back. */
const presentation = new Set(["output_hidden_states", "output_attentions", "return_dict", "return_loss", "use_cache"])

/** The first input and the options of a call. */
export function callOf(one: Case, run: Run): { input: Tensor; options: Record<string, unknown> } {
  const inputs = Object.entries(run.inputs).map(([name, value]) => [name, inputTensor(one, value)] as const)
  const main = mainInputs.find(name => name in run.inputs)!
  const rest = inputs.filter(([name]) => name !== main).map(([name, value]) => [camelCase(name), value] as const)
  const given = Object.entries(run.kwargs ?? {}).filter(([name]) => !presentation.has(name))
  const asks = (kind: string): boolean => run.outputs.some(key => key.includes(kind))
  return {
    input: inputs.find(([name]) => name === main)![1],
    options: {
      ...Object.fromEntries(rest),
      ...Object.fromEntries(given.map(([name, value]) => [camelCase(name), value])),
      ...(Object.keys(run.lsh ?? {}).length > 0 ? { randomRotations: rotationsOf(one, run) } : {}),
      outputs: { hiddenStates: asks("hidden_states"), attentions: asks("attentions") },
    },
  }
}

/** The random rotations of each block, null where the run drew none. */
function rotationsOf(one: Case, { lsh = {} }: Run): (Tensor | null)[] {
  return Array.from({ length: one.config.num_hidden_layers as number }, (_, i) => {
    const drawn = lsh[`random_rotations.${i}`]
    return drawn ? inputTensor(one, drawn) : null
  })
}

/** Outputs that have another name here. */
const outputNames: Readonly<Record<string, string>> = {
  last_hidden_state: "hidden",
  pooler_output: "pooled",
  decoder_hidden_states: "hiddenStates",
  decoder_attentions: "attentions",
  encoder_last_hidden_state: "encoderHidden",
  prediction_logits: "logits",
  prediction_scores: "logits",
  seq_relationship_logits: "nextSentenceLogits",
  text_model_output: "text",
  vision_model_output: "vision",
}

/** The value at a dotted name of the original's output, or undefined. */
export function outputAt(output: object, key: string): Tensor | undefined {
  let value: unknown = output
  for (const part of key.split("."))
    value = (value as Record<string, unknown> | undefined)?.[outputNames[part] ?? camelCase(part)]
  return value instanceof Tensor ? value : undefined
}

/** Losses of an adaptive softmax as the original gives them: all of the first section of the vocabulary, then of the second, …, ignored ones last. */
function bySection(losses: Tensor, { config }: Case, { inputs }: Run): Tensor {
  const cutoffs = config.cutoffs as number[]
  const wanted = (inputs.labels as number[][]).flatMap(row => row.slice(1))
  const section = (id: number): number => (id < 0 ? cutoffs.length + 1 : cutoffs.filter(first => id >= first).length)
  const order = wanted.map((_, i) => i).sort((a, b) => section(wanted[a]!) - section(wanted[b]!) || a - b)
  return gather(losses.reshape([-1]), fromHost(Int32Array.from(order), [order.length], "i32")).reshape(losses.shape)
}

/** The runs that a whole model is called for, by what was called. */
export const calls: Readonly<Record<string, (model: Model, one: Case, run: Run) => ModelOutput>> = {
  forward: (model, one, run) => {
    const { input, options } = callOf(one, run)
    const before = one.runs.find(({ name }) => name === run.mems_from)
    const mems = before ? { mems: (calls.forward!(model, one, before) as TransformerXLOutput).mems } : {}
    const output = model.forward(input, { ...options, ...mems } as ForwardOptions)
    return "losses" in output ? { ...output, losses: bySection(output.losses as Tensor, one, run) } : output
  },
  "mean pooling over attention_mask, then x / max(||x||_2, 1e-12)": (model, one, run) => {
    const { input, options } = callOf(one, run)
    const { attentionMask } = options as ForwardOptions
    const output = model.forward(input, options as ForwardOptions)
    const meanOfTokens = meanPooled(output.hidden, attentionMask)
    return { ...output, meanPooled: meanOfTokens, sentenceEmbedding: normalized(meanOfTokens) } as ModelOutput
  },
  "forward of model.get_encoder()": (model, one, run) => {
    const { input, options } = callOf(one, run)
    const { attentionMask } = options as ForwardOptions
    const { hidden } = (model as EncoderDecoder).encode(input, attentionMask ? { attentionMask } : {})
    const { outputs, taps } = collectTaps([hidden], name =>
      /^encoder\.(hidden\.\d+|blocks\.\d+\.attention\.pattern)$/.test(name),
    )
    const named = (pattern: RegExp): Tensor[] => [...taps].filter(([name]) => pattern.test(name)).map(([, x]) => x)
    return { hidden: outputs[0]!, hiddenStates: named(/hidden/), attentions: named(/pattern/) }
  },
}

/** Gradients of a loss by the published names of the weights. */
export function gradientsByPublishedName(model: Model, loss: Tensor): Map<string, Tensor> {
  const family = familyOf(model)
  const own = [...model.namedParameters()]
  const gradients = grad(
    loss,
    own.map(([, parameter]) => parameter),
  )
  return new Map(
    own.flatMap(([path], i) =>
      publishedParts(model, family, path).map(({ name, transposed, rows }) => {
        const gradient = rows ? gradients[i]!.slice(0, ...rows) : gradients[i]!
        return [name, transposed ? gradient.transpose() : gradient] as const
      }),
    ),
  )
}
