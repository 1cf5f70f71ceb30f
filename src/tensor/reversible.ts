// Chains of reversible steps (Gomez et al. 2017, "The reversible residual network"): y1 = x1 + f(x2), y2 = x2 + g(y1). The gradient goes back
// from the outputs: x2 = y2 - g(y1), x1 = y1 - f(x2); nothing in between is kept, however long the chain.

import { checkTensors } from "./arguments.ts"
import { ValueError } from "./errors.ts"
import { later, type Recorded, record, replay, vectorJacobian } from "./grad.ts"
import { apply, type OpRecord } from "./op.ts"
import { add, full, sub } from "./ops/pointwise.ts"
import { Tensor } from "./tensor.ts"

/** One step: what is added to the first stream, and to the second; each keeps its input's shape. */
export interface ReversibleStep {
  readonly first: (x2: Tensor) => Tensor
  readonly second: (y1: Tensor) => Tensor
}

interface Part extends Recorded {
  /** Places of what it uses from outside, among the inputs of the chain. */
  readonly places: readonly number[]
}

interface ChainAttributes {
  readonly steps: readonly { readonly first: Part; readonly second: Part }[]
}

const run = (part: Part, x: Tensor, inputs: readonly Tensor[]): Tensor =>
  replay(part, [x, ...part.places.map(place => inputs[place]!)])[0]!

// inputs x1, x2, and what the steps use from outside
const chainRecord: OpRecord<ChainAttributes> = {
  name: "reversible",
  shape: ([x1, x2]) => [x1!, x2!].map(x => ({ shape: x.shape, dtype: x.dtype })),
  compose: (inputs, { steps }) => {
    let [a, b] = inputs as [Tensor, Tensor]
    for (const { first, second } of steps) {
      a = add(a, run(first, b, inputs))
      b = add(b, run(second, a, inputs))
    }
    return [a, b]
  },
  grad: ([d1, d2], inputs, outputs, { steps }, needed) => {
    const wait = (d1 ?? d2)!
    let [y1, y2] = outputs.map(y => later(y, wait)) as [Tensor, Tensor]
    let [g1, g2] = [d1 ?? full(y1.shape, 0), d2 ?? full(y2.shape, 0)]
    const found: (Tensor | null)[] = inputs.map(() => null)
    // the part's value at x, and the gradient at x; those of what it uses from outside are added up
    const back = (part: Part, x: Tensor, g: Tensor): [value: Tensor, dx: Tensor] => {
      const value = run(part, x, inputs)
      const places = part.places.filter(place => needed[place])
      const [dx, ...rest] = vectorJacobian([value], [g], [x, ...places.map(place => inputs[place]!)], true)
      for (const [i, place] of places.entries()) {
        const before = found[place]
        found[place] = before ? add(before, rest[i]!) : rest[i]!
      }
      return [value, dx!]
    }
    for (const { first, second } of [...steps].reverse()) {
      const [computed, dy1] = back(second, y1, g2)
      y2 = sub(y2, computed)
      g1 = add(g1, dy1)
      // not before this step's gradient is known: else all steps back would be computed first, and kept
      y2 = later(y2, g1)
      const [attended, dx2] = back(first, y2, g1)
      y1 = later(sub(y1, attended), dx2)
      g2 = add(g2, dx2)
    }
    found[0] = g1
    found[1] = g2
    return found
  },
}

/** The streams behind a chain of steps, whose inner values are computed again in the backward pass. Throws ValueError for functions that change a shape. */
export function reversible(x1: Tensor, x2: Tensor, steps: readonly ReversibleStep[]): [y1: Tensor, y2: Tensor] {
  checkTensors("reversible", { x1, x2 })
  const inputs: Tensor[] = [x1, x2]
  const keep = (fn: (x: Tensor) => Tensor, like: Tensor, name: string): Part => {
    if (typeof fn !== "function")
      throw new ValueError(`reversible: expected ${name} to be a function, but got ${typeof fn}`)
    const { recorded, outside } = record(fn, [like])
    const [out] = recorded.outputs
    if (!(out instanceof Tensor) || out.shape.join() !== like.shape.join())
      throw new ValueError(
        `reversible: expected ${name} to keep the shape [${like.shape.join(" ")}], but got [${out?.shape.join(" ")}]`,
      )
    const places = outside.map(x => {
      const known = inputs.findIndex(y => y.node === x.node && y.index === x.index)
      return known >= 0 ? known : inputs.push(x) - 1
    })
    return { ...recorded, places }
  }
  if (!Array.isArray(steps)) throw new ValueError("reversible: expected a list of steps, but got something else")
  const parts = steps.map(step => ({
    first: keep(step?.first, x2, "first"),
    second: keep(step?.second, x1, "second"),
  }))
  return apply(chainRecord, inputs, { steps: parts }) as [Tensor, Tensor]
}
