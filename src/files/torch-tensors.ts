// What a PyTorch checkpoint's pickle says: which tensors there are, as views of which storages. Pure; the bytes stay in the file.
// A tensor is (storage, first element, sizes, strides); several may share a storage, and a transposed one has other strides.
import { FileError, formatBytes, quote } from "./errors.ts"
import { bitsOf, countOf, dataFromBytes, type HostTensor, type HostType } from "./host.ts"
import {
  PickleDict,
  type PickleGlobal,
  type PickleNames,
  type PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickle.ts"

/** Numbers of a checkpoint that tensors are views of. */
export interface TorchStorage extends PickleObject {
  readonly kind: "storage"
  /** Its name in the file. */
  readonly key: string
  /** null: bytes without a type, which the tensors that use them give. */
  readonly dtype: HostType | null
  /** Elements (bytes where there is no type). */
  readonly count: number
  /** First element within the stored numbers of `key`: old files have storages that are parts of others. */
  readonly start: number
}

/** A tensor of a checkpoint, its numbers still in the file. */
export interface TorchTensor extends PickleObject {
  readonly kind: "tensor"
  readonly storage: TorchStorage
  readonly dtype: HostType
  readonly shape: readonly number[]
  /** Elements from one index of an axis to the next. */
  readonly strides: readonly number[]
  /** First element, counted in the stored numbers of the key. */
  readonly offset: number
}

interface TorchType extends PickleGlobal, PickleObject {
  readonly kind: "dtype" | "storage type"
  readonly dtype: HostType | null
}

const storageTypes: Readonly<Record<string, HostType | null>> = {
  DoubleStorage: "f64",
  FloatStorage: "f32",
  HalfStorage: "f16",
  BFloat16Storage: "bf16",
  LongStorage: "i64",
  IntStorage: "i32",
  ShortStorage: "i16",
  CharStorage: "i8",
  ByteStorage: "u8",
  BoolStorage: "bool",
  ComplexFloatStorage: "c64",
}

const dtypes: Readonly<Record<string, HostType>> = {
  float64: "f64",
  double: "f64",
  float32: "f32",
  float: "f32",
  float16: "f16",
  half: "f16",
  bfloat16: "bf16",
  int64: "i64",
  long: "i64",
  uint64: "u64",
  int32: "i32",
  int: "i32",
  uint32: "u32",
  int16: "i16",
  short: "i16",
  uint16: "u16",
  int8: "i8",
  uint8: "u8",
  bool: "bool",
  complex64: "c64",
  float8_e4m3fn: "f8_e4m3",
  float8_e5m2: "f8_e5m2",
  float8_e8m0fnu: "f8_e8m0",
}

const hint = "the file is damaged or was made to mislead: download or save it again"
const maxRank = 64

const globals = new Map<string, PickleGlobal>()
const addType = (name: string, kind: TorchType["kind"], dtype: HostType | null): void => {
  const type: TorchType = { name, kind, dtype }
  globals.set(name, type)
}
for (const [name, dtype] of Object.entries(storageTypes))
  for (const module of ["torch", "torch.cuda"]) addType(`${module}.${name}`, "storage type", dtype)
for (const name of ["torch.storage.UntypedStorage", "torch.storage._UntypedStorage", "torch.UntypedStorage"])
  addType(name, "storage type", null)
for (const [name, dtype] of Object.entries(dtypes)) addType(`torch.${name}`, "dtype", dtype)
const functions: readonly PickleGlobal[] = [
  { name: "torch._utils._rebuild_tensor", call: ([storage, ...rest]) => tensorOf(storage, rest) },
  { name: "torch._utils._rebuild_tensor_v2", call: ([storage, ...rest]) => tensorOf(storage, rest) },
  { name: "torch._utils._rebuild_tensor_v3", call: ([storage, ...rest]) => tensorOf(storage, rest, rest[5]) },
  { name: "torch._utils._rebuild_parameter", call: ([data]) => wrapped(data) },
  { name: "torch._utils._rebuild_parameter_with_state", call: ([data]) => wrapped(data) },
  { name: "torch.Size", call: ([sizes]) => new PickleTuple(listOf(sizes)) },
]
for (const one of functions) globals.set(one.name, one)

/** The names a checkpoint may use; `load` makes storages of persistent ids. */
export const torchNames: PickleNames = {
  find: name => globals.get(name),
  load: id => {
    const [kind, type, key, , count, view] = id instanceof PickleTuple ? id.items : []
    if (
      kind !== "storage" ||
      !isType(type) ||
      type.kind !== "storage type" ||
      typeof key !== "string" ||
      !isCount(count)
    )
      throw new FileError("expected storages of tensors, but a persistent id is something else", hint)
    if (view === undefined || view === null) return storage(key, type.dtype, count, 0)
    const [, start, size] = listOf(view)
    if (!isCount(start) || !isCount(size)) throw new FileError("expected a part of a storage, but got no numbers", hint)
    return storage(key, type.dtype, size, start)
  },
}

const storage = (key: string, dtype: HostType | null, count: number, start: number): TorchStorage => ({
  kind: "storage",
  key,
  dtype,
  count,
  start,
})

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function kindOf(value: PickleValue | undefined): string {
  return typeof value === "object" && value !== null && "kind" in value ? String(value.kind) : ""
}

const isType = (value: PickleValue | undefined): value is TorchType => /^(dtype|storage type)$/.test(kindOf(value))
const isStorage = (value: PickleValue | undefined): value is TorchStorage => kindOf(value) === "storage"
const isTensor = (value: PickleValue | undefined): value is TorchTensor => kindOf(value) === "tensor"

function listOf(value: PickleValue | undefined): readonly PickleValue[] {
  if (value instanceof PickleTuple) return value.items
  if (Array.isArray(value)) return value
  throw new FileError("expected a tuple of numbers, but got something else", hint)
}

function wrapped(data: PickleValue | undefined): TorchTensor {
  if (isTensor(data)) return data
  throw new FileError("expected a tensor for a parameter, but got something else", hint)
}

function counts(value: PickleValue | undefined, what: string): number[] {
  const numbers = listOf(value)
  if (numbers.length > maxRank || !numbers.every(isCount))
    throw new FileError(`expected ${what} as at most ${maxRank} whole numbers from 0, but got something else`, hint)
  return numbers as number[]
}

/** Checks that every element of a view lies in its storage, so that reading it needs no check. */
function tensorOf(base: PickleValue | undefined, rest: readonly PickleValue[], type?: PickleValue): TorchTensor {
  if (!isStorage(base)) throw new FileError("expected a tensor with a storage, but got something else", hint)
  const dtype = isType(type) ? type.dtype : base.dtype
  if (dtype === null) throw new FileError("expected a tensor with a type, but neither it nor its storage has one", hint)
  const [first, shape, strides] = [rest[0], counts(rest[1], "a tensor's sizes"), counts(rest[2], "a tensor's strides")]
  const held = base.dtype === null ? Math.floor((base.count * 8) / bitsOf[dtype]) : base.count
  if (base.dtype !== null && base.dtype !== dtype)
    throw new FileError(`expected a tensor of its storage's type ${base.dtype}, but got ${dtype}`, hint)
  const end = shape.reduce(
    (last, size, axis) => last + (size - 1) * (strides[axis] ?? Number.NaN),
    isCount(first) ? first : Number.NaN,
  )
  const isEmpty = shape.includes(0)
  if (shape.length !== strides.length || !isCount(first) || !(isEmpty || end < held))
    throw new FileError(
      `expected a tensor within the ${held} elements of its storage, but got [${shape.join(" ")}] with strides [${strides.join(" ")}] from ${String(first)}`,
      hint,
    )
  const start = isEmpty ? 0 : first + (base.dtype === null ? 0 : base.start)
  return { kind: "tensor", storage: base, dtype, shape, strides, offset: start }
}

/** Keys that training programs put a model's weights under. */
const wrappers = ["state_dict", "model_state_dict", "model", "module"]

/**
 * The tensors of a checkpoint by name. Weights under `state_dict`, `model` and the like are taken from there; what is no tensor is
 * left out. Throws FileError where there are none, or where a tensor would take more than `maxBytes`.
 */
export function torchTensors(value: PickleValue, maxBytes: number, source: string): Map<string, TorchTensor> {
  let dict = value
  for (let depth = 0; depth < 4 && dict instanceof PickleDict; depth++) {
    const found = new Map<string, TorchTensor>()
    for (const [key, item] of dict) {
      if (!isTensor(item)) continue
      if (typeof key !== "string") throw new FileError(`${source}: expected names of tensors as text`, hint)
      const bytes = (countOf(item.shape) * bitsOf[item.dtype]) / 8
      if (!(bytes <= maxBytes))
        throw new FileError(
          `${source}: expected tensor ${quote(key)} within the ${formatBytes(maxBytes)} of its file, but [${item.shape.join(" ")}] repeats numbers to ${formatBytes(bytes)}`,
          "the file was made to mislead: do not use it",
        )
      found.set(key, item)
    }
    if (found.size > 0) return found
    const inner: PickleDict = dict
    dict = wrappers.map(key => inner.get(key) ?? null).find(item => item instanceof PickleDict) ?? null
  }
  const shown = value instanceof PickleDict ? [...value.keys()].filter(key => typeof key === "string").slice(0, 8) : []
  throw new FileError(
    `${source}: expected a dict of tensors, but got ${value instanceof PickleDict ? `the keys ${shown.map(key => quote(key)).join(", ") || "(none)"}` : "something else"}`,
    `weights are looked for at the top and under ${wrappers.join(", ")}`,
  )
}

/** Elements of the storage that a tensor uses: from `offset`, this many. */
export function spanOf({ shape, strides }: TorchTensor): number {
  if (shape.includes(0)) return 0
  return shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, 0) + 1
}

/** A tensor from the bytes of its span: as they are when row-major, else gathered by strides. */
export function gatherTensor(tensor: TorchTensor, bytes: Uint8Array): HostTensor {
  const { dtype, shape, strides } = tensor
  const data = isRowMajor(tensor) ? bytes : gathered(bytes, shape, strides, bitsOf[dtype] / 8)
  return { dtype, shape, data: dataFromBytes(dtype, data) } as HostTensor
}

/** Whether a tensor's numbers stand in the file in the order of its elements. */
export function isRowMajor({ shape, strides }: TorchTensor): boolean {
  if (shape.includes(0)) return true
  let step = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis]! !== 1 && strides[axis] !== step) return false
    step *= shape[axis]!
  }
  return true
}

function gathered(bytes: Uint8Array, shape: readonly number[], strides: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(countOf(shape) * size)
  const index = shape.map(() => 0)
  let from = 0
  for (let to = 0; to < out.length; to += size) {
    for (let k = 0; k < size; k++) out[to + k] = bytes[from * size + k]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return out
}
