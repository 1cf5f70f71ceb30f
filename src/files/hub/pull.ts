// heed pull: a model of the Hugging Face hub into the cache that all of its libraries share. @huggingface/hub asks for the commit and
// the list of files; choosing, resuming, checking and placing them is done here, because the library's snapshot takes every file of a
// repository, begins each anew, checks no hash and reports no progress.
import { statfs } from "node:fs/promises"
import { join } from "node:path"
import { FileError, formatBytes, quote } from "../errors.ts"
import { shardsOf } from "../tensor-file.ts"
import { readJsonFile } from "../text.ts"
import { findSnapshot, hasModel, modelFolder, notCached, placeInSnapshot, writeRef } from "./cache.ts"
import { chooseFiles, shardFiles } from "./choose.ts"
import { checkHash, download, type HubFile, isWhole } from "./download.ts"
import { checkFilePath, checkModelName, checkRevision, folderNameOf, isCommit } from "./names.ts"
import { type HubOptions, hubPlace } from "./place.ts"
import { HubError, type Patience, type RequestContext, type RetryEvent, request, usualPatience } from "./requests.ts"

/** What to pull. */
export interface PullOptions extends HubOptions {
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string
  /** Files instead of those that a model needs; `*` stands for anything. */
  readonly files?: readonly string[]
  /** false: what stands beside the weights only (configuration, tokenizer). Default true. */
  readonly weights?: boolean | undefined
  /** Stops; what was downloaded stays, and the next pull goes on from there. */
  readonly signal?: AbortSignal
  /** How long to try. Default: 5 more attempts, pauses from 1 s that double, 30 s of silence. */
  readonly patience?: Partial<Patience>
}

/** What happens while a model is pulled. */
export type PullEvent =
  | {
      readonly type: "start"
      readonly name: string
      readonly commit: string
      readonly folder: string
      /** Known so far: shards are added once their index is there. */
      readonly files: readonly { readonly path: string; readonly bytes: number }[]
    }
  /** `loaded` of `bytes` of a file are there. */
  | { readonly type: "progress"; readonly path: string; readonly loaded: number; readonly bytes: number }
  /** A file is whole, checked and in its place; `cached`: it was so before. */
  | { readonly type: "file"; readonly path: string; readonly bytes: number; readonly cached: boolean }
  | RetryEvent
  | {
      readonly type: "end"
      readonly name: string
      readonly commit: string
      readonly folder: string
      readonly files: readonly string[]
      /** Bytes of all files, and of those that were not there before. */
      readonly bytes: number
      readonly downloaded: number
    }

const longestList = 100_000

/**
 * Downloads what a model needs, event by event; the folder is in the last one. Files that are there are not asked for again, an
 * interrupted download goes on, every file's hash is checked. Throws FileError and HubError (401, 403, 404, 429, cut connections,
 * full disks), or the signal's reason.
 */
export async function* pull(name: string, options: PullOptions = {}): AsyncGenerator<PullEvent, void, void> {
  const stop = new AbortController() // for those who leave the events before the end
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  try {
    yield* pullFiles(name, { ...options, signal })
  } finally {
    stop.abort()
  }
}

async function* pullFiles(name: string, options: PullOptions): AsyncGenerator<PullEvent, void, void> {
  const { revision = "main", signal } = options
  checkModelName(name)
  checkRevision(revision)
  const place = await hubPlace(options)
  const repository = modelFolder(name, place.cacheFolder)
  if (place.offline) {
    yield* cachedAlready(name, revision, place.cacheFolder)
    return
  }
  const told: PullEvent[] = []
  let wake = (): void => {}
  const tell = (event: PullEvent): void => {
    told.push(event)
    wake()
  }
  const context: RequestContext = {
    place,
    name,
    revision,
    patience: { ...usualPatience, ...options.patience },
    onRetry: tell,
    ...(signal ? { signal } : {}),
  }
  /** Events of a piece of work as they come, then its result. */
  async function* during<T>(work: Promise<T>): AsyncGenerator<PullEvent, T, void> {
    let isDone = false
    const end = work.then(
      () => undefined,
      () => undefined,
    )
    void end.then(() => {
      isDone = true
      wake()
    })
    for (;;) {
      yield* told.splice(0)
      if (isDone) break
      await new Promise<void>(resolve => {
        wake = resolve
        if (isDone || told.length > 0) resolve()
      })
    }
    yield* told.splice(0)
    return await work
  }

  const { commit, files: all } = yield* during(listRepository(context))
  const folder = join(repository, "snapshots", commit)
  const { files, index } = chooseFiles(all, name, options.files, options.weights)
  yield { type: "start", name, commit, folder, files: files.map(({ path, bytes }) => ({ path, bytes })) }
  let downloaded = 0
  const fetched: HubFile[] = []
  async function* fetchAll(wanted: readonly HubFile[]): AsyncGenerator<PullEvent, void, void> {
    await checkRoom(context, wanted, repository)
    for (const file of wanted) {
      const blob = join(repository, "blobs", file.hash)
      const cached = await isWhole(blob, file)
      if (!cached) {
        downloaded += file.bytes
        yield* during(fetchFile(context, file, blob, commit, tell))
      }
      await placeInSnapshot(blob, join(folder, ...file.path.split("/")))
      fetched.push(file)
      yield { type: "file", path: file.path, bytes: file.bytes, cached }
    }
  }
  yield* fetchAll(files)
  if (index) {
    const path = join(folder, index.path)
    const shards = shardsOf(await readJsonFile(path), path, index.ending)
    const rest = shardFiles(all, shards.values(), name, index.path)
    yield {
      type: "start",
      name,
      commit,
      folder,
      files: [...files, ...rest].map(({ path, bytes }) => ({ path, bytes })),
    }
    yield* fetchAll(rest)
  }
  // the branch moves to this commit only when all of it is there
  if (!isCommit(revision)) await writeRef(repository, revision, commit)
  const bytes = fetched.reduce((sum, file) => sum + file.bytes, 0)
  yield { type: "end", name, commit, folder, files: fetched.map(({ path }) => path), bytes, downloaded }
}

