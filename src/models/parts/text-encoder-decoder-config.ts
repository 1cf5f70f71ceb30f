// Options and published names that BART, mBART, Pegasus and Marian share; see text-encoder-decoder.ts.

import { z } from "zod"
import { option } from "../../config/index.ts"
import type { Activation } from "../../nn/index.ts"
import { ValueError } from "../../tensor/index.ts"
import { activationCodec, kinds, sharedOptions } from "../published.ts"
import { stacked, type WeightTable } from "../weight-names.ts"

/** What the families' defaults differ in. */
interface TextDefaults {
  readonly vocabulary: number
  readonly layers: number
  readonly heads: number
  readonly inner: number
  readonly activation: Activation
  readonly scaleEmbedding: boolean
  readonly startToken: number | null
  readonly beginToken: number | null
  readonly endToken: number | null
  readonly padToken: number
}

/** Options of every family. */
export const textOptions = (defaults: TextDefaults) => ({
  vocabulary: option(kinds.count, "number of tokens V", { default: defaults.vocabulary, alias: "vocab_size" }),
  context: option(kinds.count, "positions each stack sees at once", {
    default: 1024,
    alias: "max_position_embeddings",
  }),
  width: option(kinds.count, "width of the residual stream D", { default: 1024, alias: "d_model" }),
  encoderLayers: option(kinds.count, "blocks of the encoder", { default: defaults.layers, alias: "encoder_layers" }),
  encoderHeads: option(kinds.count, "attention heads of the encoder", {
    default: defaults.heads,
    alias: "encoder_attention_heads",
  }),
  encoderInner: option(kinds.count, "width of the encoder's feed-forward layers", {
    default: defaults.inner,
    alias: "encoder_ffn_dim",
  }),
  decoderLayers: option(kinds.count, "blocks of the decoder", { default: defaults.layers, alias: "decoder_layers" }),
  decoderHeads: option(kinds.count, "attention heads of the decoder", {
    default: defaults.heads,
    alias: "decoder_attention_heads",
  }),
  decoderInner: option(kinds.count, "width of the decoder's feed-forward layers", {
    default: defaults.inner,
    alias: "decoder_ffn_dim",
  }),
  activation: option(kinds.activation, "activation of feed-forward layers", {
    default: defaults.activation,
    alias: "activation_function",
  }),
  dropout: option(kinds.rate, "rate of dropped embeddings and block outputs in training", {
    default: 0.1,
    alias: "dropout",
  }),
  attentionDropout: option(kinds.rate, "rate of dropped attention weights in training", {
    default: 0,
    alias: "attention_dropout",
  }),
  innerDropout: option(kinds.rate, "rate of dropped inner activations in training", {
    default: 0,
    alias: "activation_dropout",
  }),
  scaleEmbedding: option(z.boolean(), "multiply token embeddings by the root of their width", {
    default: defaults.scaleEmbedding,
    alias: "scale_embedding",
  }),
  tieEmbeddings: option(z.boolean(), "use the token embedding as output weights", {
    default: true,
    alias: "tie_word_embeddings",
  }),
  startToken: option(kinds.token, "id of the token the decoder begins with", {
    default: defaults.startToken,
    alias: "decoder_start_token_id",
  }),
  ...sharedOptions,
  deviation: option(z.number().min(0), "standard deviation of random weights", { default: 0.02, alias: "init_std" }),
  beginToken: option(kinds.token, sharedOptions.beginToken.help, {
    default: defaults.beginToken,
    alias: "bos_token_id",
  }),
  endToken: option(sharedOptions.endToken.schema, sharedOptions.endToken.help, {
    default: defaults.endToken,
    alias: "eos_token_id",
  }),
  padToken: option(z.number().int().min(0), sharedOptions.padToken.help, {
    default: defaults.padToken,
    alias: "pad_token_id",
  }),
})

/** What the shared parts are built of. */
export interface TextConfig {
  readonly [option: string]: unknown
  readonly vocabulary: number
  readonly context: number
  readonly width: number
  readonly encoderLayers: number
  readonly encoderHeads: number
  readonly encoderInner: number
  readonly decoderLayers: number
  readonly decoderHeads: number
  readonly decoderInner: number
  readonly activation: Activation
  readonly dropout: number
  readonly attentionDropout: number
  readonly innerDropout: number
  readonly scaleEmbedding: boolean
  readonly tieEmbeddings: boolean
  readonly deviation: number
  readonly padToken: number
}

