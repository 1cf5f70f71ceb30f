// How a case is checked: numbers for its inputs, gradients against finite differences in double precision.

import { evaluateReference } from "../../src/runtime/reference.ts"
import { grad, placeholder, sum, Tensor, tensor, withStreams } from "../../src/tensor/index.ts"
import { sizeOf } from "../../src/tensor/shape.ts"
import { fromHost, hostArray, type Node } from "../../src/tensor/tensor.ts"
import type { Case } from "./case.ts"

/** Numbers 0 <= x < 1 from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function hash(text: string): number {
  let h = 2166136261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619)
  return h
}

/** The numbers of a case's inputs, rounded to what their types hold. */
export function drawInputs(one: Case): Float64Array[] {
  const random = seeded(hash(one.name))
  return one.inputs.map(({ shape, dtype, draw }) => {
    const n = sizeOf(shape)
    const data = Float64Array.from({ length: n }, (_, i) => draw(random, i, n))
    return dtype === "f32" ? data.map(Math.fround) : data
  })
}

/** A case's inputs as leaves that hold their numbers. */
export function leaves(one: Case): Tensor[] {
  return drawInputs(one).map((data, i) => {
    const { shape, dtype } = one.inputs[i]!
    const host = hostArray(dtype, data.length)
    for (const [j, x] of data.entries()) host[j] = x
    return fromHost(host, shape, dtype)
  })
}

/** The outputs of a case on given inputs. */
export function outputsOf(one: Case, inputs: readonly Tensor[]): Tensor[] {
  const result = withStreams(() => one.run(...inputs))
  return result instanceof Tensor ? [result] : [...result]
}

/** Σ outputs · fixed random numbers, over the floating-point outputs; null when there is none. */
export function projection(outputs: readonly Tensor[], seed = 1): Tensor | null {
  const random = seeded(seed)
  const parts = outputs
    .filter(output => output.dtype === "f32")
    .map(output => {
      const weights = Float32Array.from({ length: output.size }, () => random() * 2 - 1)
      return sum(output.mul(tensor(weights, output.shape)))
    })
  return parts.length === 0 ? null : parts.reduce((a, b) => a.add(b))
}

interface Graph {
  readonly inputs: Tensor[]
  readonly values: Float64Array[]
  readonly loss: Tensor
  /** Places of the inputs that gradients are taken of. */
  readonly places: number[]
}

/** The case's projection over placeholders; null when nothing floating goes in or comes out. */
export function lossGraph(one: Case): Graph | null {
  const inputs = one.inputs.map(({ shape, dtype }) => placeholder(shape, dtype))
  const places = one.inputs.flatMap(({ dtype }, i) => (dtype === "f32" ? [i] : []))
  const loss = projection(outputsOf(one, inputs))
  return loss === null || places.length === 0 ? null : { inputs, values: drawInputs(one), loss, places }
}

function evaluateAt(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  values: readonly Float64Array[],
): Float64Array[] {
  const bind = new Map<Node, Float64Array>(inputs.map((input, i) => [input.node, values[i]!]))
  return evaluateReference(outputs, { float: "f64", bind })
}

/** One element of a gradient (-1: along a direction of all elements): what the graph says and what central differences say. */
export interface Slope {
  readonly input: number
  readonly element: number
  readonly graph: number
  readonly difference: number
}

/**
 * Gradients of `loss` compared with central differences: at each element of small inputs; for larger ones at `most` / 4 elements and
 * along one direction in which all elements move.
 */
export function slopes({ inputs, values, loss, places }: Graph, most = 24): Slope[] {
  const gradients = evaluateAt(
    grad(
      loss,
      places.map(i => inputs[i]!),
    ),
    inputs,
    values,
  )
  const random = seeded(99)
  return places.flatMap((input, p) => {
    const data = values[input]!
    const gradient = gradients[p]!
    const along = (element: number, direction: Float64Array, size: number): Slope => {
      const h = 1e-5 * size
      const at = (shift: number): number => {
        const moved = data.map((x, i) => x + shift * direction[i]!)
        return evaluateAt(
          [loss],
          inputs,
          values.map((x, i) => (i === input ? moved : x)),
        )[0]![0]!
      }
      const graph = gradient.reduce((total, g, i) => total + g * direction[i]!, 0)
      return { input, element, graph, difference: (at(h) - at(-h)) / (2 * h) }
    }
    const one = (element: number): Slope => {
      const direction = new Float64Array(data.length)
      direction[element] = 1
      return along(element, direction, Math.max(1, Math.abs(data[element]!)))
    }
    if (data.length <= most) return Array.from(data, (_, element) => one(element))
    const scale = 1 / Math.sqrt(data.length)
    const all = Float64Array.from(data, () => (random() < 0.5 ? -scale : scale))
    const some = Array.from({ length: Math.ceil(most / 4) }, () => one(Math.floor(random() * data.length)))
    return [...some, along(-1, all, 1)]
  })
}

/** The loss whose gradient is a second gradient: Σ first gradients · fixed random numbers. */
export function secondGraph(graph: Graph): Graph {
  const first = grad(
    graph.loss,
    graph.places.map(i => graph.inputs[i]!),
  )
  return { ...graph, loss: projection(first, 2)! }
}
