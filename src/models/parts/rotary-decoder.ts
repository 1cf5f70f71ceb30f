// The decoder of Llama and its descendants: embedded tokens, blocks with rotary positions, a norm and a head. The families differ in
// their options (rotary-options.ts) and in the parts they pass in.

import {
  type BlockContext,
  type BlockParts,
  Embedding,
  FeedForward,
  type Initializer,
  KeyValueCache,
  type Module,
  RMSNorm,
  type RotaryOptions,
  rotationOf,
  SelfAttention,
  type SelfAttentionOptions,
  throughBlocks,
  windowsOf,
} from "../../nn/index.ts"
import { crossEntropy, full, HeedError, type Tensor } from "../../tensor/index.ts"
import { type CacheRequest, checkCapacity, LanguageModel, type LanguageOutput } from "../language-model.ts"
import type { ForwardOptions } from "../model.ts"
import { ClassificationHead, type HeadOutput, nextTokens, VocabularyHead } from "./heads.ts"
import { checkIds, checkOptions, decoderOptions, embedded, maskOf, positionsOf } from "./inputs.ts"
import { withOutputs } from "./outputs.ts"
import { groupsOf, headWidthOf, type RotaryConfig } from "./rotary-options.ts"

/** Where the blocks of a family differ from the plain one, which has neither biases nor windows. */
export interface RotaryBlockOptions extends Omit<SelfAttentionOptions, "heads" | "groups" | "headWidth"> {
  readonly feedForwardBias?: boolean
  /** Added to the weights of norms. */
  readonly normShift?: number
}

/** Attention with rotary positions and grouped heads, a gated feed-forward layer, and the norms before them. */
export function rotaryBlock(config: RotaryConfig, init: Initializer, options: RotaryBlockOptions = {}): BlockParts {
  const { width, heads, inner, activation, deviation, epsilon } = config
  const { feedForwardBias = false, normShift: shift = 0, ...attention } = options
  return {
    attentionNorm: new RMSNorm(init, width, { epsilon, shift }),
    attention: new SelfAttention(init, width, {
      heads,
      groups: groupsOf(config),
      headWidth: headWidthOf(config),
      bias: false,
      dropout: config.attentionDropout,
      deviation,
      ...attention,
    }),
    feedForwardNorm: new RMSNorm(init, width, { epsilon, shift }),
    feedForward: new FeedForward(init, width, { inner, activation, gated: true, bias: feedForwardBias, deviation }),
  }
}

/** A block of any of these families. */
export interface RotaryBlock extends Module {
  forward(x: Tensor, context: BlockContext): Tensor
}

/** What a family passes in. */
export interface RotaryParts {
  readonly block: (layer: number) => RotaryBlock
  /** Share of each head that turns; all of it by default. */
  readonly turning?: number
  /** Rotary options that are not in the shared ones. */
  readonly rotary?: Pick<RotaryOptions, "scaling">
  /** Added to the weight of the last norm. */
  readonly normShift?: number
  /** Factor of embeddings; 1 by default. */
  readonly embeddingScale?: number
  /** Logits become cap · tanh(logit / cap). */
  readonly logitCap?: number | null
}

/** A decoder with rotary positions. Without a head of its own, its logits compare the stream with the token embedding. */
export class RotaryDecoder<C extends RotaryConfig = RotaryConfig> extends LanguageModel {
  readonly family: string
  readonly config: C
  readonly tokens: Embedding
  readonly blocks: readonly RotaryBlock[]
  readonly norm: RMSNorm
  readonly head: VocabularyHead | ClassificationHead
  readonly #rotary: RotaryOptions
  readonly #parts: RotaryParts

