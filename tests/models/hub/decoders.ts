// Folders of models that go on writing.

import { chat, data, decoder, goOn, gpt2Files, type HubFolder, lines, tiny, without, written } from "./folder.ts"

const gpt2 = {
  activation_function: "gelu_new",
  architectures: ["GPT2LMHeadModel"],
  attn_pdrop: 0.1,
  bos_token_id: 261,
  embd_pdrop: 0.1,
  eos_token_id: 261,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  model_type: "gpt2",
  n_ctx: 64,
  n_embd: 16,
  n_head: 2,
  n_layer: 2,
  n_positions: 64,
  resid_pdrop: 0.1,
  summary_activation: null,
  summary_first_dropout: 0.1,
  summary_proj_to_labels: true,
  summary_type: "cls_index",
  summary_use_proj: true,
  task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
  vocab_size: 262,
}

const reformer = {
  architectures: ["ReformerModelWithLMHead"],
  attention_head_size: 8,
  attention_probs_dropout_prob: 0.1,
  attn_layers: ["local", "lsh"],
  axial_norm_std: 1.0,
  axial_pos_embds: true,
  axial_pos_embds_dim: [4, 12],
  axial_pos_shape: [8, 8],
  chunk_size_feed_forward: 0,
  chunk_size_lm_head: 0,
  eos_token_id: 2,
  feed_forward_size: 32,
  hash_seed: null,
  hidden_act: "relu",
  hidden_dropout_prob: 0.05,
  hidden_size: 16,
  initializer_range: 0.02,
  intermediate_size: 3072,
  is_decoder: true,
  layer_norm_eps: 1e-12,
  local_attention_probs_dropout_prob: 0.05,
  local_attn_chunk_length: 8,
  local_num_chunks_after: 0,
  local_num_chunks_before: 1,
  lsh_attention_probs_dropout_prob: 0.0,
  lsh_attn_chunk_length: 8,
  lsh_num_chunks_after: 0,
  lsh_num_chunks_before: 1,
  max_position_embeddings: 64,
  model_type: "reformer",
  num_attention_heads: 2,
  num_buckets: [2, 4],
  num_chunks_after: 0,
  num_chunks_before: 1,
  num_hashes: 1,
  num_hidden_layers: 2,
  output_past: true,
  pad_token_id: 0,
  task_specific_params: { "text-generation": { do_sample: true, max_length: 100 } },
  vocab_size: 320,
}

const llamaFiles = (template: string | null, more: Readonly<Record<string, unknown>> = {}) => ({
  "tokenizer.model": data("llama.model"),
  "tokenizer_config.json": {
    add_bos_token: true,
    add_eos_token: false,
    bos_token: "<s>",
    eos_token: "</s>",
    unk_token: "<unk>",
    clean_up_tokenization_spaces: false,
    legacy: false,
    model_max_length: 1e30,
    tokenizer_class: "LlamaTokenizer",
    ...(template === null ? {} : { chat_template: template }),
    ...more,
  },
})

const chatML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

const tinyGrouped = { ...tiny, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 600 }
const gemmaTurns =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
const phiTurns =
  "{% for message in messages %}{% if message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
const addedToken = (content: string) => ({
  content,
  lstrip: false,
  normalized: false,
  rstrip: false,
  single_word: false,
  special: true,
})
const alphabet = "abcdefghijklmnopqrstuvwxyz".split("")

