// Pulling from a real HTTP server on loopback that serves a small model and misbehaves in every way we know.
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { findSnapshot, listModels, removeModel } from "../../../src/files/hub/cache.ts"
import { type PullEvent, type PullOptions, pull } from "../../../src/files/hub/pull.ts"
import { resolveModel } from "../../../src/files/hub/resolve.ts"
import { openWeights } from "../../../src/files/weights.ts"
import { freshFolder } from "../folder.ts"
import { json, send, sha256, startHub, type TestHub } from "./server.ts"

const name = "tiny-org/gpt2"
const source = join(import.meta.dirname, "../../reference/gpt2")
const weights = new Uint8Array(readFileSync(join(source, "model.safetensors")))
const config = new Uint8Array(readFileSync(join(source, "config.json")))
const text = (value: string) => new TextEncoder().encode(value)
const model = {
  ".gitattributes": text("*.safetensors filter=lfs"),
  "README.md": text("# tiny"),
  "config.json": config,
  "tokenizer.json": text("{}"),
  "merges.txt": text("#version: 0.2\n"),
  "model.safetensors": weights,
  "pytorch_model.bin": text("the same weights again"),
  "onnx/model.onnx": text("and again"),
}
const impatient = { retries: 3, pause: 5, silence: 2000 }
const file = (url: string | undefined) => url?.includes("model.safetensors") === true && !url.startsWith("/api")

/** A fault at addresses that contain a text. */
const at =
  (part: string, act: (request: IncomingMessage, response: ServerResponse) => void): TestHub["fault"] =>
  (request, response) => {
    if (!request.url!.includes(part)) return false
    act(request, response)
    return true
  }

interface Setup {
  readonly hub: TestHub
  readonly cacheFolder: string
  readonly blob: string
  readonly go: (options?: PullOptions, wanted?: string) => Promise<PullEvent[]>
}

async function setup(files: Readonly<Record<string, Uint8Array>> = model): Promise<Setup> {
  const hub = await startHub(name, files)
  const cacheFolder = join(await freshFolder(), "hub")
  const go = async (options: PullOptions = {}, wanted = name): Promise<PullEvent[]> => {
    const events: PullEvent[] = []
    const where = { endpoint: hub.endpoint, cacheFolder, token: null, offline: false, patience: impatient }
    for await (const event of pull(wanted, { ...where, ...options })) events.push(event)
    return events
  }
  return { hub, cacheFolder, go, blob: join(cacheFolder, "models--tiny-org--gpt2/blobs", sha256(weights)) }
}

const endOf = (events: readonly PullEvent[]) => events.find(event => event.type === "end")!
const retries = (events: readonly PullEvent[]) => events.filter(event => event.type === "retry")

/** Nothing has the name of a file without being it. */
function expectNothingBroken({ blob, cacheFolder }: Setup): void {
  if (existsSync(blob)) expect(sha256(readFileSync(blob))).toBe(sha256(weights))
  const locks = join(cacheFolder, ".locks/models--tiny-org--gpt2")
  if (existsSync(locks)) expect(readdirSync(locks)).toEqual([])
}

