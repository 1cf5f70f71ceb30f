// Folders of models that read: BERT and its relatives.

import { anyText, bertFiles, gammas, type HubFolder, robertaFiles } from "./folder.ts"

const bert = {
  architectures: ["BertForMaskedLM"],
  attention_probs_dropout_prob: 0.1,
  gradient_checkpointing: false,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  hidden_size: 16,
  initializer_range: 0.02,
  intermediate_size: 32,
  layer_norm_eps: 1e-12,
  max_position_embeddings: 64,
  model_type: "bert",
  num_attention_heads: 2,
  num_hidden_layers: 2,
  pad_token_id: 0,
  position_embedding_type: "absolute",
  transformers_version: "4.6.0.dev0",
  type_vocab_size: 2,
  use_cache: true,
  vocab_size: 130,
}

const roberta = {
  architectures: ["RobertaForQuestionAnswering"],
  attention_probs_dropout_prob: 0.1,
  bos_token_id: 0,
  eos_token_id: 2,
  gradient_checkpointing: false,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  hidden_size: 16,
  initializer_range: 0.02,
  intermediate_size: 32,
  language: "english",
  layer_norm_eps: 1e-5,
  max_position_embeddings: 514,
  model_type: "roberta",
  name: "Roberta",
  num_attention_heads: 2,
  num_hidden_layers: 1,
  pad_token_id: 1,
  type_vocab_size: 1,
  vocab_size: 266,
}

const distilbert = {
  activation: "gelu",
  architectures: ["DistilBertForSequenceClassification"],
  attention_dropout: 0.1,
  dim: 16,
  dropout: 0.1,
  finetuning_task: "sst-2",
  hidden_dim: 32,
  id2label: { "0": "NEGATIVE", "1": "POSITIVE" },
  initializer_range: 0.02,
  label2id: { NEGATIVE: 0, POSITIVE: 1 },
  max_position_embeddings: 64,
  model_type: "distilbert",
  n_heads: 2,
  n_layers: 2,
  output_past: true,
  pad_token_id: 0,
  qa_dropout: 0.1,
  seq_classif_dropout: 0.2,
  sinusoidal_pos_embds: false,
  tie_weights_: true,
  vocab_size: 130,
}

const longformer = {
  attention_mode: "longformer",
  attention_probs_dropout_prob: 0.1,
  attention_window: [8],
  bos_token_id: 0,
  eos_token_id: 2,
  gradient_checkpointing: false,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  hidden_size: 16,
  ignore_attention_mask: false,
  initializer_range: 0.02,
  intermediate_size: 32,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 70,
  model_type: "longformer",
  num_attention_heads: 2,
  num_hidden_layers: 1,
  pad_token_id: 1,
  sep_token_id: 2,
  type_vocab_size: 1,
  vocab_size: 266,
}