/** Folders by the name on the hub. */
export const decoderFolders: Readonly<Record<string, HubFolder>> = {
  gpt2: {
    config: gpt2,
    files: gpt2Files,
    weights: "safetensors",
    old: without("transformer."),
    extra: { "h.0.attn.bias": [1, 1, 64, 64], "h.1.attn.bias": [1, 1, 64, 64] },
    calls: [
      goOn("hello, the"),
      {
        task: "text-generation",
        inputs: ["hello", { max_new_tokens: 2, num_return_sequences: 2, do_sample: true }],
        answer: [written, written],
      },
    ],
  },
  distilgpt2: {
    config: { ...gpt2, _num_labels: 1, id2label: { "0": "LABEL_0" }, label2id: { LABEL_0: 0 }, n_layer: 1 },
    files: gpt2Files,
    weights: "row",
    extra: { "lm_head.weight": [262, 16], "transformer.h.0.attn.bias": [1, 1, 64, 64] },
    calls: [goOn("hello")],
  },
  "EleutherAI/gpt-neo-125m": {
    config: {
      ...decoder("GPT-Neo 125M"),
      ...{ hidden_size: 16, max_position_embeddings: 64, num_heads: 2, num_layers: 2, vocab_size: 262, window_size: 8 },
      attention_layers: ["global", "local"],
      attention_types: [[["global", "local"], 1]],
      bos_token_id: 261,
      eos_token_id: 261,
    },
    files: gpt2Files,
    extra: {
      "lm_head.weight": [262, 16],
      "transformer.h.0.attn.attention.bias": [1, 1, 64, 64],
      "transformer.h.0.attn.attention.masked_bias": [1],
    },
    calls: [goOn("hello")],
  },
  "HuggingFaceTB/SmolLM2-135M-Instruct": {
    config: { ...decoder("SmolLM2 135M"), ...tinyGrouped },
    files: {
      ...llamaFiles(chatML),
      "generation_config.json": {
        _from_model_config: true,
        bos_token_id: 1,
        eos_token_id: 2,
        pad_token_id: 2,
        transformers_version: "4.42.3",
      },
    },
    weights: "safetensors",
    calls: [chat, goOn("the cat")],
  },
  "meta-llama/Llama-3.2-1B": {
    config: { ...decoder("Llama 3.2 1B"), ...tinyGrouped, head_dim: 8, bos_token_id: 1, eos_token_id: 2 },
    files: {
      ...llamaFiles(null),
      "generation_config.json": {
        _from_model_config: true,
        bos_token_id: 1,
        do_sample: true,
        eos_token_id: 2,
        temperature: 0.6,
        top_p: 0.9,
        transformers_version: "4.45.0.dev0",
      },
    },
    weights: "safetensors",
    calls: [
      goOn("the cat"),
      { task: "text-generation", inputs: ["the cat", { max_new_tokens: 2 }], answer: [written] },
    ],
  },
  "mistralai/Mistral-7B-v0.1": {
    config: { ...decoder("Mistral 7B"), ...tinyGrouped, sliding_window: 8 },
    files: llamaFiles(null),
    extra: { "model.layers.0.self_attn.rotary_emb.inv_freq": [4] },
    calls: [goOn("the cat walked in the house and the cat walked")],
  },
  "google/gemma-2-2b-it": {
    config: {
      ...decoder("Gemma 2 9B"),
      ...tinyGrouped,
      head_dim: 8,
      sliding_window: 8,
      sliding_window_size: undefined,
      query_pre_attn_scalar: 8,
      eos_token_id: [1, 107],
    },
    files: {
      ...llamaFiles(gemmaTurns, { tokenizer_class: "GemmaTokenizer" }),
      "generation_config.json": {
        _from_model_config: true,
        bos_token_id: 2,
        cache_implementation: "hybrid",
        eos_token_id: [1, 107],
        pad_token_id: 0,
        transformers_version: "4.42.4",
      },
    },
    weights: "safetensors",
    calls: [chat],
  },
  "Qwen/Qwen2.5-0.5B-Instruct": {
    config: {
      ...decoder("Qwen 2.5 0.5B"),
      ...tinyGrouped,
      max_window_layers: 2,
      bos_token_id: 261,
      eos_token_id: 261,
      vocab_size: 280,
    },
    files: {
      ...gpt2Files,
      "tokenizer_config.json": {
        add_bos_token: false,
        add_prefix_space: false,
        added_tokens_decoder: {
          "261": addedToken("<|endoftext|>"),
          "262": addedToken("<|im_start|>"),
          "263": addedToken("<|im_end|>"),
        },
        additional_special_tokens: ["<|im_start|>", "<|im_end|>"],
        bos_token: null,
        chat_template: chatML,
        clean_up_tokenization_spaces: false,
        eos_token: "<|im_end|>",
        errors: "replace",
        model_max_length: 131072,
        pad_token: "<|endoftext|>",
        split_special_tokens: false,
        tokenizer_class: "Qwen2Tokenizer",
        unk_token: null,
      },
      "generation_config.json": {
        bos_token_id: 261,
        pad_token_id: 261,
        do_sample: true,
        eos_token_id: [263, 261],
        repetition_penalty: 1.1,
        temperature: 0.7,
        top_p: 0.8,
        top_k: 20,
        transformers_version: "4.37.0",
      },
    },
    weights: "safetensors",
    calls: [{ ...chat, inputs: [chat.inputs[0], { max_new_tokens: 2 }] }, chat],
  },
  "microsoft/Phi-3-mini-4k-instruct": {
    config: {
      ...decoder("Phi-3 mini 4k"),
      ...tinyGrouped,
      num_key_value_heads: 2,
      original_max_position_embeddings: 64,
      eos_token_id: 2,
      pad_token_id: 2,
    },
    files: {
      ...llamaFiles(phiTurns),
      "generation_config.json": {
        _from_model_config: true,
        bos_token_id: 1,
        eos_token_id: [2, 5, 7],
        pad_token_id: 2,
        transformers_version: "4.39.3",
      },
    },
    weights: "safetensors",
    calls: [chat],
  },
  "google/reformer-crime-and-punishment": {
    config: reformer,
    files: { "spiece.model": data("uni.model") },
    calls: [goOn("the cat")],
  },
  "transfo-xl-wt103": {
    config: {
      ...decoder("Transformer-XL on WikiText-103"),
      ...{ d_embed: 16, d_head: 8, d_inner: 32, d_model: 16, n_head: 2, n_layer: 2, mem_len: 8, tgt_len: 8 },
      ...{ cutoffs: [10, 20, 30], n_token: 40, vocab_size: 40, clamp_len: 8, div_val: 2 },
    },
    files: {},
    calls: [],
  },
  "openai-gpt": {
    config: { ...decoder("GPT"), n_ctx: 64, n_embd: 16, n_head: 2, n_layer: 2, n_positions: 64, vocab_size: 60 },
    files: {
      "vocab.json": Object.fromEntries(
        ["<unk>", ...alphabet, ...alphabet.map(letter => `${letter}</w>`), "the</w>", "th"].map((token, i) => [
          token,
          i,
        ]),
      ),
      "merges.txt": lines("#version: 0.2", "t h", "th e</w>"),
    },
    old: without("transformer."),
    extra: { "h.0.attn.bias": [1, 1, 64, 64] },
    calls: [goOn("the city")],
  },
}
