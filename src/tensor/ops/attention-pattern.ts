// Sparse patterns of attention: which keys a query sees, as a rule over positions (the definition) and as parts that the streaming kernel
// computes one after another into the same softmax, in time and memory that grow with the number of visible pairs.

import { ShapeError, ValueError } from "../errors.ts"
import { checkInteger, formatShape } from "../shape.ts"
import { fromHost, Tensor } from "../tensor.ts"
import { gather } from "./gather.ts"
import { reshape, unsqueeze } from "./move.ts"
import { abs, cast, div, eq, floor, ge, logicalAnd, logicalOr, lt, mul, ne, sub } from "./pointwise.ts"

/** What an attention node knows of its pattern: plain numbers. i: position of the query, j: of the key. */
export type PatternRule =
  | { readonly kind: "dilated"; readonly window: number; readonly dilation: number }
  | { readonly kind: "strided"; readonly stride: number }
  | { readonly kind: "fixed"; readonly length: number; readonly summary: number }
  | { readonly kind: "blocks"; readonly size: number; readonly rows: readonly (readonly number[])[] }
  | { readonly kind: "global"; readonly window: number }

/** Which keys a query sees; made by slidingWindow, dilatedWindow, strided, fixed, blockSparse and globalWindow. */
export interface AttentionPattern {
  /** Its name and numbers; for a plain window the width alone. */
  readonly rule: PatternRule | { readonly kind: "window"; readonly window: number }
  /** globalWindow: bool [B S], the positions that see all and are seen by all. */
  readonly marks?: Tensor
}

/** j is seen when |i - j| < window (Longformer's and Mistral's local attention; Child et al. 2019). */
export function slidingWindow(window: number): AttentionPattern {
  checkInteger("slidingWindow", "window", window, 1)
  return { rule: { kind: "window", window } }
}

/** j is seen when i - j is a multiple of `dilation` and |i - j| < window · dilation: a window with gaps (Beltagy et al. 2020, figure 2c). */
export function dilatedWindow(window: number, dilation: number): AttentionPattern {
  checkInteger("dilatedWindow", "window", window, 1)
  checkInteger("dilatedWindow", "dilation", dilation, 1)
  return dilation === 1 ? slidingWindow(window) : { rule: { kind: "dilated", window, dilation } }
}

/** Causal only: j ≤ i is seen when i - j < stride or i - j is a multiple of stride (Child et al. 2019, section 4.2, strided). */
export function strided(stride: number): AttentionPattern {
  checkInteger("strided", "stride", stride, 2)
  return { rule: { kind: "strided", stride } }
}

/**
 * Causal only: j ≤ i is seen when it lies in the query's own stretch of `length` positions, or among the last `summary` positions of its
 * own stretch (Child et al. 2019, section 4.2, fixed).
 */
export function fixed(length: number, summary = 1): AttentionPattern {
  checkInteger("fixed", "length", length, 1)
  checkInteger("fixed", "summary", summary, 1, length)
  return { rule: { kind: "fixed", length, summary } }
}

/**
 * Positions are cut into blocks of `size` (16, 32 or a multiple of 64); queries of block r see the key blocks `rows[r]` (Gray et al. 2017; Child et
 * al. 2019; Zaheer et al. 2020).
 */
export function blockSparse(size: number, rows: readonly (readonly number[])[]): AttentionPattern {
  checkInteger("blockSparse", "size", size, 1)
  if (size !== 16 && size !== 32 && size % 64 !== 0)
    throw new ValueError(`blockSparse: expected blocks of 16, 32 or a multiple of 64 positions, but got ${size}`)
  if (!Array.isArray(rows) || !rows.every(Array.isArray))
    throw new ValueError("blockSparse: expected a list of key blocks for each query block, but got something else")
  const sorted = rows.map((row, r) => {
    for (const block of row) checkInteger("blockSparse", `a key block of row ${r}`, block, 0, rows.length - 1)
    return [...new Set(row)].sort((a, b) => a - b)
  })
  return { rule: { kind: "blocks", size, rows: sorted } }
}

/**
 * j is seen when |i - j| < window, or i or j is marked. marks: bool [B S], known when the program runs (Beltagy et al. 2020: local and global attention).
 */
export function globalWindow(window: number, marks: Tensor): AttentionPattern {
  checkInteger("globalWindow", "window", window, 1)
  if (!(marks instanceof Tensor))
    throw new ValueError(
      "globalWindow: expected marks, a bool tensor [B S], but got none",
      "pass ids.eq(0) or the like",
    )
  return { rule: { kind: "global", window }, marks }
}

/** Checks a rule against the call it is used in. Throws ShapeError, ValueError. */
export function checkPattern(rule: PatternRule, T: number, S: number, causal: boolean): void {
  if ((rule.kind === "strided" || rule.kind === "fixed") && !causal)
    throw new ValueError(`attention: expected causal: true with the pattern ${rule.kind}, but got none`)
  if (rule.kind === "blocks" && rule.rows.length !== Math.ceil(S / rule.size))
    throw new ShapeError(
      `attention: expected ${Math.ceil(S / rule.size)} rows of blocks for ${S} positions in blocks of ${rule.size}, but got ${rule.rows.length}`,
    )
  if (rule.kind === "global" && T !== S)
    throw new ShapeError(
      `attention: expected as many queries as keys with globalWindow, but got ${T} and ${S}`,
      "give queries of later positions a mask",
    )
}

