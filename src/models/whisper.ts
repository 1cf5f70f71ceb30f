// Whisper (Radford et al. 2022, "Robust speech recognition via large-scale weak supervision"): log-Mel features through two
// convolutions and a pre-norm encoder with sinusoidal positions; a decoder with learned positions writes what was said.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  type Activation,
  activation,
  Convolution1d,
  CrossAttention,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  LayerNorm,
  LearnedPositions,
  type Memory,
  Module,
  PreNormBlock,
  positionsFrom,
  SelfAttention,
  SinusoidalPositions,
  Stack,
} from "../nn/index.ts"
import { full, HeedError, ShapeError, type Tensor } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import { defineModel } from "./definition.ts"
import { type DecodeOptions, type Encoded, EncoderDecoder, shiftRight } from "./encoder-decoder.ts"
import { type CacheRequest, checkCapacity } from "./language-model.ts"
import type { ForwardOptions } from "./model.ts"
import { type HeadOutput, VocabularyHead } from "./parts/heads.ts"
import { checkIds, embedded, keyMask, maskOf, positionsOf } from "./parts/inputs.ts"
import { harmlessSpanKeys, hideSpans, spanOptions } from "./parts/speech-options.ts"
import { checkText, textDefinition, textOptions } from "./parts/text-encoder-decoder-config.ts"
import { kinds } from "./published.ts"
import type { WeightTable } from "./weight-names.ts"

const config = declare(
  {
    head: option(z.enum(["generation"]), "what the model answers", { default: "generation" }),
    ...textOptions({
      vocabulary: 51865,
      layers: 4,
      heads: 6,
      inner: 1536,
      activation: "gelu",
      scaleEmbedding: false,
      startToken: 50257,
      beginToken: 50256,
      endToken: 50256,
      padToken: 50256,
    }),
    width: option(kinds.count, "width of the residual stream D", { default: 384, alias: "d_model" }),
    dropout: option(kinds.rate, "rate of dropped embeddings and block outputs in training", {
      default: 0,
      alias: "dropout",
    }),
    mels: option(kinds.count, "mel filters of the features", { default: 80, alias: "num_mel_bins" }),
    soundContext: option(kinds.count, "positions the encoder sees at once, of two frames each", {
      default: 1500,
      alias: "max_source_positions",
    }),
    context: option(kinds.count, "positions the decoder sees at once", { default: 448, alias: "max_target_positions" }),
    ...spanOptions(false),
  },
  "whisper",
)

/** Options of Whisper. */
export type WhisperConfig = ValuesOf<typeof config>

/** Log-Mel features [B T mels] through two convolutions, the second of which halves the frames -> [B ceil(T/2) D]. */
class SoundStem extends Module {
  readonly first: Convolution1d
  readonly second: Convolution1d
  readonly #activation: (x: Tensor) => Tensor

  constructor(init: Initializer, mels: number, width: number, kind: Activation, deviation: number) {
    super()
    this.first = new Convolution1d(init, mels, width, { kernel: 3, padding: 1, deviation })
    this.second = new Convolution1d(init, width, width, { kernel: 3, stride: 2, padding: 1, deviation })
    this.#activation = activation(kind)
  }

  forward(x: Tensor): Tensor {
    return this.#activation(this.second.forward(this.#activation(this.first.forward(x))))
  }
}

function block(config: WhisperConfig, init: Initializer, part: "encoder" | "decoder"): PreNormBlock {
  const { width, deviation, dropout } = config
  const shape = { heads: config[`${part}Heads`], dropout: config.attentionDropout, deviation, keyBias: false }
  const cross = part === "decoder"
  return new PreNormBlock({
    attentionNorm: new LayerNorm(init, width),
    attention: new SelfAttention(init, width, { ...shape, fused: false, causal: cross }),
    ...(cross
      ? { cross: { norm: new LayerNorm(init, width), attention: new CrossAttention(init, width, shape) } }
      : {}),
    feedForwardNorm: new LayerNorm(init, width),
    feedForward: new FeedForward(init, width, {
      inner: config[`${part}Inner`],
      activation: config.activation,
      dropout: config.innerDropout,
      deviation,
    }),
    dropout,
  })
}

/** Whisper: what was said, from log-Mel features f32 [B mels T]. */
export class Whisper extends EncoderDecoder {
  readonly family = "whisper"
  readonly config: WhisperConfig
  readonly stem: SoundStem
  readonly encoder: Stack
  readonly tokens: Embedding
  readonly decoder: Stack
  readonly head: VocabularyHead

