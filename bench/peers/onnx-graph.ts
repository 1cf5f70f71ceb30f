// Writes ONNX models: the few messages of its protobuf format that an encoder needs (onnx.proto3).

const varint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    const low = Number(rest & 127n)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 128 : low)
  } while (rest > 0n)
  return bytes
}

/** A field of a message: a number, a text, bytes or a message. */
const field = (number: number, value: number | string | Uint8Array): Buffer => {
  if (typeof value === "number") return Buffer.from([...varint(number << 3), ...varint(value)])
  const bytes = typeof value === "string" ? Buffer.from(value) : value
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes])
}

const float = (number: number, value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([Buffer.from(varint((number << 3) | 5)), bytes])
}

/** Types of elements by ONNX's numbers. */
export const onnxTypes = { float: 1, int64: 7 } as const

/** Values of an attribute. */
export type Attribute = number | readonly number[] | { readonly float: number }

/** A graph that grows node by node. */
export class OnnxGraph {
  readonly #nodes: Buffer[] = []
  readonly #weights: Buffer[] = []
  readonly #inputs: Buffer[] = []
  readonly #outputs: Buffer[] = []
  #names = 0

  /** A node; gives the name of its output. */
  node(type: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `${type}_${this.#names++}`
    const parts = [
      ...inputs.map(name => field(1, name)),
      field(2, output),
      field(3, `${output}_node`),
      field(4, type),
      ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value))),
    ]
    this.#nodes.push(Buffer.concat(parts))
    return output
  }

  /** A weight or constant; gives its name. */
  weight(data: Float32Array | BigInt64Array, dims: readonly number[]): string {
    const name = `weight_${this.#names++}`
    const type = data instanceof Float32Array ? onnxTypes.float : onnxTypes.int64
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.#weights.push(Buffer.concat([...dims.map(n => field(1, n)), field(2, type), field(8, name), field(9, bytes)]))
    return name
  }

  input(name: string, type: number, dims: readonly (number | string)[]): string {
    this.#inputs.push(valueInfo(name, type, dims))
    return name
  }

  output(name: string, type: number, dims: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, type, dims))
  }

  /** The bytes of the model, for opset 17. */
  bytes(): Buffer {
    const graph = Buffer.concat([
      ...this.#nodes.map(node => field(1, node)),
      field(2, "encoder"),
      ...this.#weights.map(weight => field(5, weight)),
      ...this.#inputs.map(one => field(11, one)),
      ...this.#outputs.map(one => field(12, one)),
    ])
    return Buffer.concat([field(1, 8), field(7, graph), field(8, field(2, 17))])
  }
}

function attribute(name: string, value: Attribute): Buffer {
  if (typeof value === "number") return Buffer.concat([field(1, name), field(3, value), field(20, 2)])
  if ("float" in value) return Buffer.concat([field(1, name), float(2, value.float), field(20, 1)])
  return Buffer.concat([field(1, name), ...value.map(one => field(8, one)), field(20, 7)])
}

function valueInfo(name: string, type: number, dims: readonly (number | string)[]): Buffer {
  const shape = Buffer.concat(dims.map(n => field(1, typeof n === "number" ? field(1, n) : field(2, n))))
  return Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([field(1, type), field(2, shape)])))])
}
