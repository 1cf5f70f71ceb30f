// The Auto classes against the golden numbers of the original, called by its names; tokenizers, generation and processors on small folders.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { generateIds } from "../../src/generate/index.ts"
import { loadModel } from "../../src/models/index.ts"
import {
  type AutoClass,
  AutoFeatureExtractor,
  AutoImageProcessor,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForCTC,
  AutoModelForImageClassification,
  AutoModelForMaskedLM,
  AutoModelForPreTraining,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForSpeechSeq2Seq,
  AutoModelForTokenClassification,
  AutoModelForVision2Seq,
  AutoProcessor,
  AutoTokenizer,
  pipeline,
  pretrainedTokenizer,
  Tensor,
  TextStreamer,
} from "../../src/tasks/index.ts"
import {
  type Case,
  cases,
  expectedValue,
  inputTensor,
  isBuilt,
  largestDifference,
  openFile,
  type Run,
} from "../reference/golden.ts"
import { makeFolder } from "./folders.ts"
import { wordTokenizer } from "./learn.ts"
import { tone } from "./speech.ts"

const folder = mkdtempSync(join(tmpdir(), "heed-auto-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const made = new Map<string, Promise<string>>()
const small = (name: string): Promise<string> => {
  if (!made.has(name)) made.set(name, makeFolder(name, folder))
  return made.get(name)!
}

/** The class of an architecture. */
const classes: readonly (readonly [RegExp, AutoClass<unknown>])[] = [
  [/ForMaskedLM$/, AutoModelForMaskedLM],
  [/ForPreTraining$/, AutoModelForPreTraining],
  [/ForSequenceClassification$/, AutoModelForSequenceClassification],
  [/ForTokenClassification$/, AutoModelForTokenClassification],
  [/ForQuestionAnswering$/, AutoModelForQuestionAnswering],
  [/ForImageClassification$/, AutoModelForImageClassification],
  [/ForCTC$/, AutoModelForCTC],
  [/^Whisper/, AutoModelForSpeechSeq2Seq],
  [/^VisionEncoderDecoder/, AutoModelForVision2Seq],
  [/ForConditionalGeneration$|^Marian/, AutoModelForSeq2SeqLM],
  [/LMHead|ForCausalLM$/, AutoModelForCausalLM],
  [/Model$/, AutoModel],
]
const classOf = ({ config }: Case): AutoClass<unknown> => {
  const [architecture] = config.architectures as string[]
  return classes.find(([pattern]) => pattern.test(architecture!))![1]
}

/** Inputs as the original is called with: tensors of the file as tensors of the host. */
async function inputsOf(one: Case, run: Run): Promise<Record<string, unknown>> {
  const inputs: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(run.inputs)) {
    const isTensor = typeof value === "object" && value !== null && "$tensor" in value
    if (!isTensor) inputs[name] = value
    else {
      const x = inputTensor(one, value)
      inputs[name] = new Tensor(x.dtype === "i32" ? "int64" : "float32", (await x.read()) as Float32Array, x.shape)
    }
  }
  return inputs
}

const at = (outputs: unknown, key: string): Tensor | undefined =>
  key.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], outputs) as
    | Tensor
    | undefined

const drawn = (one: Case): boolean => one.name.startsWith("reformer") // its numbers depend on rotations drawn there
const called = cases
  .filter(one => isBuilt(one) && !drawn(one))
  .flatMap(one => {
    const runs = one.runs.filter(run => run.call === "forward" && !run.mems_from)
    return runs.length > 0 ? [{ name: one.name, one, runs }] : []
  })

