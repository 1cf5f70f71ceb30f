// Options of wav2vec 2.0 and the published names of its weights; see wav2vec2.ts.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { ValueError } from "../tensor/index.ts"
import { harmlessSpanKeys, spanOptions } from "./parts/speech-options.ts"
import { activationCodec, checkHeads, kinds, sharedOptions } from "./published.ts"

import { stacked, type WeightTable } from "./weight-names.ts"

const sizes = z.array(kinds.count).min(1).max(64)
const rate = (help: string, alias: string) => option(kinds.rate, help, { default: 0.1, alias })

/** Options, by their published names. */
export const wav2vec2Options = declare(
  {
    head: option(z.enum(["letters", "none"]), "what the model answers", { default: "letters" }),
    vocabulary: option(kinds.count, "number of letters V, the blank among them", { default: 32, alias: "vocab_size" }),
    width: option(kinds.count, "width of the residual stream D", { default: 768, alias: "hidden_size" }),
    layers: option(kinds.count, "number of blocks L", { default: 12, alias: "num_hidden_layers" }),
    heads: option(kinds.count, "attention heads H", { default: 12, alias: "num_attention_heads" }),
    inner: option(kinds.count, "width of feed-forward layers F", { default: 3072, alias: "intermediate_size" }),
    activation: option(kinds.activation, "activation of feed-forward layers", { default: "gelu", alias: "hidden_act" }),
    normsFirst: option(z.boolean(), "norms before attention and feed-forward instead of after", {
      default: false,
      alias: "do_stable_layer_norm",
    }),
    channels: option(sizes, "channels of each convolution", {
      default: [512, 512, 512, 512, 512, 512, 512],
      alias: "conv_dim",
    }),
    strides: option(sizes, "steps between windows of each convolution", {
      default: [5, 2, 2, 2, 2, 2, 2],
      alias: "conv_stride",
    }),
    kernels: option(sizes, "positions of the windows of each convolution", {
      default: [10, 3, 3, 3, 3, 2, 2],
      alias: "conv_kernel",
    }),
    convolutionBias: option(z.boolean(), "add a bias in convolutions", { default: false, alias: "conv_bias" }),
    convolutionNorm: option(
      z.enum(["group", "layer"]),
      "normalize each channel over time behind the first convolution, or channels behind each",
      { default: "group", alias: "feat_extract_norm" },
    ),
    convolutionActivation: option(kinds.activation, "activation behind convolutions", {
      default: "gelu",
      alias: "feat_extract_activation",
    }),
    positionsKernel: option(kinds.count, "positions of the windows of the convolution that makes positions", {
      default: 128,
      alias: "num_conv_pos_embeddings",
    }),
    positionsGroups: option(kinds.count, "its groups of channels", {
      default: 16,
      alias: "num_conv_pos_embedding_groups",
    }),
    dropout: rate("rate of dropped block outputs in training", "hidden_dropout"),
    attentionDropout: rate("rate of dropped attention weights in training", "attention_dropout"),
    innerDropout: rate("rate of dropped inner activations in training", "activation_dropout"),
    soundDropout: option(kinds.rate, "rate of dropped sound features in training", {
      default: 0,
      alias: "feat_proj_dropout",
    }),
    finalDropout: rate("rate of dropped inputs of the head in training", "final_dropout"),
    layerDropout: rate("rate of skipped blocks in training", "layerdrop"),
    epsilon: option(z.number().positive(), "added to the variance in normalizations", {
      default: 1e-5,
      alias: "layer_norm_eps",
    }),
    reduction: option(z.enum(["sum", "mean"]), "how losses of several sounds become one", {
      default: "sum",
      alias: "ctc_loss_reduction",
    }),
    zeroInfinity: option(z.boolean(), "count texts that are too long for their sound as loss 0", {
      default: false,
      alias: "ctc_zero_infinity",
    }),
    ...spanOptions(true),
    ...sharedOptions,
    padToken: option(z.number().int().min(0), "id of the blank, which also fills short rows", {
      default: 0,
      alias: "pad_token_id",
    }),
  },
  "wav2vec2",
)

