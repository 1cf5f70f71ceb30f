// Captioning by two published models (Li et al. 2021, "TrOCR"; nlpconnect/vit-gpt2-image-captioning): an encoder that sees, and a
// language model with cross-attention that writes. Their families are given, so that this file knows none of them.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { type Initializer, type KeyValueCache, Linear, type Memory } from "../nn/index.ts"
import { HeedError, type Tensor, ValueError } from "../tensor/index.ts"
import { defineModel, findFamily, type ModelFamily, type PublishedConfig } from "./definition.ts"
import { type DecodeOptions, type Encoded, EncoderDecoder, shiftRight } from "./encoder-decoder.ts"
import { type CacheRequest, describeModel, LanguageModel } from "./language-model.ts"
import type { ForwardOptions, Model } from "./model.ts"
import type { HeadOutput } from "./parts/heads.ts"
import { checkOptions } from "./parts/inputs.ts"
import { kinds } from "./published.ts"
import type { WeightRule, WeightTable } from "./weight-names.ts"

const partSchema = z.looseObject({ family: z.string() })

/** The options of a part: its family and that family's own. */
type PartConfig = z.output<typeof partSchema>

const config = declare(
  {
    head: option(z.enum(["generation"]), "what the model answers", { default: "generation" }),
    encoder: option(partSchema, "family and options of the model that sees", { default: { family: "vit" } }),
    decoder: option(partSchema, "family and options of the model that writes", { default: { family: "gpt2" } }),
    startToken: option(kinds.token, "id of the token the decoder begins with", {
      default: null,
      alias: "decoder_start_token_id",
    }),
    beginToken: option(kinds.token, "id of the token a text begins with", { default: null, alias: "bos_token_id" }),
    endToken: option(kinds.token, "id of the token a text ends with", { default: null, alias: "eos_token_id" }),
    padToken: option(kinds.token, "id of the token that fills short rows", { default: null, alias: "pad_token_id" }),
  },
  "vision-encoder-decoder",
)

/** Options of captioning models. */
export type VisionEncoderDecoderConfig = ValuesOf<typeof config>

/** A language model that can attend to a memory. */
interface AttendingModel extends LanguageModel {
  remember(memory: Tensor): readonly Memory[]
  score(hidden: Tensor, targets: Tensor | undefined): HeadOutput
}

function attending(model: Model): AttendingModel {
  if (model instanceof LanguageModel && model.config.crossAttention === true) return model as AttendingModel
  throw new HeedError(
    `vision-encoder-decoder: expected a decoder with cross-attention, but got ${describeModel(model)}`,
    "add_cross_attention: true in the decoder's configuration gives gpt2 what it needs",
  )
}

/** A model that writes what it sees. */
export class VisionEncoderDecoder extends EncoderDecoder {
  readonly family = "vision-encoder-decoder"
  readonly config: VisionEncoderDecoderConfig
  readonly encoder: Model
  readonly decoder: AttendingModel
  /** From the encoder's width to the decoder's, where they differ. */
  readonly projection: Linear | null

  constructor(config: VisionEncoderDecoderConfig, encoder: Model, decoder: Model, init: Initializer) {
    super()
    this.encoder = encoder
    this.decoder = attending(decoder)
    this.config = {
      ...config,
      encoder: { ...encoder.config, family: encoder.family },
      decoder: { ...decoder.config, family: decoder.family },
    }
    const [from, to] = [encoder.config.width as number, decoder.config.width as number]
    this.projection = from === to ? null : new Linear(init, from, to)
  }

  get context(): number {
    return this.decoder.context
  }

  get depth(): number {
    return this.decoder.depth
  }

  get encoderDepth(): number {
    return this.encoder.depth
  }

  /** Pixels f32 [B C H W] -> [B P+1 M]. */
  encode(pixels: Tensor, options: Pick<ForwardOptions, "attentionMask"> = {}): Encoded {
    checkOptions("vision-encoder-decoder", options, [])
    return this.within(() => ({ hidden: this.encoder.forward(pixels).hidden }))
  }

  remember(hidden: Tensor): readonly Memory[] {
    return this.within(() => this.decoder.remember(this.projection ? this.projection.forward(hidden) : hidden))
  }

  decode(ids: Tensor, options: DecodeOptions): Tensor {
    return this.within(() => this.decoder.forward(ids, options).hidden)
  }

