// Longformer (Beltagy et al. 2020, "Longformer: the long-document Transformer"): RoBERTa whose blocks attend to a window and to a few
// global positions.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import {
  type BlockContext,
  FeedForward,
  GlobalWindowAttention,
  globalPositions,
  type Initializer,
  LayerNorm,
  PostNormBlock,
  positionsBesidePadding,
  positionsFrom,
  publishedWindow,
  TokenEmbeddings,
} from "../nn/index.ts"
import { fromHost, HeedError, pad, ShapeError, type Tensor, ValueError, where } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import { defineModel } from "./definition.ts"
import {
  type EncoderHead,
  type EncoderOptions,
  type EncoderOutput,
  MaskedHead,
  Pooler,
  SequenceHead,
  SpanHead,
  TokenHead,
} from "./parts/encoder-heads.ts"
import { keyMask } from "./parts/inputs.ts"
import { collectOutputs, stackTaps } from "./parts/outputs.ts"
import { bertOptions, checkPadding, type EncoderReading, oldNormNames, TextEncoder } from "./parts/text-encoder.ts"
import { activationCodec, checkHeads, kinds } from "./published.ts"

const heads = ["masked", "classification", "tokenClassification", "questionAnswering", "pooled"] as const

const token = (help: string, id: number, alias: string) => option(z.number().int().min(0), help, { default: id, alias })

const config = declare(
  {
    head: option(z.enum(heads), "what the model answers; pooled: vectors and one of the whole text", {
      default: "masked",
    }),
    vocabulary: option(kinds.count, "number of tokens V", { default: 50265, alias: "vocab_size" }),
    positions: option(kinds.count, "rows of the table of positions; the first ones, up to padToken, belong to none", {
      default: 4098,
      alias: "max_position_embeddings",
    }),
    segments: option(kinds.count, "kinds of segments", { default: 1, alias: "type_vocab_size" }),
    window: option(
      z.union([kinds.count, z.array(kinds.count).min(1)]),
      "positions seen, half on each side; one number a block",
      {
        default: 512,
        alias: "attention_window",
      },
    ),
    ...bertOptions,
    beginToken: token("id of the token a text begins with", 0, "bos_token_id"),
    padToken: token("id of the token that fills short rows; positions are counted from there", 1, "pad_token_id"),
    endToken: token("id of the token a text ends with", 2, "eos_token_id"),
  },
  "longformer",
)

/** Options of Longformer. */
export type LongformerConfig = ValuesOf<typeof config>

/** What a call of Longformer may use besides its ids. */
export interface LongformerOptions extends EncoderOptions {
  /** [B T], bool or whole numbers: true or 1 where a token sees all others and is seen by all. */
  readonly globalAttentionMask?: Tensor
  /** The largest number of global tokens in a row; found from the mask where its numbers are there, and needed otherwise. */
  readonly globalTokens?: number
}

/** What Longformer gives. */
export interface LongformerOutput extends EncoderOutput {
  /** [B H S g], S padded to whole windows: weights of the global tokens' own attention. Attentions are [B H T g + window + 1]. */
  readonly globalAttentions?: readonly Tensor[]
}

/** Positions that each block sees on each side. */
const reaches = ({ window, layers }: LongformerConfig): number[] =>
  (typeof window === "number" ? new Array<number>(layers).fill(window) : window).map(w => w / 2)

/** Longformer with a head. */
export class Longformer extends TextEncoder<LongformerOptions, LongformerOutput> {
  readonly family = "longformer"
  readonly config: LongformerConfig
  readonly embeddings: TokenEmbeddings
  readonly blocks: readonly PostNormBlock[]
  readonly pooler: Pooler | null
  readonly head: EncoderHead | null
  protected override readonly reading: EncoderReading<LongformerOptions, LongformerOutput>

  constructor(config: LongformerConfig, init: Initializer) {
    super()
    const { width, deviation, padToken, classifierDropout, dropout } = config
    this.config = config
    this.embeddings = new TokenEmbeddings(init, width, { ...config, padPosition: padToken })
    this.blocks = reaches(config).map(reach => block(config, init, reach))
    const classifies = config.head === "classification"
    const dense = { deviation, dropout: classifies ? (classifierDropout ?? dropout) : 0 }
    this.pooler = classifies || config.head === "pooled" ? new Pooler(init, width, dense) : null
    this.head = this.#head(init)
    this.reading = {
      takes: ["globalAttentionMask", "globalTokens"],
      context: (ids, options) =>
        contextOf(ids, config.head === "classification" ? withGlobalFirst(ids, options) : options),
      inner: (output, context, outputs, depth) => withWindows(output, context, outputs ?? {}, depth, reaches(config)),
    }
  }

