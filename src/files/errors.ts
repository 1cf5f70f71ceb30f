// What goes wrong with files, said so that a person can act. Pure: no node:*, so browsers can import it.
import { HeedError } from "../tensor/errors.ts"

/** A file that is damaged, hostile or not what its name says, or a file that cannot be read or written. */
export class FileError extends HeedError {}

/** Bytes in the unit a person would use: 512 bytes, 1.5 kB, 4.98 GB (powers of 1000). */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`
  const units = ["kB", "MB", "GB", "TB", "PB"]
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toPrecision(3)} ${units[unit]}`
}

/** Text from a file, quoted and cut for an error message: control characters escaped, at most `limit` characters. */
export function quote(text: string, limit = 80): string {
  return JSON.stringify(text.length > limit ? `${text.slice(0, limit)}…` : text)
}
