// onnxruntime-node as a peer, when it is installed: an encoder of BERT's shape, written as Hugging Face exports it, so that its
// optimizer fuses attention, normalization and gelu.

import { createRequire } from "node:module"
import { OnnxGraph, onnxTypes } from "./onnx-graph.ts"

/** Sizes of an encoder. */
export interface EncoderShape {
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly inner: number
  readonly vocabulary: number
  readonly context: number
}

interface Session {
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: Float32Array }>>>
}

interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> }
  readonly Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => unknown
  readonly env: { readonly versions: { readonly node?: string; readonly common?: string } }
}

/** The peer, or why it is not there. */
export type Onnxruntime =
  | { readonly problem: string }
  | {
      readonly version: string
      /** A function that runs the encoder on ids [B T] without padding. */
      encoder(shape: EncoderShape, B: number, T: number): Promise<() => Promise<Float32Array>>
    }

/** Random weights, the same in every run. */
function uniform(size: number, bound: number): Float32Array {
  let state = size | 1
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state / 2 ** 31) * bound
  })
}

/** BERT's graph: embeddings, post-norm blocks with masked attention and gelu. */
function encoderGraph({ layers, width: D, heads: H, inner, vocabulary, context }: EncoderShape): Buffer {
  const graph = new OnnxGraph()
  const matrix = (rows: number, columns: number): string => graph.weight(uniform(rows * columns, 0.03), [rows, columns])
  const vector = (size: number, value: number): string => graph.weight(new Float32Array(size).fill(value), [size])
  const number = (value: number): string => graph.weight(Float32Array.of(value), [])
  const linear = (x: string, from: number, to: number): string =>
    graph.node("Add", [graph.node("MatMul", [x, matrix(from, to)]), vector(to, 0.01)])
  const norm = (x: string): string =>
    graph.node("LayerNormalization", [x, vector(D, 1), vector(D, 0)], { axis: -1, epsilon: { float: 1e-12 } })
  const sizes = (...dims: number[]): string => graph.weight(BigInt64Array.from(dims, BigInt), [dims.length])
  const head = (x: string, perm: readonly number[]): string =>
    graph.node("Transpose", [graph.node("Reshape", [x, sizes(0, 0, H, D / H)])], { perm })

  const ids = graph.input("input_ids", onnxTypes.int64, ["batch", "sequence"])
  const mask = graph.input("attention_mask", onnxTypes.int64, ["batch", "sequence"])
  const positions = graph.input("position_ids", onnxTypes.int64, ["batch", "sequence"])
  const wide = graph.node("Unsqueeze", [graph.node("Unsqueeze", [mask, sizes(1)]), sizes(2)])
  const seen = graph.node("Cast", [wide], { to: onnxTypes.float })
  const hidden = graph.node("Mul", [graph.node("Sub", [number(1), seen]), number(-10000)])
  let x = norm(
    graph.node("Add", [
      graph.node("Gather", [matrix(vocabulary, D), ids]),
      graph.node("Gather", [matrix(context, D), positions]),
    ]),
  )
  for (let i = 0; i < layers; i++) {
    const q = head(linear(x, D, D), [0, 2, 1, 3])
    const k = head(linear(x, D, D), [0, 2, 3, 1])
    const v = head(linear(x, D, D), [0, 2, 1, 3])
    const scores = graph.node("Div", [graph.node("MatMul", [q, k]), number(Math.sqrt(D / H))])
    const pattern = graph.node("Softmax", [graph.node("Add", [scores, hidden])], { axis: 3 })
    const z = graph.node("Transpose", [graph.node("MatMul", [pattern, v])], { perm: [0, 2, 1, 3] })
    x = norm(graph.node("Add", [linear(graph.node("Reshape", [z, sizes(0, 0, D)]), D, D), x]))
    const up = linear(x, D, inner)
    const erf = graph.node("Erf", [graph.node("Div", [up, number(Math.SQRT2)])])
    const gelu = graph.node("Mul", [graph.node("Mul", [up, graph.node("Add", [erf, number(1)])]), number(0.5)])
    x = norm(graph.node("Add", [linear(gelu, inner, D), x]))
  }
  graph.output(x, onnxTypes.float, ["batch", "sequence", D])
  return graph.bytes()
}

/** Opens onnxruntime-node. */
export function openOnnxruntime(): Onnxruntime {
  let ort: Ort
  let version: string
  try {
    const require = createRequire(import.meta.url)
    ort = require("onnxruntime-node") as Ort
    version = ort.env.versions.node ?? ort.env.versions.common ?? "unknown"
  } catch (error) {
    const missing = (error as { code?: string }).code === "MODULE_NOT_FOUND"
    return { problem: missing ? "onnxruntime-node is not installed" : `it does not start: ${(error as Error).message}` }
  }
  return {
    version,
    async encoder(shape, B, T) {
      const session = await ort.InferenceSession.create(encoderGraph(shape), {
        executionProviders: ["cpu"],
        graphOptimizationLevel: "all",
        ...(process.env.HEED_ONNX_OPTIMIZED ? { optimizedModelFilePath: process.env.HEED_ONNX_OPTIMIZED } : {}),
      })
      const matrix = (value: (i: number) => number): unknown =>
        new ort.Tensor(
          "int64",
          BigInt64Array.from({ length: B * T }, (_, i) => BigInt(value(i))),
          [B, T],
        )
      const feeds = {
        input_ids: matrix(i => (i * 7919) % shape.vocabulary),
        attention_mask: matrix(() => 1),
        position_ids: matrix(i => i % T),
      }
      return async () => Object.values(await session.run(feeds))[0]!.data
    },
  }
}
