// What GPT, GPT-2 and GPT-Neo have in common in their published configurations.

import { z } from "zod"
import { option } from "../../config/index.ts"
import { classifierOptions, kinds, sharedOptions } from "../published.ts"

/** Norms and heads, which GPT-Neo has, too. */
export const gptHeadOptions = {
  epsilon: option(z.number().positive(), "added to the variance in normalizations", {
    default: 1e-5,
    alias: "layer_norm_epsilon",
  }),
  tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
    default: true,
    alias: "tie_word_embeddings",
  }),
  ...classifierOptions,
  ...sharedOptions,
}

/** Options of GPT and GPT-2. */
export const gptOptions = (defaults: { readonly vocabulary: number; readonly context: number }) => ({
  head: option(z.enum(["causal", "classification"]), "what the model answers", { default: "causal" }),
  vocabulary: option(kinds.count, "number of tokens V", { default: defaults.vocabulary, alias: "vocab_size" }),
  context: option(kinds.count, "positions seen at once", {
    default: defaults.context,
    alias: ["n_positions", "n_ctx"],
  }),
  width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "n_embd" }),
  layers: option(kinds.count, "number of blocks L", { default: 12, alias: "n_layer" }),
  heads: option(kinds.count, "attention heads H", { default: 12, alias: "n_head" }),
  embeddingDropout: option(kinds.rate, "rate of dropped embeddings in training", {
    default: 0.1,
    alias: "embd_pdrop",
  }),
  residualDropout: option(kinds.rate, "rate of dropped block outputs in training", {
    default: 0.1,
    alias: "resid_pdrop",
  }),
  attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
    default: 0.1,
    alias: "attn_pdrop",
  }),
  ...gptHeadOptions,
})

/** Published keys of a head that is not built here. */
export const summaryKeys = [
  "summary_type",
  "summary_use_proj",
  "summary_activation",
  "summary_proj_to_labels",
  "summary_first_dropout",
] as const
