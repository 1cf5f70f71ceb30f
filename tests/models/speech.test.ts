// Speech models beyond their golden numbers: saved and loaded, newer names, training, lengths, and what they refuse.
import { cp, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { openSafetensors, parseSafetensors, toFloat32, writeSafetensors } from "../../src/files/index.ts"
import { loadModel, saveModel, type Wav2Vec2, type Whisper, wav2vec2, whisper } from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { connectRuntime, evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, full, grad, normal, randomKey, tensor } from "../../src/tensor/index.ts"

connectRuntime()

const reference = join(import.meta.dirname, "../reference")
let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-speech-"))
})
afterEach(() => rm(folder, { recursive: true }))

const noise = (...shape: number[]) => normal(shape, randomKey(3), { stream: 1 })

describe.each(["whisper", "wav2vec2-ctc", "wav2vec2-ctc-stable"])("%s", name => {
  test("saved and loaded, every weight has the same bits and the published name and shape", async () => {
    const model = await loadModel(join(reference, name))
    await saveModel(model, join(folder, "copy"))
    const before = await openSafetensors(join(reference, name, "model.safetensors"))
    const after = await openSafetensors(join(folder, "copy", "model.safetensors"))
    expect([...after.names].sort()).toEqual([...before.names].sort())
    for (const one of before.names) {
      expect(after.info(one).shape).toEqual(before.info(one).shape)
      expect(toFloat32(await after.read(one))).toEqual(toFloat32(await before.read(one)))
    }
    await before.close()
    await after.close()
    const again = await loadModel(join(folder, "copy"))
    expect(again.config).toEqual(model.config)
    const published = JSON.parse(await readFile(join(reference, name, "config.json"), "utf8"))
    const written = JSON.parse(await readFile(join(folder, "copy", "config.json"), "utf8"))
    for (const [key, value] of Object.entries(written)) if (key in published) expect(value, key).toEqual(published[key])
  })
})

describe("wav2vec 2.0", () => {
  test("newer files name the parts of normed weights in another way", async () => {
    const from = join(reference, "wav2vec2-ctc")
    await cp(join(from, "config.json"), join(folder, "config.json"))
    const file = parseSafetensors(new Uint8Array(await readFile(join(from, "model.safetensors"))), "golden")
    const newer = (name: string): string =>
      name
        .replace(/weight_g$/, "parametrizations.weight.original0")
        .replace(/weight_v$/, "parametrizations.weight.original1")
    const tensors = Object.fromEntries(file.names.map(name => [newer(name), file.read(name)]))
    await writeSafetensors(join(folder, "model.safetensors"), tensors)
    const [a, b] = [await loadModel(folder), await loadModel(from)]
    const samples = noise(1, 400)
    const [x, y] = await evaluateOn("reference", [a.forward(samples).logits!, b.forward(samples).logits!])
    expect(x).toEqual(y)
  })

  test("frames are counted; too few samples are refused with how many it takes", async () => {
    const model = (await loadModel(join(reference, "wav2vec2-ctc"))) as Wav2Vec2
    for (const n of [100, 400, 601]) expect(model.forward(noise(1, n)).hidden.shape[1]).toBe(model.frames(n))
    let least = 1
    while (model.frames(least) < 1) least++
    expect(() => model.forward(full([1, least - 1], 0))).toThrow(
      `expected at least ${least} samples, but got ${least - 1}`,
    )
    expect(model.forward(full([1, least], 0)).hidden.shape[1]).toBe(1)
    expect(() => model.forward(full([1, 600], 0), { tokenTypeIds: full([1, 600], 0, "i32") })).toThrow(
      /no tokenTypeIds/,
    )
    expect(() => model.forward(full([1, 600], 0), { attentionMask: full([1, 60], 1, "i32") })).toThrow(/\[1 600\]/)
    expect(() => model.forward(full([1, 600], 0, "i32"))).toThrow(/samples f32/)
  })

  test("labels may have gaps, and short sounds count their own frames", async () => {
    const model = await loadModel(join(reference, "wav2vec2-ctc"))
    const samples = noise(2, 600)
    const attentionMask = fromHost(
      Int32Array.from({ length: 1200 }, (_, i) => Number(i < 600 || i < 1000)),
      [2, 600],
      "i32",
    )
    const loss = (labels: number[]) =>
      model.forward(samples, { attentionMask, labels: tensor(labels, [2, 4], "i32") }).loss!
    const [a, b] = await evaluateOn("reference", [
      loss([5, -100, 7, 8, 9, 10, -100, -100]),
      loss([5, 7, 8, -100, 9, 10, -100, -100]),
    ])
    expect(a).toEqual(b)
  })

  test.each(["letters", "none"] as const)("it trains with everything that training does (%s)", async head => {
    const model = wav2vec2.build({
      head,
      vocabulary: 6,
      width: 8,
      layers: 2,
      heads: 2,
      inner: 12,
      channels: [6, 4],
      kernels: [4, 3],
      strides: [3, 2],
      positionsKernel: 3,
      positionsGroups: 2,
      soundDropout: 0.1,
      hiddenTime: 0.3,
      hiddenTimeLength: 2,
      hiddenChannels: 0.2,
      hiddenChannelsLength: 2,
      layerDropout: 0.5,
    })
    model.train()
    const labels = tensor([1, 2, 3, 4], [2, 2], "i32")
    const output = withRandom(randomKey(2), () => model.forward(noise(2, 90), head === "letters" ? { labels } : {}))
    const gradients = grad(output.loss ?? output.hidden.mul(output.hidden).sum(), model.parameters())
    for (const gradient of await evaluateOn("reference", gradients)) expect(gradient.every(Number.isFinite)).toBe(true)
    expect((await evaluateOn("reference", [gradients[0]!]))[0]!.some(x => x !== 0)).toBe(true)
    await saveModel(model.eval(), folder)
    expect((await loadModel(folder)).config).toEqual(model.config)
  })

  test("wrong options are refused in words", () => {
    expect(() => wav2vec2.build({ kernels: [3] })).toThrow(/a kernel and a stride for each of 7/)
    expect(() => wav2vec2.build({ padToken: 40 })).toThrow(/blank below the vocabulary 32/)
    expect(() => wav2vec2.build({ positionsGroups: 7 })).toThrow(/7 groups/)
    expect(() => wav2vec2.readConfig({ add_adapter: true })).toThrow(/add_adapter/)
  })
})

