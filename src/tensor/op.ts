// An operation is one record: its shape rule, and any of its definition in other operations (compose), the machine kernel that
// computes it, its gradient, and the plain loop that defines a primitive. Passes read these facts and never ask for a name.

import { HeedError } from "./errors.ts"
import { checkShape, type Layout, type Shape } from "./shape.ts"
import { type Attributes, createNode, currentScope, type DType, type Signature, Tensor, withScope } from "./tensor.ts"

/** Elements of one value in the reference device: numbers in row-major order. */
export interface Elements {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: Float64Array
}

/** A buffer argument of a kernel call: input or output number of the node, at an element of its buffer (default: its layout's offset). */
export type BufferField =
  | { readonly input: number; readonly at?: number }
  | { readonly output: number; readonly at?: number }
  | null

/** A number, or a name that kernels/table.ts gives a code: an element type, a reduction, a distribution. */
export type Coded = number | string

/** Arguments of a kernel call by name, as kernels/table.ts lists them; an absent optional buffer may be left out. */
export type KernelFields = Readonly<Record<string, Coded | readonly Coded[] | BufferField | readonly BufferField[]>>

/** One call of a machine kernel. */
export interface KernelCall {
  readonly name: string
  readonly fields: KernelFields
}

/** How machine kernels compute a node. Layouts are in elements; buffer offsets are added when the program is emitted. */
export interface KernelChoice {
  /** Every kernel that may be called: a device without one of them uses `compose`. */
  readonly uses: readonly string[]
  /** Whether the kernel reads input i as it lies; else it is copied to row-major order first. Default: row-major only. */
  readonly accepts?: (input: number, layout: Layout) => boolean
  /** How outputs lie in their buffers; default row-major. */
  readonly outputs?: readonly Layout[]
  /** Whether the kernel can write output i with this layout, so that the compiler may place it inside a larger buffer. Default: row-major only. */
  readonly writes?: (output: number, layout: Layout) => boolean
  /** [input, output]: the output may take the input's memory when nobody needs the input afterwards; `must` computes nothing otherwise. */
  readonly inPlace?: readonly (readonly [input: number, output: number])[]
  /** Where each input lies inside output 0 when that is all the node does: such inputs may be computed right there. */
  readonly parts?: (output: Layout) => readonly Layout[]
  /** The same followed by elementwise code that reads and writes output 0; `more` are the code's other inputs, numbered after the node's own. */
  readonly followedBy?: (code: (more: readonly Layout[], output: Layout) => KernelFields) => KernelChoice
  /** The calls; `placed[i]` is true where input i already lies at its part of output 0. */
  readonly calls: (
    inputs: readonly Layout[],
    outputs: readonly Layout[],
    placed: readonly boolean[],
  ) => readonly KernelCall[]
}

/** Facts of an elementwise operation: its name in the elementwise virtual machine and its three renderings. */
export interface PointwiseFact {
  /** Machine opcode for the input types, by name; see kernels/generated/pointwise.h. */
  readonly opcode: (inputs: readonly DType[], attributes: Attributes) => string
}

/** What is known about an operation. I: its inputs, A: its attributes. */
export interface OpRecord<A> {
  readonly name: string
  /** Shape and type rule; throws ShapeError, TypeMismatchError, ValueError for inputs that do not fit. */
  readonly shape: (inputs: readonly Tensor[], attributes: A) => Signature | readonly Signature[]
  /** The definition in other operations. */
  readonly compose?: (inputs: readonly Tensor[], attributes: A) => Tensor | readonly Tensor[]
  /** The machine kernel that fits these inputs, or null. */
  readonly kernel?: (inputs: readonly Signature[], attributes: A, outputs: readonly Signature[]) => KernelChoice | null
  /** Gradient of each input, from gradients of each output (null: not needed by anyone). `needed[i]` is false where nobody asks. */
  readonly grad?: (
    gradients: readonly (Tensor | null)[],
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    attributes: A,
    needed: readonly boolean[],
  ) => readonly (Tensor | null)[]
  /** The defining loop of a primitive, for the reference device: fills `outputs`. */
  readonly loop?: (inputs: readonly Elements[], outputs: readonly Elements[], attributes: A) => void
  /** A movement of elements that only changes where they are looked up; null when this layout needs a copy. */
  readonly view?: (input: Layout, attributes: A, output: Shape, index: number) => Layout | null
  readonly pointwise?: PointwiseFact
  /** An equal value that needs less work (x + 0 is x), or null. */
  readonly simplify?: (inputs: readonly Tensor[], attributes: A) => Tensor | null
  /** true: elementwise producers of input 0 may run inside this operation's kernel; see compiler/fuse.ts. */
  readonly prologue?: boolean
  /** true: elementwise users of output 0 may run inside this operation's kernel, which then gives their value; see compiler/fuse.ts. */
  readonly epilogue?: boolean
  /** A sum of products whose inputs may be rounded to a shorter type: the attribute `compute` says "f32" or "bf16". */
  readonly contraction?: boolean
  /** Names of labelled values inside `compose`. */
  readonly taps?: readonly string[]
  /** true: gradients stop here (comparisons, indices). */
  readonly flat?: boolean
  /** true: two equal nodes may differ (random numbers drawn without a key); never shared. */
  readonly unique?: boolean
  /** Name under which the value can be asked for, joined to the module's path. */
  readonly label?: (attributes: A) => string
}

/** A record with its attribute type forgotten, as passes see it. */
export type Op = OpRecord<Attributes>

/** Applies a record to inputs: checks shapes and records a node. Gives one tensor for each output. */
export function apply<A extends object>(op: OpRecord<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
  for (const [i, input] of inputs.entries()) {
    if (!(input instanceof Tensor))
      throw new HeedError(`${op.name}: expected input ${i} to be a tensor, but got ${describe(input)}`)
  }
  const current = inputs.map(t => t.current())
  const rule = op.shape(current, attributes)
  const outputs = "shape" in rule ? [rule] : rule
  for (const { shape } of outputs) checkShape(op.name, shape)
  // Attributes are erased to plain data: the record itself gives them back to its own functions only.
  const node = createNode(op as unknown as Op, current, attributes as Attributes, outputs)
  return outputs.map((_, i) => new Tensor(node, i))
}

/** Applies a record with a single output. */
export function applyOne<A extends object>(op: OpRecord<A>, inputs: readonly Tensor[], attributes: A): Tensor {
  return apply(op, inputs, attributes)[0]!
}

/** The composed form of a node: its definition applied to `inputs`, recorded under the node's own path. */
export function composeNode(
  op: Op,
  inputs: readonly Tensor[],
  attributes: Attributes,
  scope = currentScope(),
): readonly Tensor[] {
  if (!op.compose) throw new HeedError(`${op.name}: expected a definition in other operations, but the record has none`)
  const compose = op.compose
  const run = () => compose(inputs, attributes)
  const outputs = scope === currentScope() ? run() : withScope(scope, run)
  return outputs instanceof Tensor ? [outputs] : outputs
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return typeof value === "object" ? (value.constructor?.name ?? "object") : `${typeof value} ${String(value)}`
}