/** Options of wav2vec 2.0. */
export type Wav2Vec2Config = ValuesOf<typeof wav2vec2Options>

/** What else defines the family: fixed and harmless keys, checks, names of weights. */
export const wav2vec2Definition = {
  codecs: { activation: activationCodec, convolutionActivation: activationCodec },
  fixed: { add_adapter: [false], adapter_attn_dim: [null] },
  harmless: [
    ...harmlessSpanKeys,
    // what adapters, pre-training and other heads are built of
    ..."adapter_kernel_size adapter_stride num_adapter_layers output_hidden_size classifier_proj_size use_weighted_layer_sum tdnn_dim tdnn_kernel tdnn_dilation xvector_output_dim codevector_dim contrastive_logits_temperature diversity_loss_weight feat_quantizer_dropout num_codevector_groups num_codevectors_per_group num_negatives proj_codevector_dim".split(
      " ",
    ),
    // said by other options
    "num_feat_extract_layers",
    "hidden_dropout_prob",
    "feat_extract_dropout",
  ],
  check: (config: Wav2Vec2Config): void => {
    checkHeads("wav2vec2", config)
    const { channels, kernels, strides, width, positionsGroups, padToken, vocabulary } = config
    if (kernels.length !== channels.length || strides.length !== channels.length)
      throw new ValueError(
        `wav2vec2: expected a kernel and a stride for each of ${channels.length} convolutions, but got ${kernels.length} and ${strides.length}`,
      )
    if (width % positionsGroups !== 0)
      throw new ValueError(`wav2vec2: expected a width that ${positionsGroups} groups share evenly, but got ${width}`)
    if (padToken >= vocabulary)
      throw new ValueError(`wav2vec2: expected a blank below the vocabulary ${vocabulary}, but got ${padToken}`)
  },
  weights: ({ head }: Wav2Vec2Config): WeightTable<Wav2Vec2Config> => ({
    prefix: "wav2vec2.",
    bare: head === "none",
    heads: ["lm_head.", "quantizer.", "project_q.", "project_hid."],
    rules: [
      ["wav2vec2.feature_extractor.conv_layers.*.conv.*", "sound.*.convolution.*"],
      ["wav2vec2.feature_extractor.conv_layers.*.layer_norm.*", "sound.*.norm.*"],
      ["wav2vec2.feature_projection.layer_norm.*", "soundNorm.*"],
      ["wav2vec2.feature_projection.projection.*", "project.*"],
      ["wav2vec2.masked_spec_embed", "hiddenSpan"],
      ["wav2vec2.encoder.pos_conv_embed.conv.weight_g", "positions.convolution.scale"],
      ["wav2vec2.encoder.pos_conv_embed.conv.weight_v", "positions.convolution.direction"],
      ["wav2vec2.encoder.pos_conv_embed.conv.bias", "positions.convolution.bias"],
      ["wav2vec2.encoder.layer_norm.*", "norm.*"],
      ...stacked(
        ["q_proj", "k_proj", "v_proj"].map(part => `wav2vec2.encoder.layers.*.attention.${part}.*`),
        "blocks.*.attention.qkv.*",
        ({ width }: Wav2Vec2Config) => [width, width, width],
      ),
      ["wav2vec2.encoder.layers.*.attention.out_proj.*", "blocks.*.attention.out.*"],
      ["wav2vec2.encoder.layers.*.layer_norm.*", "blocks.*.attentionNorm.*"],
      ["wav2vec2.encoder.layers.*.feed_forward.intermediate_dense.*", "blocks.*.feedForward.up.*"],
      ["wav2vec2.encoder.layers.*.feed_forward.output_dense.*", "blocks.*.feedForward.down.*"],
      ["wav2vec2.encoder.layers.*.final_layer_norm.*", "blocks.*.feedForwardNorm.*"],
      ["lm_head.*", "head.*"],
    ],
    renamed: [
      [".parametrizations.weight.original0", ".weight_g"],
      [".parametrizations.weight.original1", ".weight_v"],
    ],
    optional: ["wav2vec2.masked_spec_embed"],
  }),
}
