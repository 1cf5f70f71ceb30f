// Connectionist temporal classification (Graves et al. 2006): the probability that a sequence of frames spells a shorter text, summed
// over every way to spread its symbols, with blanks between them, over the frames.

import { checkOptions, checkTensors } from "../arguments.ts"
import { HeedError, ShapeError, ValueError } from "../errors.ts"
import { applyOne, type Elements, type OpRecord } from "../op.ts"
import { checkInteger, formatShape } from "../shape.ts"
import type { Signature, Tensor } from "../tensor.ts"
import { full } from "./constant.ts"
import { cast, div, eq, maximum, where } from "./pointwise.ts"
import { mean, sum } from "./reduce.ts"
import { floating, wholeNumbers } from "./types.ts"

interface BlankAttributes {
  readonly blank: number
}

/** log(eᵃ + eᵇ + eᶜ) */
function addLogs(a: number, b: number, c = -Infinity): number {
  const most = Math.max(a, b, c)
  return most === -Infinity ? most : most + Math.log(Math.exp(a - most) + Math.exp(b - most) + Math.exp(c - most))
}

interface Spelling {
  /** Frames of this row. */
  readonly frames: number
  /** Blank, symbol, blank, …, symbol, blank. */
  readonly labels: readonly number[]
  /** Log-probability of a label at a frame. */
  readonly at: (frame: number, state: number) => number
  /** Whether state s may follow s - 2 at once: another symbol, not a blank. */
  readonly skips: (state: number) => boolean
}

/** One row of the batch, checked. */
function spelling(
  [x, targets, frames, lengths]: readonly Elements[],
  row: number,
  { blank }: BlankAttributes,
): Spelling {
  const [, T, V] = x!.shape as [number, number, number]
  const S = targets!.shape[1]!
  const within = (what: string, value: number, limit: number): number => {
    if (!(value >= 0 && value < limit))
      throw new HeedError(`ctcLoss: expected ${what} in 0..${limit - 1}, but got ${value}`)
    return value
  }
  const length = within("target lengths", lengths!.data[row]!, S + 1)
  const labels = [blank]
  for (let i = 0; i < length; i++) labels.push(within("targets", targets!.data[row * S + i]!, V), blank)
  return {
    frames: within("input lengths", frames!.data[row]!, T + 1),
    labels,
    at: (frame, state) => x!.data[(row * T + frame) * V + labels[state]!]!,
    skips: state => state >= 2 && labels[state] !== blank && labels[state] !== labels[state - 2],
  }
}

/** Log-probabilities of the first t + 1 frames that end in each state: [frame][state]. */
function forwardScores({ frames, labels, at, skips }: Spelling): Float64Array[] {
  const scores: Float64Array[] = []
  for (let t = 0; t < frames; t++) {
    const before = scores.at(-1)
    const now = new Float64Array(labels.length).fill(-Infinity)
    for (let s = 0; s < labels.length; s++) {
      if (before)
        now[s] = addLogs(before[s]!, s >= 1 ? before[s - 1]! : -Infinity, skips(s) ? before[s - 2]! : -Infinity)
      else if (s < 2) now[s] = 0
      now[s]! += at(t, s)
    }
    scores.push(now)
  }
  return scores
}

/** Log-probability of the whole text. */
function totalScore({ frames, labels }: Spelling, scores: readonly Float64Array[]): number {
  if (frames === 0) return labels.length === 1 ? 0 : -Infinity
  const last = scores[frames - 1]!
  return addLogs(last[labels.length - 1]!, labels.length > 1 ? last[labels.length - 2]! : -Infinity)
}

const kernelFields = ([x, targets]: readonly Signature[], { blank }: BlankAttributes) => ({
  x: { input: 0 },
  targets: { input: 1 },
  inputLengths: { input: 2 },
  targetLengths: { input: 3 },
  rows: x!.shape[0]!,
  frames: x!.shape[1]!,
  classes: x!.shape[2]!,
  longest: targets!.shape[1]!,
  blank,
})

// inputs log-probabilities [B T V], targets [B S], lengths of both [B]; output loss [B], Infinity where the frames are too few
const ctcRecord: OpRecord<BlankAttributes> = {
  name: "ctcLoss",
  shape: ([x]) => ({ shape: [x!.shape[0]!], dtype: "f32" }),
  loop: (inputs, [loss], attributes) => {
    for (let row = 0; row < loss!.data.length; row++) {
      const one = spelling(inputs, row, attributes)
      loss!.data[row] = -totalScore(one, forwardScores(one))
    }
  },
  kernel: (inputs, attributes) => ({
    uses: ["ctc_loss"],
    calls: () => [{ name: "ctc_loss", fields: { ...kernelFields(inputs, attributes), loss: { output: 0 } } }],
  }),
  grad: ([dloss], [x, targets, frames, lengths], _, attributes) => [
    applyOne(ctcBackwardRecord, [x!, targets!, frames!, lengths!, dloss!], attributes),
    null,
    null,
    null,
  ],
}

