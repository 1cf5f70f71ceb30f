import { describe, expect, test } from "vitest"
import { heed, temporaryFolder } from "./terminal.ts"

describe("devices", () => {
  test("what was chosen and why, as JSON and as text", async () => {
    const { chosen } = JSON.parse((await heed("devices", "--json")).out)
    expect(["native", "wasm"]).toContain(chosen.name)
    expect(chosen.why).not.toBe("")
    expect(chosen.threads).toBeGreaterThan(0)
    const { out } = await heed("devices")
    expect(out).toContain(`${chosen.name} is chosen: ${chosen.why}`)
    expect(out).toContain(`instructions ${chosen.tier}`)
  })
})

describe("dump", () => {
  const small = ["--layers", "1", "--width", "16", "--heads", "2", "--context", "4"]

  test("the graph and the program of a forward pass", async () => {
    const { out } = await heed("dump", ...small)
    expect(out).toMatch(/%\d+ = attention\(.*blocks\.0\.attention/)
    expect(out).toMatch(/kernel calls; arena \d+ bytes/)
  })

  test("a whole training step", async () => {
    const { out } = await heed("dump", ...small, "--training", "--show", "graph")
    expect(out).toContain("attention_backward")
    expect(out).not.toContain("kernel calls")
  })

  test("HEED_DUMP shows what any command compiles, and refuses what it does not know", async () => {
    const { folder, remove } = temporaryFolder()
    const train = ["train", ...small, "--stories", "20", "--steps", "1", "--batch-size", "2"]
    try {
      process.env.HEED_DUMP = "program"
      const { err } = await heed(...train, "--out", `${folder}/shown`)
      expect(err).toMatch(/kernel calls; arena \d+ bytes/)
      expect(err).not.toContain("%1 = ")
      process.env.HEED_DUMP = "programs"
      expect((await heed(...train, "--out", `${folder}/refused`)).err).toContain('but got "programs"')
    } finally {
      delete process.env.HEED_DUMP
      remove()
    }
  })
})
