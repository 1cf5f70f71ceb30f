// The safetensors header: 8 bytes of length, then JSON naming each tensor's dtype, shape and place. Pure: bytes in, records out.
// A header comes from strangers, so it has its own small parser: duplicate names are seen, nothing deep or wild is built, and
// every number is checked before it is used. Format: https://huggingface.co/docs/safetensors
import { FileError, formatBytes, quote } from "./errors.ts"
import { bitsOf, type HostType } from "./host.ts"

/** Where one tensor stands in a file. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: HostType
  readonly shape: readonly number[]
  /** First byte, counted from the start of the file. */
  readonly offset: number
  /** Length in bytes. */
  readonly bytes: number
}

/** A checked header: tensors in the order of their bytes. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, TensorInfo>
}

/** Longest header that is read, as in the reference implementation. */
export const maxHeaderBytes = 100_000_000
const maxRank = 64

/** The dtype names of the format. */
export const dtypeNames: Readonly<Record<string, HostType>> = {
  F64: "f64",
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  I64: "i64",
  U64: "u64",
  I32: "i32",
  U32: "u32",
  I16: "i16",
  U16: "u16",
  I8: "i8",
  U8: "u8",
  BOOL: "bool",
  F8_E4M3: "f8_e4m3",
  F8_E5M2: "f8_e5m2",
  F8_E8M0: "f8_e8m0",
  F6_E2M3: "f6_e2m3",
  F6_E3M2: "f6_e3m2",
  F4: "f4",
  C64: "c64",
}

/** What a file that is no safetensors file may be instead, from its first bytes. */
function recognise(start: Uint8Array): string {
  const text = String.fromCharCode(...start.subarray(0, 8))
  if (text.startsWith("PK")) return "this looks like a PyTorch or zip archive: save it with safetensors first"
  if (text.startsWith("\x80"))
    return "this looks like a Python pickle, which can run code: save it with safetensors first"
  if (text.startsWith("GGUF")) return "this looks like a GGUF file, another format"
  if (text.startsWith("version ")) return "this looks like a Git LFS pointer: fetch the real file with `git lfs pull`"
  if (text.startsWith("<")) return "this looks like a web page: the download got an error page instead of the file"
  return "the file is damaged or no safetensors file: download or save it again"
}

/** Header length from a file's first bytes (8 are needed). Throws FileError when it cannot be true of a file of `fileBytes`. */
export function headerLength(start: Uint8Array, fileBytes: number, source: string): number {
  if (fileBytes < 8 || start.length < 8)
    throw new FileError(
      `${source}: expected a safetensors file of at least 8 bytes, but got ${formatBytes(fileBytes)}`,
      fileBytes === 0 ? "the file is empty: download or save it again" : recognise(start),
    )
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(fileBytes - 8))
    throw new FileError(
      `${source}: expected a header within the file's ${formatBytes(fileBytes)}, but its length says ${length} bytes`,
      recognise(start),
    )
  if (length > BigInt(maxHeaderBytes))
    throw new FileError(
      `${source}: expected a header of at most ${formatBytes(maxHeaderBytes)}, but its length says ${formatBytes(Number(length))}`,
      recognise(start),
    )
  return Number(length)
}

/** Parses and checks the JSON of a header; `dataBytes` is what follows it in the file. Throws FileError naming the tensor at fault. */
export function parseHeader(json: Uint8Array, dataBytes: number, source: string): SafetensorsHeader {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json)
  } catch (cause) {
    throw new FileError(`${source}: expected a header in UTF-8, but it has other bytes`, recognise(json), { cause })
  }
  const header = new HeaderText(text, source)
  const { metadata, tensors } = header.parse(8 + json.length)
  return { metadata, tensors: checkLayout(tensors, 8 + json.length, dataBytes, source) }
}