describe("pull", () => {
  test("takes what a model needs, in the layout that Python uses; the second time nothing is asked for again", async () => {
    const { hub, cacheFolder, go } = await setup()
    const events = await go()
    const { folder, files, bytes, downloaded, commit } = endOf(events)
    expect(files).toEqual(["config.json", "tokenizer.json", "merges.txt", "model.safetensors"])
    expect(folder).toBe(join(cacheFolder, "models--tiny-org--gpt2/snapshots", hub.commit))
    expect(commit).toBe(hub.commit)
    expect(downloaded).toBe(bytes)
    expect(readFileSync(join(cacheFolder, "models--tiny-org--gpt2/refs/main"), "utf8")).toBe(hub.commit)
    expect(readlinkSync(join(folder, "model.safetensors"))).toBe(`../../blobs/${sha256(weights)}`)
    expect(readdirSync(folder).sort()).toEqual(["config.json", "merges.txt", "model.safetensors", "tokenizer.json"])
    const opened = await openWeights(folder)
    expect(opened.names.length).toBeGreaterThan(10)
    await opened.close()
    const progress = events.filter(event => event.type === "progress" && event.path === "model.safetensors")
    expect(progress.at(-1)).toMatchObject({ loaded: weights.length, bytes: weights.length })
    const asked = hub.log.length
    const again = await go()
    expect(endOf(again)).toMatchObject({ folder, downloaded: 0 })
    expect(hub.log.slice(asked).every(({ url }) => url.startsWith("/api/"))).toBe(true)
  })

  test("chosen files only, and a subfolder", async () => {
    const { go } = await setup()
    const { folder, files } = endOf(await go({ files: ["*.json", "onnx/*"] }))
    expect(files).toEqual(["config.json", "tokenizer.json", "onnx/model.onnx"])
    expect(readFileSync(join(folder, "onnx/model.onnx"), "utf8")).toBe("and again")
    expect(readlinkSync(join(folder, "onnx/model.onnx"))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\//)
    await expect(go({ files: ["*.gguf"] })).rejects.toThrow(
      /expected a file that fits "\*\.gguf", but it has ".gitattributes"/,
    )
  })

  test(".bin where there is no safetensors; shards by their index; neither is said", async () => {
    const bin = await setup({ "config.json": config, "pytorch_model.bin": text("weights") })
    expect(endOf(await bin.go()).files).toEqual(["config.json", "pytorch_model.bin"])
    const index = text(JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } }))
    const shards = {
      "model-1.safetensors": weights,
      "model-2.safetensors": text("2"),
      "model-3.safetensors": text("of another split"),
    }
    const sharded = await setup({ "config.json": config, "model.safetensors.index.json": index, ...shards })
    expect(endOf(await sharded.go()).files.slice(2)).toEqual(["model-1.safetensors", "model-2.safetensors"])
    const lost = await setup({
      "config.json": config,
      "model.safetensors.index.json": index,
      "model-1.safetensors": weights,
    })
    await expect(lost.go()).rejects.toThrow(
      /"model-2.safetensors" that model.safetensors.index.json names, but it is not there/,
    )
    const none = await setup({ "config.json": config, "model.gguf": text("GGUF") })
    await expect(none.go()).rejects.toThrow(
      /expected model.safetensors or pytorch_model.bin, but it has "config.json", "model.gguf"/,
    )
  })

  test("the token goes to the hub and not to where it redirects", async () => {
    const { hub, go } = await setup()
    await go({ token: "secret" })
    expect(hub.log.filter(({ atFiles }) => atFiles).map(({ token }) => token)).toEqual([""])
    expect(hub.log.filter(({ atFiles }) => !atFiles).every(({ token }) => token === "Bearer secret")).toBe(true)
  })

  test("leaving the events early stops the download and frees its lock", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response) => {
      if (!file(request.url) || !request.url?.startsWith("/blobs/")) return false
      response.writeHead(200, { "content-length": weights.length })
      response.write(weights.subarray(0, 1000)) // and then nothing
      return true
    }
    const where = { endpoint: setting.hub.endpoint, cacheFolder: setting.cacheFolder, token: null, offline: false }
    for await (const event of pull(name, where))
      if (event.type === "progress" && event.path === "model.safetensors") break
    await new Promise(done => setTimeout(done, 50))
    expectNothingBroken(setting)
    setting.hub.fault = null
    await setting.go()
    expectNothingBroken(setting)
  })

  test("two pulls at once download each file once", async () => {
    const { hub, go } = await setup()
    const [one, two] = await Promise.all([go(), go()])
    expect(endOf(one!).folder).toBe(endOf(two!).folder)
    expect(hub.log.filter(({ atFiles }) => atFiles).length).toBe(1)
  })
})

