// What every model takes and gives. Three kinds stand on it: encoders (this class alone), language models (language-model.ts) and
// encoder-decoders (encoder-decoder.ts).

import type { KeyValueCache, Memory } from "../nn/index.ts"
import { Module } from "../nn/index.ts"
import type { Tensor } from "../tensor/index.ts"

/** What a call of a model may use besides its input. A model refuses what it has no use for. */
export interface ForwardOptions {
  /** [B S], bool or whole numbers: false or 0 at padding, which nobody sees; or [B T S]. S is T, or the capacity of the cache. */
  readonly attentionMask?: Tensor
  /** i32 [T] or [B T]; offset, offset + 1, … by default. */
  readonly positionIds?: Tensor
  /** i32 [B T]: which segment each token is of (BERT); 0 by default. */
  readonly tokenTypeIds?: Tensor
  /**
   * Models that write: i32 [B T], the ids themselves with -100 where nothing is asked (a decoder-only model shifts them inside). Masked
   * models and token classifiers: i32 [B T], -100 where nothing is asked. Classifiers: i32 [B], or f32 [B N].
   */
  readonly labels?: Tensor
  /** Decoder-only models, instead of labels: i32 [B T], the id that follows each position, or -100. */
  readonly targets?: Tensor
  /** Keys and values of earlier positions; needs `offset`. */
  readonly cache?: KeyValueCache
  /** i32 scalar, known when the program runs: position of the first of these ids in the cache. */
  readonly offset?: Tensor
  /** Decoders with cross-attention: keys and values of what they attend to, one a layer. */
  readonly memory?: readonly Memory[]
  /** [B S] over the memory: false or 0 at padding. */
  readonly memoryMask?: Tensor
  /** Encoder-decoders: i32 [B T], what the decoder reads; made of the labels where it is left out. */
  readonly decoderInputIds?: Tensor
  /** Encoder-decoders: [B T], false or 0 at padding of the decoder's ids. */
  readonly decoderAttentionMask?: Tensor
  /** Inner values to give besides. */
  readonly outputs?: OutputRequest
}

/** Inner values that are asked for. */
export interface OutputRequest {
  /** The residual stream [B T D]: embeddings, then after each block, the last one after the final norm where the stack ends in one. */
  readonly hiddenStates?: boolean
  /** Attention weights [B H T S] of each block. */
  readonly attentions?: boolean
}

/** What a model gives. Nothing is computed that nobody asks for: with a loss alone, the logits never exist. */
export interface ModelOutput {
  /** The stream at the end of the stack [B T D]. */
  readonly hidden: Tensor
  /** [B T V], or [B N] of a classifier; absent where the model has no head. */
  readonly logits?: Tensor
  /** Mean loss, where labels or targets were given. */
  readonly loss?: Tensor
  /** One vector for a whole input [B D], of models that have a pooler. */
  readonly pooled?: Tensor
  readonly hiddenStates?: readonly Tensor[]
  readonly attentions?: readonly Tensor[]
}

/** A model that can be saved, loaded and looked into. Taps: `hidden.0` … `hidden.L`, and those of its blocks. */
export abstract class Model extends Module {
  /** The name of its family, as in `model_type`. */
  abstract readonly family: string
  /** What it was built from. */
  abstract readonly config: Readonly<Record<string, unknown>>
  /** Number of blocks. */
  abstract readonly depth: number
  /** Token ids i32 [B T] (or what else the family reads: pixels, sound) -> what it gives. */
  abstract override forward(input: Tensor, options?: ForwardOptions): ModelOutput
}