describe.each(called)("forward: $name", ({ one, runs }) => {
  const expected = openFile(one, "expected.safetensors")!
  let opening: ReturnType<AutoClass<unknown>["from_pretrained"]> | undefined
  test.each(runs)("$name", async run => {
    const model = await (opening ??= classOf(one).from_pretrained(one.folder))
    const outputs = await model({ ...(await inputsOf(one, run)), ...run.kwargs })
    const mask = run.compare_where ? (run.inputs[run.compare_where] as number[][]) : null
    let compared = 0
    for (const key of run.outputs) {
      if (key.startsWith("grad.") || key === "losses") continue // losses of sections stand in another order there
      const actual = at(outputs, key)
      expect(actual, key).toBeInstanceOf(Tensor)
      const { data, shape } = expectedValue(expected, run, key)
      expect(actual!.dims, key).toEqual(shape)
      const kind = key.replace(/\.\d+$/, "")
      const tolerance = run.atol?.[key] ?? run.atol?.[kind.split(".").at(-1)!] ?? 1e-3
      expect(largestDifference(actual!.data, data, shape, kind.split(".").at(-1)!, mask), key).toBeLessThanOrEqual(
        tolerance,
      )
      compared++
    }
    expect(compared).toBeGreaterThan(0)
  })
})

const generated = cases
  .filter(one => isBuilt(one) && ["gpt2", "t5-v1.0", "whisper", "vision-encoder-decoder"].includes(one.name))
  .map(one => ({ name: one.name, one, runs: one.runs.filter(run => run.call === "generate") }))

describe.each(generated)("generate: $name", ({ one, runs }) => {
  const expected = openFile(one, "expected.safetensors")!
  let opening: ReturnType<AutoClass<unknown>["from_pretrained"]> | undefined
  test.each(runs)("$name", async run => {
    const model = await (opening ??= classOf(one).from_pretrained(one.folder))
    const sequences = await model.generate({ ...(await inputsOf(one, run)), ...run.kwargs })
    const { data, shape } = expectedValue(expected, run, "sequences")
    expect(sequences.dims).toEqual(shape)
    expect([...sequences.data]).toEqual([...data])
  })
})

describe("tokenizers", () => {
  const words = wordTokenizer(["I love this film", "what a waste"])

  test("texts, pairs, padding, cutting", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(await small("sentiment"))
    const one = tokenizer("I love this film")
    expect([one.input_ids.dims, one.input_ids.type]).toEqual([[1, 6], "int32"])
    expect(Object.keys(one)).toEqual(["input_ids", "attention_mask", "token_type_ids"])
    expect(() => tokenizer(["I", "I love"])).toThrow(/padding: true/)
    const two = tokenizer(["I", "I love this"], { padding: true })
    expect(two.attention_mask.tolist()).toEqual([
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 1],
    ])
    expect(two.input_ids.row(0).at(-1)).toBe(tokenizer.pad_token_id)
    expect(tokenizer("I love", { text_pair: "this film" }).token_type_ids!.tolist()).toEqual([[0, 0, 0, 0, 1, 1, 1]])
    expect(tokenizer("I love this film", { max_length: 4, truncation: true }).input_ids.dims).toEqual([1, 4])
    expect(tokenizer("I", { padding: "max_length", max_length: 7 }).input_ids.dims).toEqual([1, 7])
    expect(tokenizer(["I", "I love"], { return_tensor: false }).input_ids).toHaveLength(2)
    expect(tokenizer("I love", { add_special_tokens: false }).input_ids.tolist()).toEqual([
      tokenizer.encode("I love").slice(1, -1),
    ])
    expect(() => tokenizer("I love", { max_length: 3, truncation: false })).toThrow(/max_length/)
    expect(() => tokenizer("I", { paddings: true })).toThrow(/padding/)
  })

  test("ids to texts and tokens", () => {
    const tokenizer = pretrainedTokenizer(words)
    const { input_ids } = tokenizer("I love this")
    expect(tokenizer.decode(input_ids, { skip_special_tokens: true })).toBe("I love this")
    expect(tokenizer.batch_decode(input_ids)[0]).toContain("[CLS]")
    expect(tokenizer.batch_decode([[BigInt(tokenizer.encode("film")[1]!)]])).toEqual(["film"])
    expect(tokenizer.tokenize("I love")).toEqual(["I", "love"])
    expect(tokenizer.convert_ids_to_tokens(tokenizer.convert_tokens_to_ids(["love"]) as number[])).toEqual(["love"])
    expect([tokenizer.mask_token, tokenizer.mask_token_id, tokenizer.bos_token]).toEqual([
      "[MASK]",
      words.tokenId("[MASK]"),
      null,
    ])
  })

  test("a padding token can be set", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(await small("chat"))
    expect(() => tokenizer(["ab", "a"], { padding: true })).toThrow(/pad_token/)
    tokenizer.pad_token = "a"
    tokenizer.padding_side = "left"
    expect(tokenizer(["ab", "b"], { padding: true }).attention_mask.tolist()).toEqual([
      [1, 1],
      [0, 1],
    ])
    expect(() => {
      tokenizer.pad_token = "of no vocabulary"
    }).toThrow(/pad_token/)
  })

  test("conversations", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(await small("chat"))
    const messages = [{ role: "user", content: "Where was Ada born?" }]
    const text = tokenizer.apply_chat_template(messages, { tokenize: false, add_generation_prompt: true })
    expect(text).toContain("<|im_start|>assistant")
    const ids = tokenizer.apply_chat_template(messages, { add_generation_prompt: true })
    expect(tokenizer.decode(ids)).toBe(text)
    const inputs = tokenizer.apply_chat_template(messages, { add_generation_prompt: true, return_dict: true })
    expect(inputs.attention_mask.dims).toEqual(ids.dims)
    expect(tokenizer.apply_chat_template(messages, { return_tensor: false })).toHaveLength(
      tokenizer.apply_chat_template(messages).size,
    )
    expect(
      tokenizer.apply_chat_template(messages, {
        tokenize: false,
        chat_template: "{{ messages[0].content + x }}",
        x: "!",
      }),
    ).toBe("Where was Ada born?!")
    const plain = await AutoTokenizer.from_pretrained(await small("sentiment"))
    expect(() => plain.apply_chat_template(messages)).toThrow(/chat template/)
  })

  test("saved and opened again", async () => {
    const path = join(folder, "saved-tokenizer")
    await pretrainedTokenizer(words).save_pretrained(path)
    const again = await AutoTokenizer.from_pretrained(path)
    expect(again.encode("I love this film")).toEqual(pretrainedTokenizer(words).encode("I love this film"))
  })
})

