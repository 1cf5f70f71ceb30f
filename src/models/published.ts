// Configurations as they are published (config.json): what their keys and values mean here, and which of them change nothing.

import { z } from "zod"
import { option } from "../config/index.ts"
import { type Activation, activationNames, type RopeScaling } from "../nn/index.ts"
import { ValueError } from "../tensor/index.ts"

/** How one option's value is written in config.json. */
export interface Codec {
  /** The value here of a published value; values it does not know come back as they are, for the schema to refuse. */
  readonly read: (published: unknown) => unknown
  /** The published value of one of ours, among the other options. */
  readonly write: (own: unknown, config?: Readonly<Record<string, unknown>>) => unknown
}

const activationTable: readonly (readonly [published: string, own: Activation])[] = [
  ["gelu", "gelu"],
  ["gelu_python", "gelu"],
  ["gelu_new", "gelu-tanh"],
  ["gelu_pytorch_tanh", "gelu-tanh"],
  ["gelu_fast", "gelu-tanh"],
  ["quick_gelu", "gelu-quick"],
  ["silu", "silu"],
  ["swish", "silu"],
  ["relu", "relu"],
  ["tanh", "tanh"],
  ["sigmoid", "sigmoid"],
]

/** Published names of activations. */
export const activationCodec: Codec = {
  read: published => activationTable.find(([name]) => name === published)?.[1] ?? published,
  write: own => activationTable.find(([, name]) => name === own)![0],
}

const scalingSchema: z.ZodType<RopeScaling> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("linear"), factor: z.number().min(1) }),
  z.strictObject({ kind: z.literal("dynamic"), factor: z.number().min(1) }),
  z.strictObject({
    kind: z.literal("llama3"),
    factor: z.number().min(1),
    lowFrequencyFactor: z.number().positive(),
    highFrequencyFactor: z.number().positive(),
    originalContext: z.number().int().min(1),
  }),
  z.strictObject({
    kind: z.literal("yarn"),
    factor: z.number().min(1),
    attentionFactor: z.number().positive().optional(),
    betaFast: z.number().positive().optional(),
    betaSlow: z.number().positive().optional(),
    originalContext: z.number().int().min(1).optional(),
  }),
  z.strictObject({
    kind: z.literal("longrope"),
    shortFactors: z.array(z.number().positive()).min(1),
    longFactors: z.array(z.number().positive()).min(1),
    attentionFactor: z.number().positive().optional(),
    originalContext: z.number().int().min(2).optional(),
    factor: z.number().min(1).optional(),
  }),
])

const scalingKeys: Readonly<Record<string, string>> = {
  factor: "factor",
  low_freq_factor: "lowFrequencyFactor",
  high_freq_factor: "highFrequencyFactor",
  original_max_position_embeddings: "originalContext",
  attention_factor: "attentionFactor",
  beta_fast: "betaFast",
  beta_slow: "betaSlow",
  short_factor: "shortFactors",
  long_factor: "longFactors",
}

/** Published `rope_scaling`: its kind is `rope_type`, or `type` in older files; `default` is none, `su` an old name of `longrope`. */
export const ropeScalingCodec: Codec = {
  read: published => {
    if (typeof published !== "object" || published === null) return published
    const { rope_type, type, ...rest } = published as Record<string, unknown>
    const kind = (rope_type ?? type) === "su" ? "longrope" : (rope_type ?? type)
    if (kind === "default") return null
    const own: Record<string, unknown> = { kind }
    for (const [key, value] of Object.entries(rest)) {
      // these two name it for other software
      if (key === "original_max_position_embeddings" && (kind === "linear" || kind === "dynamic")) continue
      if (value !== null) own[scalingKeys[key] ?? key] = value
    }
    return own
  },
  write: own => {
    if (own === null) return null
    const { kind, ...rest } = own as RopeScaling
    const names = new Map(Object.entries(scalingKeys).map(([published, name]) => [name, published]))
    return {
      ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [names.get(key)!, value])),
      rope_type: kind,
    }
  },
}

const count = z.number().int().min(1)
const token = z.number().int().min(0).nullable()

/** Schemas that options of several families share. */
export const kinds = {
  count,
  rate: z.number().min(0).lt(1),
  activation: z.enum(activationNames as readonly [Activation, ...Activation[]]),
  ropeScaling: scalingSchema.nullable(),
  token,
}

/** Options every language model has: special tokens, and how weights begin. */
export const sharedOptions = {
  deviation: option(z.number().min(0), "standard deviation of random weights", {
    default: 0.02,
    alias: "initializer_range",
  }),
  beginToken: option(token, "id of the token a text begins with", { default: null, alias: "bos_token_id" }),
  endToken: option(
    z.union([z.number().int().min(0), z.array(z.number().int().min(0)).min(1)]).nullable(),
    "id of the token a text ends with, or several",
    { default: null, alias: "eos_token_id" },
  ),
  padToken: option(token, "id of the token that fills short rows", { default: null, alias: "pad_token_id" }),
}

/** Options of classifiers. */
export const classifierOptions = {
  labels: option(z.array(z.string()).min(1), "names of the classes of a classifier", {
    default: ["LABEL_0", "LABEL_1"],
  }),
  problem: option(
    z.enum(["regression", "single_label_classification", "multi_label_classification"]).nullable(),
    "loss of a classifier; found from the labels where null",
    { default: null, alias: "problem_type" },
  ),
}

/** Keys of published configurations that do not change what is computed here: provenance, generation defaults, other software's switches. */
export const harmlessKeys: ReadonlySet<string> = new Set(
  `model_type architectures transformers_version torch_dtype dtype use_cache task_specific_params finetuning_task
  max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p
  repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
  output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values
  exponential_decay_length_penalty suppress_tokens begin_suppress_tokens prefix tokenizer_class return_dict
  output_hidden_states output_attentions torchscript use_bfloat16 tf_legacy_loss sep_token_id decoder_start_token_id
  label2id num_labels is_decoder gradient_checkpointing chunk_size_feed_forward attn_implementation pretraining_tp
  transformers.js_config auto_map unsloth_version unsloth_fixed is_llama_config`.split(/\s+/),
)

/** Keys that must have one of these values where they stand: anything else would be another model. */
export const fixedKeys: Readonly<Record<string, readonly unknown[]>> = {
  is_encoder_decoder: [false],
  add_cross_attention: [false],
  tie_encoder_decoder: [false],
  cross_attention_hidden_size: [null],
  pruned_heads: [null],
  quantization_config: [null],
  rope_interleaved: [false, null],
}

/** Checks a key that must have one of the allowed values. Throws ValueError. */
export function checkFixed(source: string, key: string, value: unknown, allowed: readonly unknown[]): void {
  const empty = typeof value === "object" && value !== null && Object.keys(value).length === 0
  if (!allowed.includes(value) && !(empty && allowed.includes(null)))
    throw new ValueError(
      `${source}: expected ${key} to be ${allowed.map(one => JSON.stringify(one)).join(" or ")}, but got ${JSON.stringify(value)}`,
      "this changes what is computed in a way that is not built here",
    )
}

/** Checks that heads share the width evenly. Throws ValueError. */
export function checkHeads(what: string, { width, heads }: { readonly width: number; readonly heads: number }): void {
  if (width % heads !== 0)
    throw new ValueError(
      `${what}: expected a width that ${heads} heads share evenly, but got ${width}`,
      `the nearest is ${Math.max(1, Math.round(width / heads)) * heads}`,
    )
}
