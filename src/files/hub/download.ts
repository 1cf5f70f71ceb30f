// One file of the hub into the cache: what is there of it is kept, the rest is asked for, and only what has the right length and hash
// gets its name. The library's downloads begin anew each time, do not check hashes, and take an answer of any length.
import { createHash, type Hash } from "node:crypto"
import { createReadStream } from "node:fs"
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { explain } from "../atomic.ts"
import { FileError, formatBytes, quote } from "../errors.ts"
import { HubError, pause, pauseFor, type RequestContext, reasonOf, request, unreachable } from "./requests.ts"

/** A file as the hub lists it. */
export interface HubFile {
  readonly path: string
  readonly bytes: number
  /** Name of its blob: the sha256 of large files, git's own hash of small ones. */
  readonly hash: string
}

/** Where a file goes, and who hears how far it is. */
export interface DownloadTarget {
  readonly url: string
  readonly blob: string
  /** A file that says who is downloading it. */
  readonly lock: string
  readonly onBytes: (loaded: number) => void
}

/**
 * Brings one file to its blob. Goes on where an interrupted download stopped, and again after a cut connection. Throws HubError,
 * FileError, or the signal's reason; a part that may be right stays for the next time, a wrong one does not.
 */
export async function download(context: RequestContext, file: HubFile, target: DownloadTarget): Promise<void> {
  await mkdir(dirname(target.blob), { recursive: true }).catch(async cause => {
    throw await explain(cause, target.blob)
  })
  const release = await takeLock(target.lock, context.signal)
  try {
    if (await isWhole(target.blob, file)) return // somebody else brought it meanwhile
    await fetchWhole(context, file, target)
  } finally {
    await release()
  }
}

/** Whether a blob is there with the right length; what is in it was checked when it came. */
export async function isWhole(blob: string, file: HubFile): Promise<boolean> {
  return (await stat(blob).catch(() => null))?.size === file.bytes
}

async function fetchWhole(context: RequestContext, file: HubFile, target: DownloadTarget): Promise<void> {
  const part = `${target.blob}.incomplete` // Python's name for it
  let [best, futile, wrong] = [-1, 0, 0]
  for (;;) {
    const before = (await stat(part).catch(() => null))?.size ?? 0
    const got = await fetchPart(context, file, target, part)
    if (got.state === "whole") {
      await rename(part, target.blob).catch(async cause => {
        throw await explain(cause, target.blob)
      })
      return
    }
    if (got.state === "wrong") {
      await rm(part, { force: true })
      // a part from before may have been of another file; what came in one piece was sent wrong
      if (before === 0 || ++wrong > 1) throw wrongHash(context, file, got.hash)
      continue
    }
    futile = got.loaded > best ? 0 : futile + 1
    best = Math.max(best, got.loaded)
    if (futile >= context.patience.retries) throw unreachable(context, got.cause, file.path)
    await pause(context, file.path, pauseFor(futile, context.patience), reasonOf(got.cause))
  }
}

type Part =
  | { readonly state: "whole" }
  | { readonly state: "wrong"; readonly hash: string }
  | { readonly state: "cut"; readonly loaded: number; readonly cause: unknown }

/** One request for what is missing, and what came of it. */
async function fetchPart(context: RequestContext, file: HubFile, target: DownloadTarget, part: string): Promise<Part> {
  const { hash, loaded: kept } = await hashPart(part, file)
  let [loaded, running] = [kept, hash]
  target.onBytes(loaded)
  let handle: FileHandle | undefined
  let isBroken = false
  try {
    handle = await open(part, "a")
    if (kept === 0) await truncate(handle)
    if (kept < file.bytes) {
      const headers: Record<string, string> = { "accept-encoding": "identity" }
      if (kept > 0) headers.range = `bytes=${kept}-`
      const { response, watch } = await request(context, target.url, file.path, headers)
      try {
        const from = startOf(context, file, response, kept)
        if (from !== kept) {
          await truncate(handle) // the server does not know ranges: all of it comes again
          running = newHash(file)
          loaded = 0
        }
        for await (const chunk of bodyOf(response)) {
          watch.alive()
          isBroken = loaded + chunk.length > file.bytes
          if (isBroken) throw wrongLength(context, file, "more")
          await writeAll(handle, chunk)
          running.update(chunk)
          loaded += chunk.length
          target.onBytes(loaded)
        }
        if (loaded < file.bytes)
          return { state: "cut", loaded, cause: new Error(`the connection ended after ${formatBytes(loaded)}`) }
      } catch (cause) {
        context.signal?.throwIfAborted()
        if (cause instanceof FileError || isSystem(cause)) throw cause
        return { state: "cut", loaded, cause }
      } finally {
        watch.end()
        if (!response.bodyUsed) await response.body?.cancel().catch(() => {})
      }
    }
    const digest = running.digest("hex")
    if (digest !== file.hash) return { state: "wrong", hash: digest }
    await handle.sync()
    return { state: "whole" }
  } catch (cause) {
    if (isBroken || loaded === 0) await rm(part, { force: true })
    throw await explain(cause, target.blob, "write", file.bytes)
  } finally {
    await handle?.close()
  }
}