const mostLayers = 10_000

/** Checks options against each other. Throws ValueError. */
export function checkText(family: string, config: TextConfig): void {
  for (const stack of ["encoder", "decoder"] as const) {
    const heads = config[`${stack}Heads`] as number
    const layers = config[`${stack}Layers`] as number
    if (config.width % heads !== 0)
      throw new ValueError(
        `${family}: expected a width that the ${stack}'s ${heads} heads share evenly, but got ${config.width}`,
        `the nearest is ${Math.max(1, Math.round(config.width / heads)) * heads}`,
      )
    if (layers > mostLayers)
      throw new ValueError(`${family}: expected at most ${mostLayers} layers in the ${stack}, but got ${layers}`)
  }
  if (config.padToken >= config.vocabulary)
    throw new ValueError(
      `${family}: expected a padding token below the vocabulary ${config.vocabulary}, but got ${config.padToken}`,
    )
}

/** What the definitions of the families share. */
export const textDefinition = {
  codecs: { activation: activationCodec },
  fixed: {
    is_encoder_decoder: [true],
    encoder_layerdrop: [0],
    decoder_layerdrop: [0],
    add_bias_logits: [false],
  },
  /** Switches of summaries and evaluations elsewhere, and numbers that the options say already. */
  harmless: [
    "num_hidden_layers",
    "classif_dropout",
    "classifier_dropout",
    "output_past",
    "force_bos_token_to_be_generated",
    "save_step",
    "replacing_rate",
    "student_encoder_layers",
    "student_decoder_layers",
  ],
} as const

/** Published names of the stacks' weights. */
export const textRules: WeightTable<TextConfig>["rules"] = [
  ["model.encoder.layernorm_embedding.*", "encoder.embeddingNorm.*"],
  ["model.decoder.layernorm_embedding.*", "decoder.embeddingNorm.*"],
  ...(["encoder", "decoder"] as const).flatMap((stack): WeightTable<TextConfig>["rules"] => {
    const published = `model.${stack}.layers.*`
    const own = `${stack}.blocks.*`
    return [
      ...stacked(
        ["q_proj", "k_proj", "v_proj"].map(part => `${published}.self_attn.${part}.*`),
        `${own}.attention.qkv.*`,
        ({ width }: TextConfig) => [width, width, width],
      ),
      [`${published}.self_attn.out_proj.*`, `${own}.attention.out.*`],
      [`${published}.self_attn_layer_norm.*`, `${own}.attentionNorm.*`],
      [`${published}.encoder_attn.q_proj.*`, `${own}.cross.query.*`],
      [`${published}.encoder_attn.k_proj.*`, `${own}.cross.key.*`],
      [`${published}.encoder_attn.v_proj.*`, `${own}.cross.value.*`],
      [`${published}.encoder_attn.out_proj.*`, `${own}.cross.out.*`],
      [`${published}.encoder_attn_layer_norm.*`, `${own}.crossNorm.*`],
      [`${published}.fc1.*`, `${own}.feedForward.up.*`],
      [`${published}.fc2.*`, `${own}.feedForward.down.*`],
      [`${published}.final_layer_norm.*`, `${own}.feedForwardNorm.*`],
      [`model.${stack}.layer_norm.*`, `${stack}.norm.*`],
    ]
  }),
  ["final_logits_bias", "head.bias"],
  ["lm_head.weight", "head.weight", "tied"],
]

/** Published names of one vocabulary for both stacks. */
export const sharedTokenRules: WeightTable<TextConfig>["rules"] = [
  ["model.shared.weight", "tokens.weight"],
  ["model.encoder.embed_tokens.weight", "tokens.weight", "tied"],
  ["model.decoder.embed_tokens.weight", "tokens.weight", "tied"],
]

/** Published names of learned positions. */
export const learnedPositionRules: WeightTable<TextConfig>["rules"] = [
  ["model.encoder.embed_positions.weight", "encoder.positions.rows.weight"],
  ["model.decoder.embed_positions.weight", "decoder.positions.rows.weight"],
]
