// A model as a person names it: a folder, or org/name from the cache or the hub.
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { FileError, quote } from "../errors.ts"
import { findSnapshot, hasModel, notCached } from "./cache.ts"
import { checkRevision, isModelName } from "./names.ts"
import { cacheFolderOf } from "./place.ts"
import { type PullEvent, type PullOptions, pull } from "./pull.ts"

/** How a name becomes a folder. */
export interface ResolveOptions extends Omit<PullOptions, "files" | "revision" | "signal"> {
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string | undefined
  /** true: what is not in the cache is downloaded. Default false: it is an error that says how. */
  readonly download?: boolean | undefined
  /** Hears how far a download is. */
  readonly onEvent?: ((event: PullEvent) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The folder of a model: a folder is taken as it is, `org/name` is looked up in the cache (without the network), and downloaded with
 * `download: true`; `weights: false` is content with what stands beside the weights. Throws FileError that says `heed pull org/name` for what is not there, HubError for downloads.
 */
export async function resolveModel(nameOrFolder: string, options: ResolveOptions = {}): Promise<string> {
  if ((await stat(nameOrFolder).catch(() => null))?.isDirectory()) return nameOrFolder
  if (!isModelName(nameOrFolder))
    throw new FileError(
      `${quote(nameOrFolder)}: expected the folder of a model or a name like org/name, but there is no such folder`,
      "check the path",
    )
  const { revision = "main", download = false, weights = true, onEvent, signal, ...place } = options
  checkRevision(revision)
  const cacheFolder = cacheFolderOf(options)
  const found = await findSnapshot(nameOrFolder, revision, cacheFolder)
  const isWhole = (folder: string): Promise<boolean> =>
    weights
      ? hasModel(folder)
      : stat(join(folder, "config.json")).then(
          () => true,
          () => false,
        )
  if (found !== null && (await isWhole(found))) return found
  if (!download) throw notCached(nameOrFolder, revision, cacheFolder, found !== null)
  for await (const event of pull(nameOrFolder, { ...place, revision, weights, ...(signal ? { signal } : {}) })) {
    onEvent?.(event)
    if (event.type === "end") return event.folder
  }
  throw notCached(nameOrFolder, revision, cacheFolder, true)
}
