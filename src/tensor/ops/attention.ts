// Scaled dot-product attention (Vaswani et al. 2017) with grouped heads. The definition is the textbook formula; where nobody asks for
// its scores or pattern, a kernel streams over keys and the [T S] matrix never exists.

import { ShapeError, ValueError } from "../errors.ts"
import { apply, type BufferField, type OpRecord } from "../op.ts"
import {
  broadcastLayout,
  broadcastShapes,
  checkInteger,
  formatShape,
  type Layout,
  type Shape,
  sizeOf,
} from "../shape.ts"
import { tap } from "../tap.ts"
import type { Signature, Tensor } from "../tensor.ts"
import { arange } from "./create.ts"
import { type Compute, matmul } from "./matmul.ts"
import { reshape, transpose, unsqueeze } from "./move.ts"
import {
  abs,
  add,
  div,
  eq,
  exp,
  full,
  ge,
  gt,
  log,
  logicalAnd,
  lt,
  mul,
  stopGradient,
  sub,
  tanh,
  where,
} from "./pointwise.ts"
import { dropoutMask, nextStream } from "./random.ts"
import { max, sum } from "./reduce.ts"
import { floating, truthValues, wholeNumbers } from "./types.ts"

/** Inputs behind q, k and v, in this order where they are present. */
const extras = ["bias", "mask", "lengths", "offset", "key"] as const

type Extra = (typeof extras)[number]

interface AttentionAttributes {
  readonly causal: boolean
  /** Keys at this distance or farther are hidden; 0: none. */
  readonly window: number
  readonly scale: number
  /** 0: none. */
  readonly cap: number
  /** Rate of dropped weights; 0: none. */
  readonly dropout: number
  readonly stream: number
  readonly compute: Compute
  /** Which extra inputs there are. */
  readonly extras: readonly Extra[]
}

type Named = { readonly [name in Extra]?: Tensor }

function named(inputs: readonly Tensor[], attributes: AttentionAttributes): Named {
  return Object.fromEntries(attributes.extras.map((name, i) => [name, inputs[i]!]))
}

interface Sizes {
  readonly B: number
  readonly H: number
  readonly G: number
  readonly T: number
  readonly S: number
  readonly K: number
  readonly V: number
}

function sizesOf(q: { readonly shape: Shape }, k: { readonly shape: Shape }, v: { readonly shape: Shape }): Sizes {
  const [B, H, T, K] = q.shape as [number, number, number, number]
  return { B, H, G: k.shape[1]!, T, S: k.shape[2]!, K, V: v.shape[3]! }
}

/** Which keys each query may see, bool broadcastable to [B H T S]; null: all. */
function visibility(
  { T, S }: Sizes,
  { mask, lengths, offset }: Named,
  { causal, window }: AttentionAttributes,
): Tensor | null {
  let seen: Tensor | null = mask ?? null
  const also = (condition: Tensor): void => {
    seen = seen ? logicalAnd(seen, condition) : condition
  }
  if (causal || window > 0) {
    // positions counted so that query 0 stands at `offset`
    const query = unsqueeze(add(arange(T), offset ? reshape(offset, []) : S - T), 1)
    const distance = sub(query, arange(S)) // [T S]
    if (causal) also(ge(distance, 0))
    if (window > 0) also(lt(abs(distance), window))
  }
  if (lengths) also(lt(arange(S), reshape(lengths, [-1, 1, 1, 1])))
  return seen
}

/** A [B H T X] Bᵀ-like product with grouped heads: the heads of a group share `b` [B G X Y]. */
function grouped(a: Tensor, b: Tensor): Tensor {
  const [batch, heads, rows, inner] = a.shape as [number, number, number, number]
  const groups = b.shape[1]!
  if (heads === groups) return matmul(a, b)
  const y = matmul(reshape(a, [batch, groups, (heads / groups) * rows, inner]), b)
  return reshape(y, [batch, heads, rows, b.shape[3]!])
}

