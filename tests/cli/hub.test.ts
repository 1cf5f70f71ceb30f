import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { startHub } from "../files/hub/server.ts"
import { finish, heed, start, temporaryFolder } from "./terminal.ts"

const name = "tiny-org/gpt2"
const reference = join(import.meta.dirname, "../reference/gpt2")
const file = (path: string) => new Uint8Array(readFileSync(join(reference, path)))
const model = { "config.json": file("config.json"), "model.safetensors": file("model.safetensors") }
const before = { ...process.env }
let home = temporaryFolder()

beforeEach(() => {
  home = temporaryFolder()
  for (const key of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(key)) delete process.env[key]
  process.env.HF_HOME = home.folder
})

afterEach(() => {
  for (const key of Object.keys(process.env)) if (!(key in before)) delete process.env[key]
  Object.assign(process.env, before)
  home.remove()
})

describe("pull, list, remove", () => {
  test("a model comes, is listed, goes", async () => {
    const hub = await startHub(name, model)
    process.env.HF_ENDPOINT = hub.endpoint
    const pulled = await heed("pull", name)
    expect(pulled).toMatchObject({ code: 0, err: "" })
    const folder = join(home.folder, "hub/models--tiny-org--gpt2/snapshots", hub.commit)
    expect(pulled.out).toMatch(/config\.json .*\n.*model\.safetensors .*\ntiny-org\/gpt2: .* of it downloaded, in\n/)
    expect(pulled.out.trim().endsWith(folder)).toBe(true)
    expect((await heed("pull", name)).out).toContain("config.json  ")
    expect((await heed("pull", name)).out).toContain("was there")
    const again = JSON.parse((await heed("pull", name, "--json")).out)
    expect(again).toMatchObject({ name, folder, downloaded: 0, files: ["config.json", "model.safetensors"] })
    expect((await heed("list")).out).toMatch(/^tiny-org\/gpt2 .* main\n1 model, /)
    const { models, cache } = JSON.parse((await heed("list", "--json")).out)
    expect(cache).toBe(join(home.folder, "hub"))
    expect(models).toMatchObject([{ name, revisions: [{ commit: hub.commit, refs: ["main"], isComplete: true }] }])
    expect((await heed("remove", name)).out).toMatch(/^removed tiny-org\/gpt2: .* free again/)
    expect((await heed("list")).out).toMatch(/^no models in .*; download one/)
    expect(existsSync(folder)).toBe(false)
  })

  test("chosen files of a revision", async () => {
    const hub = await startHub(name, model)
    process.env.HF_ENDPOINT = hub.endpoint
    const { out } = await heed("pull", name, "--revision", hub.commit, "--files", "config.json", "--json")
    expect(JSON.parse(out).files).toEqual(["config.json"])
    expect((await heed("list")).out).toContain("not whole")
  })

  test("what goes wrong is one line and what to do", async () => {
    const hub = await startHub(name, model)
    process.env.HF_ENDPOINT = hub.endpoint
    const wrong = await heed("pull", "tiny-org/gpt3")
    expect(wrong.code).toBe(1)
    expect(wrong.err).toMatch(/heed: tiny-org\/gpt3: expected .* no such model \(404\)\n.*hint: check the name/)
    expect((await heed("pull", "../x")).err).toContain("expected the name of a model as org/name")
    expect((await heed("remove", name)).err).toContain("the cache is empty")
    process.env.HF_HUB_OFFLINE = "1"
    expect((await heed("pull", name)).err).toContain("this is offline mode")
  })

  test("Ctrl-C keeps what came, and the next pull goes on", async () => {
    const hub = await startHub(name, model)
    process.env.HF_ENDPOINT = hub.endpoint
    hub.fault = (request, response) => {
      if (!request.url!.startsWith("/blobs/")) return false
      response.writeHead(200, { "content-length": model["model.safetensors"].length })
      response.write(model["model.safetensors"].subarray(0, 20_000))
      return true
    }
    const child = start(["pull", name])
    const { code, err } = await finish(child, { at: "config.json", signal: "SIGINT" })
    expect(code).toBe(1)
    expect(err).toMatch(/interrupted\n.*go on with .*pull tiny-org\/gpt2/)
    hub.fault = null
    expect(JSON.parse((await heed("pull", name, "--json")).out).files).toHaveLength(2)
  })
})
