// Tensors are lazy, immutable descriptions: a tensor is one output of a node, a node is an operation on tensors. Nothing
// is computed here; the runtime computes what is asked for. Methods come from methods.ts.

import { HeedError, ShapeError, TypeMismatchError } from "./errors.ts"
import type { Op } from "./op.ts"
import { checkShape, formatShape, type Shape, sameShape, sizeOf } from "./shape.ts"

/** Element types: f32 and i32 compute, bool is a byte 0 or 1, the others are for storage. */
export type DType = "f32" | "i32" | "bool" | "u8" | "bf16" | "f16"

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, i32: 4, bool: 1, u8: 1, bf16: 2, f16: 2 }

/** Element data in host memory: Float32Array for f32, Int32Array for i32, Uint8Array for bool and u8, Uint16Array (raw bits) for bf16 and f16. */
export type HostArray = Float32Array | Int32Array | Uint8Array | Uint16Array

/** Shape and element type of a value that is not computed yet. */
export interface Signature {
  readonly shape: Shape
  readonly dtype: DType
}

/** Attributes of an operation: plain data, so that equal operations can be recognised. */
export type Attributes = Readonly<Record<string, unknown>>

/** A computed value: host data, memory of a device, or both. `residence` is only understood by the runtime. */
export interface Value {
  host: HostArray | null
  residence: object | null
  /** Set when a program updated this memory in place: the old value is gone. */
  consumed: boolean
}

/** One recorded operation (op and inputs) or leaf (op null). Computed nodes become leaves: see `dropHistory`. */
export interface Node {
  readonly id: number
  op: Op | null
  attributes: Attributes
  inputs: readonly Tensor[]
  readonly outputs: readonly Signature[]
  /** Path of the module that was running, "" outside of modules. */
  readonly scope: string
  /** Computed values, one place for each output. */
  readonly values: (Value | null)[]
  /** Leaves: "value" holds data, "input" is bound when a program runs, "parameter" is what a parameter holds when a program runs. */
  leaf: "value" | "input" | "parameter" | null
  readonly name: string
  /** The parameter a "parameter" leaf stands for. */
  readonly parameter: Parameter | null
  /** true: it was computed from other tensors that are forgotten now. */
  dropped: boolean
  /** The last walk of `reachable` that met it: cheaper than a set of nodes. */
  walk: number
}

let nodeCount = 0
const scopes: string[] = []

/** Runs `fn` with `scope` appended to the path that recorded nodes carry. */
export function withScope<R>(scope: string, fn: () => R): R {
  if (typeof scope !== "string" || typeof fn !== "function")
    throw new TypeMismatchError(`withScope: expected text and a function, but got ${typeof scope} and ${typeof fn}`)
  const outer = scopes.at(-1)
  scopes.push(outer ? `${outer}.${scope}` : scope)
  try {
    return fn()
  } finally {
    scopes.pop()
  }
}

/** The path of the running module. */
export function currentScope(): string {
  return scopes.at(-1) ?? ""
}

/** The id the next node will get: nodes with a smaller id existed before. */
export function nextNodeId(): number {
  return nodeCount
}

/** Creates a node. For op.ts and the compiler; users call operations. */
export function createNode(
  op: Op | null,
  inputs: readonly Tensor[],
  attributes: Attributes,
  outputs: readonly Signature[],
  options: {
    leaf?: "value" | "input" | "parameter"
    name?: string
    values?: (Value | null)[]
    scope?: string
    parameter?: Parameter
  } = {},
): Node {
  return {
    id: nodeCount++,
    op,
    attributes,
    inputs,
    outputs,
    scope: options.scope ?? currentScope(),
    values: options.values ?? outputs.map(() => null),
    leaf: options.leaf ?? null,
    name: options.name ?? "",
    parameter: options.parameter ?? null,
    dropped: false,
    walk: 0,
  }
}

/** Makes a computed node a leaf: what it was computed from can be forgotten. */
export function dropHistory(node: Node): void {
  if (node.op === null) return
  node.op = null
  node.attributes = {}
  node.inputs = []
  node.leaf = "value"
  node.dropped = true
}

/** What reads and computes tensors; `heed` connects the runtime here (tensor/ itself knows no device). */
export interface Evaluator {
  read(tensor: Tensor): Promise<HostArray>
}

let evaluator: Evaluator | null = null

/** Connects the runtime that `read` uses. */
export function connectEvaluator(next: Evaluator): void {
  evaluator = next
}

/** A lazy, immutable array: shape, element type, and how it would be computed. */
export class Tensor {
  readonly #node: Node
  readonly #index: number

  constructor(node: Node, index = 0) {
    this.#node = node
    this.#index = index
  }

  /** Which output of the node this is. */
  get index(): number {
    return this.#index
  }

  /** The operation or leaf that gives this value. */
  get node(): Node {
    return this.#node
  }

  /** Sizes of each axis. */
  get shape(): Shape {
    return this.node.outputs[this.index]!.shape
  }