  get context(): number {
    return this.config.positions - this.config.padToken - 1
  }

  protected positions(ids: Tensor): Tensor {
    const { padToken } = this.config
    return ids.dtype === "i32" ? positionsBesidePadding(ids, padToken) : positionsFrom(ids.shape[1]!).add(padToken + 1)
  }

  #head(init: Initializer): EncoderHead | null {
    const { width, epsilon, deviation, labels, problem, tieEmbeddings } = this.config
    const dropout = this.config.classifierDropout ?? this.config.dropout
    switch (this.config.head) {
      case "masked": // gelu whatever the blocks use
        return new MaskedHead(init, this.embeddings.tokens, {
          activation: "gelu",
          epsilon,
          deviation,
          tied: tieEmbeddings,
        })
      case "classification":
        return new SequenceHead(init, width, { classes: labels.length, deviation, dropout, kind: problem })
      case "tokenClassification":
        return new TokenHead(init, width, { classes: labels.length, deviation, dropout })
      case "questionAnswering":
        return new SpanHead(init, width, { deviation })
      default:
        return null
    }
  }
}

function block(config: LongformerConfig, init: Initializer, reach: number): PostNormBlock {
  const { width, heads, deviation, epsilon, activation, inner, dropout, attentionDropout } = config
  return new PostNormBlock({
    attention: new GlobalWindowAttention(init, width, { heads, reach, dropout: attentionDropout, deviation }),
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner, activation, deviation }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    dropout,
  })
}

/** The first token is global where nothing is said: a classifier answers from it. */
function withGlobalFirst(ids: Tensor, options: LongformerOptions): LongformerOptions {
  if (options.globalAttentionMask) return options
  const [B, T] = ids.shape as [number, number]
  const marks = Int32Array.from({ length: B * T }, (_, i) => (i % T === 0 ? 1 : 0))
  return { ...options, globalAttentionMask: fromHost(marks, [B, T], "i32"), globalTokens: 1 }
}

/** What blocks are called with: who is hidden, and who is global. */
function contextOf(ids: Tensor, { attentionMask, globalAttentionMask, globalTokens }: LongformerOptions): BlockContext {
  const [B, T] = ids.shape as [number, number]
  const mask = attentionMask ? keyMask("attentionMask", attentionMask, B, T) : null
  if (globalAttentionMask && formatShape(globalAttentionMask.shape) !== formatShape([B, T]))
    throw new ShapeError(
      `globalAttentionMask: expected ${formatShape([B, T])}, but got ${formatShape(globalAttentionMask.shape)}`,
    )
  const most = globalAttentionMask ? (globalTokens ?? countOf(globalAttentionMask)) : 0
  if (most === 0) return mask ? { mask } : {}
  const wanted = globalAttentionMask!.ne(0)
  const marks = mask ? wanted.and(mask.reshape([B, T])) : wanted
  return { ...(mask ? { mask } : {}), globals: globalPositions(marks, Math.min(most, T)) }
}

/** The largest number of ones in a row of a mask whose numbers are there. Throws HeedError. */
function countOf(mask: Tensor): number {
  const { node, index } = mask.current()
  const numbers = node.values[index]?.host
  if (!numbers)
    throw new HeedError(
      "longformer: expected globalTokens, the largest number of global tokens in a row, but got none",
      "it is found by itself only from a mask made of numbers: tensor([[1, 0, 0]])",
    )
  const [B, T] = mask.shape as [number, number]
  const rows = Array.from({ length: B }, (_, b) => Array.from(numbers.subarray(b * T, (b + 1) * T), Number))
  return Math.max(...rows.map(row => row.filter(x => x !== 0).length))
}

