// Graphs and programs as text, for people who want to see what the compiler did.

import { reachable } from "../tensor/graph.ts"
import { formatShape, type Layout } from "../tensor/shape.ts"
import type { Node, Tensor } from "../tensor/tensor.ts"
import type { Program } from "./compile.ts"
import { callsOf } from "./emit.ts"
import { type Placed, rootOf } from "./step.ts"

function formatAttributes(node: Node): string {
  const parts = Object.entries(node.attributes).flatMap(([name, value]) => {
    if (value === undefined || name === "inputs" || name === "outputs") return []
    return [`${name}=${JSON.stringify(value)}`]
  })
  return parts.join(" ")
}

/** A graph, one line a node: `%12 = matmul(%3, %7) compute="f32" : f32 [2 3]   blocks.0.attention`. */
export function printGraph(outputs: readonly Tensor[]): string {
  const name = (t: Tensor): string => `%${t.node.id}${t.node.outputs.length > 1 ? `.${t.index}` : ""}`
  const lines = reachable(outputs).map(node => {
    const types = node.outputs.map(o => `${o.dtype} ${formatShape(o.shape)}`).join(", ")
    const what = node.op
      ? `${node.op.name}(${node.inputs.map(name).join(", ")})`
      : `${node.leaf ?? "value"} ${node.name}`
    return `%${node.id} = ${[what.trim(), formatAttributes(node), ":", types].filter(s => s !== "").join(" ")}${node.scope ? `   ${node.scope}` : ""}`
  })
  return [...lines, `return ${outputs.map(t => name(t.current())).join(", ")}`].join("\n")
}

function formatLayout({ shape, strides }: Layout): string {
  return `${formatShape(shape)}/${strides.join(",")}`
}

function formatPlaced(placed: Placed): string {
  const root = rootOf(placed.buffer)
  const where = root.slot !== null ? `slot ${root.slot}` : `@${root.offset}`
  return `${where}${placed.layout.offset ? `+${placed.layout.offset}` : ""} ${placed.buffer.dtype} ${formatLayout(placed.layout)}`
}

/** A program: its slots, its steps in order with the kernels they call and where values lie, and what its memory plan saved. */
export function printProgram(program: Program): string {
  const slots = program.slots.map((slot, i) => {
    const what =
      slot.kind === "leaf"
        ? `${slot.leaf.node.leaf} ${slot.leaf.node.name}`.trim()
        : slot.kind === "output"
          ? `output ${slot.output}`
          : "arena"
    return `slot ${i}: ${what}, ${slot.bytes} bytes`
  })
  const steps = program.steps.map((step, i) => {
    const kernels = callsOf(step).map(call => call.name)
    const from = step.inputs.map(formatPlaced).join(" | ")
    const to = step.outputs.map(formatPlaced).join(" | ")
    return `${String(i).padStart(4)}  ${kernels.join("+") || "(in place)"}  ${step.label}\n        ${from}\n        -> ${to}`
  })
  const { arenaBytes, intermediateBytes } = program.memory
  const share = intermediateBytes === 0 ? 1 : arenaBytes / intermediateBytes
  return [
    ...slots,
    ...steps,
    `${program.calls} kernel calls; arena ${arenaBytes} bytes, ${(share * 100).toFixed(1)} % of all intermediates (${intermediateBytes} bytes)`,
  ].join("\n")
}
