// How long importing heed takes, in a process of its own, less what an empty process takes.

import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Question, skipped } from "./question.ts"

export const question: Question = {
  name: "import",
  async run({ smoke }) {
    const entry = new URL("../dist/index.js", import.meta.url)
    if (!existsSync(fileURLToPath(entry))) return [skipped("import heed", "dist/ is not built: npm run build", 1, 2.5)]
    const code = `const t = performance.now(); await import(${JSON.stringify(entry.href)}); console.log(performance.now() - t)`
    const times = Array.from({ length: smoke ? 2 : 9 }, () => {
      const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" })
      return Number(stdout)
    }).sort((a, b) => a - b)
    const value = times[Math.floor(times.length / 2)]!
    return [{ name: "import heed", value, unit: "ms", against: "150 ms", ratio: 150 / value, atLeast: 1, aim: 2.5 }]
  },
}
