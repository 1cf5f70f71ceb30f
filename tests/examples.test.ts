// Every example runs as it stands, says what it should, and stays short.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, expect, test, vi } from "vitest"

const folder = join(import.meta.dirname, "..", "examples")

/** What each example's output must hold. */
const said: Readonly<Record<string, readonly RegExp[]>> = {
  "attention-from-scratch.ts": [
    /values differ by at most +\d\.\de-[6-9]/,
    /gradients of v differ by at most \d\.\de-[5-9]/,
  ],
  "generate-from-folder.ts": [
    /llama, \d+ random weights, context 128/,
    /"once upon .*" \((stop|length) after \d+ tokens\)/,
  ],
  "tensors-and-gradients.ts": [/x³ - 2x +1,0,-1,4/, /6x +-6,0,6,12/, /ShapeError|expected shapes that broadcast/],
  "train-tiny-gpt.ts": [/step 20: loss \d/, /step 60: loss [0-3]\.\d/, /held-out loss/],
  "who-looks-at-whom.ts": [/layer \d head \d looks from "it" at cat \d/, /next: /, /log-probability of " and": -\d/],
}

afterEach(() => vi.restoreAllMocks())

test("every example is checked", () => {
  expect(readdirSync(folder).filter(name => name.endsWith(".ts"))).toEqual(Object.keys(said).sort())
})

test.each(Object.keys(said))("%s", async name => {
  expect(readFileSync(join(folder, name), "utf8").trim().split("\n").length).toBeLessThanOrEqual(40)
  const lines: string[] = []
  vi.spyOn(console, "log").mockImplementation((...parts: unknown[]) => void lines.push(parts.map(String).join(" ")))
  await import(join(folder, name))
  for (const pattern of said[name]!) expect(lines.join("\n")).toMatch(pattern)
})