  project(hidden: Tensor): Tensor {
    return this.decoder.project(hidden)
  }

  score(hidden: Tensor, labels: Tensor | undefined): HeadOutput {
    return this.decoder.score(hidden, labels)
  }

  decoderInputs(labels: Tensor): Tensor {
    const { startToken, beginToken, padToken } = this.config
    const start = startToken ?? beginToken
    if (start === null || padToken === null)
      throw new ValueError(
        "vision-encoder-decoder: expected startToken and padToken to make the decoder's input of labels, but got none",
        "set decoder_start_token_id and pad_token_id, or pass decoderInputIds",
      )
    return shiftRight(labels, start, padToken)
  }

  createCache(request: CacheRequest): KeyValueCache {
    return this.decoder.createCache(request)
  }
}

/** The table of a part inside the whole: names behind `encoder.` or `decoder.`. */
function partTable(
  part: "encoder" | "decoder",
  family: ModelFamily,
): (config: PartConfig) => Required<Pick<WeightTable, "rules" | "heads" | "skipped" | "optional" | "renamed">> {
  return config => {
    const {
      rules,
      prefix = "",
      bare = false,
      heads = [],
      skipped = [],
      optional = [],
      renamed = [],
    } = family.weightsOf(config)
    const whole = (name: string): string =>
      `${part}.${bare && name.startsWith(prefix) ? name.slice(prefix.length) : name}`
    return {
      rules: rules.map(([published, own, mark]): WeightRule => {
        const inside = [whole(published), `${part}.${own}`] as const
        if (typeof mark !== "object") return mark ? [...inside, mark] : inside
        return [...inside, { rows: all => mark.rows(all[part] as PartConfig) }]
      }),
      heads: heads.map(whole),
      skipped: skipped.map(whole),
      optional: optional.map(whole),
      renamed,
    }
  }
}

/** Keys of every published part, although a model that sees has no texts. */
const textKeys = ["bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings"]

/** The family of models that are made of an encoder and a decoder of these families. */
export function captioningFamily(
  families: readonly ModelFamily[],
): ModelFamily<VisionEncoderDecoderConfig, VisionEncoderDecoder> {
  const familyOf = (part: PartConfig): ModelFamily => findFamily(families, part.family, "vision-encoder-decoder")
  const codec = (head: string) => ({
    read: (published: unknown): unknown => {
      if (typeof published !== "object" || published === null) return published
      const { model_type: name, ...rest } = published as PublishedConfig
      const family = findFamily(families, name, "config.json")
      const known = head in family.architectures ? { head } : {}
      return { ...family.readConfig(rest, { ...known, ignore: textKeys }), family: family.name }
    },
    write: (own: unknown): unknown => familyOf(own as PartConfig).writeConfig(own as PartConfig),
  })
  const construct = (part: PartConfig, init: Initializer): Model => {
    const { family, ...options } = part
    return familyOf(part).construct(options, init)
  }
  return defineModel({
    name: "vision-encoder-decoder",
    config,
    architectures: { generation: "VisionEncoderDecoderModel" },
    build: (config, init) => {
      const head = "pooled" in familyOf(config.encoder).architectures ? { head: "pooled" } : {}
      const encoder = construct({ ...config.encoder, ...head }, init)
      const decoder = construct({ ...config.decoder, crossAttention: true }, init)
      return new VisionEncoderDecoder(config, encoder, decoder, init)
    },
    codecs: { encoder: codec("pooled"), decoder: codec("causal") },
    fixed: { is_encoder_decoder: [true] },
    harmless: ["tie_word_embeddings"], // each part says it for itself
    weights: ({ encoder, decoder }) => {
      const tables = [
        partTable("encoder", familyOf(encoder))(encoder),
        partTable("decoder", familyOf(decoder))(decoder),
      ]
      return {
        rules: [...tables.flatMap(table => table.rules), ["enc_to_dec_proj.*", "projection.*"]],
        heads: tables.flatMap(table => table.heads),
        skipped: tables.flatMap(table => table.skipped),
        // its answer is not used, and some files lack it
        optional: [
          ...tables.flatMap(table => table.optional),
          "encoder.pooler.dense.weight",
          "encoder.pooler.dense.bias",
        ],
        renamed: tables.flatMap(table => table.renamed),
      }
    },
  })
}
