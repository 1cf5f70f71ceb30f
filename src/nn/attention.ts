// Self- and cross-attention with grouped heads (Vaswani et al. 2017; Ainslie et al. 2023, GQA). Positions, masks and caches come in
// from outside: attention itself knows none of their kinds.

import { type AttentionPattern, attention, HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { LayerCache } from "./cache.ts"
import type { Initializer } from "./initialize.ts"
import { checkRate, Linear } from "./layers.ts"
import { Module } from "./module.ts"
import { randomOf } from "./random.ts"
import { type Rotation, rotate } from "./rope.ts"

/** What attention is shaped by. */
export interface AttentionShape {
  /** Query heads H. */
  readonly heads: number
  /** Key/value heads G; as many as heads by default. */
  readonly groups?: number
  /** Head width K; width / heads by default. */
  readonly headWidth?: number
  /** Bias of the query, key and value projections; true by default. */
  readonly bias?: boolean
  /** Bias of the key projection; as `bias` by default. Self-attention needs `fused: false` where the two differ. */
  readonly keyBias?: boolean
  /** Bias of the output projection; as `bias` by default. */
  readonly outBias?: boolean
  /** Rate of dropped attention weights in training; 0 by default. */
  readonly dropout?: number
  /** Factor of q·k; 1/√K by default. */
  readonly scale?: number
  /** Scores become cap · tanh(score / cap). */
  readonly softCap?: number
  /** Standard deviation of weights; see Linear. */
  readonly deviation?: number
  /** The same for the output projection. */
  readonly outDeviation?: number
}

/** Options of self-attention. */
export interface SelfAttentionOptions extends AttentionShape {
  /** Queries see no later keys; true by default. */
  readonly causal?: boolean
  /** Only keys nearer than this are seen. */
  readonly window?: number
  /** A sparse pattern instead: dilatedWindow, strided, fixed, blockSparse, … */
  readonly pattern?: AttentionPattern
  /** true: one projection for queries, keys and values (`qkv`); false: three (`query`, `key`, `value`). Default true. */
  readonly fused?: boolean
}

/** What a call of attention may use besides its input. */
export interface AttentionContext {
  /** Rotary positions of the T queries and keys. */
  readonly rotation?: Rotation
  /** f32, broadcastable to [B H T S]: added to the scores (ALiBi, relative positions). */
  readonly bias?: Tensor
  /** bool, broadcastable to [B H T S]: true may be seen. */
  readonly mask?: Tensor
  /** i32 [B]: keys from there on are hidden. */
  readonly lengths?: Tensor
  /** Keys and values of earlier positions; needs `offset`. */
  readonly cache?: LayerCache
  /** i32 scalar: position of the first query, known when the program runs. */
  readonly offset?: Tensor
}

interface Heads {
  readonly heads: number
  readonly groups: number
  readonly headWidth: number
}

function headsOf(what: string, width: number, options: AttentionShape): Heads {
  const { heads, groups = heads } = options
  checkInteger(what, "the number of heads", heads, 1)
  checkInteger(what, "the number of key/value heads", groups, 1)
  if (heads % groups !== 0)
    throw new ValueError(
      `${what}: expected heads that are a multiple of the key/value heads, but got ${heads} and ${groups}`,
    )
  const headWidth = options.headWidth ?? width / heads
  if (!Number.isInteger(headWidth) || headWidth < 1)
    throw new ValueError(
      `${what}: expected a width that ${heads} heads share evenly, but got ${width}`,
      "give headWidth, or another number of heads",
    )
  return { heads, groups, headWidth }
}

function projections(options: AttentionShape) {
  const { bias = true, keyBias = bias, outBias = bias, deviation, outDeviation = deviation } = options
  const spread = (value: number | undefined) => (value === undefined ? {} : { deviation: value })
  return {
    inward: { bias, ...spread(deviation) },
    key: { bias: keyBias, ...spread(deviation) },
    outward: { bias: outBias, ...spread(outDeviation) },
  }
}

function checkOneBias(what: string, bias: boolean, keyBias: boolean): void {
  if (bias !== keyBias)
    throw new ValueError(
      `${what}: expected one bias of all parts of a fused projection, but keyBias differs`,
      "pass fused: false",
    )
}

const splitHeads = (x: Tensor, headWidth: number): Tensor => x.rearrange("B T (H K) -> B T H K", { K: headWidth })
const headsFirst = (x: Tensor): Tensor => x.rearrange("B T H K -> B H T K")
const mergeHeads = (z: Tensor): Tensor => z.rearrange("B H T K -> B T (H K)")

/** The options that do not depend on the call, and dropout where it is training. */
function scoring(module: Module, { scale, softCap, dropout = 0 }: AttentionShape) {
  return {
    ...(scale === undefined ? {} : { scale }),
    ...(softCap === undefined ? {} : { softCap }),
    ...(module.training && dropout > 0 ? { dropout, key: randomOf("attention") } : {}),
  }
}

function given({ bias, mask, lengths, offset }: AttentionContext) {
  return {
    ...(bias ? { bias } : {}),
    ...(mask ? { mask } : {}),
    ...(lengths ? { lengths } : {}),
    ...(offset ? { offset } : {}),
  }
}

/** Self-attention. x [B T D] -> [B T D]. Taps: `q`, `k` and `v` [B H T K], `scores` and `pattern` [B H T S], `z` [B H T K]. */
export class SelfAttention extends Module {
  readonly qkv: Linear | null
  readonly query: Linear | null
  readonly key: Linear | null
  readonly value: Linear | null
  readonly out: Linear
  readonly sizes: Heads
  readonly #options: SelfAttentionOptions

  constructor(init: Initializer, width: number, options: SelfAttentionOptions) {
    super()
    const { heads, groups, headWidth } = (this.sizes = headsOf("SelfAttention", width, options))
    checkRate("SelfAttention", options.dropout ?? 0)
    const { inward, key, outward } = projections(options)
    const fused = options.fused ?? true
    if (fused) checkOneBias("SelfAttention", inward.bias, key.bias)
    this.#options = options
    this.qkv = fused ? new Linear(init, width, (heads + 2 * groups) * headWidth, inward) : null
    this.query = fused ? null : new Linear(init, width, heads * headWidth, inward)
    this.key = fused ? null : new Linear(init, width, groups * headWidth, key)
    this.value = fused ? null : new Linear(init, width, groups * headWidth, inward)
    this.out = new Linear(init, heads * headWidth, width, outward)
  }

  /** Keys a query sees, itself among them; null for all of them. */
  get window(): number | null {
    return this.#options.window ?? null
  }

  forward(x: Tensor, context: AttentionContext = {}): Tensor {
    const { rotation, cache, offset } = context
    const { causal = true, window, pattern } = this.#options
    let [q, k, v] = this.#project(x, rotation) // [B T H K], k and v [B T G K]
    q = this.tap("q", headsFirst(q))
    k = this.tap("k", headsFirst(k))
    v = this.tap("v", headsFirst(v))
    if (cache) {
      if (!offset)
        throw new HeedError(
          "SelfAttention: expected an offset with the cache, but got none",
          "pass the position of the first query, i32",
        )
      ;[k, v] = cache.extend(k, v, offset) // [B G S K]
    }
    const { mask, offset: first, ...rest } = given(context)
    const sight = {
      causal,
      ...(window === undefined ? {} : { window }),
      ...(pattern ? { pattern } : {}),
      ...(mask ? { mask } : {}),
      ...(first ? { offset: first } : {}),
    }
    const z = attention(q, k, v, {
      ...(cache ? cache.see(sight, x.shape[1]!) : sight),
      ...scoring(this, this.#options),
      ...rest,
    })
    return this.out.forward(mergeHeads(this.tap("z", z)))
  }

  /** Queries [B T H K], keys and values [B T G K], queries and keys turned by the rotation. */
  #project(x: Tensor, rotation: Rotation | undefined): [q: Tensor, k: Tensor, v: Tensor] {
    const { heads, groups, headWidth } = this.sizes
    const turn = (part: Tensor): Tensor => (rotation ? rotate(part, rotation) : part)
    if (!this.qkv) {
      const [q, k, v] = [this.query!, this.key!, this.value!].map(one => splitHeads(one.forward(x), headWidth))
      return [turn(q!), turn(k!), v!]
    }
    // cut along the last axis: nothing is copied; queries and keys turn together
    const [qk, v] = this.qkv.forward(x).split([(heads + groups) * headWidth, groups * headWidth], -1)
    const [q, k] = turn(splitHeads(qk!, headWidth)).split([heads, groups], 2)
    return [q!, k!, splitHeads(v!, headWidth)]
  }
}

/** The windows of blocks that attend to themselves, null where a block sees everything: what a cache for them must keep. */
export function windowsOf(blocks: readonly Module[]): (number | null)[] {
  return blocks.map(block => {
    const { attention: part } = block as { readonly attention?: unknown }
    return part instanceof SelfAttention ? part.window : null
  })
}

/** Options of cross-attention. */
export interface CrossAttentionOptions extends AttentionShape {
  /** Width of what is attended to; the width of x by default. */
  readonly memoryWidth?: number
  /** true: one projection for keys and values (`keyValue`); false: two (`key`, `value`). Default false. */
  readonly fused?: boolean
}

/** Keys and values of an encoder's output, made once for a whole generation. */
export interface Memory {
  /** [B G S K] */
  readonly k: Tensor
  /** [B G S K] */
  readonly v: Tensor
}

/** Attention from x [B T D] to a memory [B S M] (or its keys and values, see `remember`) -> [B T D]. */
export class CrossAttention extends Module {
  readonly query: Linear
  readonly keyValue: Linear | null
  readonly key: Linear | null
  readonly value: Linear | null
  readonly out: Linear
  readonly sizes: Heads
  readonly #options: CrossAttentionOptions

  constructor(init: Initializer, width: number, options: CrossAttentionOptions) {
    super()
    const { heads, groups, headWidth } = (this.sizes = headsOf("CrossAttention", width, options))
    checkRate("CrossAttention", options.dropout ?? 0)
    const { inward, key, outward } = projections(options)
    const { memoryWidth: from = width, fused = false } = options
    if (fused) checkOneBias("CrossAttention", inward.bias, key.bias)
    this.#options = options
    this.query = new Linear(init, width, heads * headWidth, inward)
    this.keyValue = fused ? new Linear(init, from, 2 * groups * headWidth, inward) : null
    this.key = fused ? null : new Linear(init, from, groups * headWidth, key)
    this.value = fused ? null : new Linear(init, from, groups * headWidth, inward)
    this.out = new Linear(init, heads * headWidth, width, outward)
  }

  /** Keys and values of a memory [B S M]. */
  remember(memory: Tensor): Memory {
    return this.within(() => this.#remember(memory))
  }

  #remember(memory: Tensor): Memory {
    const heads = (x: Tensor): Tensor => headsFirst(splitHeads(x, this.sizes.headWidth))
    if (!this.keyValue) return { k: heads(this.key!.forward(memory)), v: heads(this.value!.forward(memory)) }
    const both = this.keyValue.forward(memory)
    const [k, v] = both.split(both.shape.at(-1)! / 2, -1) as [Tensor, Tensor]
    return { k: heads(k), v: heads(v) }
  }

  forward(
    x: Tensor,
    memory: Tensor | Memory,
    context: Pick<AttentionContext, "bias" | "mask" | "lengths"> = {},
  ): Tensor {
    const { k, v } = "k" in memory ? memory : this.#remember(memory)
    const q = headsFirst(splitHeads(this.query.forward(x), this.sizes.headWidth))
    const z = attention(q, k, v, { ...scoring(this, this.#options), ...given(context) })
    return this.out.forward(mergeHeads(this.tap("z", z)))
  }
}
