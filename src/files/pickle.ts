// Python's pickle format, read as data. A pickle is a program that may name any function of Python; this reader runs it on a stack
// of plain values and gives every name to the caller, who knows a short list and refuses the rest. Pure, and without recursion.
// Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py, protocols 0 to 5 as far as checkpoints use them.
import { FileError, quote } from "./errors.ts"

/** A Python dict, OrderedDict included: keys keep their order. Attributes set on it are dropped. */
export class PickleDict extends Map<PickleValue, PickleValue> {}

/** A Python tuple. */
export class PickleTuple {
  readonly items: readonly PickleValue[]

  constructor(items: readonly PickleValue[]) {
    this.items = items
  }
}

/** A name that a pickle may use, and what calling it gives. */
export interface PickleGlobal {
  readonly name: string
  /** Absent: a value that cannot be called. */
  readonly call?: (args: readonly PickleValue[]) => PickleValue
}

/** What the caller makes of names and persistent ids: tensors, storages, dtypes. */
export interface PickleObject {
  readonly kind: string
}

/** A value on the stack. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleDict
  | Set<PickleValue>
  | PickleGlobal
  | PickleObject

/** What a pickle may refer to. */
export interface PickleNames {
  /** The global of that name, or undefined to refuse it. */
  find(name: string): PickleGlobal | undefined
  /** The object of a persistent id. */
  load(id: PickleValue): PickleValue
}

/** The bytes ended within the pickle: with more of them it may go on. */
export class PickleCut extends FileError {}

const hint = "the file is damaged or was made to mislead: download or save it again"
const text = new TextDecoder("utf-8", { fatal: true })
const maxIntegerBytes = 64

/** Names that every pickle of plain containers may use. */
const containers: readonly PickleGlobal[] = [
  { name: "collections.OrderedDict", call: args => dictOf(args) },
  { name: "builtins.dict", call: args => dictOf(args) },
  { name: "builtins.set", call: args => new Set(itemsOf(args)) },
  { name: "builtins.frozenset", call: args => new Set(itemsOf(args)) },
  { name: "builtins.list", call: args => [...itemsOf(args)] },
  { name: "builtins.tuple", call: args => new PickleTuple(itemsOf(args)) },
]
const containerOf = new Map(containers.map(global => [global.name, global]))

function itemsOf([items, ...rest]: readonly PickleValue[]): readonly PickleValue[] {
  if (items === undefined) return []
  if (rest.length === 0 && Array.isArray(items)) return items
  if (rest.length === 0 && items instanceof PickleTuple) return items.items
  throw new FileError("expected a list of items for a container, but got something else", hint)
}

function dictOf(args: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict()
  for (const pair of itemsOf(args)) {
    const [key, value, ...rest] = Array.isArray(pair) ? pair : pair instanceof PickleTuple ? pair.items : []
    if (key === undefined || value === undefined || rest.length > 0)
      throw new FileError("expected pairs of key and value for a dict, but got something else", hint)
    dict.set(key, value)
  }
  return dict
}

/**
 * Runs the pickle that begins at `start`. Gives its value and where the bytes after it begin. Throws FileError: for a name that is
 * neither a plain container nor known to `names` (it is named), for a broken pickle; PickleCut where the bytes end within it.
 */
export function unpickle(
  bytes: Uint8Array,
  names: PickleNames,
  source: string,
  start = 0,
): { readonly value: PickleValue; readonly end: number } {
  const machine = new PickleMachine(bytes, names, source, start)
  return { value: machine.run(), end: machine.at }
}

class PickleMachine {
  at: number
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly names: PickleNames
  private readonly source: string
  private stack: PickleValue[] = []
  private readonly marked: PickleValue[][] = []
  private readonly memo = new Map<number, PickleValue>()

  constructor(bytes: Uint8Array, names: PickleNames, source: string, start: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.names = names
    this.source = source
    this.at = start
  }

  run(): PickleValue {
    for (;;) {
      const code = this.byte()
      if (code === 0x2e) return this.pop() // STOP
      this.step(code)
    }
  }

