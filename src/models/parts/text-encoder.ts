// Text encoders (Devlin et al. 2019, "BERT: pre-training of deep bidirectional Transformers", and its descendants): embeddings, a stack
// of blocks that see in both directions, a pooler where there is one, and a head.

import { z } from "zod"
import { type Options, option } from "../../config/index.ts"
import {
  type BlockContext,
  type PostNormBlock,
  positionsFrom,
  type TokenEmbeddings,
  throughBlocks,
} from "../../nn/index.ts"
import { HeedError, type Tensor, ValueError } from "../../tensor/index.ts"
import { describeModel } from "../language-model.ts"
import { Model, type OutputRequest } from "../model.ts"
import { classifierOptions, kinds, sharedOptions } from "../published.ts"
import { stacked, type WeightRule } from "../weight-names.ts"
import type { EncoderHead, EncoderOptions, EncoderOutput, Pooler } from "./encoder-heads.ts"
import { checkIds, checkOptions, maskOf, positionsOf } from "./inputs.ts"
import { withOutputs } from "./outputs.ts"

/** What a text encoder's blocks are called with besides the stream, and how its inner values are given. */
export interface EncoderReading<O extends EncoderOptions, R extends EncoderOutput> {
  /** Options of a call that it uses. */
  readonly takes: readonly (keyof O & string)[]
  context(ids: Tensor, options: O): BlockContext
  inner(output: EncoderOutput, context: BlockContext, outputs: OutputRequest | undefined, depth: number): R
}

const plainReading = <O extends EncoderOptions, R extends EncoderOutput>(): EncoderReading<O, R> => ({
  takes: [],
  context: maskOf,
  inner: (output, _, outputs, depth) => withOutputs(output as R, outputs, depth),
})

/** A model that reads text in both directions. O, R: further options and outputs, of encoders whose `reading` has them. */
export abstract class TextEncoder<
  O extends EncoderOptions = EncoderOptions,
  R extends EncoderOutput = EncoderOutput,
> extends Model {
  /** Tokens it can read at once. */
  abstract readonly context: number
  abstract readonly embeddings: TokenEmbeddings
  abstract readonly blocks: readonly PostNormBlock[]
  /** One vector for the whole input, of models that have one. */
  abstract readonly pooler: Pooler | null
  abstract readonly head: EncoderHead | null
  protected readonly reading: EncoderReading<O, R> = plainReading()
  /** Positions that are counted where none are given, i32 [T] or [B T]. */
  protected abstract positions(ids: Tensor): Tensor

  get depth(): number {
    return this.blocks.length
  }

  /** Token ids i32 [B T], or embeddings f32 [B T D] -> the stream, scores of the head, and what else was asked for. */
  forward(ids: Tensor, options = {} as O): R {
    const segments = this.embeddings.segments ? (["tokenTypeIds"] as const) : []
    const { reading, head } = this
    const taken = [
      ...segments,
      "attentionMask",
      "positionIds",
      ...reading.takes,
      ...(head?.takes ?? []),
      "outputs",
    ] as const
    checkIds(this.family, ids, this.context)
    checkOptions(this.family, options, taken)
    const context = reading.context(ids, options)
    const positions = options.positionIds ? positionsOf(ids, options) : this.positions(ids)
    const x = this.embeddings.forward(ids, positions, options.tokenTypeIds)
    const hidden = throughBlocks(x, this.blocks, (block, x) => block.forward(x, context)) // [B T D]
    const pooled = this.pooler?.forward(hidden) ?? null
    const scores = head?.forward({ hidden, pooled }, options) ?? {}
    return reading.inner({ hidden, ...(pooled ? { pooled } : {}), ...scores }, context, options.outputs, this.depth)
  }
}

