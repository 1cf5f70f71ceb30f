// What a model, a revision and a file of the hub may be called. All of them become parts of paths here, so each is checked first.
import { FileError, quote } from "../errors.ts"

/** True for what may name a model: `name` or `org/name`. */
export function isModelName(name: string): boolean {
  return /^([A-Za-z0-9][\w.-]{0,95}\/)?[A-Za-z0-9][\w.-]{0,95}$/.test(name) && !/--|\.\.|\.git$|[.-](\/|$)/.test(name)
}

/** Throws FileError for what cannot be the name of a model. */
export function checkModelName(name: string): void {
  if (isModelName(name)) return
  throw new FileError(
    `hub: expected the name of a model as org/name, but got ${quote(name)}`,
    "letters, digits, - _ and . in two parts, for example HuggingFaceTB/SmolLM2-135M",
  )
}

/** Throws FileError for what cannot be a branch, a tag or a commit. */
export function checkRevision(revision: string): void {
  const isPlain = /^[\w.+-]+(\/[\w.+-]+)*$/.test(revision) && !/(^|\/)\.\.?(\/|$)/.test(revision)
  if (isPlain && revision.length <= 200) return
  throw new FileError(
    `hub: expected a branch, a tag or a commit as revision, but got ${quote(revision)}`,
    'the default is "main"',
  )
}

/** Throws FileError for a path that would leave the folder of its model, on any system. */
export function checkFilePath(path: string): void {
  const parts = path.split("/")
  const isPlain =
    path.length <= 500 && parts.every(part => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part))
  if (isPlain) return
  throw new FileError(
    `hub: expected files within the model's folder, but it lists ${quote(path)}`,
    "the repository was made to mislead: do not use it",
  )
}

/** True for a whole commit hash. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

/** Name of a model's folder in the cache. */
export function folderNameOf(name: string): string {
  return `models--${name.replace("/", "--")}`
}

/** The model that a folder of the cache is of, or null for another folder. */
export function modelNameOf(folder: string): string | null {
  const name = folder.startsWith("models--") ? folder.slice("models--".length).replace("--", "/") : ""
  return isModelName(name) ? name : null
}