describe("Whisper", () => {
  test("positions begin as sinusoids, and are no weights that learn", () => {
    const model = whisper.build({ width: 8, encoderHeads: 2, decoderHeads: 2, soundContext: 6, vocabulary: 60000 })
    expect([...model.namedParameters().keys()]).not.toContain("encoder.positions.table")
    expect([...model.state().keys()]).toContain("encoder.positions.table")
  })

  test("what is no log-Mel is refused in words", async () => {
    const model = (await loadModel(join(reference, "whisper"))) as Whisper
    expect(() => model.encode(full([1, 80, 102], 0))).toThrow(
      /f32 \[B 80 T\] of up to 100 frames, but got f32 \[1 80 102\]/,
    )
    expect(() => model.encode(full([1, 128, 100], 0))).toThrow(/\[B 80 T\]/)
    expect(() => model.encode(full([1, 80, 10], 0), { attentionMask: full([1, 10], 1, "i32") })).toThrow(/silence/)
    expect(() => model.forward(full([1, 80, 10], 0))).toThrow(/decoderInputIds or labels/)
    expect(() => model.createCache({ batch: 1, capacity: 41 })).toThrow(/up to the context 40/)
  })

  test("a decoder that writes token by token gives the numbers of one that reads all at once", async () => {
    const model = (await loadModel(join(reference, "whisper"))) as Whisper
    const ids = [3, 36, 88, 54]
    const { hidden } = model.encode(noise(1, 80, 100))
    const memory = model.remember(hidden)
    const whole = model.project(model.decode(tensor(ids, [1, 4], "i32"), { memory }))
    const cache = model.createCache({ batch: 1, capacity: 6 })
    const steps = ids.map((id, i) =>
      model.project(model.decode(tensor([id], [1, 1], "i32"), { memory, cache, offset: tensor([i], [], "i32") })),
    )
    const [all, ...parts] = await evaluateOn("reference", [whole, ...steps])
    const V = whole.shape[2]!
    for (const [i, part] of parts.entries())
      for (const [j, x] of part.entries()) expect(Math.abs(x - all![i * V + j]!)).toBeLessThan(1e-5)
  })

  test("it trains, with spans hidden", async () => {
    const model = whisper.build({
      width: 8,
      encoderHeads: 2,
      decoderHeads: 2,
      encoderLayers: 1,
      decoderLayers: 1,
      encoderInner: 8,
      decoderInner: 8,
      mels: 12,
      soundContext: 10,
      context: 8,
      vocabulary: 20,
      padToken: 0,
      startToken: 1,
      endToken: 2,
      beginToken: 1,
      dropout: 0.1,
      hideSpans: true,
      hiddenTime: 0.2,
      hiddenTimeLength: 3,
      hiddenChannels: 0.2,
      hiddenChannelsLength: 3,
    })
    model.train()
    const labels = tensor([4, 5, 2, 6, 2, -100], [2, 3], "i32")
    const { loss } = withRandom(randomKey(2), () => model.forward(noise(2, 12, 20), { labels }))
    for (const gradient of await evaluateOn("reference", grad(loss!, model.parameters())))
      expect(gradient.every(Number.isFinite)).toBe(true)
    await saveModel(model.eval(), folder)
    expect((await loadModel(folder)).config).toEqual(model.config)
  })
})