const entityLabels = ["O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]

/** Folders by the name on the hub. */
export const encoderFolders: Readonly<Record<string, HubFolder>> = {
  "bert-base-uncased": {
    config: bert,
    files: bertFiles,
    old: gammas,
    extra: {
      "cls.seq_relationship.weight": [2, 16],
      "cls.seq_relationship.bias": [2],
      "bert.pooler.dense.weight": [16, 16],
      "bert.pooler.dense.bias": [16],
      "cls.predictions.decoder.weight": [130, 16],
    },
    calls: [{ task: "fill-mask", inputs: ["Paris is the [MASK] of France."], answer: "five" }],
  },
  "distilbert-base-uncased-finetuned-sst-2-english": {
    config: distilbert,
    files: bertFiles,
    weights: "safetensors",
    calls: [
      { task: "sentiment-analysis", inputs: ["This movie is great!"], answer: [{ label: anyText }] },
      {
        task: "text-classification",
        inputs: [["This movie is great!", "in the city"], { top_k: null }],
        answer: [
          [{ label: anyText }, { label: anyText }],
          [{ label: anyText }, { label: anyText }],
        ],
      },
    ],
  },
  "dslim/bert-base-NER": {
    config: {
      ...bert,
      _num_labels: 9,
      architectures: ["BertForTokenClassification"],
      id2label: Object.fromEntries(entityLabels.map((label, i) => [String(i), label])),
      label2id: Object.fromEntries(entityLabels.map((label, i) => [label, i])),
      max_length: 512,
      output_past: true,
    },
    files: {
      ...bertFiles,
      "tokenizer_config.json": {
        do_lower_case: false,
        max_len: 512,
        init_inputs: [],
        name_or_path: "/home/user/model",
        strip_accents: null,
        tokenize_chinese_chars: true,
      },
    },
    extra: {
      "bert.pooler.dense.weight": [16, 16],
      "bert.pooler.dense.bias": [16],
      "bert.embeddings.position_ids": [1, 64],
    },
    calls: [
      { task: "ner", inputs: ["my name is clara and i live in berkeley"], answer: "list" },
      {
        task: "token-classification",
        inputs: ["my name is clara", { aggregation_strategy: "simple" }],
        answer: "list",
      },
    ],
  },
  "deepset/roberta-base-squad2": {
    config: roberta,
    files: {
      ...robertaFiles,
      "tokenizer_config.json": { do_lower_case: false, model_max_length: 512, full_tokenizer_file: null },
      "special_tokens_map.json": {
        bos_token: "<s>",
        eos_token: "</s>",
        unk_token: "<unk>",
        sep_token: "</s>",
        pad_token: "<pad>",
        cls_token: "<s>",
        mask_token: { content: "<mask>", single_word: false, lstrip: true, rstrip: false, normalized: false },
      },
    },
    extra: {
      "roberta.embeddings.position_ids": [1, 514],
      "roberta.pooler.dense.weight": [16, 16],
      "roberta.pooler.dense.bias": [16],
    },
    calls: [
      {
        task: "question-answering",
        inputs: ["Where is the city?", "The city is in France, and the other is in Paris."],
        answer: { answer: anyText },
      },
      {
        task: "question-answering",
        inputs: [{ question: "Where is it?", context: "It is in France." }],
        answer: { answer: anyText },
      },
    ],
  },
  "sentence-transformers/all-MiniLM-L6-v2": {
    config: { ...bert, architectures: ["BertModel"], _name_or_path: "nreimers/MiniLM-L6-H384-uncased" },
    files: {
      ...bertFiles,
      "modules.json": [{ idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" }],
      "sentence_bert_config.json": { max_seq_length: 256, do_lower_case: false },
      "config_sentence_transformers.json": { __version__: { sentence_transformers: "2.0.0" } },
    },
    weights: "safetensors",
    extra: { "embeddings.position_ids": [1, 64] },
    calls: [
      {
        task: "feature-extraction",
        inputs: [["the city", "hello world"], { pooling: "mean", normalize: true }],
        answer: { dims: [2, 16] },
      },
      { task: "sentence-similarity", inputs: ["the city", ["hello", "world"]], answer: "list" },
    ],
  },
  "BAAI/bge-small-en-v1.5": {
    config: {
      ...bert,
      architectures: ["BertModel"],
      _name_or_path: "/root/.cache/torch/sentence_transformers/BAAI_bge-small-en/",
      classifier_dropout: null,
      id2label: { "0": "LABEL_0" },
      label2id: { LABEL_0: 0 },
      torch_dtype: "float32",
    },
    files: {
      ...bertFiles,
      "tokenizer_config.json": { tokenizer_class: "BertTokenizer", do_basic_tokenize: true, never_split: null },
    },
    extra: { "embeddings.position_ids": [1, 64] },
    calls: [
      {
        task: "feature-extraction",
        inputs: ["the city", { pooling: "cls", normalize: true }],
        answer: { dims: [1, 16] },
      },
    ],
  },
  "allenai/longformer-base-4096": {
    config: longformer,
    files: robertaFiles,
    extra: {
      "longformer.embeddings.position_ids": [1, 70],
      "longformer.pooler.dense.weight": [16, 16],
      "longformer.pooler.dense.bias": [16],
    },
    calls: [{ task: "fill-mask", inputs: ["the <mask> is in the city"], answer: "five" }],
  },
}
