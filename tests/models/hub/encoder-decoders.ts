// Folders of models that read a text and write another.

import { anyText, data, encoderDecoder, type HubFolder, robertaFiles, tinyTwoStacks, write } from "./folder.ts"

const tinyT5 = { d_ff: 32, d_kv: 8, d_model: 16, num_heads: 2, num_layers: 1, num_decoder_layers: 1, vocab_size: 200 }

/** Folders by the name on the hub. */
export const encoderDecoderFolders: Readonly<Record<string, HubFolder>> = {
  "facebook/bart-large-mnli": {
    config: { ...encoderDecoder("facebook/bart-large-mnli"), ...tinyTwoStacks, vocab_size: 266 },
    files: { ...robertaFiles, "tokenizer_config.json": { model_max_length: 1024, task_specific_params: null } },
    extra: { "model.encoder.version": [1], "model.decoder.version": [1] },
    calls: [
      {
        task: "zero-shot-classification",
        inputs: ["one day I will see the world", ["travel", "cooking"]],
        answer: { sequence: "one day I will see the world" },
      },
    ],
  },
  "facebook/bart-large-cnn": {
    config: { ...encoderDecoder("facebook/bart-large-cnn"), ...tinyTwoStacks, vocab_size: 266 },
    files: {
      ...robertaFiles,
      "generation_config.json": {
        _from_model_config: true,
        bos_token_id: 0,
        decoder_start_token_id: 2,
        early_stopping: true,
        eos_token_id: 2,
        forced_bos_token_id: 0,
        forced_eos_token_id: 2,
        length_penalty: 2.0,
        max_length: 142,
        min_length: 56,
        no_repeat_ngram_size: 3,
        num_beams: 4,
        pad_token_id: 1,
        transformers_version: "4.27.0.dev0",
      },
    },
    extra: { "model.encoder.version": [1], "model.decoder.version": [1] },
    calls: [
      {
        task: "summarization",
        inputs: ["the city is in the north", { max_length: 8, min_length: 2 }],
        answer: [{ summary_text: anyText }],
      },
    ],
  },
  "t5-small": {
    config: { ...encoderDecoder("t5-small"), ...tinyT5 },
    files: { "spiece.model": data("t5.model") },
    extra: {
      "encoder.embed_tokens.weight": [200, 16],
      "decoder.embed_tokens.weight": [200, 16],
      "lm_head.weight": [200, 16],
      "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": [32, 2],
    },
    calls: [
      write("translation_en_to_de", "the cat", "translation_text"),
      write("summarization", "the cat", "summary_text"),
    ],
  },
  "google/flan-t5-base": {
    config: { ...encoderDecoder("google/flan-t5-base"), ...tinyT5 },
    files: {
      "spiece.model": data("t5.model"),
      "generation_config.json": {
        _from_model_config: true,
        decoder_start_token_id: 0,
        eos_token_id: 1,
        pad_token_id: 0,
        transformers_version: "4.26.0.dev0",
      },
    },
    weights: "safetensors",
    extra: { "encoder.embed_tokens.weight": [200, 16], "decoder.embed_tokens.weight": [200, 16] },
    calls: [write("text2text-generation", "the cat", "generated_text")],
  },
  "Helsinki-NLP/opus-mt-en-de": {
    config: {
      ...encoderDecoder("Helsinki-NLP/opus-mt-en-de"),
      ...tinyTwoStacks,
      vocab_size: 31,
      decoder_start_token_id: 30,
      pad_token_id: 30,
      bad_words_ids: [[30]],
    },
    files: {
      "source.spm": data("t5.model"),
      "target.spm": data("uni.model"),
      "vocab.json": Object.fromEntries(
        ["</s>", "<unk>", "▁the", "▁cat", ..."abcdefghijklmnopqrstuvwxyz", "<pad>"].map((piece, id) => [piece, id]),
      ),
      "tokenizer_config.json": { source_lang: "en", target_lang: "de" },
    },
    extra: { final_logits_bias: [1, 31], "model.encoder.embed_tokens.weight": [31, 16] },
    calls: [write("translation", "the cat", "translation_text")],
  },
  "google/pegasus-xsum": {
    config: { ...encoderDecoder("google/pegasus-xsum"), ...tinyTwoStacks, vocab_size: 320 },
    files: { "spiece.model": data("t5.model"), "tokenizer_config.json": { model_max_length: 512 } },
    extra: { "model.encoder.embed_positions.weight": [64, 16], "lm_head.weight": [320, 16] },
    calls: [write("summarization", "the cat", "summary_text")],
  },
  "facebook/mbart-large-50-many-to-many-mmt": {
    config: {
      ...encoderDecoder("facebook/mbart-large-50-many-to-many-mmt"),
      ...tinyTwoStacks,
      vocab_size: 420,
      decoder_start_token_id: 2,
      max_length: 30,
    },
    files: {
      "sentencepiece.bpe.model": data("uni.model"),
      "tokenizer_config.json": {
        src_lang: null,
        tgt_lang: null,
        language_codes: "ML50",
        tokenizer_class: "MBart50Tokenizer",
      },
    },
    calls: [
      {
        task: "translation",
        inputs: ["the cat", { src_lang: "en_XX", tgt_lang: "de_DE", max_new_tokens: 3 }],
        answer: [{ translation_text: anyText }],
      },
    ],
  },
}
