// A short real run in a process of its own, for the test that kills it: node --import tsx tests/train/killed.ts <folder>. Prints each
// checkpoint's step once it is saved.
import { openRun } from "../../src/files/index.ts"
import { train } from "../../src/train/index.ts"
import { runOfKill } from "./kill.ts"

const run = await openRun(process.argv[2]!, { saveTotalLimit: 2 })
for await (const event of train({ ...(await runOfKill()), run, resume: true }))
  if (event.type === "checkpoint") console.log(event.step)
await run.close()