/** Aᵀ B summed over the heads of a group: a [B H T X], b [B H T Y] -> [B G X Y]. */
function groupedSum(a: Tensor, b: Tensor, groups: number): Tensor {
  const fold = (t: Tensor): Tensor => {
    const [batch, heads, rows, inner] = t.shape as [number, number, number, number]
    return reshape(t, [batch, groups, (heads / groups) * rows, inner])
  }
  return matmul(transpose(fold(a)), fold(b))
}

interface Weights {
  /** After scale and cap. */
  readonly capped: Tensor
  /** After scale, cap and bias, before masking. */
  readonly scores: Tensor
  /** After the softmax, before dropout; rows without visible keys are 0. */
  readonly pattern: Tensor
  readonly logsumexp: Tensor
  /** What multiplies the pattern, or null without dropout. */
  readonly kept: Tensor | null
}

const keep = { keepDims: true }

function weightsOf(
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  extra: Named,
  attributes: AttentionAttributes,
  label: (name: string, x: Tensor) => Tensor,
): Weights {
  const { B, H, T, S } = sizes
  const { scale, cap, dropout, stream } = attributes
  const raw = mul(grouped(q, transpose(k)), scale)
  const capped = cap > 0 ? mul(tanh(div(raw, cap)), cap) : raw
  const scores = label("scores", extra.bias ? add(capped, extra.bias) : capped)
  const seen = visibility(sizes, extra, attributes)
  const masked = seen ? where(seen, scores, -Infinity) : scores
  const top = stopGradient(max(masked, -1, keep))
  const shift = where(eq(top, -Infinity), 0, top)
  const e = exp(sub(masked, shift))
  const total = sum(e, -1, keep)
  const some = gt(total, 0)
  const pattern = label("pattern", div(e, where(some, total, 1)))
  const logsumexp = where(some, add(log(where(some, total, 1)), shift), -Infinity)
  const kept = dropout > 0 ? dropoutMask([B, H, T, S], dropout, extra.key!, stream) : null
  return { capped, scores, pattern, logsumexp: reshape(logsumexp, [B, H, T]), kept }
}

/** Rows, columns and the adjacent last axis: what kernels ask of q, k and v. */
const adjacent = (layout: Layout): boolean => layout.strides[3] === 1 || layout.shape[3] === 1

function extraFields(inputs: readonly Layout[], first: number, attributes: AttentionAttributes, { B, H, T, S }: Sizes) {
  const place = (name: Extra): BufferField => {
    const i = attributes.extras.indexOf(name)
    return i < 0 ? null : { input: first + i }
  }
  const strides = (name: Extra): readonly number[] => {
    const i = attributes.extras.indexOf(name)
    return i < 0 ? [] : broadcastLayout(inputs[first + i]!, [B, H, T, S]).strides
  }
  return {
    bias: place("bias"),
    mask: place("mask"),
    lengths: place("lengths"),
    offset: place("offset"),
    key: place("key"),
    biasStrides: strides("bias"),
    maskStrides: strides("mask"),
    scale: attributes.scale,
    cap: attributes.cap,
    causal: attributes.causal ? 1 : 0,
    window: attributes.window,
    dropout: attributes.dropout,
    stream: attributes.stream,
    compute: attributes.compute === "bf16" ? 1 : 0,
  }
}

/** Strides of batch, head and position. */
const three = (layout: Layout): number[] => layout.strides.slice(0, 3)

/** The layout of [B H T X] whose memory is [B T H X], so that merging heads moves nothing. */
function headsInside([B, H, T, X]: readonly [number, number, number, number]): Layout {
  return { shape: [B, H, T, X], strides: [T * H * X, X, H * X, 1], offset: 0 }
}

/** Whether the kernel may read input i as it lies. */
const acceptsFrom =
  (matrices: readonly number[], first: number, attributes: AttentionAttributes) =>
  (input: number, layout: Layout): boolean => {
    if (matrices.includes(input)) return adjacent(layout)
    const name = attributes.extras[input - first]
    return name === "bias" || name === "mask"
  }

const shortTypes = ["f32", "bf16"]