describe("models", () => {
  test("the same as pipeline() says", async () => {
    const path = await small("sentiment")
    const tokenizer = await AutoTokenizer.from_pretrained(path)
    const model = await AutoModelForSequenceClassification.from_pretrained(path)
    const { logits } = await model(tokenizer(["I love this film", "What a waste"], { padding: true }))
    expect(logits.dims).toEqual([2, 2])
    const best = logits.row(0)[0]! > logits.row(0)[1]! ? "0" : "1"
    const classify = await pipeline("text-classification", path)
    const [answer] = await classify("I love this film")
    expect((model.config.id2label as Record<string, string>)[best]).toBe(answer!.label)
  })

  test("refuse models of another kind, and name the class for them", async () => {
    await expect(AutoModelForCausalLM.from_pretrained(await small("masked-model"))).rejects.toThrow(
      /AutoModelForMaskedLM or AutoModel opens it/,
    )
    await expect(AutoModelForMaskedLM.from_pretrained(await small("speech"))).rejects.toThrow(
      /AutoModelForSpeechSeq2Seq/,
    )
    await expect(AutoModelForSeq2SeqLM.from_pretrained(await small("captioner"))).rejects.toThrow(
      /AutoModelForVision2Seq/,
    )
    await expect(AutoModel.from_pretrained(await small("sentiment"), { dtype: "q4" as "fp32" })).rejects.toThrow(
      /AutoModel.*\n?.*dtype/,
    )
  })

  test("refuse what has no effect", async () => {
    const path = await small("masked-model")
    const model = await AutoModelForMaskedLM.from_pretrained(path)
    const inputs = (await AutoTokenizer.from_pretrained(path))("I love [MASK]")
    await expect(model({ ...inputs, use_cache: true })).rejects.toThrow(/use_cache/)
    await expect(model({ ...inputs, pixel_values: [[1]] })).rejects.toThrow(/pixelValues/)
    await expect(model({ attention_mask: [[1]] })).rejects.toThrow(/input_ids/)
    await expect(model({ input_ids: [[1, 2], [3]] })).rejects.toThrow(/one length/)
    await expect(model.generate(inputs)).rejects.toThrow(/writes text/)
  })

  test("a base model gives vectors, not the head's scores", async () => {
    const path = await small("masked-model")
    const model = await AutoModel.from_pretrained(path)
    const outputs = await model({
      ...(await AutoTokenizer.from_pretrained(path))("I love"),
      output_hidden_states: true,
    })
    expect(Object.keys(outputs).sort()).toEqual(["hidden_states", "last_hidden_state"])
    expect(outputs.last_hidden_state.dims).toEqual([1, 4, 48])
    expect(outputs.hidden_states).toHaveLength(3)
    await expect(model({ input_ids: [[1, 2]], labels: [[1, 2]] })).rejects.toThrow(/labels/)
  })

  test("saved, and opened again", async () => {
    const model = await AutoModelForSequenceClassification.from_pretrained(await small("sentiment"))
    const path = join(folder, "saved-model")
    await model.save_pretrained(path)
    const again = await AutoModelForSequenceClassification.from_pretrained(path)
    const inputs = { input_ids: [[2, 7, 8, 3]] }
    expect((await again(inputs)).logits.tolist()).toEqual((await model(inputs)).logits.tolist())
    await again.dispose()
    expect((await again(inputs)).logits.dims).toEqual([1, 2])
  })

  test("an open model", async () => {
    const own = await loadModel(await small("chat"))
    const model = await AutoModelForCausalLM.from_pretrained(own)
    expect(model.model).toBe(own)
    expect((await model({ input_ids: [[1, 2, 3]] })).logits.dims.slice(0, 2)).toEqual([1, 3])
  })
})

