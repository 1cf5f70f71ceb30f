// heed remove: takes a model out of the cache.

import type { Command } from "commander"
import { formatBytes, removeModel } from "../files/index.ts"

/** Gives the command its flags and what it does. */
export function registerRemove(command: Command): void {
  command
    .argument("<model>", "the model's name on the hub: org/name")
    .option("--json", "one JSON object instead of text")
    .action(async (name: string, { json }: { readonly json?: boolean }) => {
      const { bytes, folder, revisions } = await removeModel(name)
      if (json) console.log(JSON.stringify({ name, bytes, folder, revisions: revisions.map(({ commit }) => commit) }))
      else console.log(`removed ${name}: ${formatBytes(bytes)} free again`)
    })
}