  constructor(family: string, config: C, init: Initializer, parts: RotaryParts) {
    super()
    const { width, deviation, epsilon, theta, padToken } = config
    this.family = family
    this.config = config
    this.#parts = parts
    const turning = 2 * Math.floor((headWidthOf(config) * (parts.turning ?? 1)) / 2)
    this.#rotary = { width: turning, theta, context: config.context, scaling: config.ropeScaling, ...parts.rotary }
    const paddingIndex = padToken !== null && padToken < config.vocabulary ? { paddingIndex: padToken } : {}
    this.tokens = new Embedding(init, config.vocabulary, width, { deviation, ...paddingIndex })
    this.blocks = Array.from({ length: config.layers }, (_, i) => parts.block(i))
    this.norm = new RMSNorm(init, width, { epsilon, shift: parts.normShift ?? 0 })
    this.head =
      config.head === "classification"
        ? new ClassificationHead(init, width, {
            classes: config.labels.length,
            deviation,
            kind: config.problem,
            padToken,
          })
        : new VocabularyHead(init, this.tokens, { tied: config.tieEmbeddings || config.head === "none", deviation })
  }

  /** Scalings that keep the trained context in the configuration go beyond it. */
  get context(): number {
    const { context, ropeScaling: scaling } = this.config
    if (scaling?.kind === "linear" || scaling?.kind === "dynamic") return Math.floor(context * scaling.factor)
    if (scaling?.kind === "yarn")
      return Math.max(context, Math.floor((scaling.originalContext ?? context) * scaling.factor))
    return context
  }

  get depth(): number {
    return this.config.layers
  }

  forward(ids: Tensor, options: ForwardOptions = {}): LanguageOutput {
    checkIds(this.family, ids, this.#reach)
    checkOptions(this.family, options, decoderOptions)
    const { cache, offset, outputs } = options
    const rotation = rotationOf(positionsOf(ids, options), this.#rotary)
    const shared = { rotation, ...maskOf(ids, options), ...(offset ? { offset } : {}) }
    const hidden = throughBlocks(
      this.#embed(ids),
      this.blocks,
      (block, x, i) => block.forward(x, cache ? { ...shared, cache: cache.layers[i]! } : shared),
      this.norm,
    ) // [B T D]
    return withOutputs({ hidden, ...this.#score(hidden, ids, options) }, outputs, this.depth)
  }

  #embed(ids: Tensor): Tensor {
    const { embeddingScale } = this.#parts
    const x = embedded(this.tokens, ids)
    // the factor is as exact as the weights are
    return embeddingScale === undefined ? x : x.mul(full([], embeddingScale).cast(this.tokens.weight.dtype).cast("f32"))
  }

  #score(hidden: Tensor, ids: Tensor, options: ForwardOptions): HeadOutput {
    const { head } = this
    if (head instanceof ClassificationHead) return head.forward(hidden, ids, options)
    const targets = nextTokens(ids, options)
    if (targets) this.#checkHead("labels")
    const { logits, loss } = head.forward(hidden, targets)
    if (!this.#parts.logitCap) return loss ? { logits, loss } : { logits }
    const capped = this.#cap(logits)
    return loss ? { logits: capped, loss: crossEntropy(capped, targets!) } : { logits: capped }
  }

  #cap(logits: Tensor): Tensor {
    const { logitCap: cap } = this.#parts
    return cap ? logits.div(cap).tanh().mul(cap) : logits
  }

  project(hidden: Tensor): Tensor {
    this.#checkHead("project")
    return this.#cap((this.head as VocabularyHead).project(hidden))
  }

  #checkHead(what: string): void {
    const { head } = this.config
    if (head !== "causal")
      throw new HeedError(
        `${what}: expected a causal model, but got ${head === "none" ? "one without a head" : "a classifier"}`,
        'build or load it with head "causal"',
      )
  }

  createCache({ batch, capacity, dtype = "f32" }: CacheRequest): KeyValueCache {
    checkCapacity(capacity, this.#reach)
    const { layers } = this.config
    const [groups, headWidth] = [groupsOf(this.config), headWidthOf(this.config)]
    return new KeyValueCache({ layers, batch, groups, capacity, headWidth, dtype, windows: windowsOf(this.blocks) })
  }

  /** Dynamic scaling knows no end. */
  get #reach(): number {
    return this.config.ropeScaling?.kind === "dynamic" ? Infinity : this.context
  }
}
