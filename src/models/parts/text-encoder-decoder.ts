// What BART, mBART, Pegasus and Marian share, all of them encoder-decoders of texts published with the same names and options: the
// stacks and their calls. Each family says which positions, norms and labels it has.

import {
  CrossAttention,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  type Layer,
  LayerNorm,
  type Memory,
  PostNormBlock,
  PreNormBlock,
  SelfAttention,
  Stack,
} from "../../nn/index.ts"
import type { Tensor } from "../../tensor/index.ts"
import { type DecodeOptions, type Encoded, EncoderDecoder } from "../encoder-decoder.ts"
import { type CacheRequest, checkCapacity } from "../language-model.ts"
import type { ForwardOptions } from "../model.ts"
import { type HeadOutput, VocabularyHead } from "./heads.ts"
import { checkIds, embedded, keyMask, maskOf, memoryMaskOf, positionsOf } from "./inputs.ts"
import type { TextConfig } from "./text-encoder-decoder-config.ts"

/** What the families' stacks differ in. */
export interface TextForm {
  /** Where norms stand: before attention and feed-forward, with one behind the last block, or after each sum. */
  readonly norms: "before" | "after"
  /** Whether embeddings are normalized. */
  readonly embeddingNorm: boolean
  /** The positions of one stack. */
  readonly positions: (init: Initializer, config: TextConfig) => Layer
  /** Tokens of the decoder, where they are not those of the encoder. */
  readonly decoderVocabulary?: number | null
}

/** The parts of a model that reads and writes texts. */
export interface TextParts {
  readonly family: string
  readonly config: TextConfig
  readonly tokens: Embedding
  /** Null where the decoder has the tokens of the encoder. */
  readonly decoderTokens: Embedding | null
  readonly encoder: Stack
  readonly decoder: Stack
}

/** Builds tokens and stacks. */
export function textParts(
  config: TextConfig,
  init: Initializer,
  form: TextForm,
): Pick<TextParts, "tokens" | "decoderTokens" | "encoder" | "decoder"> {
  const { width, deviation, padToken: paddingIndex } = config
  const { decoderVocabulary = null } = form
  const table = (vocabulary: number): Embedding => new Embedding(init, vocabulary, width, { deviation, paddingIndex })
  return {
    tokens: table(config.vocabulary),
    decoderTokens: decoderVocabulary === null ? null : table(decoderVocabulary),
    encoder: stack(config, init, form, {
      layers: config.encoderLayers,
      heads: config.encoderHeads,
      inner: config.encoderInner,
      cross: false,
    }),
    decoder: stack(config, init, form, {
      layers: config.decoderLayers,
      heads: config.decoderHeads,
      inner: config.decoderInner,
      cross: true,
    }),
  }
}

interface StackSizes {
  readonly layers: number
  readonly heads: number
  readonly inner: number
  /** Whether it is the decoder. */
  readonly cross: boolean
}

function stack(
  config: TextConfig,
  init: Initializer,
  form: TextForm,
  { layers, heads, inner, cross }: StackSizes,
): Stack {
  const { width, deviation, dropout } = config
  const attention = { heads, dropout: config.attentionDropout, deviation }
  const Block = form.norms === "before" ? PreNormBlock : PostNormBlock
  const block = (): PreNormBlock | PostNormBlock =>
    new Block({
      attention: new SelfAttention(init, width, { ...attention, causal: cross }),
      attentionNorm: new LayerNorm(init, width),
      ...(cross
        ? { cross: { attention: new CrossAttention(init, width, attention), norm: new LayerNorm(init, width) } }
        : {}),
      feedForward: new FeedForward(init, width, {
        inner,
        activation: config.activation,
        dropout: config.innerDropout,
        deviation,
      }),
      feedForwardNorm: new LayerNorm(init, width),
      dropout,
    })
  return new Stack({
    positions: form.positions(init, config),
    ...(form.embeddingNorm ? { embeddingNorm: new LayerNorm(init, width) } : {}),
    dropout,
    blocks: Array.from({ length: layers }, block),
    ...(form.norms === "before" ? { norm: new LayerNorm(init, width) } : {}),
  })
}

/** Rows of the tokens, scaled; embeddings in their place pass as they are. */
function tokensOf({ config }: TextParts, tokens: Embedding, ids: Tensor): Tensor {
  const x = embedded(tokens, ids)
  return config.scaleEmbedding && ids.dtype === "i32" ? x.mul(Math.sqrt(config.width)) : x
}

/** Ids i32 [B S] through the encoder -> [B S D]. */
export function encodeText(
  parts: TextParts,
  ids: Tensor,
  { attentionMask }: Pick<ForwardOptions, "attentionMask">,
): Encoded {
  const { B, T: S } = checkIds(`${parts.family} encoder`, ids, parts.config.context)
  const hidden = parts.encoder.forward(tokensOf(parts, parts.tokens, ids), {
    positions: positionsOf(ids, {}),
    ...(attentionMask ? { mask: keyMask("attentionMask", attentionMask, B, S) } : {}),
  })
  return { hidden, ...(attentionMask ? { mask: attentionMask } : {}) }
}

/** Ids i32 [B T] through the decoder -> [B T D]. */
export function decodeText(parts: TextParts, ids: Tensor, options: DecodeOptions): Tensor {
  checkIds(`${parts.family} decoder`, ids, parts.config.context)
  const { cache, offset, memory } = options
  return parts.decoder.forward(tokensOf(parts, parts.decoderTokens ?? parts.tokens, ids), {
    positions: positionsOf(ids, options),
    ...maskOf(ids, options),
    ...(cache ? { cache } : {}),
    ...(offset ? { offset } : {}),
    memory,
    ...memoryMaskOf(ids, options),
  })
}

/** An encoder-decoder of texts; a family adds its name and how the decoder's input is made of labels. */
export abstract class TextEncoderDecoder extends EncoderDecoder implements TextParts {
  readonly config: TextConfig
  readonly tokens: Embedding
  readonly decoderTokens: Embedding | null
  readonly encoder: Stack
  readonly decoder: Stack
  readonly head: VocabularyHead

  constructor(config: TextConfig, init: Initializer, form: TextForm) {
    super()
    const { tokens, decoderTokens, encoder, decoder } = textParts(config, init, form)
    this.config = config
    this.tokens = tokens
    this.decoderTokens = decoderTokens
    this.encoder = encoder
    this.decoder = decoder
    this.head = new VocabularyHead(init, decoderTokens ?? tokens, {
      tied: config.tieEmbeddings,
      deviation: config.deviation,
      bias: "fixed",
    })
  }

  get context(): number {
    return this.config.context
  }

  get depth(): number {
    return this.config.decoderLayers
  }

  get encoderDepth(): number {
    return this.config.encoderLayers
  }

  encode(ids: Tensor, options: Pick<ForwardOptions, "attentionMask"> = {}): Encoded {
    return this.within(() => encodeText(this, ids, options))
  }

  remember(hidden: Tensor): readonly Memory[] {
    return this.within(() => this.decoder.remember(hidden))
  }

  decode(ids: Tensor, options: DecodeOptions): Tensor {
    return this.within(() => decodeText(this, ids, options))
  }

  project(hidden: Tensor): Tensor {
    return this.head.project(hidden)
  }

  score(hidden: Tensor, labels: Tensor | undefined): HeadOutput {
    return this.head.forward(hidden, labels)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { decoderLayers: layers, decoderHeads: groups, width } = this.config
    checkCapacity(capacity, this.context)
    return new KeyValueCache({ layers, batch, groups, capacity, headWidth: width / groups, dtype })
  }
}
