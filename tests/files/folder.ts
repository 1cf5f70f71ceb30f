// A fresh folder for each test that asks, removed when the test ends.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"

/** Path of a new empty folder. */
export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "heed-files-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
