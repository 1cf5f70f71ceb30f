// Rotary positions (Su et al. 2021): pairs of a head's elements turn by an angle that grows with the position. The pairs are
// element i and i + K/2 ("rotate half"). Scalings for longer contexts as published: linear, dynamic NTK, Llama 3, YaRN (Peng et al. 2023),
// LongRoPE (Ding et al. 2024).

import { cast, concat, fromHost, HeedError, max, type Tensor, ValueError, where } from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"

/** How rotary angles are stretched for contexts longer than the trained one. */
export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  /** Grows with the longest position once that is beyond the trained context. */
  | { readonly kind: "dynamic"; readonly factor: number }
  | {
      readonly kind: "llama3"
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalContext: number
    }
  | {
      readonly kind: "yarn"
      readonly factor: number
      /** Factor of sine and cosine; 0.1 · ln(factor) + 1 by default. */
      readonly attentionFactor?: number
      /** Turns within the context from which a pair keeps its frequency; 32 by default. */
      readonly betaFast?: number
      /** Turns within the context up to which a pair is stretched; 1 by default. */
      readonly betaSlow?: number
      /** Context the model was trained for before it was stretched; the model's context by default. */
      readonly originalContext?: number
    }
  /** Each pair is slowed down by a factor of its own: of one list up to the original context, of another beyond it. */
  | {
      readonly kind: "longrope"
      readonly shortFactors: readonly number[]
      readonly longFactors: readonly number[]
      /** Factor of sine and cosine; √(1 + ln s / ln originalContext) for a context stretched s times by default. */
      readonly attentionFactor?: number
      /** Context the model was trained for before it was stretched; the model's context by default. */
      readonly originalContext?: number
      /** How many times the context was stretched, where originalContext does not tell. */
      readonly factor?: number
    }

/** Options of rotary positions. */
export interface RotaryOptions {
  /** Elements of a head that turn; even. */
  readonly width: number
  /** Base of the wave lengths; 10000 by default. */
  readonly theta?: number
  readonly scaling?: RopeScaling | null
  /** Context the model was trained for, in positions. */
  readonly context: number
}

/** Cosine and sine of every position's angles, each [B T K/2] (B may be 1). */
export interface Rotation {
  readonly cos: Tensor
  readonly sin: Tensor
}

/** Angular frequency of each pair [width / 2], in radians per position, and the factor of sine and cosine. */
export interface Frequencies {
  readonly values: Float32Array
  readonly factor: number
}

const plainFrequency = ({ width, theta = 10000 }: RotaryOptions, pair: number): number => theta ** ((-2 * pair) / width)

/** Factors of the pairs of LongRoPE, checked. Throws ValueError. */
function pairFactors(name: string, factors: readonly number[], width: number): readonly number[] {
  if (factors.length !== width / 2 || !factors.every(one => one > 0))
    throw new ValueError(`RoPE: expected ${width / 2} ${name} above 0, one for each pair, but got ${factors.length}`)
  return factors
}

