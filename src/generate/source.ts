// What an encoder reads, once for a whole generation: rows of ids, or numbers such as pixels and sound. The decoder then attends to its
// keys and values.

import type { EncoderDecoder } from "../models/encoder-decoder.ts"
import type { Model } from "../models/model.ts"
import { type CompiledFunction, chosenDevice, compile } from "../runtime/index.ts"
import { fromHost, gather, ShapeError, Tensor, ValueError } from "../tensor/index.ts"
import { type Attended, type DecoderOptions, powerFrom } from "./decoder.ts"

/** Input of an encoder: ids of each prompt, or a tensor whose first axis counts prompts, with a mask where some of it is padding. */
export type Source = readonly (readonly number[])[] | { readonly input: Tensor; readonly attentionMask?: Tensor }

/** How many prompts a source has. */
export function countOf(source: Source): number {
  return "input" in source ? source.input.shape[0]! : source.length
}

interface Given {
  readonly input: Tensor
  readonly attentionMask?: Tensor
  /** i32 [B]: which row of the input each row of the decoder attends to. */
  readonly rows: Tensor
}

const smallestSource = 16
const readers = new WeakMap<Model, Map<string, CompiledFunction<[Given], Attended>>>()

/** Reads a source; row i of a decoder then attends to input rows[i]. */
export async function readSource(
  model: EncoderDecoder,
  source: Source,
  rows: readonly number[],
  options: DecoderOptions & { readonly signal?: AbortSignal },
): Promise<Attended> {
  const given = "input" in source ? source : padded(model, source)
  const run = readerOf(model, options)
  const args = { ...given, rows: fromHost(Int32Array.from(rows), [rows.length], "i32") }
  return run.run([args], options.signal ? { signal: options.signal } : {})
}

function readerOf(model: EncoderDecoder, { device, precision }: DecoderOptions): CompiledFunction<[Given], Attended> {
  const kept = readers.get(model) ?? new Map<string, CompiledFunction<[Given], Attended>>()
  readers.set(model, kept)
  const key = `${device ?? chosenDevice()} ${precision ?? "fp32"}`
  const known = kept.get(key)
  if (known) return known
  const how = { ...(device ? { device } : {}), ...(precision ? { precision } : {}) }
  const reader = compile((given: Given) => record(model, given), how)
  kept.set(key, reader)
  return reader
}

/** Forgets the programs that read sources of a model. */
export function forgetReaders(model: Model): void {
  readers.delete(model)
}

function record(model: EncoderDecoder, { input, attentionMask, rows }: Given): Attended {
  return model.inEvaluation(() => {
    const { hidden, mask } = model.encode(input, attentionMask ? { attentionMask } : {})
    const pick = (x: Tensor): Tensor => gather(x, rows, 0)
    const memory = model.remember(hidden).map(({ k, v }) => ({ k: pick(k), v: pick(v) }))
    const seen = mask && (mask.dtype === "bool" ? mask.current() : mask.ne(0))
    return { memory, ...(seen ? { mask: pick(seen) } : {}) }
  })
}

/** Rows of ids filled up on the right to one of a few lengths, with the mask that hides it. */
function padded(model: EncoderDecoder, rows: readonly (readonly number[])[]): Omit<Given, "rows"> {
  const longest = Math.max(...rows.map(row => row.length))
  const most = sourceLimit(model)
  if (longest > most)
    throw new ShapeError(
      `generate: expected an input of at most ${most} tokens, what the encoder reads, but got ${longest}: ${longest - most} too many`,
      "shorten it, or cut it into parts",
    )
  const size = Math.min(most, powerFrom(smallestSource, longest))
  const { padToken } = model.config
  const fill = typeof padToken === "number" ? padToken : 0
  const ids = new Int32Array(rows.length * size).fill(fill)
  const mask = new Int32Array(rows.length * size)
  for (const [i, row] of rows.entries()) {
    ids.set(row, i * size)
    mask.fill(1, i * size, i * size + row.length)
  }
  return {
    input: fromHost(ids, [rows.length, size], "i32"),
    attentionMask: fromHost(mask, [rows.length, size], "i32"),
  }
}

/** Tokens that an encoder reads at most. */
function sourceLimit({ config }: EncoderDecoder): number {
  const most = config.sourceContext ?? config.context
  return typeof most === "number" ? most : Number.POSITIVE_INFINITY
}

/** A tensor as a source, checked. Throws ValueError. */
export function tensorSource(input: Tensor, attentionMask?: Tensor): Source {
  if (input.rank < 2 || input.size === 0)
    throw new ValueError(
      `generate: expected an input [B …] of one row for each text, but got ${input}`,
      "put a single one into a batch of one: x.unsqueeze(0)",
    )
  return { input, ...(attentionMask instanceof Tensor ? { attentionMask } : {}) }
}
