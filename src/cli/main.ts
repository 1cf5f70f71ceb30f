#!/usr/bin/env node
// heed on the command line.

import { run } from "./program.ts"

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit() // whoever read us has read enough
  throw error
})
await run(process.argv.slice(2))