/** Tensors must fill the data without overlap, gap or rest. Returns them in the order of their bytes. */
function checkLayout(
  tensors: Map<string, TensorInfo>,
  dataStart: number,
  dataBytes: number,
  source: string,
): Map<string, TensorInfo> {
  const ordered = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)
  const place = (info: TensorInfo) => `[${info.offset - dataStart} ${info.offset - dataStart + info.bytes}]`
  let end = dataStart
  let previous: TensorInfo | undefined
  for (const info of ordered) {
    if (info.offset < end)
      throw new FileError(
        `${source}: expected tensors side by side, but ${quote(previous!.name)} ${place(previous!)} and ${quote(info.name)} ${place(info)} overlap`,
        "the file is damaged or was made to mislead: do not use it",
      )
    if (info.offset > end)
      throw new FileError(
        `${source}: expected tensor ${quote(info.name)} to begin at ${end - dataStart}, but it begins at ${info.offset - dataStart}: a gap`,
        "the file is damaged: download or save it again",
      )
    end += info.bytes
    previous = info
    if (end - dataStart > dataBytes)
      throw new FileError(
        `${source}: expected tensor ${quote(info.name)} ${place(info)} within ${dataBytes} bytes of data, but the file ends before it`,
        "the file was cut short: download or save it again",
      )
  }
  const rest = dataStart + dataBytes - end
  if (rest > 0)
    throw new FileError(
      `${source}: expected the data to end after ${end - dataStart} bytes, but got ${rest} more`,
      "the file is damaged: download or save it again",
    )
  return new Map(ordered.map(info => [info.name, info]))
}

/** Reads the one JSON form a header has: an object of tensor records and one object of strings. */
class HeaderText {
  private at = 0
  private readonly text: string
  private readonly source: string

  constructor(text: string, source: string) {
    this.text = text
    this.source = source
  }

  parse(dataStart: number): { metadata: Record<string, string>; tensors: Map<string, TensorInfo> } {
    let metadata: Record<string, string> = {}
    const tensors = new Map<string, TensorInfo>()
    if (this.text[0] !== "{") this.fail("a header that begins with {")
    let metadataSeen = false
    this.object("the header", name => {
      if (name === "__metadata__") {
        if (metadataSeen) this.fail("one __metadata__", "a second one")
        metadataSeen = true
        metadata = this.strings()
      } else {
        if (tensors.has(name)) this.fail("every name once", `tensor ${quote(name)} twice`)
        tensors.set(name, this.tensor(name, dataStart))
      }
    })
    this.space()
    if (this.at < this.text.length) this.fail("only spaces after the header's JSON")
    return { metadata, tensors }
  }

  private strings(): Record<string, string> {
    const pairs = new Map<string, string>()
    this.object("__metadata__", key => {
      if (pairs.has(key)) this.fail("every metadata key once", `${quote(key)} twice`)
      if (this.text[this.at] !== '"') this.fail(`a text for metadata ${quote(key)}`)
      pairs.set(key, this.string())
    })
    return Object.fromEntries(pairs)
  }

