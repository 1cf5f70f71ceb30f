// JavaScript stays free while a model trains or writes, and a signal is heard while the device works.
import { setImmediate as turn } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { TokenDataset } from "../../src/data/index.ts"
import { forgetDecoders, generate, generateText } from "../../src/generate/index.ts"
import { gpt2 } from "../../src/models/index.ts"
import { train } from "../../src/train/index.ts"
import { smallGPT2, tokenizer } from "../generate/models.ts"
import { machineDevices } from "../ops/devices.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]

/** Turns of the event loop until `work` ends. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let ended = false
  const watched = work.finally(() => {
    ended = true
  })
  let turns = 0
  for (; !ended; turns++) await turn()
  await watched
  return turns
}

test("the event loop turns while a model trains", async () => {
  const [vocabulary, context] = [32, 64]
  const model = gpt2.build({ vocabulary, context, width: 128, layers: 2, heads: 4 })
  const ids = Int32Array.from({ length: 4000 }, (_, i) => (i * i + (i >> 3)) % vocabulary)
  const run = train({
    model,
    data: { train: new TokenDataset(ids, vocabulary) },
    config: { steps: 8, batchSize: 8, context },
  })
  const events = run[Symbol.asyncIterator]()
  for (let steps = 0; steps < 2; ) if ((await events.next()).value?.type === "step") steps++ // the program is recorded
  const turns = await turnsDuring(
    (async () => {
      while (!(await events.next()).done);
    })(),
  )
  expect(turns).toBeGreaterThan(6 * 5)
})

describe.each(devices)("writing on %s", device => {
  test("is stopped while it works, and afterwards writes what it would have", async () => {
    const model = smallGPT2()
    const options = { device, maxNewTokens: 40, temperature: 0 }
    const whole = await generateText(model, tokenizer, "once", options)
    const control = new AbortController()
    const pieces: string[] = []
    let reason = ""
    for await (const event of generate(model, tokenizer, "once", { ...options, signal: control.signal })) {
      if (event.type === "end") reason = event.reason
      else if (pieces.push(event.text) === 2) queueMicrotask(() => control.abort())
    }
    expect(reason).toBe("aborted")
    expect(whole.startsWith(pieces.join(""))).toBe(true)
    expect(pieces.length).toBeLessThan(40)
    expect(await generateText(model, tokenizer, "once", options)).toBe(whole)
    forgetDecoders(model)
  })
})