  private step(code: number): void {
    const { stack } = this
    switch (code) {
      case 0x80: // PROTO
        if (this.byte() > 5) this.fail("a pickle of protocol 5 or less")
        return
      case 0x95: // FRAME: how the rest is cut does not matter
        this.take(8)
        return
      case 0x28: // MARK
        this.marked.push(stack)
        this.stack = []
        return
      case 0x30: // POP
        if (stack.length === 0) this.toMark()
        else this.pop()
        return
      case 0x31: // POP_MARK
        this.toMark()
        return
      case 0x32: // DUP
        stack.push(this.top())
        return
      case 0x4e: // NONE
        stack.push(null)
        return
      case 0x88: // NEWTRUE
        stack.push(true)
        return
      case 0x89: // NEWFALSE
        stack.push(false)
        return
      case 0x49: // INT: a decimal line; 00 and 01 are booleans
        stack.push(this.integerLine())
        return
      case 0x4c: // LONG: a decimal line with an L
        stack.push(this.integerLine())
        return
      case 0x4a: // BININT
        stack.push(this.view.getInt32(this.skip(4), true))
        return
      case 0x4b: // BININT1
        stack.push(this.byte())
        return
      case 0x4d: // BININT2
        stack.push(this.view.getUint16(this.skip(2), true))
        return
      case 0x8a: // LONG1
        stack.push(this.long(this.byte()))
        return
      case 0x8b: // LONG4
        stack.push(this.long(this.length(4)))
        return
      case 0x46: // FLOAT: a line
        stack.push(this.floatLine())
        return
      case 0x47: // BINFLOAT
        stack.push(this.view.getFloat64(this.skip(8), false))
        return
      case 0x56: // UNICODE: a line, plain letters here
        stack.push(this.line())
        return
      case 0x58: // BINUNICODE
        stack.push(this.text(this.length(4)))
        return
      case 0x8c: // SHORT_BINUNICODE
        stack.push(this.text(this.byte()))
        return
      case 0x8d: // BINUNICODE8
        stack.push(this.text(this.length(8)))
        return
      case 0x54: // BINSTRING: Python 2's str
        stack.push(this.latin(this.length(4)))
        return
      case 0x55: // SHORT_BINSTRING
        stack.push(this.latin(this.byte()))
        return
      case 0x42: // BINBYTES
        stack.push(this.take(this.length(4)))
        return
      case 0x43: // SHORT_BINBYTES
        stack.push(this.take(this.byte()))
        return
      case 0x8e: // BINBYTES8
        stack.push(this.take(this.length(8)))
        return
      case 0x5d: // EMPTY_LIST
        stack.push([])
        return
      case 0x29: // EMPTY_TUPLE
        stack.push(new PickleTuple([]))
        return
      case 0x7d: // EMPTY_DICT
        stack.push(new PickleDict())
        return
      case 0x8f: // EMPTY_SET
        stack.push(new Set())
        return
      case 0x6c: // LIST
        this.push(this.toMark())
        return
      case 0x74: // TUPLE
        this.push(new PickleTuple(this.toMark()))
        return
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(new PickleTuple(this.last(code - 0x84)))
        return
      case 0x64: // DICT
        this.push(this.fill(new PickleDict(), this.toMark()))
        return
      case 0x91: // FROZENSET
        this.push(new Set(this.toMark()))
        return
      case 0x61: // APPEND
        this.list().push(...this.last(1, true))
        return
      case 0x65: {
        // APPENDS
        const items = this.toMark()
        const list = this.list(0)
        for (const item of items) list.push(item)
        return
      }
      case 0x73: {
        // SETITEM
        const pair = this.last(2)
        this.fill(this.top(), pair)
        return
      }
      case 0x75: {
        // SETITEMS
        const pairs = this.toMark()
        this.fill(this.top(), pairs)
        return
      }
      case 0x90: {
        // ADDITEMS
        const items = this.toMark()
        const set = this.top()
        if (!(set instanceof Set)) this.fail("a set to add to")
        else for (const item of items) set.add(item)
        return
      }
      case 0x63: {
        // GLOBAL
        const [module, name] = [this.line(), this.line()]
        stack.push(this.global(module, name))
        return
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.last(2)
        if (typeof module === "string" && typeof name === "string") stack.push(this.global(module, name))
        else this.fail("the name of a global as text")
        return
      }
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        this.call()
        return
      case 0x62: {
        // BUILD: attributes of a dict (the versions of its modules) say nothing about its weights
        this.pop()
        if (!(this.top() instanceof PickleDict)) this.fail("attributes of a dict only")
        return
      }
      case 0x51: // BINPERSID
        stack.push(this.named(() => this.names.load(this.pop())))
        return
      case 0x67: // GET
        stack.push(this.recall(Number(this.line())))
        return
      case 0x68: // BINGET
        stack.push(this.recall(this.byte()))
        return
      case 0x6a: // LONG_BINGET
        stack.push(this.recall(this.length(4)))
        return
      case 0x70: // PUT
        this.memo.set(Number(this.line()), this.top())
        return
      case 0x71: // BINPUT
        this.memo.set(this.byte(), this.top())
        return
      case 0x72: // LONG_BINPUT
        this.memo.set(this.length(4), this.top())
        return
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top())
        return
      default:
        this.refuseCode(code)
    }
  }

  private refuseCode(code: number): never {
    // INST OBJ NEWOBJ_EX EXT1 EXT2 EXT4: other ways to call what a program names
    const calls = [0x69, 0x6f, 0x92, 0x82, 0x83, 0x84].includes(code)
    const shown = `0x${code.toString(16).padStart(2, "0")}`
    this.fail(calls ? "tensors and containers only" : "an instruction that checkpoints use", `instruction ${shown}`)
  }

  private global(module: string, name: string): PickleGlobal {
    const full = `${module === "__builtin__" ? "builtins" : module}.${name}`
    const found = containerOf.get(full) ?? this.names.find(full)
    if (found) return found
    throw new FileError(
      `${this.source}: expected tensors and containers only, but the pickle asks for ${quote(`${module}.${name}`)}: refused`,
      "a pickle can run code; nothing of it was run. Ask for a safetensors version of this model, or save one where you trust the file",
    )
  }

  private call(): void {
    const [callee, args] = this.last(2)
    const call = typeof callee === "object" && callee !== null && "call" in callee ? callee.call : undefined
    if (call && args instanceof PickleTuple) this.stack.push(this.named(() => call(args.items)))
    else this.fail("something that can be called, and a tuple for it")
  }

  /** Errors of the caller's part get the name of the file. */
  private named(make: () => PickleValue): PickleValue {
    try {
      return make()
    } catch (cause) {
      if (!(cause instanceof FileError) || cause.message.startsWith(this.source)) throw cause
      const [message, ...rest] = cause.message.split("\n  hint: ")
      throw new FileError(`${this.source}: ${message}`, rest.join(" ") || hint, { cause })
    }
  }

  private fill(target: PickleValue, pairs: readonly PickleValue[]): PickleValue {
    if (!(target instanceof PickleDict)) return this.fail("a dict to put items in")
    if (pairs.length % 2 !== 0) return this.fail("keys and values in pairs")
    for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i]!, pairs[i + 1]!)
    return target
  }

  private list(depth = 1): PickleValue[] {
    const list = this.stack[this.stack.length - 1 - depth]
    return Array.isArray(list) ? list : this.fail("a list to append to")
  }

  private recall(index: number): PickleValue {
    const value = this.memo.get(index)
    return value === undefined ? this.fail("something remembered", `nothing under ${index}`) : value
  }

  private push(value: PickleValue): void {
    this.stack.push(value) // after toMark, which changed the stack
  }

  private toMark(): PickleValue[] {
    const items = this.stack
    const below = this.marked.pop()
    if (!below) return this.fail("a mark")
    this.stack = below
    return items
  }

  private pop(): PickleValue {
    const value = this.stack.pop()
    return value === undefined ? this.fail("a value", "an empty stack") : value
  }

  private top(): PickleValue {
    const value = this.stack[this.stack.length - 1]
    return value === undefined ? this.fail("a value", "an empty stack") : value
  }

  /** Takes the last `count` values; `keep` asks that one more stands below them. */
  private last(count: number, keep = false): PickleValue[] {
    if (this.stack.length < count + (keep ? 1 : 0)) return this.fail(`${count} values`, `${this.stack.length}`)
    return this.stack.splice(this.stack.length - count, count)
  }

  private skip(count: number): number {
    const begin = this.at
    if (count > this.bytes.length - begin)
      throw new PickleCut(`${this.source}: expected ${count} more bytes of the pickle, but the file ends`, hint)
    this.at = begin + count
    return begin
  }

  private byte(): number {
    return this.bytes[this.skip(1)]!
  }

  private take(count: number): Uint8Array {
    const begin = this.skip(count)
    return this.bytes.subarray(begin, begin + count)
  }

  private length(bytes: 4 | 8): number {
    const at = this.skip(bytes)
    if (bytes === 4) return this.view.getUint32(at, true)
    const long = this.view.getBigUint64(at, true)
    return long > BigInt(Number.MAX_SAFE_INTEGER)
      ? this.fail("a length that a file can have", String(long))
      : Number(long)
  }

  private text(count: number): string {
    const part = this.take(count)
    try {
      return text.decode(part)
    } catch {
      return this.fail("text in UTF-8")
    }
  }

  private latin(count: number): string {
    let all = ""
    for (const code of this.take(count)) all += String.fromCharCode(code)
    return all
  }

  private line(): string {
    const end = this.bytes.indexOf(10, this.at)
    if (end < 0 && this.bytes.length - this.at <= 1024) this.skip(this.bytes.length - this.at + 1) // cut
    if (end < 0 || end - this.at > 1024) return this.fail("a line of at most 1024 bytes")
    const line = this.text(end - this.at)
    this.at++
    return line
  }

  private integerLine(): number | bigint | boolean {
    const line = this.line()
    if (line === "00" || line === "01") return line === "01"
    if (!/^-?\d{1,150}L?$/.test(line)) return this.fail("a whole number", quote(line))
    return asNumber(BigInt(line.replace("L", "")))
  }

  private floatLine(): number {
    const line = this.line()
    if (/^-?\d+(\.\d*)?([eE][-+]?\d+)?$/.test(line)) return Number(line)
    const special = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY }[line]
    return special ?? this.fail("a number", quote(line))
  }

  /** A little-endian two's complement integer. */
  private long(count: number): number | bigint {
    if (count > maxIntegerBytes) return this.fail(`whole numbers of at most ${maxIntegerBytes} bytes`, `${count} bytes`)
    const part = this.take(count)
    let value = 0n
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(part[i]!)
    return asNumber(BigInt.asIntN(8 * count, value))
  }

  private fail(expected: string, got?: string): never {
    throw new FileError(
      `${this.source}: pickle: expected ${expected}${got === undefined ? "" : `, but got ${got}`} before byte ${this.at}`,
      hint,
    )
  }
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