/** Checks marks against [B S]. Throws ShapeError. */
export function checkMarks(marks: Tensor, B: number, S: number): void {
  if (marks.rank !== 2 || marks.shape[0] !== B || marks.shape[1] !== S)
    throw new ShapeError(`attention: expected marks [B S] = [${B} ${S}], but got ${formatShape(marks.shape)}`)
}

/** floor(x / n) of whole numbers below 2^24. */
const whole = (x: Tensor, n: number): Tensor => cast(floor(div(cast(x, "f32"), n)), "i32")
const multiple = (x: Tensor, n: number): Tensor => eq(sub(x, mul(whole(x, n), n)), 0)

/** The definition: bool, broadcastable to [B H T S]. query i32 [T 1] and key i32 [S] are positions; marks bool [B S]. */
export function visibleBy(rule: PatternRule, query: Tensor, key: Tensor, marks: Tensor | undefined): Tensor {
  const distance = sub(query, key)
  switch (rule.kind) {
    case "dilated":
      return logicalAnd(multiple(distance, rule.dilation), lt(abs(distance), rule.window * rule.dilation))
    case "strided":
      return logicalOr(lt(abs(distance), rule.stride), multiple(distance, rule.stride))
    case "fixed": {
      const { length, summary } = rule
      const own = eq(whole(query, length), whole(key, length))
      return logicalOr(own, ge(sub(key, mul(whole(key, length), length)), length - summary))
    }
    case "blocks": {
      const count = rule.rows.length
      const table = new Int32Array(count * count)
      for (const [r, row] of rule.rows.entries()) for (const block of row) table[r * count + block] = 1
      const place = mul(whole(query, rule.size), count).add(whole(key, rule.size))
      return ne(gather(fromHost(table, [count * count], "i32"), place), 0)
    }
    case "global": {
      const [B, S] = marks!.shape as [number, number]
      const some = logicalOr(reshape(marks!, [B, 1, S, 1]), reshape(marks!, [B, 1, 1, S]))
      return logicalOr(some, unsqueeze(unsqueeze(lt(abs(distance), rule.window), 0), 0))
    }
  }
}

/** Fields of one call of the streaming kernel that a pattern sets. */
export interface PatternFields {
  readonly window: number
  readonly causal: number
  readonly segment: number
  readonly divide: number
  readonly shift: number
  readonly queryStep: number
  readonly keyStep: number
  readonly keyStart: number
  readonly accumulate: number
  readonly block: number
  readonly spans: readonly number[]
}

const plain: PatternFields = {
  window: 0,
  causal: 0,
  segment: 0,
  divide: 1,
  shift: 0,
  queryStep: 1,
  keyStep: 1,
  keyStart: 0,
  accumulate: 0,
  block: 0,
  spans: [],
}

/** [rows, rows + 1 starts, items]: lists of blocks as the kernel reads them. */
function spansOf(rows: readonly (readonly number[])[]): number[] {
  const starts = [0]
  for (const row of rows) starts.push(starts.at(-1)! + row.length)
  return [rows.length, ...starts, ...rows.flat()]
}

function turned(rows: readonly (readonly number[])[]): number[][] {
  const columns: number[][] = rows.map(() => [])
  for (const [r, row] of rows.entries()) for (const block of row) columns[block]!.push(r)
  return columns
}

/**
 * The calls that together see what the rule lets see, each pair once. `backward` lists blocks by key. Positions must be the same for
 * queries and keys.
 */
export function patternParts(
  rule: PatternRule | null,
  window: number,
  causal: boolean,
  backward: boolean,
): readonly PatternFields[] {
  const first: PatternFields = { ...plain, window, causal: causal ? 1 : 0 }
  switch (rule?.kind) {
    case undefined:
      return [first]
    case "dilated":
      return [{ ...first, window: rule.window, queryStep: rule.dilation, keyStep: rule.dilation }]
    case "strided": {
      // the stretch before the query, then whole strides back
      const { stride } = rule
      return [
        { ...first, window: stride },
        { ...first, queryStep: stride, keyStep: stride, shift: -1, accumulate: 1 },
      ]
    }
    case "fixed": {
      // the own stretch, then each of the summaries of earlier stretches
      const { length, summary } = rule
      const far = Array.from({ length: summary }, (_, i) => ({
        ...first,
        keyStep: length,
        keyStart: length - summary + i,
        divide: length,
        shift: -1,
        accumulate: 1,
      }))
      return [{ ...first, segment: length }, ...far]
    }
    case "blocks":
      return [{ ...first, block: rule.size, spans: spansOf(backward ? turned(rule.rows) : rule.rows) }]
    case "global":
      return [{ ...first, window: rule.window }]
  }
}
