// Writing so that a kill, a crash or a full disk never leaves half a file: write a temporary beside the target, fsync, rename,
// fsync the folder. Whole folders the same way. Leftovers of killed writers are recognised by name and removed later.
import { randomBytes } from "node:crypto"
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rename, rm, statfs } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { FileError, formatBytes } from "./errors.ts"

/** What can be written: a text (UTF-8), bytes, or bytes that come in chunks (`bytes`, when known, is their total). */
export type FileContent =
  | string
  | Uint8Array
  | (AsyncIterable<Uint8Array> & { readonly bytes?: number })
  | (Iterable<Uint8Array> & { readonly bytes?: number })

/** Content that is made when its turn to be written comes. */
export type FileWriter = FileContent | (() => FileContent | Promise<FileContent>)

/** Writes a file so that readers see the old content or the new, never a mix. Throws FileError; the old file is then untouched. */
export async function writeFileAtomic(path: string, content: FileWriter): Promise<void> {
  const target = await realpath(path).catch(() => path) // through a symbolic link, or the rename would replace the link
  const temporary = join(dirname(target), temporaryName(basename(target)))
  try {
    await writeSynced(temporary, content, path)
    await rename(temporary, target)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw await explain(cause, path)
  }
  await syncFolder(dirname(target))
}

/**
 * Writes a new folder of files that appears whole or not at all. An existing folder of that name is replaced once the new one is
 * complete. Throws FileError; nothing of the new folder is then left.
 */
export async function writeFolderAtomic(folder: string, files: Readonly<Record<string, FileWriter>>): Promise<void> {
  const parent = dirname(folder)
  const temporary = join(parent, temporaryName(basename(folder)))
  try {
    await mkdir(temporary)
    for (const [name, content] of Object.entries(files)) {
      checkFileName(name)
      await writeSynced(join(temporary, name), content, join(folder, name))
    }
    await syncFolder(temporary)
    await replaceFolder(temporary, folder)
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {})
    throw await explain(cause, folder)
  }
  await syncFolder(parent)
}

/** Removes a folder so that a kill in between leaves no half folder under its name. */
export async function removeFolderAtomic(folder: string): Promise<void> {
  const doomed = join(dirname(folder), temporaryName(basename(folder)))
  try {
    await rename(folder, doomed)
    await rm(doomed, { recursive: true, force: true })
  } catch (cause) {
    throw await explain(cause, folder)
  }
}

/** Two renames: there is no portable exchange of folders. In between the old one stands aside, where `removeLeftovers` finds it. */
async function replaceFolder(temporary: string, folder: string): Promise<void> {
  const old = await lstat(folder).catch(() => undefined)
  if (old === undefined) return await rename(temporary, folder)
  const aside = join(dirname(folder), temporaryName(basename(folder), "aside"))
  await rename(folder, aside)
  try {
    await rename(temporary, folder)
  } catch (cause) {
    await rename(aside, folder)
    throw cause
  }
  await syncFolder(dirname(folder)) // the new one is on the disk before the old one goes
  await rm(aside, { recursive: true, force: true })
}

/** `.<name>.<process id>-<random>.<kind>` */
function temporaryName(name: string, kind: "writing" | "aside" = "writing"): string {
  return `.${name.slice(0, 200)}.${process.pid}-${randomBytes(4).toString("hex")}.${kind}`
}

const temporaryPattern = /^\.(.+)\.(\d+)-[0-9a-f]{8}\.(writing|aside)$/

/** The name a folder had before it was put aside to be replaced; undefined for any other name. */
export function nameBeforeAside(name: string): string | undefined {
  const [, original, , kind] = temporaryPattern.exec(name) ?? []
  return kind === "aside" ? original : undefined
}

/** True for the names that unfinished writes have. */
export function isTemporaryName(name: string): boolean {
  return temporaryPattern.test(name)
}

/**
 * Clears what killed writers left in a folder: temporaries are removed, a folder that stood aside while its successor never
 * arrived is put back. Temporaries of live processes stay. Returns the names cleared.
 */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const cleared: string[] = []
  const names = await readdir(folder).catch(async cause => {
    throw await explain(cause, folder, "read")
  })
  for (const name of names) {
    const [, original, process, kind] = temporaryPattern.exec(name) ?? []
    if (original === undefined || (await isBeingWritten(join(folder, name), Number(process)))) continue
    const target = join(folder, original)
    const missing = kind === "aside" && (await lstat(target).catch(() => undefined)) === undefined
    if (missing) await rename(join(folder, name), target)
    else await rm(join(folder, name), { recursive: true, force: true })
    cleared.push(name)
  }
  return cleared
}