// inputs q [B H T K], k [B G S K], v [B G S V], extras; outputs z [B H T V], logsumexp [B H T]
const attentionRecord: OpRecord<AttentionAttributes> = {
  name: "attention",
  contraction: true,
  taps: ["scores", "pattern"],
  shape: ([q, k, v]) => {
    const { B, H, T, V } = sizesOf(q!, k!, v!)
    return [
      { shape: [B, H, T, V], dtype: "f32" },
      { shape: [B, H, T], dtype: "f32" },
    ]
  },
  compose: ([q, k, v, ...rest], attributes) => {
    const sizes = sizesOf(q!, k!, v!)
    const { pattern, logsumexp, kept } = weightsOf(
      q!,
      floating("attention", k!),
      sizes,
      named(rest, attributes),
      attributes,
      tap,
    )
    const z = grouped(kept ? mul(pattern, kept) : pattern, floating("attention", v!))
    return [z, logsumexp]
  },
  kernel: ([q, k, v], attributes) => {
    const sizes = sizesOf(q!, k!, v!)
    const { B, H, T, S, K, V } = sizes
    if (!shortTypes.includes(k!.dtype) || !shortTypes.includes(v!.dtype) || sizeOf([B, H, T, S, K, V]) === 0)
      return null
    return {
      uses: ["attention"],
      accepts: acceptsFrom([0, 1, 2], 3, attributes),
      outputs: [headsInside([B, H, T, V]), { shape: [B, H, T], strides: [H * T, T, 1], offset: 0 }],
      writes: (output, layout) => output === 0 && adjacent(layout),
      calls: (inputs, [z]) => [
        {
          name: "attention",
          fields: {
            q: { input: 0 },
            k: { input: 1 },
            v: { input: 2 },
            z: { output: 0 },
            logsumexp: { output: 1 },
            kType: k!.dtype,
            vType: v!.dtype,
            ...sizes,
            qStrides: three(inputs[0]!),
            kStrides: three(inputs[1]!),
            vStrides: three(inputs[2]!),
            zStrides: three(z!),
            ...extraFields(inputs, 3, attributes, sizes),
          },
        },
      ],
    }
  },
  grad: ([dz], inputs, [z, logsumexp], attributes, needed) => {
    const [q, k, v, ...rest] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]]
    const wide = [q, floating("attention", k), floating("attention", v)]
    const none = rest.map(() => null)
    const place = attributes.extras.indexOf("bias")
    if (place < 0 || !needed[3 + place])
      return [...apply(attentionBackwardRecord, [...wide, z!, logsumexp!, dz!, ...rest], attributes), ...none]
    const { dq, dk, dv, dbias } = gradients(wide[0]!, wide[1]!, wide[2]!, dz!, named(rest, attributes), attributes)
    return [dq, dk, dv, ...rest.map((_, i) => (i === place ? dbias : null))]
  },
}

/** The textbook gradients. dbias has the bias's own shape (null without one). */
function gradients(q: Tensor, k: Tensor, v: Tensor, dz: Tensor, extra: Named, attributes: AttentionAttributes) {
  const { scale, cap } = attributes
  const sizes = sizesOf(q, k, v)
  const { capped, pattern, kept } = weightsOf(q, k, sizes, extra, attributes, (_, x) => x)
  const drop = (x: Tensor): Tensor => (kept ? mul(x, kept) : x)
  const dpattern = drop(grouped(dz, transpose(v)))
  const dscores = mul(pattern, sub(dpattern, sum(mul(dpattern, pattern), -1, keep)))
  // d cap·tanh(x / cap) / dx = 1 - tanh²
  const slope = div(capped, cap || 1)
  const draw = cap > 0 ? mul(dscores, sub(1, mul(slope, slope))) : dscores
  const dsimilarity = mul(draw, scale)
  return {
    dq: grouped(dsimilarity, k),
    dk: groupedSum(dsimilarity, q, sizes.G),
    dv: groupedSum(drop(pattern), dz, sizes.G),
    dbias: extra.bias ? sumToShape(dscores, extra.bias.shape) : null,
  }
}

/** Sums over the axes along which `shape` (of the same rank) was repeated. */
function sumToShape(x: Tensor, shape: Shape): Tensor {
  const axes = x.shape.flatMap((n, i) => (shape[i] === 1 && n !== 1 ? [i] : []))
  return axes.length === 0 ? x : sum(x, axes, keep)
}

