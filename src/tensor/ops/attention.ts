// Scaled dot-product attention (Vaswani et al. 2017) with grouped heads. The definition is the textbook formula; where nobody asks for
// its scores or pattern, a kernel streams over keys and the [T S] matrix never exists.

import { checkOptions, checkTensors } from "../arguments.ts"
import { ShapeError, ValueError } from "../errors.ts"
import { apply, type BufferField, type OpRecord } from "../op.ts"
import {
  broadcastLayout,
  broadcastShapes,
  checkInteger,
  formatShape,
  isContiguous,
  type Layout,
  sizeOf,
} from "../shape.ts"
import { tap } from "../tap.ts"
import type { Signature, Tensor } from "../tensor.ts"
import {
  type AttentionAttributes,
  type Extra,
  extras,
  gradients,
  grouped,
  type Named,
  named,
  type Sizes,
  sizesOf,
  weightsOf,
} from "./attention-formula.ts"
import { type AttentionPattern, checkMarks, checkPattern, patternParts } from "./attention-pattern.ts"
import { reshape } from "./move.ts"
import { full, mul } from "./pointwise.ts"
import { nextStream } from "./random.ts"
import { floating, truthValues, wholeNumbers } from "./types.ts"

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
    marks: place("marks"),
    biasStrides: strides("bias"),
    maskStrides: strides("mask"),
    scale: attributes.scale,
    cap: attributes.cap,
    dropout: attributes.dropout,
    stream: attributes.stream,
    compute: attributes.compute === "bf16" ? 1 : 0,
  }
}

/** The calls of a kernel for each part of the pattern; null where the definition must do: patterns of queries that stand elsewhere than the keys. */
function partsOf(attributes: AttentionAttributes, { T, S }: Sizes, backward: boolean) {
  const { pattern, window, causal, dropout } = attributes
  if (pattern && (T !== S || T === 1 || attributes.extras.includes("offset"))) return null
  const parts = patternParts(pattern, window, causal, backward)
  // dropped weights are numbered by neighbouring keys, and parts are joined before any is dropped
  const apart = parts.length > 1 || parts.some(part => part.keyStep > 1)
  return dropout > 0 && apart ? null : parts
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
    return name === "bias" || name === "mask" || isContiguous(layout)
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
    const parts = partsOf(attributes, sizes, false)
    if (!parts) return null
    if (!shortTypes.includes(k!.dtype) || !shortTypes.includes(v!.dtype) || sizeOf([B, H, T, S, K, V]) === 0)
      return null
    return {
      uses: ["attention"],
      accepts: acceptsFrom([0, 1, 2], 3, attributes),
      outputs: [headsInside([B, H, T, V]), { shape: [B, H, T], strides: [H * T, T, 1], offset: 0 }],
      writes: (output, layout) => output === 0 && adjacent(layout),
      calls: (inputs, [z]) =>
        parts.map(part => ({
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
            ...part,
          },
        })),
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
    const parts = partsOf(attributes, sizes, true)
    if (!parts || sizeOf([B, H, T, S, K, V]) === 0) return null
    return {
      uses: ["attention_backward"],
      accepts: acceptsFrom([0, 1, 2, 3, 5], 6, attributes),
      outputs: [headsInside([B, H, T, K]), headsInside([B, G, S, K]), headsInside([B, G, S, V])],
      writes: (_, layout) => adjacent(layout),
      calls: (inputs, [dq, dk, dv]) =>
        parts.map(part => ({
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
            ...part,
          },
        })),
    }
  },
}

/** Options of attention. */
export interface AttentionOptions {
  /** Queries see no later keys. */
  readonly causal?: boolean
  /** Keys at this distance from the query or farther are hidden (with `causal`: only the last `window` keys are seen). */
  readonly window?: number
  /** A sparse pattern: slidingWindow, dilatedWindow, strided, fixed, blockSparse or globalWindow. */
  readonly pattern?: AttentionPattern
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

function checkFacts(options: AttentionOptions): void {
  const { window, pattern, scale, softCap, dropout = 0, key, lengths, mask, bias, offset, stream } = options
  checkTensors("attention", {}, { key, lengths, mask, bias, offset })
  if (stream !== undefined) checkInteger("attention", "the stream", stream, 0, 2 ** 31 - 1)
  if (window !== undefined) checkInteger("attention", "window", window, 1)
  if (pattern !== undefined && typeof pattern?.rule?.kind !== "string")
    throw new ValueError(
      "attention: expected a pattern, but got something else",
      "pass slidingWindow(128), strided(64), …",
    )
  if (pattern && window !== undefined)
    throw new ValueError("attention: expected window or pattern, but got both", "leave window out")
  if (scale !== undefined && !Number.isFinite(scale))
    throw new ValueError(`attention: expected a finite scale, but got ${scale}`)
  if (softCap !== undefined && !(softCap > 0 && Number.isFinite(softCap)))
    throw new ValueError(`attention: expected a softCap > 0, but got ${softCap}`, "leave it out for none")
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1))
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
  checkTensors("attention", { q, k, v })
  checkOptions("attention", { options }, [
    "causal",
    "window",
    "pattern",
    "lengths",
    "mask",
    "bias",
    "scale",
    "softCap",
    "dropout",
    "key",
    "stream",
    "offset",
  ])
  const sizes = checkMatrices(q, k, v)
  checkFacts(options)
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
  const { causal = false } = options
  const { rule, marks } = options.pattern ?? {}
  const pattern = rule && rule.kind !== "window" ? rule : null
  const window = rule?.kind === "window" ? rule.window : (options.window ?? 0)
  if (pattern) checkPattern(pattern, sizes.T, sizes.S, causal)
  if (marks) checkMarks(marks, sizes.B, sizes.S)
  const positional = causal || window > 0 || pattern !== null
  const present: Named = {
    ...(bias ? { bias: fourAxes("bias", floating("attention bias", bias), sizes) } : {}),
    ...(mask ? { mask: fourAxes("mask", truthValues("attention mask", mask), sizes) } : {}),
    ...(lengths ? { lengths: wholeNumbers("attention lengths", lengths) } : {}),
    ...(offset && positional ? { offset: wholeNumbers("attention offset", offset) } : {}),
    ...(key ? { key: wholeNumbers("attention key", key) } : {}),
    ...(marks ? { marks: truthValues("attention marks", marks) } : {}),
  }
  const used = extras.filter(name => present[name])
  // keys and values may stay in bf16 (a cache); other storage types are widened
  const narrow = (x: Tensor): Tensor => (x.dtype === "bf16" ? x : floating("attention", x))
  return apply(attentionRecord, [query, narrow(k), narrow(v), ...used.map(name => present[name]!)], {
    causal,
    window,
    pattern,
    scale: options.scale ?? 1 / Math.sqrt(sizes.K),
    cap: options.softCap ?? 0,
    dropout,
    stream: dropout > 0 ? (options.stream ?? nextStream()) : 0,
    compute: "f32",
    extras: used,
  })[0]!
}