  /** Element type. */
  get dtype(): DType {
    return this.node.outputs[this.index]!.dtype
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /** The same value as a plain tensor: what a parameter holds now, this tensor otherwise. */
  current(): Tensor {
    return this
  }

  /** Computes the value if needed and copies it out. Element order is row-major. */
  async read(): Promise<HostArray> {
    if (!evaluator) throw new HeedError("read: no runtime is connected", 'import { … } from "heed", which connects one')
    return evaluator.read(this)
  }

  /** Computes a tensor of one element and gives it as a number. Throws ShapeError when it has more elements. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: expected one element, but got ${formatShape(this.shape)}`)
    const data = await this.read()
    return data[0]!
  }

  toString(): string {
    const from = this.node.op ? this.node.op.name : this.node.name || "value"
    return `Tensor(${from} ${this.dtype} ${formatShape(this.shape)})`
  }
}

/** What a parameter becomes when a program runs: `before` is its leaf. */
export interface Assignment {
  readonly parameter: Parameter
  readonly before: Tensor
  readonly after: Tensor
}

const recordings: Map<Parameter, Tensor>[] = []

/**
 * Runs `fn` while parameters stand for "what they hold when the program runs". Assignments are collected, not carried out.
 */
export function record<R>(fn: () => R): { result: R; assignments: Assignment[] } {
  const assigned = new Map<Parameter, Tensor>()
  recordings.push(assigned)
  try {
    const result = fn()
    const assignments = [...assigned].map(([parameter, after]) => ({ parameter, before: parameter.leaf, after }))
    return { result, assignments }
  } finally {
    recordings.pop()
  }
}

/** A named value that programs update in place. Used like a tensor; operations see the value it holds when they are recorded. */
export class Parameter extends Tensor {
  name: string
  /** false: gradients and optimizers leave it alone. */
  trainable: boolean
  /** The leaf that stands for this parameter in recorded programs. */
  readonly leaf: Tensor
  #value: Tensor

  constructor(initial: Tensor, options: { name?: string; trainable?: boolean } = {}) {
    if (!(initial instanceof Tensor))
      throw new TypeMismatchError(`Parameter: expected a tensor to start from, but got ${typeof initial}`)
    const value = initial.current()
    super(value.node, value.index)
    this.#value = value
    this.name = options.name ?? ""
    this.trainable = options.trainable ?? true
    const signature = { shape: value.shape, dtype: value.dtype }
    this.leaf = new Tensor(
      createNode(null, [], {}, [signature], { leaf: "parameter", name: this.name, parameter: this }),
    )
  }

  override get node(): Node {
    return this.current().node
  }

  override get index(): number {
    return this.current().index
  }

  override current(): Tensor {
    const recording = recordings.at(-1)
    return recording ? (recording.get(this) ?? this.leaf) : this.#value
  }

  /** The value it holds now, also inside a recording. */
  get value(): Tensor {
    return this.#value
  }

  /** Gives the parameter a new value of the same shape and type; inside a recording, when the program runs. Throws ShapeError, TypeMismatchError. */
  assign(next: Tensor): void {
    const name = this.name || "the parameter"
    if (!(next instanceof Tensor))
      throw new TypeMismatchError(`assign: expected a tensor for ${name}, but got ${typeof next}`)
    const value = next.current()
    if (!sameShape(value.shape, this.shape))
      throw new ShapeError(`assign: expected ${name} ${formatShape(this.shape)}, but got ${formatShape(value.shape)}`)
    if (value.dtype !== this.dtype)
      throw new TypeMismatchError(
        `assign: expected ${name} of type ${this.dtype}, but got ${value.dtype}`,
        `cast it: value.cast("${this.dtype}")`,
      )
    const recording = recordings.at(-1)
    if (recording) recording.set(this, value)
    else this.#value = value
  }

  /** Holds a value from now on, also inside a recording; for the runtime. */
  hold(value: Tensor): void {
    this.#value = value
  }
}

const hostTypes = {
  f32: Float32Array,
  i32: Int32Array,
  bool: Uint8Array,
  u8: Uint8Array,
  bf16: Uint16Array,
  f16: Uint16Array,
}

/** Throws TypeMismatchError for the name of no element type. */
function checkType(what: string, dtype: DType): void {
  if (!Object.hasOwn(hostTypes, dtype))
    throw new TypeMismatchError(
      `${what}: expected one of ${Object.keys(hostTypes).join(", ")}, but got ${String(dtype)}`,
    )
}

/** A zero-filled host array for `size` elements of a type. */
export function hostArray(dtype: DType, size: number): HostArray {
  return new hostTypes[dtype](size)
}

/** Checks that a host array is the one its element type asks for. Throws TypeMismatchError, ShapeError. */
export function checkHostArray(what: string, data: HostArray, shape: Shape, dtype: DType): void {
  checkType(what, dtype)
  if (!(data instanceof hostTypes[dtype]))
    throw new TypeMismatchError(
      `${what}: expected ${hostTypes[dtype].name} for ${dtype}, but got ${(data as object)?.constructor?.name ?? typeof data}`,
    )
  if (data.length !== sizeOf(shape))
    throw new ShapeError(
      `${what}: expected ${sizeOf(shape)} elements for ${formatShape(shape)}, but got ${data.length}`,
    )
}

/** A leaf that holds host data. The array is kept, not copied: do not change it afterwards. Throws ShapeError, TypeMismatchError. */
export function fromHost(data: HostArray, shape: Shape, dtype: DType, name = ""): Tensor {
  checkShape(name || "tensor", shape)
  checkHostArray(name || "tensor", data, shape, dtype)
  const values = [{ host: data, residence: null, consumed: false }]
  return new Tensor(createNode(null, [], {}, [{ shape: [...shape], dtype }], { leaf: "value", name, values }))
}

/** A placeholder whose value is bound when a compiled program runs. */
export function placeholder(shape: Shape, dtype: DType, name = ""): Tensor {
  checkType(name || "input", dtype)
  return new Tensor(
    createNode(null, [], {}, [{ shape: [...checkShape(name || "input", shape)], dtype }], { leaf: "input", name }),
  )
}