describe("generation", () => {
  test("goes on behind padded prompts, and streams", async () => {
    const path = await small("chat")
    const tokenizer = await AutoTokenizer.from_pretrained(path)
    const model = await AutoModelForCausalLM.from_pretrained(path)
    tokenizer.pad_token = "a"
    const inputs = tokenizer(["the birds", "Ada"], { padding: true, padding_side: "left" })
    const all = await model.generate({ ...inputs, max_new_tokens: 4, do_sample: false })
    const T = inputs.input_ids.dims[1]!
    expect(all.dims).toEqual([2, T + 4])
    expect(all.slice(null, [0, T]).tolist()).toEqual(inputs.input_ids.tolist())
    const { newIds } = await generateIds(model.model, [tokenizer.encode("the birds"), tokenizer.encode("Ada")], {
      maxNewTokens: 4,
    })
    expect(all.slice(null, [T, null]).tolist()).toEqual(newIds.map(row => [...row]))

    const told: string[] = []
    const ids: number[] = []
    const streamer = new TextStreamer(tokenizer, {
      skip_prompt: true,
      callback_function: text => told.push(text),
      token_callback_function: some => ids.push(...some),
    })
    const one = tokenizer("Ada")
    const out = await model.generate({ ...one, max_new_tokens: 4, streamer })
    expect(ids).toEqual([...out.slice(null, [3, null]).data])
    expect(told.join("")).toBe(tokenizer.decode(out.slice(0, [3, null])))
    await expect(model.generate({ ...inputs, streamer })).rejects.toThrow(/one text/)
    await expect(model.generate({ ...one, max_new_token: 4 })).rejects.toThrow(/max/)
    const named = await model.generate({
      ...one,
      max_new_tokens: 2,
      return_dict_in_generate: true,
      output_scores: true,
    })
    expect([named.scores!.length, named.scores![0]!.dims[0]]).toEqual([2, 1])
    const set = await model.generate({ ...one, generation_config: { max_new_tokens: 3 }, assistant_model: model })
    expect(set.dims).toEqual([1, 6])
  })

  test("texts from texts", async () => {
    const path = await small("translator")
    const tokenizer = await AutoTokenizer.from_pretrained(path)
    const model = await AutoModelForSeq2SeqLM.from_pretrained(path)
    const out = await model.generate(tokenizer("I love this film"), { max_new_tokens: 5 })
    const translate = await pipeline("translation", path)
    const [{ translation_text }] = (await translate("I love this film", { max_new_tokens: 5 })) as [
      { translation_text: string },
    ]
    expect(tokenizer.batch_decode(out, { skip_special_tokens: true })[0]!.trim()).toBe(translation_text)
  })
})