/** Inner values as they are published: weights by place in the window rather than by key. */
function withWindows(
  output: EncoderOutput,
  { mask, globals }: BlockContext,
  asked: { readonly hiddenStates?: boolean; readonly attentions?: boolean },
  depth: number,
  reach: readonly number[],
): LongformerOutput {
  const found = collectOutputs<LongformerOutput>(output, {
    ...(asked.hiddenStates ? { hiddenStates: stackTaps.hidden(depth) } : {}),
    ...(asked.attentions ? { attentions: stackTaps.attention(depth) } : {}),
    ...(asked.attentions && globals ? { globalAttentions: stackTaps.attention(depth, "", "attention.global") } : {}),
  })
  if (!asked.attentions) return found
  const [B, T] = output.hidden.shape as [number, number]
  const seen = mask?.reshape([B, T])
  const attentions = found.attentions!.map((pattern, i) => publishedWindow(pattern, reach[i]!, globals, seen))
  if (!globals) return { ...found, attentions }
  const unit = 2 * Math.max(...reach)
  const whole = Math.ceil(T / unit) * unit
  const real = globals.marks.cast("i32").takeAlong(globals.places, 1).ne(0).reshape([B, 1, 1, -1])
  const rows = found.globalAttentions!.map(weights => {
    const padded = pad(weights, [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, whole - T],
    ])
    return where(real, padded.transpose(), 1 / whole) // a row without a token sees everything alike
  })
  return { ...found, attentions, globalAttentions: rows }
}

const layer = "longformer.encoder.layer.*"

/** The Longformer family. */
export const longformer = defineModel({
  name: "longformer",
  config,
  architectures: {
    masked: "LongformerForMaskedLM",
    classification: "LongformerForSequenceClassification",
    tokenClassification: "LongformerForTokenClassification",
    questionAnswering: "LongformerForQuestionAnswering",
    pooled: "LongformerModel",
  },
  build: (config, init) => new Longformer(config, init),
  codecs: { activation: activationCodec },
  fixed: { is_decoder: [false], position_embedding_type: ["absolute"], attention_mode: ["longformer"] },
  harmless: ["onnx_export", "attention_dilation", "ignore_attention_mask"],
  check: config => {
    checkHeads("longformer", config)
    checkPadding("longformer", config)
    const { window, layers, positions, padToken } = config
    const list = typeof window === "number" ? [window] : window
    if (typeof window !== "number" && window.length !== layers)
      throw new ValueError(`longformer: expected a window for each of ${layers} blocks, but got ${window.length}`)
    const odd = list.find(w => w % 2 !== 0)
    if (odd !== undefined) throw new ValueError(`longformer: expected even windows, but got ${odd}`)
    if (positions < padToken + 2)
      throw new ValueError(`longformer: expected at least ${padToken + 2} positions, but got ${positions}`)
  },
  weights: ({ head }) => ({
    prefix: "longformer.",
    bare: head === "pooled",
    heads: ["lm_head.", "classifier.", "qa_outputs.", "longformer.pooler.", "pooler."],
    rules: [
      ["longformer.embeddings.word_embeddings.weight", "embeddings.tokens.weight"],
      ["longformer.embeddings.position_embeddings.weight", "embeddings.positions.weight"],
      ["longformer.embeddings.token_type_embeddings.weight", "embeddings.segments.weight"],
      ["longformer.embeddings.LayerNorm.*", "embeddings.norm.*"],
      ...["query", "key", "value"].flatMap(name => [
        [`${layer}.attention.self.${name}.*`, `blocks.*.attention.${name}.*`] as const,
        [`${layer}.attention.self.${name}_global.*`, `blocks.*.attention.global.${name}.*`] as const,
      ]),
      [`${layer}.attention.output.dense.*`, "blocks.*.attention.out.*"],
      [`${layer}.attention.output.LayerNorm.*`, "blocks.*.attentionNorm.*"],
      [`${layer}.intermediate.dense.*`, "blocks.*.feedForward.up.*"],
      [`${layer}.output.dense.*`, "blocks.*.feedForward.down.*"],
      [`${layer}.output.LayerNorm.*`, "blocks.*.feedForwardNorm.*"],
      [head === "classification" ? "classifier.dense.*" : "longformer.pooler.dense.*", "pooler.dense.*"],
      ["lm_head.dense.*", "head.transform.*"],
      ["lm_head.layer_norm.*", "head.norm.*"],
      ["lm_head.decoder.weight", "head.output.weight", "tied"],
      ["lm_head.bias", "head.output.bias"],
      [
        head === "classification"
          ? "classifier.out_proj.*"
          : head === "questionAnswering"
            ? "qa_outputs.*"
            : "classifier.*",
        "head.score.*",
      ],
    ],
    renamed: [...oldNormNames, ["lm_head.decoder.bias", "lm_head.bias"]],
    skipped: ["longformer.embeddings.position_ids"],
  }),
})
