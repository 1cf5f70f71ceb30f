// What encoder-decoders have of their own: inputs that are read once, what the decoder begins with, sound and pictures.
import { describe, expect, test } from "vitest"
import { type BatchOptions, generate, generateIds, generateText } from "../../src/generate/index.ts"
import { bart, type EncoderDecoder, t5, whisper } from "../../src/models/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"
import { smallLlama, tokenizer } from "./models.ts"

const device = (await machineDevices())[0] as "native" | "wasm"
const shape = {
  vocabulary: tokenizer.vocabularySize,
  width: 32,
  startToken: 2,
  endToken: 3,
  padToken: 0,
}
const stacks = {
  encoderLayers: 2,
  encoderHeads: 4,
  encoderInner: 48,
  decoderLayers: 2,
  decoderHeads: 4,
  decoderInner: 48,
}

const smallBart = (): EncoderDecoder =>
  bart.build({ ...shape, ...stacks, deviation: 0.3, context: 32 }, { seed: 3 }) as EncoderDecoder
const smallT5 = (): EncoderDecoder =>
  t5.build({ ...shape, layers: 2, heads: 4, headWidth: 8, inner: 48 }, { seed: 5 }) as EncoderDecoder

const inputs = ["once upon a time", "it", "the end"].map(text => [...tokenizer.encode(text)])

const write = async (model: EncoderDecoder, ids: number[][], options: BatchOptions = {}): Promise<number[][]> =>
  (await generateIds(model, ids, { maxNewTokens: 10, device, ...options })).newIds.map(row => [...row])

describe.each([
  ["bart", smallBart()],
  ["t5", smallT5()],
] as const)("%s", (_, model) => {
  test("streams what it writes", async () => {
    const ids: number[] = []
    let text = ""
    for await (const event of generate(model, tokenizer, "once upon a time", { maxNewTokens: 10, device })) {
      if (event.type === "token") {
        ids.push(event.id)
        text += event.text
      } else {
        expect(event).toMatchObject({ text, ids, promptTokens: 16 })
        expect(["eos", "length"]).toContain(event.reason)
      }
    }
    expect([ids]).toEqual(await write(model, [inputs[0]!]))
    expect(await generateText(model, tokenizer, "once upon a time", { maxNewTokens: 10, device })).toBe(text)
  })

  test("a stream of beams gives the best text", async () => {
    for await (const event of generate(model, tokenizer, "it", { maxNewTokens: 10, numBeams: 3, device }))
      if (event.type === "end") {
        const { newIds, scores } = await generateIds(model, [inputs[1]!], { maxNewTokens: 10, numBeams: 3, device })
        expect(event.ids).toEqual([...newIds[0]!])
        expect(event.score).toBeCloseTo(scores![0]!, 5)
      }
  })

  test("the decoder begins as it is told", async () => {
    const { sequences, newIds } = await generateIds(model, inputs, {
      maxNewTokens: 4,
      device,
      decoderInputIds: [2, 9, 10],
    })
    for (const row of sequences) expect([...row.slice(0, 3)]).toEqual([2, 9, 10])
    // one row for each input, of different lengths
    const own = await write(model, inputs, {
      maxNewTokens: 4,
      decoder_input_ids: [[2], [2, 9, 10], [2, 7]],
    } as BatchOptions)
    expect(own[1]).toEqual([...newIds[1]!])
    expect(own[0]).toEqual((await write(model, [inputs[0]!], { maxNewTokens: 4 }))[0])
    const started = await generateIds(model, inputs, { maxNewTokens: 4, device, decoderStartTokenId: [2, 9, 10] })
    expect(started.sequences.map(row => row[0])).toEqual([2, 9, 10])
  })

  test("guesses of a smaller one change nothing", async () => {
    const assistantModel = t5.build({ ...shape, width: 16, layers: 1, heads: 2, headWidth: 8, inner: 16 }, { seed: 8 })
    const plain = await write(model, [inputs[0]!])
    expect(await write(model, [inputs[0]!], { assistantModel })).toEqual(plain)
    await expect(write(model, [inputs[0]!], { assistantModel: smallLlama() })).rejects.toThrow(
      /assistantModel of the same kind as .*, but got llama/,
    )
  })

  test("what the encoder read can be forbidden or favoured", async () => {
    const source = [[5, 6, 7, 8, 9, 10, 11, 12]]
    const [copied] = await write(model, source, { encoderRepetitionPenalty: 100 })
    expect(copied!.some(id => source[0]!.includes(id))).toBe(true)
    const [other] = await write(model, source, { encoderNoRepeatNgramSize: 1 })
    expect(other!.some(id => source[0]!.includes(id))).toBe(false)
  })

  test("weights that change count for the next text", async () => {
    const before = await write(model, [inputs[0]!])
    const state = new Map([...model.state()].map(([path, value]) => [path, value.current()]))
    model.loadState(new Map([...state].map(([path, value]) => [path, value.mul(-1)])))
    expect(await write(model, [inputs[0]!])).not.toEqual(before)
    model.loadState(new Map([...state].map(([path, value]) => [path, value.mul(1)])))
    expect(await write(model, [inputs[0]!])).toEqual(before)
  })
})

test("sound is read as a tensor, each row one text", async () => {
  const model = whisper.build({ ...shape, ...stacks, vocabulary: 40, context: 32, soundContext: 50 }, { seed: 2 })
  const waves = tensor(
    Float32Array.from({ length: 2 * 80 * 100 }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011)),
    [2, 80, 100],
  )
  const { sequences } = await generateIds(model, waves, { maxNewTokens: 8, device, numBeams: 2 })
  for (const [i, sequence] of sequences.entries()) {
    const alone = await generateIds(model, waves.slice(0, i, i + 1), { maxNewTokens: 8, device, numBeams: 2 })
    expect([...alone.sequences[0]!]).toEqual([...sequence].slice(0, alone.sequences[0]!.length))
  }
  const refused = (options: BatchOptions) => expect(generateIds(model, waves, { device, ...options })).rejects
  await refused({ encoderRepetitionPenalty: 2 }).toThrow(/encoder reads no text/)
  await expect(generateIds(smallLlama(), waves, { device })).rejects.toThrow(/prompts for a model without an encoder/)
  await expect(generateIds(model, tensor(1), { device })).rejects.toThrow(/\[B …\]/)
})

test("hostile inputs", async () => {
  const model = smallBart()
  await expect(write(model, [new Array<number>(40).fill(5)])).rejects.toThrow(/at most 32 tokens.*got 40: 8 too many/)
  await expect(write(model, [[]])).rejects.toThrow(/at least one token/)
  await expect(write(model, [[99]])).rejects.toThrow(/0 \.\. 27.*got 99/)
  await expect(write(model, inputs, { decoderInputIds: [[2], [2]] })).rejects.toThrow(/one row, or of 3/)
  await expect(write(model, inputs, { decoderInputIds: [99] })).rejects.toThrow(/got 99/)
  await expect(write(model, inputs, { decoderStartTokenId: [1, 2] })).rejects.toThrow(/one decoderStartTokenId, or 3/)
  const signal = AbortSignal.abort()
  const { reasons, newIds } = await generateIds(model, inputs, { device, signal })
  expect(reasons).toEqual(["aborted", "aborted", "aborted"])
  expect(newIds.map(row => row.length)).toEqual([0, 0, 0])
})