describe("interruptions", () => {
  /** Cuts the connection after `bytes` of each answer. */
  const cutting =
    (bytes: number, times = Number.POSITIVE_INFINITY) =>
    (): TestHub["fault"] => {
      let cut = 0
      return (request, response) => {
        if (!request.url?.startsWith("/blobs/") || cut++ >= times) return false
        const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0)
        const headers = { "content-length": weights.length - from }
        if (from > 0)
          response.writeHead(206, {
            ...headers,
            "content-range": `bytes ${from}-${weights.length - 1}/${weights.length}`,
          })
        else response.writeHead(200, headers)
        response.write(weights.subarray(from, from + bytes), () => setTimeout(() => response.destroy(), 20))
        return true
      }
    }

  test("a cut connection is taken up where it ended", async () => {
    const setting = await setup()
    setting.hub.fault = cutting(40_000, 2)()
    const events = await setting.go()
    expect(retries(events)).toHaveLength(2)
    expect(retries(events)[0]).toMatchObject({ what: "model.safetensors", reason: "the connection was cut" })
    const ranges = setting.hub.log.filter(({ atFiles }) => atFiles).map(({ range }) => range)
    expect(ranges).toEqual(["", "bytes=40000-", "bytes=80000-"])
    expectNothingBroken(setting)
    expect(existsSync(setting.blob)).toBe(true)
  })

  test("a server that gives nothing any more: one error, the part stays, the next pull goes on", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response, seen) =>
      seen === 0
        ? cutting(30_000)()!(request, response, seen)
        : file(request.url) && request.url!.startsWith("/blobs/") && !!response.destroy()
    await expect(setting.go()).rejects.toThrow(
      /tiny-org\/gpt2: expected model.safetensors from http.*, but the connection was cut\n.*goes on from there/,
    )
    expect(statSync(`${setting.blob}.incomplete`).size).toBe(30_000)
    expectNothingBroken(setting)
    await expect(resolveModel(name, { cacheFolder: setting.cacheFolder })).rejects.toThrow(/heed pull tiny-org\/gpt2/)
    expect((await listModels({ cacheFolder: setting.cacheFolder }))[0]).toMatchObject({ name, partialBytes: 30_000 })
    setting.hub.fault = null
    setting.hub.log.length = 0
    await setting.go()
    expect(setting.hub.log.filter(({ atFiles }) => atFiles).map(({ range }) => range)).toEqual(["bytes=30000-"])
    expectNothingBroken(setting)
  })

  test("a signal stops in the middle with its reason, and the part stays", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response) => {
      if (!request.url?.startsWith("/blobs/")) return false
      response.writeHead(200, { "content-length": weights.length })
      response.write(weights.subarray(0, 20_000))
      return true
    }
    const stop = new AbortController()
    setTimeout(() => stop.abort(new Error("enough")), 300)
    await expect(setting.go({ signal: stop.signal })).rejects.toThrow("enough")
    expect(statSync(`${setting.blob}.incomplete`).size).toBe(20_000)
    expectNothingBroken(setting)
  })

  test("silence counts as a cut", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response, seen) => {
      if (!request.url?.startsWith("/blobs/") || seen > 0) return false
      response.writeHead(200, { "content-length": weights.length })
      response.write(weights.subarray(0, 20_000))
      return true
    }
    const events = await setting.go({ patience: { ...impatient, silence: 150 } })
    expect(retries(events)[0]).toMatchObject({ reason: "nothing came for 0.15 seconds" })
    expectNothingBroken(setting)
  })

  test("a server without ranges, and a part that is rubbish, begin anew", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response) => {
      if (!request.url?.startsWith("/blobs/")) return false
      response.writeHead(200, { "content-length": weights.length })
      response.end(weights)
      return true
    }
    await mkdir(join(setting.blob, ".."), { recursive: true })
    writeFileSync(`${setting.blob}.incomplete`, weights.subarray(0, 5000))
    await setting.go()
    expectNothingBroken(setting)
    setting.hub.fault = null
    await removeModel(name, { cacheFolder: setting.cacheFolder })
    await mkdir(join(setting.blob, ".."), { recursive: true })
    writeFileSync(`${setting.blob}.incomplete`, new Uint8Array(5000))
    await setting.go()
    expectNothingBroken(setting)
    await removeModel(name, { cacheFolder: setting.cacheFolder })
    await mkdir(join(setting.blob, ".."), { recursive: true })
    writeFileSync(`${setting.blob}.incomplete`, new Uint8Array(weights.length + 1))
    await setting.go()
    expectNothingBroken(setting)
  })
})

