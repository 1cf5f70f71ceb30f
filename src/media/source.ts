// Where sound and pictures come from: paths, addresses, bytes; and the optional packages that decode them, loaded when used.
import { MediaError } from "./errors.ts"

/** A path, an address (http, https, data, file), or the bytes of a file. */
export type MediaSource = string | URL | Uint8Array | ArrayBuffer | Blob

/** How a source is fetched. */
export interface SourceOptions {
  readonly signal?: AbortSignal
}

/** Bytes of the largest file that is taken. */
const mostBytes = 2_000_000_000

/** The name of a source in errors. */
export function nameOf(source: unknown): string {
  if (typeof source === "string") return source.length > 120 ? `${source.slice(0, 60)}…` : source
  if (source instanceof URL) return nameOf(source.href)
  return "the bytes given"
}

/** The bytes of a source. Throws MediaError for an address that does not answer, FileError for a file that cannot be read. */
export async function readSource(source: MediaSource, what: string, options: SourceOptions = {}): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source
  if (source instanceof ArrayBuffer) return new Uint8Array(source)
  if (typeof Blob !== "undefined" && source instanceof Blob) return new Uint8Array(await source.arrayBuffer())
  if (source instanceof URL || typeof source === "string") {
    const address = String(source)
    if (/^(https?|data|blob):/i.test(address)) return download(address, what, options)
    const { readFileBytes } = await import("../files/bytes.ts")
    return readFileBytes(/^file:/i.test(address) ? asURL(address, what) : address, mostBytes)
  }
  throw new MediaError(
    `${what}: expected a path, a URL or bytes, but got ${describe(source)}`,
    "read the file and pass its bytes",
  )
}

function asURL(address: string, what: string): URL {
  try {
    return new URL(address)
  } catch (cause) {
    throw new MediaError(`${what}: expected a file address, but got ${nameOf(address)}`, undefined, { cause })
  }
}

async function download(address: string, what: string, { signal }: SourceOptions): Promise<Uint8Array> {
  let response: Response
  try {
    response = await fetch(address, signal ? { signal } : {})
  } catch (cause) {
    signal?.throwIfAborted()
    const reason = (cause as { cause?: { message?: string } }).cause?.message ?? (cause as Error).message
    throw new MediaError(`${what}: expected ${nameOf(address)} to answer, but ${reason}`, "check the address", {
      cause,
    })
  }
  if (!response.ok) {
    await response.body?.cancel()
    throw new MediaError(
      `${what}: expected a file at ${nameOf(address)}, but the server says ${response.status} ${response.statusText}`.trim(),
      response.status === 404 ? "check the address" : undefined,
    )
  }
  if (Number(response.headers.get("content-length") ?? 0) > mostBytes) {
    await response.body?.cancel()
    throw new MediaError(`${what}: expected at most 2 GB at ${nameOf(address)}, but it is larger`)
  }
  return new Uint8Array(await response.arrayBuffer())
}

/** What a value is, in a few words. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  return typeof value === "object" ? (value.constructor?.name ?? "an object") : `${typeof value} ${String(value)}`
}

/** An optional package, loaded now. Throws MediaError that names it when it is not installed. */
export async function optionalPackage<T>(name: string, purpose: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const reason = (cause as Error).message?.split("\n")[0] ?? String(cause)
    const missing = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND" || /cannot find/i.test(reason)
    throw new MediaError(
      `${purpose}: expected the package ${name}, but ${missing ? "it is not installed" : `it does not load: ${reason}`}`,
      `npm install ${name}`,
      { cause },
    )
  }
}