// inputs q, k, v, z, logsumexp, dz, extras; outputs dq, dk, dv. The definition needs neither z nor logsumexp.
const attentionBackwardRecord: OpRecord<AttentionAttributes> = {
  name: "attention_backward",
  contraction: true,
  shape: ([q, k, v]) => [q!, k!, v!].map(({ shape }): Signature => ({ shape, dtype: "f32" })),
  compose: ([q, k, v, , , dz, ...rest], attributes) => {
    const { dq, dk, dv } = gradients(q!, k!, v!, dz!, named(rest, attributes), attributes)
    return [dq, dk, dv]
  },
  kernel: ([q, k, v], attributes) => {
    const sizes = sizesOf(q!, k!, v!)
    const { B, H, G, T, S, K, V } = sizes
    if (sizeOf([B, H, T, S, K, V]) === 0) return null
    return {
      uses: ["attention_backward"],
      accepts: acceptsFrom([0, 1, 2, 3, 5], 6, attributes),
      outputs: [headsInside([B, H, T, K]), headsInside([B, G, S, K]), headsInside([B, G, S, V])],
      writes: (_, layout) => adjacent(layout),
      calls: (inputs, [dq, dk, dv]) => [
        {
          name: "attention_backward",
          fields: {
            q: { input: 0 },
            k: { input: 1 },
            v: { input: 2 },
            z: { input: 3 },
            logsumexp: { input: 4 },
            dz: { input: 5 },
            dq: { output: 0 },
            dk: { output: 1 },
            dv: { output: 2 },
            ...sizes,
            qStrides: three(inputs[0]!),
            kStrides: three(inputs[1]!),
            vStrides: three(inputs[2]!),
            zStrides: three(inputs[3]!),
            dzStrides: three(inputs[5]!),
            dqStrides: three(dq!),
            dkStrides: three(dk!),
            dvStrides: three(dv!),
            ...extraFields(inputs, 6, attributes, sizes),
          },
        },
      ],
    }
  },
}

/** Options of attention. */
export interface AttentionOptions {
  /** Queries see no later keys. */
  readonly causal?: boolean
  /** Keys at this distance from the query or farther are hidden (with `causal`: only the last `window` keys are seen). */
  readonly window?: number
  /** i32 [B]: keys from there on are hidden (padding). */
  readonly lengths?: Tensor
  /** bool, broadcastable to [B H T S]: true may be seen. */
  readonly mask?: Tensor
  /** f32, broadcastable to [B H T S]: added to the scaled scores. */
  readonly bias?: Tensor
  /** Factor of q·k; 1 / √K by default. */
  readonly scale?: number
  /** Scaled scores become cap · tanh(score / cap), before the bias. */
  readonly softCap?: number
  /** Rate of dropped attention weights; needs `key`. */
  readonly dropout?: number
  /** Random key, i32 [2]. */
  readonly key?: Tensor
  /** Number of the random stream; counted by default. */
  readonly stream?: number
  /** i32 scalar: position of query 0 among the keys, known when the program runs; S - T by default. */
  readonly offset?: Tensor
}

function checkMatrices(q: Tensor, k: Tensor, v: Tensor): Sizes {
  const got = `q ${formatShape(q.shape)}, k ${formatShape(k.shape)} and v ${formatShape(v.shape)}`
  if (q.rank !== 4 || k.rank !== 4 || v.rank !== 4)
    throw new ShapeError(`attention: expected q [B H T K], k [B G S K] and v [B G S V], but got ${got}`)
  const sizes = sizesOf(q, k, v)
  const fits =
    k.shape[0] === sizes.B &&
    v.shape[0] === sizes.B &&
    v.shape[1] === sizes.G &&
    v.shape[2] === sizes.S &&
    k.shape[3] === sizes.K
  if (!fits) throw new ShapeError(`attention: expected q [B H T K], k [B G S K] and v [B G S V], but got ${got}`)
  if (sizes.G === 0 || sizes.H % sizes.G !== 0)
    throw new ShapeError(
      `attention: expected a number of query heads that is a multiple of the key heads, but got ${sizes.H} and ${sizes.G}`,
    )
  return sizes
}