describe("configurations as they are published", () => {
  test("whisper-tiny", () => {
    const published = {
      _name_or_path: "openai/whisper-tiny",
      activation_dropout: 0,
      activation_function: "gelu",
      architectures: ["WhisperForConditionalGeneration"],
      attention_dropout: 0,
      begin_suppress_tokens: [220, 50257],
      bos_token_id: 50257,
      d_model: 384,
      decoder_attention_heads: 6,
      decoder_ffn_dim: 1536,
      decoder_layerdrop: 0,
      decoder_layers: 4,
      decoder_start_token_id: 50258,
      dropout: 0,
      encoder_attention_heads: 6,
      encoder_ffn_dim: 1536,
      encoder_layerdrop: 0,
      encoder_layers: 4,
      eos_token_id: 50257,
      forced_decoder_ids: [[1, 50259]],
      init_std: 0.02,
      is_encoder_decoder: true,
      max_length: 448,
      max_source_positions: 1500,
      max_target_positions: 448,
      model_type: "whisper",
      num_hidden_layers: 4,
      num_mel_bins: 80,
      pad_token_id: 50257,
      scale_embedding: false,
      suppress_tokens: [1, 2, 7],
      torch_dtype: "float32",
      transformers_version: "4.27.0.dev0",
      use_cache: true,
      vocab_size: 51865,
    }
    const model = whisper.build(whisper.readConfig(published))
    // the published file has 37.8 million weights, the encoder's positions among them
    expect(model.parameterCount() + 1500 * 384).toBe(37_760_640)
  })

  test("wav2vec2-base-960h", () => {
    const published = {
      activation_dropout: 0.1,
      apply_spec_augment: true,
      architectures: ["Wav2Vec2ForCTC"],
      attention_dropout: 0.1,
      bos_token_id: 1,
      codevector_dim: 256,
      contrastive_logits_temperature: 0.1,
      conv_bias: false,
      conv_dim: [512, 512, 512, 512, 512, 512, 512],
      conv_kernel: [10, 3, 3, 3, 3, 2, 2],
      conv_stride: [5, 2, 2, 2, 2, 2, 2],
      ctc_loss_reduction: "sum",
      ctc_zero_infinity: false,
      diversity_loss_weight: 0.1,
      do_stable_layer_norm: false,
      eos_token_id: 2,
      feat_extract_activation: "gelu",
      feat_extract_dropout: 0,
      feat_extract_norm: "group",
      feat_proj_dropout: 0.1,
      feat_quantizer_dropout: 0,
      final_dropout: 0.1,
      gradient_checkpointing: false,
      hidden_act: "gelu",
      hidden_dropout: 0.1,
      hidden_dropout_prob: 0.1,
      hidden_size: 768,
      initializer_range: 0.02,
      intermediate_size: 3072,
      layer_norm_eps: 1e-5,
      layerdrop: 0.1,
      mask_feature_length: 10,
      mask_feature_prob: 0,
      mask_time_length: 10,
      mask_time_prob: 0.05,
      model_type: "wav2vec2",
      num_attention_heads: 12,
      num_codevector_groups: 2,
      num_codevectors_per_group: 320,
      num_conv_pos_embedding_groups: 16,
      num_conv_pos_embeddings: 128,
      num_feat_extract_layers: 7,
      num_hidden_layers: 12,
      num_negatives: 100,
      pad_token_id: 0,
      proj_codevector_dim: 256,
      transformers_version: "4.7.0.dev0",
      vocab_size: 32,
    }
    const model = wav2vec2.build(wav2vec2.readConfig(published))
    expect(model.parameterCount()).toBe(94_396_320)
    expect(model.frames(16000)).toBe(49)
  })
})