describe("wrong answers", () => {
  const answering =
    (bytes: Uint8Array, headers: Readonly<Record<string, string | number>> = {}): TestHub["fault"] =>
    (request, response) => {
      if (!request.url?.startsWith("/blobs/")) return false
      response.writeHead(200, headers)
      response.end(bytes)
      return true
    }

  test.each([
    [
      "a shorter file",
      weights.subarray(0, 100),
      { "content-length": 100 },
      /expected \d+ bytes of model.safetensors, as the hub lists it, but .* sends 100 bytes/,
    ],
    ["a longer file of unknown length", Buffer.concat([weights, weights]), {}, /sends more/],
    [
      "other bytes",
      new Uint8Array(weights.length),
      { "content-length": weights.length },
      /expected model.safetensors with the hash .*, but what came has/,
    ],
  ])("%s is refused and nothing of it kept", async (_, bytes, headers, message) => {
    const setting = await setup()
    setting.hub.fault = answering(bytes, headers)
    await expect(setting.go()).rejects.toThrow(message)
    expect(existsSync(setting.blob)).toBe(false)
    expect(existsSync(`${setting.blob}.incomplete`)).toBe(false)
    expectNothingBroken(setting)
    setting.hub.fault = null
    await setting.go()
  })

  test("other bytes of a small file", async () => {
    const { hub, go } = await setup()
    hub.fault = at(`/resolve/${hub.commit}/config.json`, (request, response) =>
      send(request, response, new Uint8Array(config.length)),
    )
    await expect(go()).rejects.toThrow(/expected config.json with the hash/)
  })

  test("a range that is another", async () => {
    const setting = await setup()
    await mkdir(join(setting.blob, ".."), { recursive: true })
    writeFileSync(`${setting.blob}.incomplete`, weights.subarray(0, 5000))
    setting.hub.fault = (request, response) => {
      if (!request.url?.startsWith("/blobs/")) return false
      response.writeHead(206, { "content-range": "bytes 0-9/10" })
      response.end(weights.subarray(0, 10))
      return true
    }
    await expect(setting.go()).rejects.toThrow(/sends 10 bytes/)
    setting.hub.fault = null
    await setting.go()
    expectNothingBroken(setting)
  })

  const everything =
    (status: number, headers: Readonly<Record<string, string>> = {}): TestHub["fault"] =>
    (_, response) => {
      response.writeHead(status, headers)
      response.end()
      return true
    }

  test.each([
    [401, null, /lets nobody in without a token \(401\)[\s\S]*HF_TOKEN/],
    [401, "bad", /does not accept the token \(401\)/],
    [403, "mine", /does not let this token in \(403\)[\s\S]*accept its conditions/],
    [404, null, /has no such model \(404\)[\s\S]*check the name/],
    [418, null, /answered 418/],
  ])("%i with the token %s is one clear error, at once", async (status, token, message) => {
    const { hub, go } = await setup()
    hub.fault = everything(status)
    const problem = (await go({ token }).catch(error => error)) as Error & { readonly status?: number }
    expect(problem.message).toMatch(message)
    expect([problem.name, problem.status]).toEqual(["HubError", status])
    expect(hub.log).toHaveLength(1)
  })

  test("429 and 503 are tried again, with the pause that is asked for", async () => {
    const { hub, go } = await setup()
    hub.fault = (request, response, seen) => {
      if (seen > 1 || !request.url!.startsWith("/api/")) return false
      response.writeHead(seen === 0 ? 429 : 503, seen === 0 ? { "retry-after": "0.05" } : {})
      response.end()
      return true
    }
    const events = await go()
    expect(retries(events).slice(0, 2)).toEqual([
      { type: "retry", what: "the list of its files", seconds: 0.05, reason: "the hub answered 429" },
      { type: "retry", what: "the list of its files", seconds: 0.01, reason: "the hub answered 503" },
    ])
    expect(endOf(events).files).toHaveLength(4)
  })

  test("429 and 500 without end are one error each; a pause nobody would wait for is said", async () => {
    const { hub, go } = await setup()
    hub.fault = everything(429)
    await expect(go()).rejects.toThrow(/too many requests \(429, 4 times\)/)
    expect(hub.log).toHaveLength(4)
    hub.fault = everything(429, { "retry-after": "3600" })
    await expect(go()).rejects.toThrow(/too many requests \(429\)[\s\S]*try again in 3600 seconds/)
    expect(hub.log).toHaveLength(5)
    hub.fault = everything(500)
    await expect(go()).rejects.toThrow(/answered 500, 4 times[\s\S]*in trouble/)
  })

  test("no such revision, no such file, no server", async () => {
    const { hub, go } = await setup()
    await expect(go({ revision: "v9" })).rejects.toThrow(/it has no revision "v9" \(404\)/)
    hub.fault = at("/resolve/", (_, response) => response.writeHead(404, { "x-error-code": "EntryNotFound" }).end())
    await expect(go()).rejects.toThrow(/expected config.json, but it is listed but not there/)
    await expect(go({ endpoint: "http://127.0.0.1:9" })).rejects.toThrow(
      /expected the list of its files from http:\/\/127.0.0.1:9, but/,
    )
    await expect(go({ endpoint: "ftp://x" })).rejects.toThrow(/expected an address that begins with https:\/\//)
  })

  test.each([["../evil.json"], ["/etc/evil.json"], ["a/../../evil.json"], ["C:evil.json"], ["a\\..\\evil.json"], [""]])(
    "a list with the path %j is refused",
    async path => {
      const { hub, cacheFolder, go } = await setup()
      hub.extra.push({ type: "file", path, size: 1, oid: "d".repeat(40) })
      await expect(go({ files: ["*"] })).rejects.toThrow(/expected files within the model's folder, but it lists/)
      expect(existsSync(cacheFolder)).toBe(false)
    },
  )

  test("hashes, sizes, commits and pages that are none are refused", async () => {
    const { hub, go } = await setup()
    hub.extra.push({ type: "file", path: "a.json", size: 1, oid: "../../../evil" })
    await expect(go()).rejects.toThrow(/expected a hash for "a.json", but got "..\/..\/..\/evil"/)
    hub.extra[0] = { type: "file", path: "a.json", size: -1, oid: "d".repeat(40) }
    await expect(go()).rejects.toThrow(/-1 bytes for "a.json"/)
    hub.extra[0] = { type: "file", size: 1 }
    await expect(go()).rejects.toThrow(/expected a list of files/)
    hub.extra.length = 0
    hub.fault = at("/revision/", (_, response) => json(response, { sha: "../../x" }))
    await expect(go()).rejects.toThrow(/the commit "..\/..\/x"/)
    hub.fault = at("", (_, response) => response.end("<html>"))
    await expect(go()).rejects.toThrow(/expected a list of files from http.*, but got/)
    hub.fault = at("/tree/", (_, response) => json(response, [], { link: '<http://127.0.0.1:9/steal>; rel="next"' }))
    await expect(go({ token: "secret" })).rejects.toThrow(
      /expected the hub to refer to itself, but .* leads to "http:\/\/127.0.0.1:9\/steal"/,
    )
  })

  test("a redirect to a path that leaves the folder changes nothing about where the file goes", async () => {
    const setting = await setup()
    setting.hub.fault = (request, response) => {
      if (!request.url!.includes("/resolve/") || !file(request.url)) return false
      response.writeHead(302, {
        location: "/../../..%2f..%2fetc/model.safetensors",
        "content-disposition": 'attachment; filename="../../evil"',
      })
      response.end()
      return true
    }
    await expect(setting.go()).rejects.toThrow(/404/)
    expectNothingBroken(setting)
  })

  test("a full disk is said, before and during", async () => {
    const setting = await setup()
    await mkdir(join(setting.blob, ".."), { recursive: true })
    symlinkSync("/dev/full", `${setting.blob}.incomplete`) // the kernel answers ENOSPC to who writes there
    await expect(setting.go()).rejects.toThrow(/expected room on the disk, but it is full/)
    expectNothingBroken(setting)
    setting.hub.extra.push({ type: "file", path: "huge.json", size: 1e15, oid: "d".repeat(40) })
    await expect(setting.go({ files: ["*"] })).rejects.toThrow(
      /expected 1\.00 PB free on the disk of .*, but there are/,
    )
  })
})

describe("names", () => {
  test.each([
    "../x",
    "a/b/c",
    "",
    "/etc",
    "a/..",
    "a/.git",
    "a--b/c",
    "org/",
    "a b/c",
    "org/na\u0000me",
    "x".repeat(200),
  ])("%j is no model", async wanted => {
    const { go, hub } = await setup()
    await expect(go({}, wanted)).rejects.toThrow(/expected the name of a model as org\/name/)
    expect(hub.log).toEqual([])
  })

  test.each(["../main", "a/../../b", "", "/etc/passwd", "a\\b"])("%j is no revision", async revision => {
    const { go, hub } = await setup()
    await expect(go({ revision })).rejects.toThrow(/expected a branch, a tag or a commit as revision/)
    expect(hub.log).toEqual([])
  })
})

describe("the cache", () => {
  test("what Python downloaded is found, offline too", async () => {
    const cacheFolder = await freshFolder()
    const commit = "0123456789abcdef0123456789abcdef01234567"
    const folder = join(cacheFolder, "models--org--small")
    const snapshot = join(folder, "snapshots", commit)
    await mkdir(join(folder, "refs/pr"), { recursive: true })
    await mkdir(join(folder, "blobs"), { recursive: true })
    await mkdir(snapshot, { recursive: true })
    for (const [path, blob] of [
      ["config.json", "1".repeat(40)],
      ["model.safetensors", "2".repeat(64)],
    ] as const) {
      writeFileSync(join(folder, "blobs", blob), path === "config.json" ? config : weights)
      symlinkSync(`../../blobs/${blob}`, join(snapshot, path))
    }
    writeFileSync(join(folder, "refs/main"), commit)
    writeFileSync(join(folder, "refs/pr/1"), commit)
    expect(await resolveModel("org/small", { cacheFolder })).toBe(snapshot)
    expect(await resolveModel("org/small", { cacheFolder, revision: "pr/1", offline: true })).toBe(snapshot)
    expect(await resolveModel("org/small", { cacheFolder, revision: commit })).toBe(snapshot)
    expect(await findSnapshot("org/small", "v2", cacheFolder)).toBeNull()
    const [model] = await listModels({ cacheFolder })
    expect(model).toMatchObject({ name: "org/small", bytes: config.length + weights.length + 80, partialBytes: 0 })
    expect(model!.revisions).toEqual([
      {
        commit,
        refs: ["main", "pr/1"],
        folder: snapshot,
        files: ["config.json", "model.safetensors"],
        isComplete: true,
      },
    ])
    const events: PullEvent[] = []
    for await (const event of pull("org/small", { cacheFolder, offline: true })) events.push(event)
    expect(events).toMatchObject([{ type: "end", folder: snapshot }])
  })

  test("what stands beside the weights can be pulled alone, and the weights later", async () => {
    const { hub, cacheFolder } = await setup()
    const where = { endpoint: hub.endpoint, cacheFolder, token: null, patience: impatient, offline: false }
    const folder = await resolveModel(name, { ...where, download: true, weights: false })
    expect(readdirSync(folder).sort()).toEqual(["config.json", "merges.txt", "tokenizer.json"])
    expect(await resolveModel(name, { ...where, weights: false })).toBe(folder)
    await expect(resolveModel(name, where)).rejects.toThrow(/heed pull/)
    expect(await resolveModel(name, { ...where, download: true })).toBe(folder)
    expect(existsSync(join(folder, "model.safetensors"))).toBe(true)
  })

  test("a folder is taken as it is; what is not there says how to get it; download gets it", async () => {
    const { hub, cacheFolder } = await setup()
    const where = { endpoint: hub.endpoint, cacheFolder, token: null, patience: impatient, offline: false }
    expect(await resolveModel(source)).toBe(source)
    await expect(resolveModel("./no/such/folder")).rejects.toThrow(
      /expected the folder of a model or a name like org\/name/,
    )
    await expect(resolveModel(name, where)).rejects.toThrow(
      /expected the model in the cache .*, but it is not there\n {2}hint: download it: heed pull tiny-org\/gpt2/,
    )
    await expect(resolveModel(name, { ...where, download: true, offline: true })).rejects.toThrow(
      /this is offline mode/,
    )
    const heard: string[] = []
    const folder = await resolveModel(name, { ...where, download: true, onEvent: ({ type }) => heard.push(type) })
    expect(heard.at(-1)).toBe("end")
    expect(await resolveModel(name, where)).toBe(folder)
    expect(await resolveModel(name, { ...where, offline: true })).toBe(folder)
  })

  test("a new commit is a new snapshot beside the old one, with the blobs they share", async () => {
    const { hub, cacheFolder, go } = await setup()
    const before = endOf(await go())
    hub.commit = "b".repeat(40)
    hub.files.set("tokenizer.json", text('{"new": true}'))
    const after = endOf(await go())
    expect(after.downloaded).toBe(text('{"new": true}').length)
    expect(readFileSync(join(before.folder, "tokenizer.json"), "utf8")).toBe("{}")
    expect(readFileSync(join(after.folder, "tokenizer.json"), "utf8")).toBe('{"new": true}')
    const [cached] = await listModels({ cacheFolder })
    expect(cached!.revisions.map(({ commit, refs }) => [commit, refs])).toEqual([
      ["a".repeat(40), []],
      ["b".repeat(40), ["main"]],
    ])
  })

  test("remove frees all of it, and names the nearest where there is none", async () => {
    const { cacheFolder, go } = await setup()
    await expect(removeModel(name, { cacheFolder })).rejects.toThrow(/the cache is empty/)
    await go()
    await expect(removeModel("tiny-org/gpt3", { cacheFolder })).rejects.toThrow(/the nearest is tiny-org\/gpt2/)
    expect((await removeModel(name, { cacheFolder })).bytes).toBeGreaterThan(weights.length)
    expect(await listModels({ cacheFolder })).toEqual([])
  })

  test("the environment of Hugging Face's libraries", async () => {
    const { hub, go } = await setup()
    const home = await freshFolder()
    const before = { ...process.env }
    try {
      for (const key of Object.keys(process.env))
        if (/^(HF_|HUGGING|TRANSFORMERS_OFFLINE)/.test(key)) delete process.env[key]
      Object.assign(process.env, { HF_HOME: home, HF_ENDPOINT: `${hub.endpoint}/` })
      writeFileSync(join(home, "token"), "from-file\n")
      const events: PullEvent[] = []
      for await (const event of pull(name)) events.push(event)
      expect(endOf(events).folder).toBe(join(home, "hub/models--tiny-org--gpt2/snapshots", hub.commit))
      expect(hub.log[0]!.token).toBe("Bearer from-file")
      process.env.HF_TOKEN = "from-environment"
      for await (const _ of pull(name)) void _
      expect(hub.log.at(-1)!.token).toBe("Bearer from-environment")
      process.env.HF_HUB_CACHE = join(home, "elsewhere")
      process.env.HF_HUB_OFFLINE = "1"
      const asked = hub.log.length
      await expect(resolveModel(name, { download: true })).rejects.toThrow(
        /elsewhere, but it is not there, and this is offline mode/,
      )
      expect(hub.log).toHaveLength(asked)
    } finally {
      for (const key of Object.keys(process.env)) if (!(key in before)) delete process.env[key]
      Object.assign(process.env, before)
    }
    await go()
  })
})