  constructor(config: WhisperConfig, init: Initializer) {
    super()
    const { width, deviation, dropout, mels, padToken: paddingIndex } = config
    this.config = config
    this.stem = new SoundStem(init, mels, width, config.activation, deviation)
    this.encoder = new Stack({
      positions: new SinusoidalPositions(config.soundContext, width, "stretched", { saved: true }),
      dropout,
      blocks: Array.from({ length: config.encoderLayers }, () => block(config, init, "encoder")),
      norm: new LayerNorm(init, width),
    })
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation, paddingIndex })
    this.decoder = new Stack({
      positions: new LearnedPositions(init, config.context, width, { deviation }),
      dropout,
      blocks: Array.from({ length: config.decoderLayers }, () => block(config, init, "decoder")),
      norm: new LayerNorm(init, width),
    })
    this.head = new VocabularyHead(init, this.tokens, { tied: config.tieEmbeddings, deviation })
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

  /** Log-Mel features f32 [B mels T], T up to twice the sound context (half a minute) -> [B ceil(T/2) D]. */
  encode(features: Tensor, options: Pick<ForwardOptions, "attentionMask"> = {}): Encoded {
    const { mels, soundContext } = this.config
    const T = features.shape[2] ?? 0
    if (features.rank !== 3 || features.dtype !== "f32" || features.shape[1] !== mels || T < 1 || T > 2 * soundContext)
      throw new ShapeError(
        `whisper: expected log-Mel features f32 [B ${mels} T] of up to ${2 * soundContext} frames, but got ${features.dtype} ${formatShape(features.shape)}`,
        "logMelExtractor of heed/media makes them",
      )
    if (options.attentionMask)
      throw new HeedError(
        "whisper: expected no attentionMask, which this model has no use for",
        "short sound is filled up with silence, which it hears",
      )
    return this.within(() => {
      const rows = features.permute([0, 2, 1])
      const silence = full([], 0)
      const x = this.stem.forward(this.training ? hideSpans(rows, this.config, silence, silence) : rows)
      return { hidden: this.encoder.forward(x, { positions: positionsFrom(x.shape[1]!) }) }
    })
  }

  remember(hidden: Tensor): readonly Memory[] {
    return this.within(() => this.decoder.remember(hidden))
  }

  decode(ids: Tensor, options: DecodeOptions): Tensor {
    const { B } = checkIds("whisper decoder", ids, this.context)
    const { cache, offset, memory, memoryMask } = options
    const { scaleEmbedding, width } = this.config
    return this.within(() => {
      const x = embedded(this.tokens, ids)
      return this.decoder.forward(scaleEmbedding ? x.mul(Math.sqrt(width)) : x, {
        positions: positionsOf(ids, options),
        ...maskOf(ids, options),
        ...(cache ? { cache } : {}),
        ...(offset ? { offset } : {}),
        memory,
        ...(memoryMask ? { memoryMask: keyMask("memoryMask", memoryMask, B, memory[0]!.k.shape[2]!) } : {}),
      })
    })
  }

  project(hidden: Tensor): Tensor {
    return this.head.project(hidden)
  }

  score(hidden: Tensor, labels: Tensor | undefined): HeadOutput {
    return this.head.forward(hidden, labels)
  }

  decoderInputs(labels: Tensor): Tensor {
    const { startToken, padToken } = this.config
    return shiftRight(labels, startToken ?? padToken, padToken)
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    const { decoderLayers: layers, decoderHeads: groups, width } = this.config
    checkCapacity(capacity, this.context)
    return new KeyValueCache({ layers, batch, groups, capacity, headWidth: width / groups, dtype })
  }
}

const stackRules = (["encoder", "decoder"] as const).flatMap((stack): WeightTable["rules"] => {
  const published = `model.${stack}.layers.*`
  const own = `${stack}.blocks.*`
  return [
    ...(["q_proj query", "k_proj key", "v_proj value", "out_proj out"] as const).flatMap(
      (pair): WeightTable["rules"] => {
        const [name, part] = pair.split(" ") as [string, string]
        return [
          [`${published}.self_attn.${name}.*`, `${own}.attention.${part}.*`],
          [`${published}.encoder_attn.${name}.*`, `${own}.cross.${part}.*`],
        ]
      },
    ),
    [`${published}.self_attn_layer_norm.*`, `${own}.attentionNorm.*`],
    [`${published}.encoder_attn_layer_norm.*`, `${own}.crossNorm.*`],
    [`${published}.fc1.*`, `${own}.feedForward.up.*`],
    [`${published}.fc2.*`, `${own}.feedForward.down.*`],
    [`${published}.final_layer_norm.*`, `${own}.feedForwardNorm.*`],
    [`model.${stack}.layer_norm.*`, `${stack}.norm.*`],
  ]
})

/** The Whisper family. */
export const whisper = defineModel({
  name: "whisper",
  config,
  architectures: { generation: ["WhisperForConditionalGeneration", "WhisperModel"] },
  build: (config, init) => new Whisper(config, init),
  ...textDefinition,
  harmless: [
    ...textDefinition.harmless,
    ...harmlessSpanKeys,
    "forced_decoder_ids", // of generation
    "median_filter_width", // of word timestamps
    "classifier_proj_size", // of a classifier of sounds, as the next
    "use_weighted_layer_sum",
  ],
  check: config => checkText("whisper", config),
  weights: {
    prefix: "model.",
    rules: [
      ["model.encoder.conv1.*", "stem.first.*"],
      ["model.encoder.conv2.*", "stem.second.*"],
      ["model.encoder.embed_positions.weight", "encoder.positions.table"],
      ["model.decoder.embed_tokens.weight", "tokens.weight"],
      ["model.decoder.embed_positions.weight", "decoder.positions.rows.weight"],
      ...stackRules,
      ["proj_out.weight", "head.weight", "tied"],
    ],
  },
})
