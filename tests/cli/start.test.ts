import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { finish, start, temporaryFolder } from "./terminal.ts"

const { folder, remove } = temporaryFolder()
afterAll(remove)

test("the quick start trains, shows what it measured, saves, and says what to do next", async () => {
  const { code, out, err } = await finish(start(["start", "--steps", "12"], { cwd: folder }))
  expect(err).toBe("")
  expect(code).toBe(0)
  expect(out).toMatch(/step 12: held-out loss \d/)
  expect(out).toMatch(/Of 64 stories, \d+ consist of the world's sentences, and in \d+ everything agrees/)
  expect(out).toMatch(/Where it looks from "it".*: layer \d, head \d/)
  expect(out).toMatch(/it +◂/)
  expect(out).toMatch(/Over 100 such sentences it found what was meant likelier \d+ times/)
  expect(out).toMatch(/L\d H\d {2}The → |No single head tells them apart/)
  expect(out).toContain("generate --model runs/start-1")
  expect(JSON.parse(readFileSync(join(folder, "runs/start-1/config.json"), "utf8")).training.steps).toBe(12)
})