async function* cachedAlready(name: string, revision: string, cacheFolder: string): AsyncGenerator<PullEvent> {
  const folder = await findSnapshot(name, revision, cacheFolder)
  if (folder === null || !(await hasModel(folder))) {
    const { message } = notCached(name, revision, cacheFolder, folder !== null)
    throw new HubError(`${message.split("\n")[0]!}, and this is offline mode`, "unset HF_HUB_OFFLINE to download it")
  }
  const commit = folder.split(/[\\/]/).at(-1)!
  yield { type: "end", name, commit, folder, files: [], bytes: 0, downloaded: 0 }
}

function fetchFile(
  context: RequestContext,
  file: HubFile,
  blob: string,
  commit: string,
  tell: (event: PullEvent) => void,
): Promise<void> {
  const { place, name } = context
  let last = 0
  return download(context, file, {
    url: `${place.endpoint}/${name}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`,
    blob,
    lock: join(place.cacheFolder, ".locks", folderNameOf(name), `${file.hash}.heed`),
    onBytes: loaded => {
      const now = performance.now()
      if (loaded < file.bytes && now - last < 100) return
      last = now
      tell({ type: "progress", path: file.path, loaded, bytes: file.bytes })
    },
  })
}

/** The commit a revision stands for, and its files, through the library. */
async function listRepository(context: RequestContext): Promise<{ commit: string; files: HubFile[] }> {
  const { modelInfo, listFiles } = await import("@huggingface/hub")
  const { name, revision, place } = context
  const fetchOne: typeof fetch = async (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    const accept = new Headers(init?.headers).get("accept")
    const { response, watch } = await request(context, url, "the list of its files", accept ? { accept } : {})
    const body = await response.arrayBuffer().finally(() => watch.end())
    return new Response(body, { status: response.status, headers: response.headers })
  }
  const where = { hubUrl: place.endpoint, fetch: fetchOne }
  try {
    const { sha: commit } = await modelInfo({ name, revision, additionalFields: ["sha"], ...where })
    if (typeof commit !== "string" || !isCommit(commit)) throw strange(context, `the commit ${quote(String(commit))}`)
    const files: HubFile[] = []
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: { type: "model", name },
      recursive: true,
      revision: commit,
      ...where,
    })) {
      if (type !== "file") continue
      checkFilePath(path)
      const [bytes, hash] = [lfs?.size ?? size, String(lfs?.oid ?? oid)]
      checkHash(hash, path, name)
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw strange(context, `${String(bytes)} bytes for ${quote(path)}`)
      files.push({ path, bytes, hash })
      if (files.length > longestList) throw strange(context, `more than ${longestList} files`)
    }
    return { commit, files }
  } catch (cause) {
    context.signal?.throwIfAborted()
    if (cause instanceof FileError) throw cause
    throw strange(context, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

const strange = ({ name, place }: RequestContext, got: string, cause?: unknown) =>
  new HubError(
    `${name}: expected a list of files from ${place.endpoint}, but got ${got}`,
    "is this a Hugging Face hub? check HF_ENDPOINT",
    { cause },
  )

/** Says before the download, not in the middle of it, that the disk is too small. */
async function checkRoom({ name }: RequestContext, files: readonly HubFile[], repository: string): Promise<void> {
  let missing = 0
  for (const file of files) if (!(await isWhole(join(repository, "blobs", file.hash), file))) missing += file.bytes
  let folder = repository
  let free = await freeAt(folder)
  while (free === null && folder !== join(folder, "..")) {
    folder = join(folder, "..")
    free = await freeAt(folder)
  }
  if (free === null || missing <= free) return
  throw new FileError(
    `${name}: expected ${formatBytes(missing)} free on the disk of ${repository}, but there are ${formatBytes(free)}`,
    "heed remove frees space; HF_HOME moves the cache to another disk",
  )
}

async function freeAt(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return null
  }
}