/** A mask or bias with four axes, checked against [B H T S]. */
function fourAxes(name: string, x: Tensor, { B, H, T, S }: Sizes): Tensor {
  const shape = [B, H, T, S]
  const fits =
    x.rank <= 4 &&
    formatShape(broadcastShapes("attention", [shape, x.shape], ["[B H T S]", name])) === formatShape(shape)
  if (!fits)
    throw new ShapeError(
      `attention: expected a ${name} that broadcasts to [B H T S] = ${formatShape(shape)}, but got ${formatShape(x.shape)}`,
    )
  return reshape(x, [...new Array<number>(4 - x.rank).fill(1), ...x.shape])
}

function checkOptions(options: AttentionOptions): void {
  const { window, scale, softCap, dropout = 0, key } = options
  if (window !== undefined) checkInteger("attention", "window", window, 1)
  if (scale !== undefined && !Number.isFinite(scale))
    throw new ValueError(`attention: expected a finite scale, but got ${scale}`)
  if (softCap !== undefined && !(softCap > 0 && Number.isFinite(softCap)))
    throw new ValueError(`attention: expected a softCap > 0, but got ${softCap}`, "leave it out for none")
  if (!(dropout >= 0 && dropout < 1))
    throw new ValueError(`attention: expected dropout in 0 .. 1 (without 1), but got ${dropout}`)
  if (dropout > 0 && !key)
    throw new ValueError("attention: expected a random key for dropout, but got none", "pass key: randomKey(seed)")
}

/**
 * softmax(cap(scale · q kᵀ) + bias, masked) · v. q [B H T K], k [B G S K], v [B G S V] -> [B H T V]; H is a multiple of G.
 * Rows that see no key give 0. Taps: `scores` [B H T S] (before masking) and `pattern` [B H T S] (before dropout).
 * Throws ShapeError, TypeMismatchError, ValueError.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const sizes = checkMatrices(q, k, v)
  checkOptions(options)
  const { lengths, mask, bias, offset, dropout = 0 } = options
  if (lengths && (lengths.rank !== 1 || lengths.shape[0] !== sizes.B))
    throw new ShapeError(`attention: expected lengths [B] = [${sizes.B}], but got ${formatShape(lengths.shape)}`)
  if (offset && offset.size !== 1)
    throw new ShapeError(`attention: expected an offset of one element, but got ${formatShape(offset.shape)}`)
  const query = floating("attention", q)
  // no keys to see
  if (sizes.S === 0) return full([sizes.B, sizes.H, sizes.T, sizes.V], 0)
  const key = dropout > 0 ? options.key! : undefined
  if (key && (key.rank !== 1 || key.shape[0] !== 2))
    throw new ShapeError(`attention: expected a random key [2], but got ${formatShape(key.shape)}`)
  const positional = options.causal || options.window !== undefined
  const present: Named = {
    ...(bias ? { bias: fourAxes("bias", floating("attention bias", bias), sizes) } : {}),
    ...(mask ? { mask: fourAxes("mask", truthValues("attention mask", mask), sizes) } : {}),
    ...(lengths ? { lengths: wholeNumbers("attention lengths", lengths) } : {}),
    ...(offset && positional ? { offset: wholeNumbers("attention offset", offset) } : {}),
    ...(key ? { key: wholeNumbers("attention key", key) } : {}),
  }
  const used = extras.filter(name => present[name])
  // keys and values may stay in bf16 (a cache); other storage types are widened
  const narrow = (x: Tensor): Tensor => (x.dtype === "bf16" ? x : floating("attention", x))
  return apply(attentionRecord, [query, narrow(k), narrow(v), ...used.map(name => present[name]!)], {
    causal: options.causal ?? false,
    window: options.window ?? 0,
    scale: options.scale ?? 1 / Math.sqrt(sizes.K),
    cap: options.softCap ?? 0,
    dropout,
    stream: dropout > 0 ? (options.stream ?? nextStream()) : 0,
    compute: "f32",
    extras: used,
  })[0]!
}