// inputs as above and dloss [B]; output dx [B T V]: minus the probability that a frame spells a class, given the text. Rows whose
// upstream gradient is 0 get zeros, even where the loss is infinite.
const ctcBackwardRecord: OpRecord<BlankAttributes> = {
  name: "ctcLoss_backward",
  shape: ([x]) => ({ shape: x!.shape, dtype: "f32" }),
  loop: (inputs, [dx], attributes) => {
    const [, T, V] = inputs[0]!.shape as [number, number, number]
    const upstream = inputs[4]!.data
    dx!.data.fill(0)
    for (const [row, weight] of upstream.entries()) {
      const one = spelling(inputs, row, attributes)
      if (weight === 0) continue
      const scores = forwardScores(one)
      const total = totalScore(one, scores)
      const { frames, labels, at, skips } = one
      const n = labels.length
      let after = new Float64Array(n).fill(-Infinity) // of the frames behind t, begun after each state
      for (let t = frames - 1; t >= 0; t--) {
        const now = new Float64Array(n).fill(-Infinity)
        const next = (s: number): number => (s < n ? after[s]! + at(t + 1, s) : -Infinity)
        for (let s = 0; s < n; s++)
          if (t === frames - 1) now[s] = s >= n - 2 ? 0 : -Infinity
          else now[s] = addLogs(next(s), next(s + 1), s + 2 < n && skips(s + 2) ? next(s + 2) : -Infinity)
        for (let s = 0; s < n; s++)
          dx!.data[(row * T + t) * V + labels[s]!]! -= weight * Math.exp(scores[t]![s]! + now[s]! - total)
        after = now
      }
    }
  },
  kernel: (inputs, attributes) => ({
    uses: ["ctc_loss_backward"],
    calls: () => [
      {
        name: "ctc_loss_backward",
        fields: { ...kernelFields(inputs, attributes), dloss: { input: 4 }, dx: { output: 0 } },
      },
    ],
  }),
}

/** Options of the CTC loss. */
export interface CtcOptions {
  /** i32 [B]: frames of each row that count; all by default. */
  readonly inputLengths?: Tensor
  /** i32 [B]: symbols of each row that count; all by default. */
  readonly targetLengths?: Tensor
  /** The class that says nothing; 0 by default. */
  readonly blank?: number
  /** "mean" (default) divides each row's loss by its number of symbols first, as PyTorch does. */
  readonly reduction?: "mean" | "sum" | "none"
  /** true: rows whose text does not fit into their frames count 0 instead of Infinity, with no gradient. Default false. */
  readonly zeroInfinity?: boolean
}

/**
 * -log of the probability that frames spell a text. logProbabilities [B T V] (of a logSoftmax), targets i32 [B S] without blanks.
 * Throws ShapeError, TypeMismatchError, ValueError; HeedError at run time for lengths and targets out of range. It has no second gradient.
 */
export function ctcLoss(logProbabilities: Tensor, targets: Tensor, options: CtcOptions = {}): Tensor {
  const what = "ctcLoss"
  checkTensors(what, { logProbabilities, targets })
  checkOptions(what, { options }, ["inputLengths", "targetLengths", "blank", "reduction", "zeroInfinity"])
  const { inputLengths, targetLengths, blank = 0, reduction = "mean", zeroInfinity = false } = options
  checkTensors(what, {}, { inputLengths, targetLengths })
  if (logProbabilities.rank !== 3 || targets.rank !== 2 || logProbabilities.shape[0] !== targets.shape[0])
    throw new ShapeError(
      `${what}: expected logProbabilities [B T V] and targets [B S], but got ${formatShape(logProbabilities.shape)} and ${formatShape(targets.shape)}`,
    )
  const [B, T, V] = logProbabilities.shape as [number, number, number]
  for (const [name, lengths] of Object.entries({ inputLengths, targetLengths }))
    if (lengths && formatShape(lengths.shape) !== formatShape([B]))
      throw new ShapeError(`${what}: expected ${name} [${B}], but got ${formatShape(lengths.shape)}`)
  checkInteger(what, "the blank", blank, 0, V - 1)
  if (typeof zeroInfinity !== "boolean")
    throw new ValueError(`${what}: expected zeroInfinity to be true or false, but got ${String(zeroInfinity)}`)
  const lengthsOf = (lengths: Tensor | undefined, all: number): Tensor =>
    lengths ? wholeNumbers(`${what} lengths`, lengths) : full([B], all, "i32")
  const symbols = lengthsOf(targetLengths, targets.shape[1]!)
  const raw = applyOne(
    ctcRecord,
    [floating(what, logProbabilities), wholeNumbers(`${what} targets`, targets), lengthsOf(inputLengths, T), symbols],
    { blank },
  )
  const losses = zeroInfinity ? where(eq(raw, Infinity), full([], 0), raw) : raw
  if (reduction === "none") return losses
  if (reduction === "sum") return sum(losses)
  if (reduction === "mean") return mean(div(losses, maximum(cast(symbols, "f32"), 1)))
  throw new ValueError(`${what}: expected reduction mean, sum or none, but got ${String(reduction)}`)
}
