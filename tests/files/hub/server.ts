// A small hub on loopback: the API and the files of models, large ones behind a redirect to another server as on the real one. Tests
// tell it how to misbehave.
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

/** Answers a request itself and says true, or leaves it to the hub. */
export type Fault = (request: IncomingMessage, response: ServerResponse, seen: number) => boolean | undefined

/** A hub that runs. */
export interface TestHub {
  readonly endpoint: string
  /** Requests so far: method, server and path, range. */
  readonly log: { readonly url: string; readonly range: string; readonly token: string; readonly atFiles: boolean }[]
  fault: Fault | null
  commit: string
  readonly files: Map<string, Uint8Array>
  /** Entries that the list gets besides the files. */
  readonly extra: unknown[]
  /** Paths that are stored as large files. */
  isLarge: (path: string) => boolean
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
export const gitHash = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")

function listen(server: Server): Promise<string> {
  return new Promise(done =>
    server.listen(0, "127.0.0.1", () => done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  )
}

function close(server: Server): Promise<unknown> {
  server.closeAllConnections()
  return new Promise(done => server.close(done))
}

/** Starts a hub with one model, which answers to `name`. */
export async function startHub(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<TestHub> {
  const store = createServer((request, response) => answer(request, response, true))
  const server = createServer((request, response) => answer(request, response, false))
  const [storeAddress, endpoint] = [await listen(store), await listen(server)]
  onTestFinished(async () => void (await Promise.all([close(server), close(store)])))
  const hub: TestHub = {
    endpoint,
    log: [],
    fault: null,
    commit: "a".repeat(40),
    files: new Map(Object.entries(files)),
    extra: [],
    isLarge: path => path.endsWith(".safetensors") || path.endsWith(".bin"),
  }
  const seen = new Map<string, number>()

  function answer(request: IncomingMessage, response: ServerResponse, atFiles: boolean): unknown {
    const url = request.url ?? ""
    const count = seen.get(url) ?? 0
    seen.set(url, count + 1)
    hub.log.push({ url, range: request.headers.range ?? "", token: request.headers.authorization ?? "", atFiles })
    if (hub.fault?.(request, response, count)) return true
    const { pathname, searchParams } = new URL(url, endpoint)
    if (pathname === `/api/models/${name}/revision/main` || pathname === `/api/models/${name}/revision/${hub.commit}`)
      return json(response, { _id: "1", id: name, sha: hub.commit, lastModified: "2026-01-01T00:00:00.000Z" })
    if (pathname.startsWith(`/api/models/${name}/revision/`)) return missing(response, "RevisionNotFound")
    if (pathname === `/api/models/${name}/tree/${hub.commit}`) return list(response, searchParams.get("cursor"))
    const prefix = atFiles ? "/blobs/" : `/${name}/resolve/${hub.commit}/`
    if (!pathname.startsWith(prefix)) return missing(response, "RepoNotFound")
    const path = decodeURIComponent(pathname.slice(prefix.length))
    const bytes = hub.files.get(path)
    if (!bytes) return missing(response, "EntryNotFound")
    if (!atFiles && hub.isLarge(path)) {
      response.writeHead(302, {
        location: `${storeAddress}/blobs/${encodeURIComponent(path)}`,
        "x-linked-etag": `"${sha256(bytes)}"`,
      })
      return response.end()
    }
    return send(request, response, bytes)
  }

  /** Two entries a page. */
  function list(response: ServerResponse, cursor: string | null): void {
    const entries = [
      { type: "directory", path: "onnx", size: 0, oid: "b".repeat(40) },
      ...[...hub.files].map(([path, bytes]) => ({
        type: "file",
        path,
        size: bytes.length,
        oid: hub.isLarge(path) ? "c".repeat(40) : gitHash(bytes),
        ...(hub.isLarge(path) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
      })),
      ...hub.extra,
    ]
    const from = Number(cursor ?? 0)
    const more = from + 2 < entries.length
    const next = `${endpoint}/api/models/${name}/tree/${hub.commit}?recursive=true&expand=false&cursor=${from + 2}`
    json(response, entries.slice(from, from + 2), more ? { link: `<${next}>; rel="next"` } : {})
  }

  return hub
}

export function json(response: ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(value))
}

function missing(response: ServerResponse, code: string): void {
  response.writeHead(404, { "x-error-code": code })
  response.end()
}

/** A file, or the range that was asked for. */
export function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? []
  if (start === undefined) {
    response.writeHead(200, { "content-length": bytes.length })
    response.end(bytes)
    return
  }
  const from = Number(start)
  if (from >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` })
    response.end()
    return
  }
  response.writeHead(206, {
    "content-length": bytes.length - from,
    "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
  })
  response.end(bytes.subarray(from))
}
