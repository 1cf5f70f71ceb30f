// A small writer of pickles and of PyTorch's two checkpoint formats, for tests that need files of their own.

type Code = readonly number[]

const letters = (text: string): number[] => [...new TextEncoder().encode(text)]
const little = (value: number, bytes: number): number[] => {
  const out: number[] = []
  for (let rest = BigInt(value), i = 0; i < bytes; i++, rest >>= 8n) out.push(Number(rest & 255n))
  return out
}

export const text = (value: string): Code => [0x58, ...little(letters(value).length, 4), ...letters(value)]
export const int = (value: number): Code => [0x8a, 8, ...little(value, 8)]
export const tuple = (items: readonly Code[]): Code => [0x28, ...items.flat(), 0x74]
export const global = (module: string, name: string): Code => letters(`c${module}\n${name}\n`)

/** A persistent id of a storage. */
export const storage = (key: string, type: string, count: number): Code => [
  ...tuple([text("storage"), global("torch", type), text(key), text("cpu"), int(count)]),
  0x51,
]

/** A call that makes a tensor. */
export const tensorCall = (of: Code, offset: number, shape: readonly number[], strides: readonly number[]): Code => [
  ...global("torch._utils", "_rebuild_tensor_v2"),
  ...tuple([of, int(offset), tuple(shape.map(int)), tuple(strides.map(int)), [0x89], [0x7d]]),
  0x52,
]

/** Whole pickles of containers. */
export const list = {
  dict: (items: readonly (readonly [string, Code])[]): Uint8Array =>
    Uint8Array.from([0x80, 2, 0x7d, 0x28, ...items.flatMap(([key, value]) => [...text(key), ...value]), 0x75, 0x2e]),
}

interface Entry {
  readonly name: string
  readonly bytes?: Uint8Array
  /** So many zeros, which are not written. */
  readonly hole?: number
}

/** The pieces of a zip archive with stored entries; sizes and places always in ZIP64 form. */
export function storedZip(entries: readonly Entry[]): {
  readonly start: readonly { readonly at: number; readonly bytes: Uint8Array }[]
  readonly end: number
  readonly tail: Uint8Array
} {
  const start: { at: number; bytes: Uint8Array }[] = []
  const directory: number[] = []
  let at = 0
  for (const { name, bytes, hole } of entries) {
    const size = bytes?.length ?? hole ?? 0
    const field = [
      ...little(0, 10),
      ...little(0, 4),
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      ...little(name.length, 2),
    ]
    const local = [0x50, 0x4b, 3, 4, ...little(45, 2), ...field.slice(2), ...little(0, 2), ...letters(name)]
    const wide = [...little(1, 2), ...little(24, 2), ...little(size, 8), ...little(size, 8), ...little(at, 8)]
    directory.push(
      ...[
        0x50,
        0x4b,
        1,
        2,
        ...little(45, 2),
        ...little(45, 2),
        ...field.slice(2),
        ...little(wide.length, 2),
        ...little(0, 10),
      ],
      ...[0xff, 0xff, 0xff, 0xff, ...letters(name), ...wide],
    )
    start.push({ at, bytes: Uint8Array.from(local) })
    at += local.length
    if (bytes) start.push({ at, bytes })
    at += size
  }
  const record = [
    ...[0x50, 0x4b, 6, 6, ...little(44, 8), ...little(45, 4), ...little(0, 8)],
    ...[...little(entries.length, 8), ...little(entries.length, 8), ...little(directory.length, 8), ...little(at, 8)],
  ]
  const locator = [0x50, 0x4b, 6, 7, ...little(0, 4), ...little(at + directory.length, 8), ...little(1, 4)]
  const last = [0x50, 0x4b, 5, 6, ...little(0, 4), ...Array(12).fill(0xff), ...little(0, 2)]
  return { start, end: at, tail: Uint8Array.from([...directory, ...record, ...locator, ...last]) }
}

/** An archive as torch.save writes it, from entries without their folder. */
export function archive(entries: readonly (readonly [name: string, bytes: Uint8Array])[]): Uint8Array {
  const { start, end, tail } = storedZip(entries.map(([name, bytes]) => ({ name: `m/${name}`, bytes })))
  const out = new Uint8Array(end + tail.length)
  for (const { at, bytes } of start) out.set(bytes, at)
  out.set(tail, end)
  return out
}

interface Floats {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A checkpoint of f32 tensors (arrays: vectors): an archive, or the row of pickles of older versions. */
export function checkpoint(
  tensors: Readonly<Record<string, Float32Array | Floats>>,
  form: "archive" | "row",
): Uint8Array {
  const entries = Object.entries(tensors).map(([name, tensor]): [string, Floats] => [
    name,
    tensor instanceof Float32Array ? { shape: [tensor.length], data: tensor } : tensor,
  ])
  const raw = ({ data }: Floats) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const main = list.dict(
    entries.map(([name, { shape, data }], i) => {
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))
      return [name, tensorCall(storage(String(i), "FloatStorage", data.length), 0, shape, strides)]
    }),
  )
  if (form === "archive")
    return archive([["data.pkl", main], ...entries.map(([, one], i): [string, Uint8Array] => [`data/${i}`, raw(one)])])
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
  const version = [0x80, 2, 0x4d, ...little(1001, 2), 0x2e]
  const machine = list.dict([["little_endian", [0x88]]])
  const keys = [0x80, 2, 0x5d, 0x28, ...entries.flatMap((_, i) => text(String(i))), 0x65, 0x2e]
  const head = Uint8Array.from([...magic, ...version, ...machine, ...main, ...keys])
  const numbers = entries.flatMap(([, one]) => [Uint8Array.from(little(one.data.length, 8)), raw(one)])
  return new Uint8Array(Buffer.concat([head, ...numbers]))
}