/** The model as a text encoder. Throws HeedError where it is of another kind. */
export function textEncoder(what: string, model: Model): TextEncoder {
  if (model instanceof TextEncoder) return model
  throw new HeedError(
    `${what}: expected a model that reads text in both directions, but got ${describeModel(model)}`,
    "such models are bert, roberta, distilbert and longformer",
  )
}

/** Positions 0, 1, … of ids [B T], i32 [T]. */
export const countedPositions = (ids: Tensor): Tensor => positionsFrom(ids.shape[1]!)

/** Checks that the padding token is one of the vocabulary. Throws ValueError. */
export function checkPadding(
  what: string,
  { padToken, vocabulary }: { readonly padToken: number | null; readonly vocabulary: number },
): void {
  if (padToken !== null && padToken >= vocabulary)
    throw new ValueError(
      `${what}: expected a padding token of the vocabulary, 0 to ${vocabulary - 1}, but got ${padToken}`,
      "pad_token_id and vocab_size of config.json belong together",
    )
}

/** Options that BERT and RoBERTa share. */
export const bertOptions = {
  width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "hidden_size" }),
  layers: option(kinds.count, "number of blocks L", { default: 12, alias: "num_hidden_layers" }),
  heads: option(kinds.count, "attention heads H", { default: 12, alias: "num_attention_heads" }),
  inner: option(kinds.count, "width of feed-forward layers F", { default: 3072, alias: "intermediate_size" }),
  activation: option(kinds.activation, "activation of feed-forward layers", { default: "gelu", alias: "hidden_act" }),
  dropout: option(kinds.rate, "rate of dropped elements in training", { default: 0.1, alias: "hidden_dropout_prob" }),
  attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
    default: 0.1,
    alias: "attention_probs_dropout_prob",
  }),
  classifierDropout: option(kinds.rate.nullable(), "rate of dropped inputs of a classifier; as dropout where null", {
    default: null,
    alias: "classifier_dropout",
  }),
  epsilon: option(z.number().positive(), "added to the variance in normalizations", {
    default: 1e-12,
    alias: "layer_norm_eps",
  }),
  tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
    default: true,
    alias: "tie_word_embeddings",
  }),
  ...classifierOptions,
  ...sharedOptions,
} satisfies Options

/** Published names of embeddings and blocks of BERT and RoBERTa, below `prefix`. */
export function bertNames(prefix: string): WeightRule<{ readonly width: number }>[] {
  const [embeddings, layer] = [`${prefix}embeddings`, `${prefix}encoder.layer.*`]
  const projections = ["query", "key", "value"]
  const thirds = ({ width }: { readonly width: number }): number[] => [width, width, width]
  const part = (kind: string): WeightRule<{ readonly width: number }>[] =>
    stacked(
      projections.map(name => `${layer}.attention.self.${name}.${kind}`),
      `blocks.*.attention.qkv.${kind}`,
      thirds,
    )
  return [
    [`${embeddings}.word_embeddings.weight`, "embeddings.tokens.weight"],
    [`${embeddings}.position_embeddings.weight`, "embeddings.positions.weight"],
    [`${embeddings}.token_type_embeddings.weight`, "embeddings.segments.weight"],
    [`${embeddings}.LayerNorm.*`, "embeddings.norm.*"],
    ...part("weight"),
    ...part("bias"),
    [`${layer}.attention.output.dense.*`, "blocks.*.attention.out.*"],
    [`${layer}.attention.output.LayerNorm.*`, "blocks.*.attentionNorm.*"],
    [`${layer}.intermediate.dense.*`, "blocks.*.feedForward.up.*"],
    [`${layer}.output.dense.*`, "blocks.*.feedForward.down.*"],
    [`${layer}.output.LayerNorm.*`, "blocks.*.feedForwardNorm.*"],
  ]
}

/** Endings of names that files converted from the original TensorFlow checkpoints have. */
export const oldNormNames = [
  ["LayerNorm.gamma", "LayerNorm.weight"],
  ["LayerNorm.beta", "LayerNorm.bias"],
] as const
