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
  "automatic-speech-recognition.ts": [
    /ab\|cd → ab cd/,
    /bd\|ca → bd ca/,
    /cb from 0\.\d\d to 0\.\d\d s\nda from 0\.\d\d to 0\.\d\d s/,
  ],
  "feature-extraction.ts": [
    /one vector a token: 1 × 8 × 48/,
    /oil today → the pump needs new oil today \(0\.\d\d\)/,
    /over the field → the cat runs over the field \(0\.\d\d\)/,
  ],
  "fill-mask.ts": [/the cat drinks milk \(0\.[89]/, /the bee makes honey \(0\.[89]/, /the owl hunts mice \(0\.[89]/],
  "image-classification.ts": [/1[0-2] of 12 new pictures are named rightly/, /^cross \d\.\d\d, /m],
  "image-to-text.ts": [/a (\w+ bar at the \w+) \(a \1\)/],
  "question-answering.ts": [
    /who eats in Oslo \? → Eva \(Eva\)/,
    /what does Tom eat \? → bread \(bread\)/,
    /where was Max \? → Rome \(Rome\)/,
  ],
  "sentence-similarity.ts": [
    /someone sings a tune: 0\.[89]/,
    /the storm is cold: -?0\.[0-6]/,
    /we eat fresh bread: -?0\.[0-6]/,
  ],
  "summarization.ts": [/(an? \w+ found an? \w+) \(\1\)/],
  "text-classification.ts": [
    /a happy dog helped us → POSITIVE/,
    /the sad town → NEGATIVE/,
    /she likes a good song → POSITIVE/,
  ],
  "text-generation.ts": [/the cat drinks milk\./, /birds sing at dawn\./, /a dog ·e·a·t·s·/, /assistant: welcome\./],
  "text2text-generation.ts": [/opposite: slow → fast/, /back from: seven → seven six five/],
  "token-classification.ts": [/PER Max at 0–3/, /LOC Rome at 13–17/, /PER Ada Byron at 24–33/, /LOC Oslo at 37–41/],
  "translation.ts": [/the cat sees fish → die Katze sieht Fisch/, /the bird eats fish → der Vogel isst Fisch/],
  "zero-shot-classification.ts": [/won the game → sport/, /fresh bread → food/, /band played a tune → music/],
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
