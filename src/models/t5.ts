// T5 (Raffel et al. 2020, "Exploring the limits of transfer learning with a unified text-to-text Transformer"), 1.0 and 1.1: pre-norm
// with RMSNorm, no biases, scores that are not scaled, and a learned bias by distance that all blocks of a stack share.

import {
  CrossAttention,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  type Memory,
  PreNormBlock,
  RelativeBias,
  RMSNorm,
  SelfAttention,
  Stack,
} from "../nn/index.ts"
import { concat, full, type Parameter, type Tensor } from "../tensor/index.ts"
import { defineModel, type ModelFamily } from "./definition.ts"
import { type DecodeOptions, type Encoded, EncoderDecoder, shiftRight } from "./encoder-decoder.ts"
import type { CacheRequest } from "./language-model.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { type HeadOutput, VocabularyHead } from "./parts/heads.ts"
import { checkIds, checkOptions, embedded, keyMask, maskOf, memoryMaskOf } from "./parts/inputs.ts"
import { collectOutputs, stackTaps } from "./parts/outputs.ts"
import { activationCodec } from "./published.ts"
import { feedForwardWord, spelledOut, type T5Config, t5Options, t5Weights } from "./t5-config.ts"

/** The rows of a weight that make queries begin smaller by √K: their scores are not divided by it. */
function beginUnscaled(weight: Parameter, { heads, headWidth }: T5Config): void {
  const [rows, queries] = [weight.shape[0]!, heads * headWidth]
  const small = full([queries, 1], headWidth ** -0.5)
  const factors = rows === queries ? small : concat([small, full([rows - queries, 1], 1)], 0)
  weight.assign(weight.mul(factors).cast(weight.dtype))
}

function stack(config: T5Config, init: Initializer, layers: number, decoder: boolean): Stack {
  const { width, heads, headWidth, inner, dropout, epsilon, spread, buckets, maxDistance } = config
  const deviation = spread * width ** -0.5
  const norm = (): RMSNorm => new RMSNorm(init, width, { epsilon })
  const attention = {
    heads,
    headWidth,
    scale: 1,
    bias: false,
    dropout,
    deviation,
    outDeviation: spread * (heads * headWidth) ** -0.5,
  }
  const block = (): PreNormBlock => {
    const self = new SelfAttention(init, width, { ...attention, causal: decoder })
    const cross = decoder ? new CrossAttention(init, width, attention) : null
    beginUnscaled(self.qkv!.weight, config)
    if (cross) beginUnscaled(cross.query.weight, config)
    return new PreNormBlock({
      attentionNorm: norm(),
      attention: self,
      ...(cross ? { cross: { norm: norm(), attention: cross } } : {}),
      feedForwardNorm: norm(),
      feedForward: new FeedForward(init, width, {
        inner,
        activation: config.activation,
        gated: config.gated,
        bias: false,
        dropout,
        deviation,
        outDeviation: spread * inner ** -0.5,
      }),
      dropout,
    })
  }
  return new Stack({
    relativeBias: new RelativeBias(init, heads, { buckets, maxDistance, bidirectional: !decoder, deviation }),
    dropout,
    blocks: Array.from({ length: layers }, block),
    norm: norm(),
    outDropout: dropout,
  })
}

function encodeIds(tokens: Embedding, encoder: Stack, ids: Tensor, { attentionMask }: ForwardOptions): Encoded {
  const { B, T: S } = checkIds("t5 encoder", ids, Number.POSITIVE_INFINITY)
  const mask = attentionMask ? { mask: keyMask("attentionMask", attentionMask, B, S) } : {}
  const hidden = encoder.forward(embedded(tokens, ids), mask)
  return { hidden, ...(attentionMask ? { mask: attentionMask } : {}) }
}

/** T5. Its texts may be of any length. */
export class T5 extends EncoderDecoder {
  readonly family = "t5"
  readonly config: T5Config
  readonly tokens: Embedding
  readonly encoder: Stack
  readonly decoder: Stack
  readonly head: VocabularyHead