describe("processors", () => {
  const blue = { width: 40, height: 30, channels: 3, data: new Uint8Array(3600).fill(90) } as const

  test("pictures", async () => {
    const path = await small("pictures")
    const processor = await AutoImageProcessor.from_pretrained(path)
    const inputs = await processor([blue, blue])
    expect(inputs.pixel_values.dims).toEqual([2, 3, 32, 32])
    const model = await AutoModelForImageClassification.from_pretrained(path)
    const { logits } = await model(inputs)
    const [first] = await (await pipeline("image-classification", path))(blue)
    const row = [...logits.row(0)]
    expect((model.config.id2label as Record<string, string>)[row.indexOf(Math.max(...row))]).toBe(first!.label)
  })

  test("captions, by one processor", async () => {
    const path = await small("captioner")
    const processor = await AutoProcessor.from_pretrained(path)
    const model = await AutoModelForVision2Seq.from_pretrained(path)
    const ids = await model.generate({ ...(await processor(blue)), max_new_tokens: 4 })
    const [{ generated_text }] = (await (
      await pipeline("image-to-text", path)
    )(blue, { max_new_tokens: 4 })) as [{ generated_text: string }]
    expect(processor.batch_decode(ids, { skip_special_tokens: true })[0]!.trim()).toBe(generated_text)
    const both = await processor({ text: "a film", images: blue })
    expect([both.input_ids.dims, both.pixel_values.dims[0]]).toEqual([[1, 4], 1])
    await expect(processor({ audio: new Float32Array(10) })).rejects.toThrow(/pictures/)
  })

  test("speech, by Whisper and by letters", async () => {
    const sound = tone(440, 1)
    const path = await small("speech")
    const processor = await AutoProcessor.from_pretrained(path)
    const inputs = await processor(sound)
    expect(inputs.input_features.dims).toEqual([1, 20, 200])
    const model = await AutoModelForSpeechSeq2Seq.from_pretrained(path)
    const ids = await model.generate({ ...inputs, max_new_tokens: 6, language: "en", task: "transcribe" })
    const start = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    expect([...ids.data.slice(0, 4)]).toEqual(processor.tokenizer!.convert_tokens_to_ids(start))
    const heard = await model.generate({ ...inputs, max_new_tokens: 4, return_timestamps: true })
    expect(heard.dims[1]).toBeGreaterThan(3)

    const letters = await AutoFeatureExtractor.from_pretrained(await small("letters"))
    const { input_values } = await letters(sound, { sampling_rate: 16000 })
    expect(input_values.dims).toEqual([1, 16000])
    const ctc = await AutoModelForCTC.from_pretrained(await small("letters"))
    expect((await ctc({ input_values })).logits.dims[2]).toBe(32)
    await expect(letters(sound, { rate: 3 })).rejects.toThrow(/samplingRate/)
  })

  test("say who opens what they do not", async () => {
    await expect(AutoImageProcessor.from_pretrained(await small("speech"))).rejects.toThrow(/AutoFeatureExtractor/)
    await expect(AutoProcessor.from_pretrained(await small("chat"))).rejects.toThrow(/AutoTokenizer/)
    await expect(AutoTokenizer.from_pretrained(await small("pictures"))).rejects.toThrow(/AutoProcessor/)
  })
})

test("tensors are cut, listed and read", () => {
  const x = new Tensor("int64", [1n, 2n, 3n, 4n, 5n, 6n], [2, 3])
  expect(x.tolist()).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ])
  expect(x.slice(null, [1, null]).tolist()).toEqual([
    [2, 3],
    [5, 6],
  ])
  expect(x.slice(-1).tolist()).toEqual([4, 5, 6])
  expect(x.slice(null, [-1, null]).dims).toEqual([2, 1])
  expect([...x].map(row => (row as Tensor).tolist())).toEqual(x.tolist())
  expect(new Tensor("float32", [0.5], []).item()).toBe(0.5)
  expect(() => new Tensor("int32", [1, 2], [3])).toThrow(/expected 3/)
  expect(() => x.slice(5)).toThrow(/below 2/)
})
