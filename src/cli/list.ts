// heed list: the models in the cache, what they take, and whether they are all there.

import type { Command } from "commander"
import { type CachedModel, cacheFolderOf, formatBytes, listModels } from "../files/index.ts"
import { colours } from "./terminal.ts"

/** Gives the command its flags and what it does. */
export function registerList(command: Command): void {
  command.option("--json", "one JSON object instead of text").action(async ({ json }: { readonly json?: boolean }) => {
    const folder = cacheFolderOf()
    const models = await listModels()
    if (json) {
      console.log(JSON.stringify({ cache: folder, models }))
      return
    }
    if (models.length === 0) {
      console.log(`no models in ${folder}; download one: heed pull HuggingFaceTB/SmolLM2-135M`)
      return
    }
    const width = Math.max(...models.map(({ name }) => name.length))
    for (const model of models)
      console.log(
        `${model.name.padEnd(width)}  ${formatBytes(model.bytes).padStart(8)}  ${day(model)}  ${stateOf(model)}`,
      )
    const all = models.reduce((sum, { bytes }) => sum + bytes, 0)
    console.log(
      colours.dim(`${models.length} ${models.length === 1 ? "model" : "models"}, ${formatBytes(all)} in ${folder}`),
    )
  })
}

const day = ({ changed }: CachedModel): string => changed.toISOString().slice(0, 10)

/** "main", "main, v1.0", "2 revisions"; or what is missing. */
function stateOf({ revisions, partialBytes }: CachedModel): string {
  const whole = revisions.filter(({ isComplete }) => isComplete)
  const refs = [...new Set(whole.flatMap(({ refs }) => refs))]
  const parts: string[] = []
  if (whole.length > 0)
    parts.push(refs.length > 0 ? refs.join(", ") : whole.map(({ commit }) => commit.slice(0, 8)).join(", "))
  else parts.push(colours.yellow("not whole"))
  if (partialBytes > 0) parts.push(colours.yellow(`${formatBytes(partialBytes)} of an interrupted download`))
  return parts.join("; ")
}