/** Errors of the file system, which no new request mends. */
const isSystem = (cause: unknown): boolean =>
  cause instanceof Error && /^(write|open|ftruncate|fsync)$/.test((cause as NodeJS.ErrnoException).syscall ?? "")

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten
}

async function truncate(handle: FileHandle): Promise<void> {
  if ((await handle.stat()).size > 0) await handle.truncate(0)
}

/** The hash so far of what an interrupted download left. */
async function hashPart(part: string, file: HubFile): Promise<{ hash: Hash; loaded: number }> {
  const size = (await stat(part).catch(() => null))?.size ?? 0
  const hash = newHash(file)
  if (size === 0 || size > file.bytes) return { hash, loaded: 0 }
  let loaded = 0
  try {
    for await (const chunk of createReadStream(part, { end: size - 1, highWaterMark: 1 << 20 })) {
      hash.update(chunk as Uint8Array)
      loaded += (chunk as Uint8Array).length
    }
  } catch (cause) {
    throw await explain(cause, part, "read")
  }
  return { hash, loaded }
}

/** Large files are named by the sha256 of their bytes, small ones as git names a blob. */
function newHash({ hash, bytes }: HubFile): Hash {
  return hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`)
}

/** The byte that an answer begins with. Throws HubError where it is of another length than the list says. */
function startOf(context: RequestContext, file: HubFile, response: Response, wanted: number): number {
  if (response.status === 416) throw wrongLength(context, file, "less")
  if (response.status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? []
    if (Number(start) === wanted && Number(total) === file.bytes) return wanted
    throw wrongLength(context, file, total === undefined ? "an unknown part" : `${total} bytes`)
  }
  const length = response.headers.get("content-length")
  if (length !== null && !response.headers.has("content-encoding") && Number(length) !== file.bytes)
    throw wrongLength(context, file, `${length} bytes`)
  return 0
}

const wrongLength = ({ name, place }: RequestContext, file: HubFile, got: string) =>
  new HubError(
    `${name}: expected ${file.bytes} bytes of ${file.path}, as the hub lists it, but ${place.endpoint} sends ${got}`,
    "nothing broken was kept: pull again; if it stays so, the hub or a proxy between is at fault",
  )

const wrongHash = ({ name }: RequestContext, file: HubFile, got: string) =>
  new HubError(
    `${name}: expected ${file.path} with the hash ${file.hash.slice(0, 12)}…, but what came has ${got.slice(0, 12)}…`,
    "nothing broken was kept: pull again; if it stays so, the hub or a proxy between is at fault",
  )

/** Takes a lock that other processes respect; one whose holder is no more counts for nothing. */
async function takeLock(path: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  const owner = `${process.pid} ${hostname()}`
  for (;;) {
    signal?.throwIfAborted()
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, owner, { flag: "wx" })
      held.add(path)
      return async () => {
        held.delete(path)
        await rm(path, { force: true })
      }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw await explain(cause, path)
    }
    if (!(await isHeld(path))) await rm(path, { force: true })
    else await sleep(100)
  }
}

const held = new Set<string>()

async function isHeld(path: string): Promise<boolean> {
  const [pid, host] = (await readFile(path, "utf8").catch(() => "")).split(" ")
  const found = await stat(path).catch(() => null)
  if (found === null) return false
  if (host === undefined) return Date.now() - found.mtimeMs < 5000 // just being written
  if (host !== hostname()) return Date.now() - found.mtimeMs < 24 * 3600 * 1000
  if (Number(pid) === process.pid) return held.has(path)
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** What a hash of the hub's list must look like: it becomes a file name. */
export function checkHash(hash: string, path: string, name: string): void {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) return
  throw new HubError(
    `${name}: expected a hash for ${quote(path)}, but got ${quote(hash)}`,
    "this is no Hugging Face hub: check HF_ENDPOINT",
  )
}