async function isBeingWritten(path: string, pid: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return true // already gone: nothing to clear
  // the same number may be a process of today's boot that has nothing to do with the file
  if (pid === process.pid) return found.mtimeMs >= Date.now() - process.uptime() * 1000 - 1000
  if (Date.now() - found.mtimeMs > 24 * 3600 * 1000) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

function checkFileName(name: string): void {
  if (/^[^/\\\0]+$/.test(name) && name !== "." && name !== ".." && !temporaryPattern.test(name)) return
  throw new FileError(
    `file in a folder: expected a plain file name, but got ${JSON.stringify(name)}`,
    "no slashes: the folder holds files, not folders",
  )
}

async function writeSynced(path: string, content: FileWriter, shown: string): Promise<void> {
  const made = typeof content === "function" ? await content() : content
  const handle = await open(path, "wx")
  try {
    await writeContent(handle, made, shown)
    await handle.sync()
  } catch (cause) {
    throw await explain(cause, shown, "write", sizeOf(made))
  } finally {
    await handle.close()
  }
}

/** Writes all of `content` at the handle's position. Throws FileError that names `shown`, its size and what to do. */
export async function writeContent(handle: FileHandle, content: FileContent, shown: string): Promise<void> {
  let written = 0
  const whole = typeof content === "string" ? new TextEncoder().encode(content) : content
  for await (const chunk of whole instanceof Uint8Array ? [whole] : whole) {
    for (let at = 0; at < chunk.length; ) {
      try {
        const piece = Math.min(chunk.length - at, 1 << 28)
        at += (await handle.write(chunk, at, piece)).bytesWritten
      } catch (cause) {
        throw await explain(cause, shown, "write", sizeOf(content) ?? written + chunk.length)
      }
    }
    written += chunk.length
  }
  const announced = typeof content === "string" ? undefined : "bytes" in content ? content.bytes : undefined
  if (announced !== undefined && announced !== written)
    throw new FileError(
      `writing ${shown}: expected ${announced} bytes as announced, but got ${written}`,
      "the content's `bytes` must be its length",
    )
}

function sizeOf(content: FileContent): number | undefined {
  if (typeof content === "string") return Buffer.byteLength(content)
  return content instanceof Uint8Array ? content.length : content.bytes
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return // Windows cannot open a folder, and needs no fsync of it
  try {
    const handle = await open(folder, "r")
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === "EINVAL" || code === "ENOTSUP" || code === "EACCES") return // file systems that cannot: the rename stands anyway
    throw await explain(cause, folder)
  }
}

/** The room left where `path` is to stand, in words; empty when it cannot be asked. */
async function roomAt(path: string): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(dirname(path))
    return ` (${formatBytes(bavail * bsize)} free there)`
  } catch {
    return ""
  }
}

/**
 * A file system error as one a person can act on: what was being done, how large it was, what to do. Errors that are not from the
 * file system come back unchanged.
 */
export async function explain(
  cause: unknown,
  path: string,
  verb: "write" | "read" = "write",
  bytes?: number,
): Promise<unknown> {
  if (!(cause instanceof Error) || !("syscall" in cause)) return cause
  const size = bytes === undefined ? "" : ` (${formatBytes(bytes)})`
  const doing = `${verb === "write" ? "writing" : "reading"} ${path}${size}`
  const give = (message: string, hint: string) => new FileError(`${doing}: ${message}`, hint, { cause })
  switch ((cause as NodeJS.ErrnoException).code) {
    case "ENOSPC":
      return give(
        `expected room on the disk, but it is full${await roomAt(path)}`,
        "free some space or write to another disk; what was there before is untouched",
      )
    case "EDQUOT":
      return give("expected room in your disk quota, but it is used up", "delete files, or write to another disk")
    case "EFBIG":
      return give(
        "expected a file the system allows, but it is too large",
        "raise the limit (ulimit -f) or write to another file system",
      )
    case "EACCES":
    case "EPERM":
      return give(
        `expected permission to ${verb} there, but the system refused`,
        `check who owns it and its mode: ls -ld ${JSON.stringify(verb === "write" ? dirname(path) : path)}`,
      )
    case "EROFS":
      return give("expected a disk that can be written, but it is mounted read-only", "write to another folder")
    case "ENOENT":
      return verb === "read"
        ? give("expected a file or folder, but there is none", "check the path")
        : give("expected its folder to exist, but it does not", `create it: mkdir -p ${JSON.stringify(dirname(path))}`)
    case "ENOTDIR":
      return give("expected a folder on the way, but one of its parts is a file", "check the path")
    case "EISDIR":
      return give("expected a file, but this is a folder", "name a file in it")
    case "EMFILE":
    case "ENFILE":
      return give("expected to open one more file, but too many are open", "close some, or raise the limit (ulimit -n)")
    case "ENAMETOOLONG":
      return give("expected a shorter name", "the file system allows about 255 characters")
    case "EIO":
      return give("expected the disk to answer, but it failed", "the disk may be dying: copy your files and check it")
    default:
      return give(`the system refused: ${cause.message}`, "see the system's message")
  }
}
