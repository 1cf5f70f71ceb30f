// docs/parity.md is written from a run of these tests (npm run parity); it must know every case.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { cases, isBuilt } from "./golden.ts"

test.runIf(process.env.HEED_REFERENCE === undefined)("docs/parity.md has a row for every case, in fp32", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/parity.md"), "utf8").split("## bf16")[0]!
  const rows = [...page.matchAll(/^\| ([\w-]+) \| ([\w.-]+) \|/gm)]
    .map(match => match[2]!)
    .filter(name => name !== "case")
  expect(rows.sort()).toEqual(cases.filter(isBuilt).map(one => one.name))
})
