// The blocks of Transformer-XL (Dai et al. 2019): attention by content and distance (relative-attention.ts) whose keys reach back into
// memories of earlier segments.

import { concat, fromHost, full, HeedError, matmul, type Parameter, type Tensor, ValueError } from "../tensor/index.ts"
import type { LayerCache } from "./cache.ts"
import { FeedForward } from "./feed-forward.ts"
import type { Initializer } from "./initialize.ts"
import { Dropout, LayerNorm, Linear } from "./layers.ts"
import { Buffer, Module } from "./module.ts"
import { randomOf } from "./random.ts"
import { type DistanceTerms, transformerXLAttention } from "./relative-attention.ts"

/** The two vectors u and v of each head, which all blocks may share. */
export class DistanceBiases extends Module {
  /** u [H K], beside queries that meet keys. */
  readonly content: Parameter
  /** v [H K], beside queries that meet distances. */
  readonly distance: Parameter

  constructor(init: Initializer, heads: number, headWidth: number, deviation: number) {
    super()
    this.content = init.normal([heads, headWidth], deviation)
    this.distance = init.normal([heads, headWidth], deviation)
  }

  /** As the attention takes them. */
  forward(): Pick<DistanceTerms, "contentBias" | "positionBias"> {
    return { contentBias: this.content.cast("f32"), positionBias: this.distance.cast("f32") }
  }
}

/** Sinusoids of distances i32 [S], those from `farthest` on all the same (none are where it is 0 or less) -> [S D]. */
export class DistanceSinusoids extends Module {
  /** [D/2], in radians per position. */
  readonly frequencies: Buffer
  readonly #farthest: number

  constructor(width: number, farthest: number) {
    super()
    if (width % 2 !== 0) throw new ValueError(`DistanceSinusoids: expected an even width, but got ${width}`)
    const frequencies = Float32Array.from({ length: width / 2 }, (_, i) => 10000 ** ((-2 * i) / width))
    this.frequencies = new Buffer(fromHost(frequencies, [width / 2], "f32"))
    this.#farthest = farthest
  }

  forward(distances: Tensor): Tensor {
    const far = this.#farthest > 0 ? distances.minimum(this.#farthest) : distances
    const angles = far.maximum(0).cast("f32").unsqueeze(1).mul(this.frequencies) // later keys: nobody sees them
    return concat([angles.sin(), angles.cos()], -1)
  }
}

/** Options of TransformerXLAttention. */
export interface TransformerXLAttentionOptions {
  readonly heads: number
  readonly headWidth: number
  /** Keys a query sees, itself among them; all by default. */
  readonly window?: number | null
  /** u and v that other blocks have too; its own by default. */
  readonly biases?: DistanceBiases
  /** Rate of dropped attention weights in training; 0 by default. */
  readonly dropout?: number
  /** Standard deviation of weights. */
  readonly deviation: number
}

/** What a call uses besides its input. */
export interface TransformerXLContext {
  /** [S D]: what stands for the distance from the last query to each key, in the order of the keys. */
  readonly distances: Tensor
  /** [B M D]: what earlier segments left of this block's input; they stand before it. */
  readonly memory?: Tensor
  /** bool, broadcastable to [B H T S]: true may be seen. */
  readonly mask?: Tensor
  /** Keys and values of earlier positions, in place of memories; needs `offset`. */
  readonly cache?: LayerCache
  /** i32 scalar: place of the first query among the keys, known when the program runs. */
  readonly offset?: Tensor
}

/** x [B T D] -> [B T D]. Taps: `q`, `k` and `v`, `scores` and `pattern` [B H T S], `z` [B H T K]. */
export class TransformerXLAttention extends Module {
  readonly qkv: Linear
  /** From what stands for a distance to r. */
  readonly distance: Linear
  readonly out: Linear
  readonly biases: DistanceBiases
  readonly #options: TransformerXLAttentionOptions

  constructor(init: Initializer, width: number, options: TransformerXLAttentionOptions) {
    super()
    const { heads, headWidth, deviation } = options
    const projection = { bias: false, deviation }
    this.qkv = new Linear(init, width, 3 * heads * headWidth, projection)
    this.distance = new Linear(init, width, heads * headWidth, projection)
    this.out = new Linear(init, heads * headWidth, width, projection)
    this.biases = options.biases ?? new DistanceBiases(init, heads, headWidth, deviation)
    this.#options = options
  }

  /** Queries, keys and values [B H T K] of x [B T D]. */
  project(x: Tensor): [q: Tensor, k: Tensor, v: Tensor] {
    const { heads: H, headWidth: K } = this.#options
    const parts = this.qkv.forward(x).split(H * K, -1)
    return parts.map(part => part.rearrange("B T (H K) -> B H T K", { H, K })) as [Tensor, Tensor, Tensor]
  }

