// Every generation of the golden numbers, of every family that is built: ids equal, scores at their tolerance, with the defaults that
// were published beside the model. HEED_REFERENCE names another folder of cases.

import { afterAll, describe, expect, test } from "vitest"
import { type BatchOptions, generateIds } from "../../src/generate/index.ts"
import { loadModel, type Model } from "../../src/models/index.ts"
import type { Tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { type Case, cases, expectedValue, inputTensor, isBuilt, openFile, type Run } from "./golden.ts"
import { ParityRecord } from "./parity.ts"

const devices = (await machineDevices()) as ("native" | "wasm")[]
const parity = new ParityRecord("generate")
afterAll(() => parity.write())

/** Rows without their padding. */
function unpadded({ inputs }: Run): number[][] {
  const mask = inputs.attention_mask as number[][] | undefined
  return (inputs.input_ids as number[][]).map((ids, row) => ids.filter((_, i) => mask?.[row]?.[i] !== 0))
}

/** What is generated from: prompts, or what an encoder reads. */
function inputsOf(one: Case, run: Run): number[][] | Tensor {
  const features = run.inputs.input_features ?? run.inputs.pixel_values
  return features ? inputTensor(one, features) : unpadded(run)
}

const built = cases.filter(isBuilt).flatMap(one => {
  const runs = one.runs.filter(run => run.call === "generate")
  return runs.length > 0 ? [{ name: one.name, one, runs }] : []
})

describe.each(built)("$name", ({ name: caseName, one, runs }) => {
  const expected = openFile(one, "expected.safetensors")!
  describe.each(devices)("on %s", device => {
    let opening: Promise<Model> | undefined
    test.each(runs)("$name", async run => {
      const model = await (opening ??= loadModel(one.folder))
      const { outputs, atol = {}, inputs } = run
      const beams = run.kwargs?.num_beams !== undefined
      const result = await generateIds(model, inputsOf(one, run), {
        ...(run.kwargs as BatchOptions),
        ...(inputs.decoder_input_ids ? { decoderInputIds: inputs.decoder_input_ids as number[][] } : {}),
        device,
        ...(beams ? {} : { stepLogits: true }),
      })
      const { data, shape } = expectedValue(expected, run, "sequences")
      expect(result.sequences.flatMap(row => [...row])).toEqual([...data])
      expect([result.sequences.length, result.sequences[0]!.length]).toEqual(shape)
      const near = (kind: string, far: number): void => {
        const tolerance = atol[kind] ?? 1e-4
        parity.add(`${model.family}/${caseName}`, kind, far, tolerance)
        expect(far, kind).toBeLessThanOrEqual(tolerance)
      }
      if (outputs.includes("sequences_scores")) {
        const scores = expectedValue(expected, run, "sequences_scores").data
        expect(result.scores!.length).toBe(scores.length)
        near("sequences_scores", Math.max(...result.scores!.map((score, i) => Math.abs(score - scores[i]!))))
      }
      if (outputs.includes("step_logits")) {
        const { data, shape } = expectedValue(expected, run, "step_logits")
        const [B, steps, V] = shape as [number, number, number]
        expect(result.stepLogits!.length).toBe(steps)
        let far = 0
        for (let b = 0; b < B; b++)
          for (let step = 0; step < steps; step++)
            for (let i = 0; i < V; i++) {
              const wanted = data[(b * steps + step) * V + i]!
              if (!Number.isNaN(wanted)) far = Math.max(far, Math.abs(wanted - result.stepLogits![step]![b * V + i]!))
            }
        near("step_logits", far)
      }
    })

    test("without a cache it writes the same", async () => {
      const model = await (opening ??= loadModel(one.folder))
      const run = runs.at(-1)!
      const write = async (use_cache: boolean): Promise<number[][]> => {
        const options: BatchOptions = { ...(run.kwargs as BatchOptions), device, use_cache }
        return (await generateIds(model, inputsOf(one, run), options)).newIds.map(row => [...row])
      }
      expect(await write(false)).toEqual(await write(true))
    })
  })
})

test("encoder-decoders are among them", () => {
  expect(built.some(({ one }) => one.config.is_encoder_decoder === true)).toBe(true)
})
