// The cache that Hugging Face libraries share: models--org--name/{blobs, snapshots/<commit>, refs}. What Python downloaded is found
// here, and the other way round. Own code because the library's scan gives up on a model without refs and skips folders and parts.
import { copyFile, link, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { nearestName } from "../../config/nearest.ts"
import { explain, removeFolderAtomic, writeFileAtomic } from "../atomic.ts"
import { exists } from "../bytes-at.ts"
import { FileError, quote } from "../errors.ts"
import { shardsOf } from "../tensor-file.ts"
import { readJsonFile } from "../text.ts"
import { weightFiles } from "../weights.ts"
import { checkModelName, folderNameOf, isCommit, modelNameOf } from "./names.ts"
import { cacheFolderOf, type HubOptions } from "./place.ts"

/** A model in the cache. */
export interface CachedModel {
  readonly name: string
  readonly folder: string
  /** Bytes on the disk. */
  readonly bytes: number
  /** Bytes of downloads that were interrupted; they are part of `bytes`. */
  readonly partialBytes: number
  readonly revisions: readonly CachedRevision[]
  /** When a file of it was last written. */
  readonly changed: Date
}

/** One commit of a cached model. */
export interface CachedRevision {
  readonly commit: string
  /** Branches and tags that stand for it. */
  readonly refs: readonly string[]
  readonly folder: string
  readonly files: readonly string[]
  /** Configuration and weights are all there. */
  readonly isComplete: boolean
}

/** The folder of a model in the cache. Throws FileError for a name that is none. */
export function modelFolder(name: string, cacheFolder: string): string {
  checkModelName(name)
  return join(cacheFolder, folderNameOf(name))
}

/** The snapshot of a revision, or null where the cache has none. */
export async function findSnapshot(name: string, revision: string, cacheFolder: string): Promise<string | null> {
  const folder = modelFolder(name, cacheFolder)
  const commit = isCommit(revision)
    ? revision
    : (await readFile(join(folder, "refs", revision), "utf8").catch(() => "")).trim()
  if (!isCommit(commit)) return null
  const snapshot = join(folder, "snapshots", commit)
  return (await exists(snapshot)) ? snapshot : null
}

/** Whether a folder has a configuration and all files of its weights. */
export async function hasModel(folder: string): Promise<boolean> {
  if (!(await exists(join(folder, "config.json")))) return false
  for (const { file, ending } of weightFiles) {
    if (await exists(join(folder, file))) return true
    const index = join(folder, `${file}.index.json`)
    if (!(await exists(index))) continue
    const shards = new Set(shardsOf(await readJsonFile(index), index, ending).values())
    const there = await Promise.all([...shards].map(shard => exists(join(folder, shard))))
    return there.every(Boolean)
  }
  return false
}

/** All models of the cache, by name. An absent cache has none. Throws FileError. */
export async function listModels(options: Pick<HubOptions, "cacheFolder"> = {}): Promise<CachedModel[]> {
  const cacheFolder = cacheFolderOf(options)
  const models: CachedModel[] = []
  for (const entry of await entriesOf(cacheFolder)) {
    const name = modelNameOf(entry)
    const folder = join(cacheFolder, entry)
    if (name !== null && (await stat(folder).catch(() => null))?.isDirectory()) models.push(await inspect(name, folder))
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Removes a model from the cache, all revisions of it. Throws FileError that names the nearest where there is no such model. */
export async function removeModel(name: string, options: Pick<HubOptions, "cacheFolder"> = {}): Promise<CachedModel> {
  const cacheFolder = cacheFolderOf(options)
  const folder = modelFolder(name, cacheFolder)
  if (!(await exists(folder))) {
    const names = (await entriesOf(cacheFolder)).flatMap(entry => modelNameOf(entry) ?? [])
    const near = nearestName(name, names)
    throw new FileError(
      `${name}: expected a model of the cache ${cacheFolder}, but it is not there`,
      near ? `the nearest is ${near.name}; heed list shows all` : "the cache is empty",
    )
  }
  const model = await inspect(name, folder)
  await removeFolderAtomic(folder)
  await rm(join(cacheFolder, ".locks", folderNameOf(name)), { recursive: true, force: true })
  return model
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return []
    throw await explain(cause, folder, "read")
  }
}

async function inspect(name: string, folder: string): Promise<CachedModel> {
  const all = await readdir(folder, { recursive: true }).catch(() => [] as string[])
  const seen = new Set<string>()
  let [bytes, partialBytes, changed] = [0, 0, 0]
  const refs = new Map<string, string[]>()
  const files = new Map<string, string[]>()
  for (const path of all.map(path => path.replaceAll("\\", "/")).sort()) {
    const full = join(folder, path)
    const found = await lstat(full).catch(() => null)
    if (found === null) continue
    if (found.isFile() && !seen.has(`${found.dev}:${found.ino}`)) {
      seen.add(`${found.dev}:${found.ino}`) // hard links count once
      bytes += found.size
      if (path.endsWith(".incomplete")) partialBytes += found.size
      changed = Math.max(changed, found.mtimeMs)
    }
    const [, commit, file] = /^snapshots\/([^/]+)\/(.+)$/.exec(path) ?? []
    if (commit !== undefined && file !== undefined && !found.isDirectory())
      files.set(commit, [...(files.get(commit) ?? []), file])
    if (path.startsWith("refs/") && found.isFile()) {
      const commit = (await readFile(full, "utf8")).trim()
      refs.set(commit, [...(refs.get(commit) ?? []), path.slice("refs/".length)])
    }
  }
  const revisions = [...files].map(async ([commit, files]): Promise<CachedRevision> => {
    const snapshot = join(folder, "snapshots", commit)
    const isComplete = await hasModel(snapshot).catch(() => false)
    return { commit, refs: refs.get(commit) ?? [], folder: snapshot, files, isComplete }
  })
  return { name, folder, bytes, partialBytes, revisions: await Promise.all(revisions), changed: new Date(changed) }
}

/** Puts a blob under its name in a snapshot: a relative symbolic link; where those are not allowed a hard link, else a copy. */
export async function placeInSnapshot(blob: string, target: string): Promise<void> {
  const there = await stat(target).catch(() => null)
  if (there && (await realpath(target)) === (await realpath(blob))) return
  const temporary = `${target}.${process.pid}.link`
  try {
    await mkdir(dirname(target), { recursive: true })
    await rm(temporary, { force: true })
    await symlink(relative(dirname(target), blob), temporary)
      .catch(() => link(blob, temporary))
      .catch(() => copyFile(blob, temporary))
    await rename(temporary, target)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw await explain(cause, target)
  }
}

/** Writes which commit a branch or tag stands for. */
export async function writeRef(folder: string, revision: string, commit: string): Promise<void> {
  const path = join(folder, "refs", revision)
  try {
    await mkdir(dirname(path), { recursive: true })
  } catch (cause) {
    throw await explain(cause, path)
  }
  if ((await readFile(path, "utf8").catch(() => "")) !== commit) await writeFileAtomic(path, commit)
}

/** What to do about a model that is not in the cache, or not whole. */
export function notCached(name: string, revision: string, cacheFolder: string, isPartial: boolean): FileError {
  const what = revision === "main" ? name : `${name} at ${quote(revision)}`
  const command = revision === "main" ? `heed pull ${name}` : `heed pull ${name} --revision ${revision}`
  return new FileError(
    `${what}: expected ${isPartial ? "all of its files" : "the model"} in the cache ${cacheFolder}, but ${isPartial ? "some are missing" : "it is not there"}`,
    `download it: ${command}; a folder of that name is not there either`,
  )
}