  forward(x: Tensor, context: TransformerXLContext): Tensor {
    const { distances, memory, mask, cache, offset } = context
    const { heads: H, headWidth: K, window, dropout = 0 } = this.#options
    let [q, k, v] = this.project(memory ? concat([memory, x], 1) : x)
    if (memory) q = q.slice(2, memory.shape[1]!) // memories ask nothing
    q = this.tap("q", q)
    k = this.tap("k", k)
    v = this.tap("v", v)
    if (cache) {
      if (!offset)
        throw new HeedError(
          "TransformerXLAttention: expected an offset with the cache, but got none",
          "pass the place of the first query among the keys, i32",
        )
      ;[k, v] = cache.extend(k, v, offset)
    }
    // few queries: cheaper than to project every distance is to bring them to the distances
    const bring = (x: Tensor): Tensor => matmul(x, this.distance.weight.cast("f32").reshape([H, K, -1])) // [B H T D]
    const positions =
      q.shape[2]! < K
        ? (x: Tensor) => matmul(bring(x), distances.transpose())
        : this.distance.forward(distances).rearrange("S (H K) -> H S K", { H, K })
    const z = transformerXLAttention(
      q,
      k,
      v,
      { positions, ...this.biases.forward() },
      {
        ...(window ? { window } : {}),
        ...(mask ? { mask } : {}),
        ...(offset ? { offset } : {}),
        ...(this.training && dropout > 0 ? { dropout, key: randomOf("attention") } : {}),
      },
    )
    return this.out.forward(this.tap("z", z).rearrange("B H T K -> B T (H K)"))
  }
}

/** Options of TransformerXLBlock. */
export interface TransformerXLBlockOptions extends Omit<TransformerXLAttentionOptions, "dropout"> {
  /** Width of the inner layer F. */
  readonly inner: number
  /** Norms before the parts (true) or behind them. */
  readonly normFirst: boolean
  readonly epsilon: number
  /** Rate of dropped elements of what is added, and of inner layers. */
  readonly dropout: number
  /** Rate of dropped attention weights. */
  readonly attentionDropout: number
}

/** A residual block over a segment and its memories. x [B T D] -> [B T D]. Taps: `middle` and `output`, the stream after each part. */
export class TransformerXLBlock extends Module {
  readonly attention: TransformerXLAttention
  readonly attentionNorm: LayerNorm
  readonly feedForward: FeedForward
  readonly feedForwardNorm: LayerNorm
  readonly dropout: Dropout
  readonly #normFirst: boolean

  constructor(init: Initializer, width: number, options: TransformerXLBlockOptions) {
    super()
    const { inner, normFirst, epsilon, dropout, attentionDropout, deviation } = options
    this.attention = new TransformerXLAttention(init, width, { ...options, dropout: attentionDropout })
    this.attentionNorm = new LayerNorm(init, width, { epsilon })
    this.feedForward = new FeedForward(init, width, { inner, activation: "relu", dropout, deviation })
    this.feedForwardNorm = new LayerNorm(init, width, { epsilon })
    this.dropout = new Dropout(dropout)
    this.#normFirst = normFirst
  }

  forward(x: Tensor, context: TransformerXLContext): Tensor {
    const { memory } = context
    const drop = (y: Tensor): Tensor => this.dropout.forward(y)
    if (!this.#normFirst) {
      const middle = this.tap("middle", this.attentionNorm.forward(x.add(drop(this.attention.forward(x, context)))))
      return this.tap("output", this.feedForwardNorm.forward(middle.add(drop(this.feedForward.forward(middle)))))
    }
    const norm = (y: Tensor): Tensor => this.attentionNorm.forward(y)
    const attended = this.attention.forward(norm(x), memory ? { ...context, memory: norm(memory) } : context)
    const middle = this.tap("middle", x.add(drop(attended)))
    return this.tap("output", middle.add(drop(this.feedForward.forward(this.feedForwardNorm.forward(middle)))))
  }

  /** Puts M memories of zeros at the beginning of a cache: what a text that begins looks back on. */
  fill(cache: LayerCache, M: number, width: number): void {
    const [B, H, S, K] = cache.keys.shape as [number, number, number, number]
    const nothing = full([1, 1, width], 0)
    const [, k, v] = this.within(() =>
      this.attention.project(this.#normFirst ? this.attentionNorm.forward(nothing) : nothing),
    )
    const begun = (x: Tensor): Tensor =>
      concat([x.broadcastTo([B, H, M, K]), full([B, H, S - M, K], 0)], 2).cast(cache.keys.dtype)
    cache.keys.assign(begun(k))
    cache.values.assign(begun(v))
  }
}
