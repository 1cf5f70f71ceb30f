// Memory that files are read into on the way to a device: many tensors lie in one block, for every allocation has its price, and
// programs compute from where the bytes lie where the device's memory is plain memory.

import { HeedError } from "../tensor/errors.ts"
import { cast } from "../tensor/ops/pointwise.ts"
import { type Shape, sizeOf } from "../tensor/shape.ts"
import {
  bytesPerElement,
  createNode,
  type DType,
  fromHost,
  type HostArray,
  hostArray,
  Tensor,
} from "../tensor/tensor.ts"
import { alignment, type Storage } from "./device.ts"
import type { Engine, Residence } from "./engine.ts"

/** Where a tensor lies in a block: `offset` in bytes, a multiple of 64. */
export interface Place {
  readonly offset: number
  readonly shape: Shape
  readonly name?: string
}

/** The least multiple of a storage's alignment that holds so many bytes. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

/** One block of memory for numbers on their way to a device. */
export class HostBlock {
  /** What is to be filled. */
  readonly bytes: Uint8Array
  readonly #engine: Engine | null
  /** The same memory on the device. */
  #storage: Storage | null = null

  /** Zeroed; `engine` null: the reference device, which needs no memory of its own. */
  constructor(bytes: number, engine: Engine | null) {
    this.#engine = engine
    const storage = engine?.device.bytesOf ? engine.device.allocate(bytes) : null
    this.#storage = storage
    this.bytes = storage ? engine!.device.bytesOf!(storage) : new Uint8Array(bytes)
  }

  /** Whether the device can cast what lies here. */
  get widens(): boolean {
    return this.#engine !== null
  }

  /** A tensor of the bytes at a place, without a copy where the device can. The tensor owns them then: write nothing there afterwards. */
  tensor({ offset, shape, name = "" }: Place, dtype: DType): Tensor {
    if (this.#storage) return resident(this.#engine!, this.#storage, offset, shape, dtype, name)
    return fromHost(hostView(this.bytes, offset, shape, dtype), shape, dtype, name)
  }

  /**
   * Tensors in f32 of bf16 numbers that lie at places, in memory of their own: cast by the device, bit for bit as `bf16ToF32` does.
   * When this is done the block may be filled again. Throws HeedError on the reference device.
   */
  async widened(places: readonly Place[]): Promise<Tensor[]> {
    const engine = this.#engine
    if (!engine) throw new HeedError("widened: expected a device that runs programs, but reference was chosen")
    const { device } = engine
    const end = Math.max(0, ...places.map(({ offset, shape }) => offset + sizeOf(shape) * 2))
    const storage = (this.#storage ??= device.allocate(this.bytes.length))
    if (!device.bytesOf) device.write(storage, 0, this.bytes.subarray(0, end))
    const short = engine.wrap(device.part(storage, 0, end), { shape: [end / 2], dtype: "bf16" })
    const [wide] = await engine.compute([cast(short, "f32")], "fp32")
    return places.map(({ offset, shape, name = "" }) => resident(engine, wide!, offset * 2, shape, "f32", name))
  }
}

function hostView(bytes: Uint8Array, offset: number, shape: Shape, dtype: DType): HostArray {
  const kind = hostArray(dtype, 0).constructor as new (
    memory: ArrayBufferLike,
    offset: number,
    size: number,
  ) => HostArray
  return new kind(bytes.buffer, bytes.byteOffset + offset, sizeOf(shape))
}

/** A leaf over a part of a storage; where that is plain memory other devices may take a copy of it. */
function resident(
  { device }: Engine,
  whole: Storage,
  offset: number,
  shape: Shape,
  dtype: DType,
  name: string,
): Tensor {
  const storage = device.part(whole, offset, sizeOf(shape) * bytesPerElement[dtype])
  const bytes = device.bytesOf?.(whole)
  const host = bytes ? hostView(bytes, offset, shape, dtype) : null
  const values = [{ host, residence: { device, storage } satisfies Residence, consumed: false }]
  return new Tensor(createNode(null, [], {}, [{ shape: [...shape], dtype }], { leaf: "value", name, values }))
}