/** The frequencies of rotary positions (dynamic scaling and LongRoPE: those within the trained context). Throws ValueError. */
export function rotaryFrequencies(options: RotaryOptions): Frequencies {
  const { width, theta = 10000, scaling, context } = options
  checkInteger("RoPE", "the width", width, 2)
  if (width % 2 !== 0) throw new ValueError(`RoPE: expected an even width, but got ${width}`)
  if (!(theta > 1)) throw new ValueError(`RoPE: expected theta > 1, but got ${theta}`)
  if (scaling?.factor !== undefined && !(scaling.factor >= 1))
    throw new ValueError(`RoPE: expected a scaling factor of 1 or more, but got ${scaling.factor}`)
  const plain = Array.from({ length: width / 2 }, (_, i) => plainFrequency(options, i))
  const result = (values: number[], factor = 1): Frequencies => ({ values: Float32Array.from(values), factor })
  switch (scaling?.kind) {
    case undefined:
    case "dynamic":
      return result(plain)
    case "linear":
      return result(plain.map(f => f / scaling.factor))
    case "llama3": {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling
      if (!(high > low))
        throw new ValueError(`RoPE: expected a high above the low frequency factor, but got ${high} and ${low}`)
      return result(
        plain.map(f => {
          const turns = (originalContext * f) / (2 * Math.PI)
          const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)))
          return f * (kept + (1 - kept) / factor)
        }),
      )
    }
    case "yarn": {
      const { factor, attentionFactor = 0.1 * Math.log(factor) + 1, betaFast = 32, betaSlow = 1 } = scaling
      // the pair that turns so often within the context
      const { originalContext = context } = scaling
      const pairOf = (turns: number) =>
        (width * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
      const low = Math.max(Math.floor(pairOf(betaFast)), 0)
      const high = Math.min(Math.ceil(pairOf(betaSlow)), width - 1)
      const span = high === low ? 0.001 : high - low
      return result(
        plain.map((f, i) => {
          const stretched = Math.min(1, Math.max(0, (i - low) / span))
          return (f / factor) * stretched + f * (1 - stretched)
        }),
        attentionFactor,
      )
    }
    case "longrope": {
      const { originalContext = context, factor = 1 } = scaling
      const stretched = scaling.originalContext === undefined ? factor : context / originalContext
      const grown = stretched <= 1 ? 1 : Math.sqrt(1 + Math.log(stretched) / Math.log(originalContext))
      const slower = pairFactors("shortFactors", scaling.shortFactors, width)
      return result(
        plain.map((f, i) => f / slower[i]!),
        scaling.attentionFactor ?? grown,
      )
    }
  }
  throw new HeedError(
    `RoPE: expected a scaling of linear, dynamic, llama3, yarn or longrope, but got ${String(scaling)}`,
  )
}

/** Frequencies [width / 2] for the longest of these positions: dynamic scaling and LongRoPE change them beyond the trained context. */
function frequenciesAt(positions: Tensor, options: RotaryOptions, values: Float32Array): Tensor {
  const { scaling, context, width } = options
  const own = fromHost(values, [values.length], "f32")
  if (scaling?.kind === "longrope") {
    const { originalContext = context, longFactors } = scaling
    const slower = pairFactors("longFactors", longFactors, width)
    const long = Float32Array.from(slower, (factor, i) => plainFrequency(options, i) / factor)
    return where(max(positions).ge(originalContext), fromHost(long, [long.length], "f32"), own)
  }
  if (scaling?.kind !== "dynamic" || width === 2) return own
  const { factor } = scaling
  const length = cast(max(positions), "f32").add(1).maximum(context)
  // theta grows by g^(width / (width - 2)), so pair i slows down by g^(-2i / (width - 2))
  const growth = length
    .mul(factor / context)
    .sub(factor - 1)
    .log()
  const exponents = Float32Array.from(values, (_, i) => (-2 * i) / (width - 2))
  return own.mul(growth.mul(fromHost(exponents, [values.length], "f32")).exp())
}

/** Sine and cosine for positions i32 [T] or [B T]; made once and used by all layers. */
export function rotationOf(positions: Tensor, options: RotaryOptions): Rotation {
  const { values, factor } = rotaryFrequencies(options)
  const at = positions.rank === 1 ? positions.unsqueeze(0) : positions
  const angles = cast(at, "f32")
    .unsqueeze(-1)
    .mul(frequenciesAt(positions, options, values)) // [B T K/2]
  const scaled = (x: Tensor): Tensor => (factor === 1 ? x : x.mul(factor))
  return { cos: scaled(angles.cos()), sin: scaled(angles.sin()) }
}

/** x [B T H K] with the pairs of each head turned; elements beyond the turning ones stay as they are. */
export function rotate(x: Tensor, { cos, sin }: Rotation): Tensor {
  const half = cos.shape.at(-1)!
  const width = x.shape.at(-1)!
  if (2 * half > width) throw new ValueError(`RoPE: expected heads of at least ${2 * half} elements, but got ${width}`)
  const rest = width - 2 * half
  const [a, b, ...still] = x.split(rest > 0 ? [half, half, rest] : [half, half], -1) as [Tensor, Tensor, ...Tensor[]]
  const [c, s] = [cos.unsqueeze(2), sin.unsqueeze(2)] // [B T 1 K/2]
  return concat([a.mul(c).sub(b.mul(s)), b.mul(c).add(a.mul(s)), ...still], -1)
}
