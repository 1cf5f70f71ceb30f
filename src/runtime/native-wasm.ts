// What the WASM device needs of Node: the binary's bytes, worker threads, and how many processors there are.
import { readFile } from "node:fs/promises"
import { Worker } from "node:worker_threads"
import { defaultThreads } from "./native.ts"
import type { WasmHost, WasmThread } from "./wasm.ts"

/** Node as a host of the WASM device. */
export const nodeHost: WasmHost = {
  threads: defaultThreads,
  binary: async url => new Uint8Array(await readFile(url)),
  start(source): WasmThread {
    const receive = 'handle => require("node:worker_threads").parentPort.on("message", handle)'
    const send = 'message => require("node:worker_threads").parentPort.postMessage(message)'
    const worker = new Worker(source(receive, send), { eval: true, execArgv: [], name: "heed" })
    worker.unref()
    return {
      send: message => worker.postMessage(message),
      onMessage: handle => void worker.on("message", handle),
      onError: handle =>
        void worker.on("error", error => handle(error instanceof Error ? error.message : String(error))),
      hold: on => (on ? worker.ref() : worker.unref()),
      stop: () => void worker.terminate(),
    }
  },
}
