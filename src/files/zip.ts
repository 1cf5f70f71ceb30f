// Zip archives as PyTorch writes them: entries stored without compression, so each can be read in place. ZIP64 included.
// Format: PKWARE's APPNOTE.TXT. Everything in a directory is checked against the size of the file before it is used.
import type { FileHandle } from "node:fs/promises"
import { readAt } from "./bytes-at.ts"
import { FileError, formatBytes, quote } from "./errors.ts"

/** A stored entry. */
export interface ZipEntry {
  readonly name: string
  /** Where its local header begins. */
  readonly header: number
  /** Length of its bytes. */
  readonly bytes: number
}

const hint = "the file is damaged or was made to mislead: download or save it again"
const maxDirectoryBytes = 64_000_000

/** The entries of an archive by name, in the order of its directory. Throws FileError for compressed or encrypted ones. */
export async function readZip(handle: FileHandle, size: number, path: string): Promise<Map<string, ZipEntry>> {
  const [start, length, count] = await findDirectory(handle, size, path)
  if (!(start + length <= size) || length > maxDirectoryBytes || count * 46 > length)
    throw new FileError(
      `${path}: expected a zip directory within the file's ${formatBytes(size)}, but it claims ${count} entries in ${formatBytes(length)} from byte ${start}`,
      hint,
    )
  const bytes = await readAt(handle, start, length, `${path}: zip directory`)
  const entries = new Map<string, ZipEntry>()
  for (let at = 0, i = 0; i < count; i++) {
    const [entry, next] = readEntry(bytes, at, path)
    if (entries.has(entry.name))
      throw new FileError(`${path}: expected every entry once, but got ${quote(entry.name)} twice`, hint)
    if (entry.header + 30 + entry.bytes > size)
      throw new FileError(
        `${path}: expected ${quote(entry.name)} (${formatBytes(entry.bytes)}) within the file's ${formatBytes(size)}`,
        "the file was cut short: download or save it again",
      )
    entries.set(entry.name, entry)
    at = next
  }
  return entries
}

/** Where an entry's bytes begin. Throws FileError where no such entry is. */
export async function zipEntryStart(handle: FileHandle, entry: ZipEntry, size: number, path: string): Promise<number> {
  const what = `${path}: ${quote(entry.name)}`
  const view = viewOf(await readAt(handle, entry.header, 30, what))
  const start = entry.header + 30 + view.getUint16(26, true) + view.getUint16(28, true)
  if (view.getUint32(0, true) !== 0x04034b50 || start + entry.bytes > size)
    throw new FileError(`${what}: expected an entry at byte ${entry.header}, but there is something else`, hint)
  return start
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The directory's first byte, length and number of entries, from the record at the end of the file. */
async function findDirectory(handle: FileHandle, size: number, path: string): Promise<[number, number, number]> {
  const length = Math.min(size, 22 + 0xffff)
  const tail = viewOf(await readAt(handle, size - length, length, path))
  let end = length - 22
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end--
  if (end < 0)
    throw new FileError(
      `${path}: expected the directory of a zip archive at its end, but there is none`,
      "the file was cut short: download it again",
    )
  const [count, bytes, start] = [
    tail.getUint16(end + 10, true),
    tail.getUint32(end + 12, true),
    tail.getUint32(end + 16, true),
  ]
  const hasLocator = end >= 20 && tail.getUint32(end - 20, true) === 0x07064b50
  if (!hasLocator) return [start, bytes, count]
  const at = safe(tail.getBigUint64(end - 12, true), path)
  if (at + 56 > size)
    throw new FileError(`${path}: expected the record of a large zip archive, but the file ends before it`, hint)
  const record = viewOf(await readAt(handle, at, 56, path))
  if (record.getUint32(0, true) !== 0x06064b50)
    throw new FileError(
      `${path}: expected the record of a large zip archive at byte ${at}, but there is something else`,
      hint,
    )
  return [
    safe(record.getBigUint64(48, true), path),
    safe(record.getBigUint64(40, true), path),
    safe(record.getBigUint64(32, true), path),
  ]
}

function readEntry(bytes: Uint8Array, at: number, path: string): [ZipEntry, next: number] {
  const broken = () =>
    new FileError(`${path}: expected an entry at byte ${at} of the zip directory, but there is something else`, hint)
  if (at + 46 > bytes.length) throw broken()
  const view = viewOf(bytes)
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map(field => view.getUint16(at + field, true)) as [
    number,
    number,
    number,
  ]
  const extra = at + 46 + nameBytes
  const next = extra + extraBytes + commentBytes
  if (view.getUint32(at, true) !== 0x02014b50 || next > bytes.length) throw broken()
  const name = new TextDecoder().decode(bytes.subarray(at + 46, extra))
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)]
  let [packed, length, header] = [20, 24, 42].map(field => view.getUint32(at + field, true)) as [number, number, number]
  for (let field = extra; field + 4 <= extra + extraBytes; ) {
    const [id, size] = [view.getUint16(field, true), view.getUint16(field + 2, true)]
    const end = field + 4 + size
    if (end > extra + extraBytes) throw broken()
    if (id === 1) {
      // ZIP64: 8 bytes for each figure that is all ones in the entry, in this order
      let from = field + 4
      const wide = (given: number): number => {
        if (given !== 0xffffffff) return given
        if (from + 8 > end) throw broken()
        from += 8
        return safe(view.getBigUint64(from - 8, true), path)
      }
      length = wide(length)
      packed = wide(packed)
      header = wide(header)
    }
    field = end
  }
  if ((flags & 1) !== 0 || method !== 0 || packed !== length)
    throw new FileError(
      `${path}: expected entries that are stored as they are, but ${quote(name)} is ${(flags & 1) !== 0 ? "encrypted" : "compressed"}`,
      "torch.save does not compress; this archive was made by something else: unpack it first",
    )
  return [{ name, header, bytes: length }, next]
}

function safe(value: bigint, path: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  throw new FileError(`${path}: expected places within the file, but the zip directory says ${value}`, hint)
}
