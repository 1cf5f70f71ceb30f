// Spans that a model does not hear while it learns (Park et al. 2019, "SpecAugment"; Baevski et al. 2020, wav2vec 2.0).

import { bernoulli, pad, type Tensor, where, windows } from "../tensor/index.ts"
import { randomOf } from "./random.ts"

/** Spans along one axis. */
export interface SpanOptions {
  /** Share of positions that spans cover, where they do not overlap. */
  readonly rate: number
  /** Positions of one span. */
  readonly length: number
  /** Axis of [B T C]: 1 for spans of time, 2 for spans of channels. */
  readonly axis: 1 | 2
}

/** x [B T C] with `value` in random spans; for training, needs withRandom there. */
export function maskSpans(x: Tensor, value: Tensor, { rate, length, axis }: SpanOptions): Tensor {
  const [B, n] = [x.shape[0]!, x.shape[axis]!]
  if (rate === 0 || n < length) return x
  const starts = bernoulli([B, n], randomOf("maskSpans"), { p: rate / length }).cast("i32")
  const before = pad(starts, [
    [0, 0],
    [length - 1, 0],
  ])
  const masked = windows(before, 1, length).max(-1).gt(0) // [B n]
  return where(masked.unsqueeze(axis === 1 ? 2 : 1), value, x)
}