  private tensor(name: string, dataStart: number): TensorInfo {
    const what = `tensor ${quote(name)}`
    let dtype: HostType | undefined
    let shape: number[] | undefined
    let offsets: number[] | undefined
    this.object(what, field => {
      if (field === "dtype" && dtype === undefined) {
        if (this.text[this.at] !== '"') this.fail(`${what} with a dtype name`)
        const given = this.string()
        if (!Object.hasOwn(dtypeNames, given))
          this.fail(`${what} with a dtype of ${Object.keys(dtypeNames).join(" ")}`, quote(given))
        dtype = dtypeNames[given]
      } else if (field === "shape" && shape === undefined) shape = this.numbers(`${what} with a shape`)
      else if (field === "data_offsets" && offsets === undefined) {
        offsets = this.numbers(`${what} with data_offsets`)
        if (offsets.length !== 2) this.fail(`${what} with two data_offsets`, String(offsets.length))
      } else this.fail(`${what} with dtype, shape and data_offsets, each once`, `field ${quote(field)}`)
    })
    if (dtype === undefined || shape === undefined || offsets === undefined) {
      const missing = [dtype ? "" : "dtype", shape ? "" : "shape", offsets ? "" : "data_offsets"].filter(Boolean)
      return this.fail(`${what} with dtype, shape and data_offsets`, `no ${missing.join(", no ")}`)
    }
    const [begin, end] = offsets as [number, number]
    if (end < begin) this.fail(`${what} with data_offsets that grow`, `[${begin} ${end}]`)
    let count = 1
    for (const size of shape) {
      count *= size
      if (!Number.isSafeInteger(count * bitsOf[dtype]))
        this.fail(`${what} with a shape whose product can be counted`, `[${shape.join(" ")}]`)
    }
    const bits = count * bitsOf[dtype]
    if (bits !== (end - begin) * 8)
      this.fail(
        `${what} ${dtype} [${shape.join(" ")}] to take ${bits / 8} bytes`,
        `data_offsets [${begin} ${end}]: ${end - begin}`,
      )
    return { name, dtype, shape, offset: dataStart + begin, bytes: end - begin }
  }

  /** `{ "key": value, … }`; `value` is called at each value and must move past it. */
  private object(what: string, value: (key: string) => void): void {
    if (this.text[this.at] !== "{") this.fail(`${what} as an object`)
    this.at++
    this.space()
    if (this.text[this.at] === "}") {
      this.at++
      return
    }
    for (;;) {
      if (this.text[this.at] !== '"') this.fail(`a name in ${what}`)
      const key = this.string()
      this.space()
      if (this.text[this.at] !== ":") this.fail(`: after ${quote(key)}`)
      this.at++
      this.space()
      value(key)
      this.space()
      const next = this.text[this.at]
      if (next !== "," && next !== "}") this.fail(`, or } in ${what}`)
      this.at++
      if (next === "}") return
      this.space()
    }
  }

  private numbers(what: string): number[] {
    if (this.text[this.at] !== "[") this.fail(`${what}: a list of whole numbers`)
    this.at++
    this.space()
    const numbers: number[] = []
    if (this.text[this.at] === "]") {
      this.at++
      return numbers
    }
    for (;;) {
      const word = /^[^\s,\]}]*/.exec(this.text.slice(this.at, this.at + 32))![0]
      const number = /^(0|[1-9]\d*)$/.test(word) ? Number(word) : Number.NaN
      if (!Number.isSafeInteger(number)) this.fail(`${what} of whole numbers from 0 to 2^53 - 1`, quote(word))
      numbers.push(number)
      if (numbers.length > maxRank) this.fail(`${what} of at most ${maxRank} numbers`, "more")
      this.at += word.length
      this.space()
      const next = this.text[this.at]
      if (next !== "," && next !== "]") this.fail(`${what}: , or ]`)
      this.at++
      if (next === "]") return numbers
      this.space()
    }
  }

  /** A JSON string, from its opening quote. */
  private string(): string {
    const begin = this.at
    let i = begin + 1
    for (; ; i++) {
      const code = this.text.charCodeAt(i)
      if (Number.isNaN(code)) this.fail("a closing quote", "the end of the header")
      if (code === 92) i++
      else if (code === 34) break
    }
    this.at = i + 1
    try {
      return JSON.parse(this.text.slice(begin, this.at)) as string
    } catch {
      this.at = begin
      return this.fail("a valid JSON string")
    }
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.at++
    }
  }

  private fail(expected: string, got?: string): never {
    const here = this.text.slice(this.at, this.at + 40)
    throw new FileError(
      `${this.source}: header: expected ${expected}, but got ${got ?? (here === "" ? "the end of the header" : `${quote(here)} at byte ${8 + this.at}`)}`,
      "the file is damaged or was made to mislead: download or save it again",
    )
  }
}
