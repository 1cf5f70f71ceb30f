// Encoder-decoders (Vaswani et al. 2017): an encoder reads the whole input, a decoder writes while it attends to what was read.

import type { KeyValueCache, Memory } from "../nn/index.ts"
import { concat, full, HeedError, ShapeError, type Tensor, where } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import type { CacheRequest, LanguageOutput } from "./language-model.ts"
import { type ForwardOptions, Model } from "./model.ts"
import type { HeadOutput } from "./parts/heads.ts"
import { checkOptions } from "./parts/inputs.ts"
import { collectOutputs, stackTaps } from "./parts/outputs.ts"

/** What the encoder gives. */
export interface Encoded {
  /** [B S D] */
  readonly hidden: Tensor
  /** [B S] over it, where some of it is padding. */
  readonly mask?: Tensor
}

/** What a decoder's call uses. */
export type DecodeOptions = Pick<
  ForwardOptions,
  "attentionMask" | "positionIds" | "cache" | "offset" | "memoryMask"
> & { readonly memory: readonly Memory[] }

/** What an encoder-decoder gives: `hidden`, `hiddenStates` and `attentions` are the decoder's. */
export interface EncoderDecoderOutput extends LanguageOutput {
  /** [B S D] */
  readonly encoderHidden: Tensor
  /** Weights [B H T S] of each decoder block over the encoder's output. */
  readonly crossAttentions?: readonly Tensor[]
  readonly encoderHiddenStates?: readonly Tensor[]
  readonly encoderAttentions?: readonly Tensor[]
}

/** A model of two stacks, whose modules are named `encoder` and `decoder`; its methods run them `within` the model, so that taps are found. */
export abstract class EncoderDecoder extends Model {
  /** Positions the decoder can see at once. */
  abstract readonly context: number
  /** Blocks of the encoder; `depth` counts the decoder's. */
  abstract readonly encoderDepth: number

  /** Reads the input: token ids i32 [B S] with their `attentionMask`, or pixels, or sound. */
  abstract encode(input: Tensor, options?: Pick<ForwardOptions, "attentionMask">): Encoded
  /** Keys and values of the encoder's output for each decoder block, made once for a whole generation. */
  abstract remember(hidden: Tensor): readonly Memory[]
  /** Ids i32 [B T] -> the decoder's stream [B T D] at the end of its stack. */
  abstract decode(ids: Tensor, options: DecodeOptions): Tensor
  /** Logits [… V] of the decoder's stream [… D]. */
  abstract project(hidden: Tensor): Tensor
  /** Logits, and the loss where there are labels [B T] (not shifted: the decoder's input was). */
  abstract score(hidden: Tensor, labels: Tensor | undefined): HeadOutput
  /** What the decoder reads to write the labels [B T], in which -100 counts as padding. */
  abstract decoderInputs(labels: Tensor): Tensor
  /** An empty cache of the decoder's own keys and values. Throws ValueError for a capacity beyond the context. */
  abstract createCache(request: CacheRequest): KeyValueCache

  /** The encoder's input, with `decoderInputIds` or `labels` -> logits, loss and what else was asked for. */
  forward(input: Tensor, options: ForwardOptions = {}): EncoderDecoderOutput {
    checkOptions(this.family, options, encoderDecoderOptions)
    const { labels } = options
    const ids = options.decoderInputIds ?? (labels ? this.decoderInputs(labels) : null)
    if (!ids)
      throw new HeedError(
        `${this.family}: expected decoderInputIds or labels, but got neither`,
        "the decoder needs something to read; generate() writes by itself",
      )
    if (labels && formatShape(labels.shape) !== formatShape(ids.shape))
      throw new ShapeError(
        `labels: expected ${formatShape(ids.shape)} as the decoder's ids, but got ${formatShape(labels.shape)}`,
      )
    return throughStacks(this, input, ids, options, hidden => this.score(hidden, labels))
  }
}

/** The options of every encoder-decoder. */
export const encoderDecoderOptions = [
  "attentionMask",
  "labels",
  "decoderInputIds",
  "decoderAttentionMask",
  "outputs",
] as const satisfies readonly (keyof ForwardOptions)[]

/** What two stacks give without a head. */
export type StacksOutput = Omit<EncoderDecoderOutput, "logits" | "loss">

/** Encodes the input, decodes ids [B T] over it, and puts a head on the decoder's stream; with the inner values that are asked for. */
export function throughStacks<H extends object>(
  model: Pick<EncoderDecoder, "encode" | "remember" | "decode" | "depth" | "encoderDepth">,
  input: Tensor,
  ids: Tensor,
  { attentionMask, decoderAttentionMask, outputs }: ForwardOptions,
  head: (hidden: Tensor) => H,
): H & StacksOutput {
  const { depth, encoderDepth } = model
  const { hidden: encoderHidden, mask } = model.encode(input, attentionMask ? { attentionMask } : {})
  const hidden = model.decode(ids, {
    memory: model.remember(encoderHidden),
    ...(mask ? { memoryMask: mask } : {}),
    ...(decoderAttentionMask ? { attentionMask: decoderAttentionMask } : {}),
  })
  const output: H & StacksOutput = { hidden, encoderHidden, ...head(hidden) }
  return collectOutputs(output, {
    ...(outputs?.hiddenStates
      ? {
          hiddenStates: stackTaps.hidden(depth, "decoder."),
          encoderHiddenStates: stackTaps.hidden(encoderDepth, "encoder."),
        }
      : {}),
    ...(outputs?.attentions
      ? {
          attentions: stackTaps.attention(depth, "decoder."),
          crossAttentions: stackTaps.attention(depth, "decoder.", "cross"),
          encoderAttentions: stackTaps.attention(encoderDepth, "encoder."),
        }
      : {}),
  })
}

/** Labels one position later behind `start`, with `padding` in place of -100: what a decoder reads to write them. i32 [B T] -> [B T]. */
export function shiftRight(labels: Tensor, start: number, padding: number): Tensor {
  const [B, T] = labels.shape as [number, number]
  const first = full([B, 1], start, "i32")
  const shifted = T === 1 ? first : concat([first, labels.slice(1, 0, T - 1)], 1)
  return where(shifted.eq(-100), full([], padding, "i32"), shifted)
}