  constructor(config: T5Config, init: Initializer) {
    super()
    const { vocabulary, width, layers, decoderLayers, spread } = config
    this.config = config
    this.tokens = new Embedding(init, vocabulary, width, { deviation: spread })
    this.encoder = stack(config, init, layers, false)
    this.decoder = stack(config, init, decoderLayers ?? layers, true)
    this.head = new VocabularyHead(init, this.tokens, { tied: config.tieEmbeddings, deviation: spread })
  }

  get context(): number {
    return Number.POSITIVE_INFINITY
  }

  get depth(): number {
    return this.decoder.blocks.length
  }

  get encoderDepth(): number {
    return this.encoder.blocks.length
  }

  encode(ids: Tensor, options: Pick<ForwardOptions, "attentionMask"> = {}): Encoded {
    return this.within(() => encodeIds(this.tokens, this.encoder, ids, options))
  }

  remember(hidden: Tensor): readonly Memory[] {
    return this.within(() => this.decoder.remember(hidden))
  }

  decode(ids: Tensor, options: DecodeOptions): Tensor {
    checkIds("t5 decoder", ids, this.context)
    const { cache, offset, memory } = options // only distances count: positionIds say nothing new
    const context = {
      ...maskOf(ids, options),
      ...(cache ? { cache } : {}),
      ...(offset ? { offset } : {}),
      memory,
      ...memoryMaskOf(ids, options),
    }
    return this.within(() => this.decoder.forward(embedded(this.tokens, ids), context))
  }

  /** What the output weights multiply: rows of the token embedding are larger than output weights begin, by √D. */
  #scaled(hidden: Tensor): Tensor {
    return this.config.tieEmbeddings ? hidden.mul(this.config.width ** -0.5) : hidden
  }

  project(hidden: Tensor): Tensor {
    return this.head.project(this.#scaled(hidden))
  }

  score(hidden: Tensor, labels: Tensor | undefined): HeadOutput {
    return this.head.forward(this.#scaled(hidden), labels)
  }

  decoderInputs(labels: Tensor): Tensor {
    const { startToken, padToken } = this.config
    return shiftRight(labels, startToken ?? padToken, padToken)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { heads: groups, headWidth } = this.config
    return new KeyValueCache({ layers: this.depth, batch, groups, capacity, headWidth, dtype })
  }
}

/** The encoder of T5 alone, for vectors of texts. */
export class T5Encoder extends Model {
  readonly family = "t5"
  readonly config: T5Config
  readonly tokens: Embedding
  readonly encoder: Stack

  constructor(config: T5Config, init: Initializer) {
    super()
    this.config = config
    this.tokens = new Embedding(init, config.vocabulary, config.width, { deviation: config.spread })
    this.encoder = stack(config, init, config.layers, false)
  }

  get depth(): number {
    return this.encoder.blocks.length
  }

  forward(ids: Tensor, options: ForwardOptions = {}): ModelOutput {
    checkOptions("t5 encoder", options, ["attentionMask", "outputs"])
    const { hidden } = encodeIds(this.tokens, this.encoder, ids, options)
    return collectOutputs<ModelOutput>(
      { hidden },
      {
        ...(options.outputs?.hiddenStates ? { hiddenStates: stackTaps.hidden(this.depth, "encoder.") } : {}),
        ...(options.outputs?.attentions ? { attentions: stackTaps.attention(this.depth, "encoder.") } : {}),
      },
    )
  }
}

const family = defineModel({
  name: "t5",
  config: t5Options,
  architectures: {
    generation: ["T5ForConditionalGeneration", "T5WithLMHeadModel", "T5Model"],
    encoder: "T5EncoderModel",
  },
  build: (config, init): T5 | T5Encoder =>
    config.head === "encoder" ? new T5Encoder(config, init) : new T5(config, init),
  codecs: { activation: activationCodec },
  fixed: { is_encoder_decoder: [true, false] }, // false in files of the encoder
  harmless: ["n_positions", "output_past", "classifier_dropout"],
  weights: t5Weights,
})

/** The T5 family. */
export const t5: ModelFamily<T5Config, T5 | T5Encoder> = {
  ...family,
  readConfig: (published, options) => family.readConfig(spelledOut(published, options?.source), options),
  writeConfig: config => ({ ...family.writeConfig(config), feed_forward_proj: feedForwardWord(config) }),
}
