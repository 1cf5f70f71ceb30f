// Every generation of the golden numbers, gpt2 and llama: ids equal, scores at their tolerance. `HEED_REFERENCE` names another folder.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parseSafetensors } from "../../src/files/pure.ts"
import { generateIds } from "../../src/generate/index.ts"
import { loadModel } from "../../src/models/index.ts"
import { machineDevices } from "../ops/devices.ts"

const folder = process.env.HEED_REFERENCE ?? import.meta.dirname

interface Run {
  readonly name: string
  readonly call: string
  readonly inputs: { readonly input_ids: number[][]; readonly attention_mask: number[][] }
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly outputs: readonly string[]
  readonly atol: Readonly<Record<string, number>>
}

const families = readdirSync(folder).filter(name => /^(gpt2|llama)/.test(name))
const devices = (await machineDevices()) as ("native" | "wasm")[]

for (const name of families) {
  const path = join(folder, name)
  const { runs } = JSON.parse(readFileSync(join(path, "inputs.json"), "utf8")) as { runs: readonly Run[] }
  const generations = runs.filter(run => run.call === "generate")
  if (generations.length === 0) continue
  const defaults = join(path, "generation_config.json")
  const { eos_token_id } = existsSync(defaults) ? JSON.parse(readFileSync(defaults, "utf8")) : { eos_token_id: undefined }
  const file = parseSafetensors(new Uint8Array(readFileSync(join(path, "expected.safetensors"))), name)

  describe.each(devices)(`${name} on %s`, device => {
    const model = loadModel(path)
    test.each(generations)("$name", async ({ name, inputs, kwargs, outputs, atol }) => {
      const prompts = inputs.input_ids.map((ids, row) => ids.filter((_, i) => inputs.attention_mask[row]![i] === 1))
      const beams = kwargs.num_beams !== undefined
      const result = await generateIds(await model, prompts, {
        eos_token_id,
        ...kwargs,
        device,
        stepLogits: !beams,
      } as Parameters<typeof generateIds>[2])

      const { data, shape } = file.read(`${name}.sequences`)
      expect(result.sequences.flatMap(row => [...row])).toEqual([...(data as Int32Array)])
      expect([result.sequences.length, result.sequences[0]!.length]).toEqual(shape)
      if (outputs.includes("sequences_scores")) {
        const scores = file.read(`${name}.sequences_scores`).data as Float32Array
        expect(result.scores!.length).toBe(scores.length)
        for (const [i, score] of scores.entries())
          expect(Math.abs(result.scores![i]! - score)).toBeLessThanOrEqual(atol.sequences_scores ?? 1e-4)
      }
      if (outputs.includes("step_logits")) {
        const { data, shape } = file.read(`${name}.step_logits`)
        const [B, steps, V] = shape as [number, number, number]
        expect(result.stepLogits!.length).toBe(steps)
        let far = 0
        for (let b = 0; b < B; b++)
          for (let step = 0; step < steps; step++)
            for (let i = 0; i < V; i++) {
              const wanted = (data as Float32Array)[(b * steps + step) * V + i]!
              far = Math.max(far, Math.abs(wanted - result.stepLogits![step]![b * V + i]!))
            }
        expect(far).toBeLessThanOrEqual(atol.step_logits ?? 1e-4)
      }
    })
  })
}
