// CLIP (Radford et al. 2021, "Learning transferable visual models from natural language supervision"): texts and images in one space,
// trained to find which text belongs to which image.

import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import type { Initializer } from "../nn/index.ts"
import {
  arange,
  crossEntropy,
  HeedError,
  type Parameter,
  ShapeError,
  type Tensor,
  ValueError,
} from "../tensor/index.ts"
import {
  ClipText,
  type ClipTextConfig,
  type ClipTowerOutput,
  ClipVision,
  type ClipVisionConfig,
  clipTextNames,
  clipTextOptions,
  clipVisionNames,
  clipVisionOptions,
} from "./clip-towers.ts"
import { defineModel, type ModelFamily, type PublishedConfig } from "./definition.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { checkOptions } from "./parts/inputs.ts"
import { collectOutputs, type OutputTaps, stackTaps } from "./parts/outputs.ts"
import { normalized } from "./parts/pooling.ts"
import { activationCodec, checkHeads, kinds } from "./published.ts"

/** What a call of CLIP may use besides its ids. */
export interface ClipOptions extends ForwardOptions {
  /** f32 [N C H W] */
  readonly pixelValues?: Tensor
}

/** What CLIP gives; `hidden` is the text tower's. */
export interface ClipOutput extends ModelOutput {
  /** [B E] of length 1. */
  readonly textEmbeds: Tensor
  /** [N E] of length 1. */
  readonly imageEmbeds: Tensor
  /** [N B], how well each text fits each image. */
  readonly logitsPerImage: Tensor
  /** [B N] */
  readonly logitsPerText: Tensor
  /** Where there are as many texts as images: the mean loss of finding each one's partner, text i being of image i. */
  readonly loss?: Tensor
  readonly text: ClipTowerOutput
  readonly vision: ClipTowerOutput
}

function checkVision(config: ClipVisionConfig): void {
  checkHeads("clip_vision_model", config)
  if (config.patch > config.image)
    throw new ValueError(
      `clip_vision_model: expected patches within images of ${config.image} × ${config.image} pixels, but got ${config.patch} × ${config.patch}`,
    )
}

const checkText = (config: ClipTextConfig): void => checkHeads("clip_text_model", config)

const towerKeys = ["problem_type", "tie_word_embeddings", "dropout"]
const unseen = ["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"]

/** The text tower alone. */
export const clipText = defineModel({
  name: "clip_text_model",
  config: clipTextOptions,
  architectures: { pooled: "CLIPTextModel", projected: "CLIPTextModelWithProjection" },
  build: (config, init) => new ClipText(config, init),
  codecs: { activation: activationCodec },
  harmless: towerKeys,
  check: checkText,
  weights: {
    rules: clipTextNames<ClipTextConfig>("", config => config.width),
    heads: ["text_projection.", "vision_model.", "visual_projection.", "logit_scale"],
    skipped: unseen,
  },
})

/** The image tower alone. */
export const clipVision = defineModel({
  name: "clip_vision_model",
  config: clipVisionOptions,
  architectures: { pooled: "CLIPVisionModel", projected: "CLIPVisionModelWithProjection" },
  build: (config, init) => new ClipVision(config, init),
  codecs: { activation: activationCodec },
  harmless: [...towerKeys, "bos_token_id", "eos_token_id", "pad_token_id", "vocab_size"],
  check: checkVision,
  weights: {
    rules: clipVisionNames<ClipVisionConfig>("", config => config.width),
    heads: ["visual_projection.", "text_model.", "text_projection.", "logit_scale"],
    skipped: unseen,
  },
})

const anything = z.record(z.string(), z.unknown())

const config = declare(
  {
    head: option(z.enum(["contrastive"]), "what the model answers", { default: "contrastive" }),
    text: option(
      anything.transform(given => clipTextOptions.parse(given)),
      "options of the text tower",
      { default: clipTextOptions.parse({}), alias: "text_config" },
    ),
    vision: option(
      anything.transform(given => clipVisionOptions.parse(given)),
      "options of the image tower",
      { default: clipVisionOptions.parse({}), alias: "vision_config" },
    ),
    projection: option(kinds.count, "width of the shared space E", { default: 512, alias: "projection_dim" }),
    logitScale: option(z.number(), "logarithm of the factor of similarities, at first", {
      default: 2.6592,
      alias: "logit_scale_init_value",
    }),
    factor: option(z.number().min(0), "factor of the deviations of random weights", {
      default: 1,
      alias: "initializer_factor",
    }),
  },
  "clip",
)

/** Options of CLIP. */
export type ClipConfig = ValuesOf<typeof config>

/** CLIP: two towers and the factor of their similarities. Taps: those of its towers below `text.` and `vision.`. */
export class Clip extends Model {
  readonly family = "clip"
  readonly config: ClipConfig
  readonly text: ClipText
  readonly vision: ClipVision
  /** 0-d: the logarithm of the factor of similarities. */
  readonly logitScale: Parameter

  constructor(config: ClipConfig, init: Initializer) {
    super()
    const { projection } = config
    this.config = config
    this.text = new ClipText({ ...config.text, head: "projected", projection }, init)
    this.vision = new ClipVision({ ...config.vision, head: "projected", projection }, init)
    this.logitScale = init.constant([], config.logitScale)
  }

  get context(): number {
    return this.text.context
  }

  /** Blocks of the text tower. */
  get depth(): number {
    return this.text.depth
  }

  /** Token ids i32 [B T] -> the text tower's output; `projected` [B E] is not normalized. */
  encodeText(ids: Tensor, options: ForwardOptions = {}): ClipTowerOutput {
    return this.within(() => this.text.forward(ids, options))
  }

  /** Pixels f32 [N C H W] -> the image tower's output; `projected` [N E] is not normalized. */
  encodeImage(pixels: Tensor, options: ForwardOptions = {}): ClipTowerOutput {
    return this.within(() => this.vision.forward(pixels, options))
  }

  /** Token ids i32 [B T] and `pixelValues` f32 [N C H W] -> vectors, similarities and the loss. */
  forward(ids: Tensor, options: ClipOptions = {}): ClipOutput {
    checkOptions("clip", options, ["pixelValues", "attentionMask", "positionIds", "outputs"])
    const { pixelValues, outputs, ...reading } = options
    if (!pixelValues)
      throw new HeedError(
        "clip: expected pixelValues, but got none",
        "encodeText reads texts, encodeImage images alone",
      )
    const text = this.text.forward(ids, reading)
    const vision = this.vision.forward(pixelValues)
    const [textEmbeds, imageEmbeds] = [normalized(text.projected!), normalized(vision.projected!)]
    const logitsPerText = textEmbeds.matmul(imageEmbeds.transpose()).mul(this.logitScale.exp())
    const logitsPerImage = logitsPerText.transpose()
    const [B, N] = logitsPerText.shape as [number, number]
    const loss = B === N ? contrastiveLoss(logitsPerText) : null
    const scores = { textEmbeds, imageEmbeds, logitsPerText, logitsPerImage, ...(loss ? { loss } : {}) }
    return this.#collect(scores, text, vision, outputs)
  }

  /** One output of the scores and both towers' outputs with the inner values that were asked for, in one graph. */
  #collect(
    scores: Omit<ClipOutput, "hidden" | "text" | "vision">,
    text: ClipTowerOutput,
    vision: ClipTowerOutput,
    outputs: ForwardOptions["outputs"],
  ): ClipOutput {
    const named = (tower: string, output: ClipTowerOutput) =>
      Object.entries(output).map(([name, value]) => [`${tower}.${name}`, value as Tensor] as const)
    const taps = (tower: string, depth: number): OutputTaps => ({
      ...(outputs?.hiddenStates ? { [`${tower}.hiddenStates`]: stackTaps.hidden(depth, `${tower}.`) } : {}),
      ...(outputs?.attentions ? { [`${tower}.attentions`]: stackTaps.attention(depth, `${tower}.`) } : {}),
    })
    const flat = collectOutputs(
      { ...scores, ...Object.fromEntries([...named("text", text), ...named("vision", vision)]) },
      { ...taps("text", this.text.depth), ...taps("vision", this.vision.depth) },
    )
    const part = (tower: string): ClipTowerOutput =>
      Object.fromEntries(
        Object.entries(flat).flatMap(([name, value]) =>
          name.startsWith(`${tower}.`) ? [[name.slice(tower.length + 1), value]] : [],
        ),
      ) as unknown as ClipTowerOutput
    const whole = Object.fromEntries(Object.entries(flat).filter(([name]) => !name.includes("."))) as typeof scores
    const [seenText, seenVision] = [part("text"), part("vision")]
    return { ...whole, hidden: seenText.hidden, text: seenText, vision: seenVision }
  }
}

/** Cross-entropy of finding partners, rows and columns alike: logits [B B], where i belongs to i. Throws ShapeError. */
export function contrastiveLoss(logits: Tensor): Tensor {
  const [B, N] = logits.shape as [number, number]
  if (B !== N)
    throw new ShapeError(`contrastiveLoss: expected as many rows as columns, but got [${logits.shape.join(" ")}]`)
  const partners = arange(B)
  return crossEntropy(logits, partners).add(crossEntropy(logits.transpose(), partners)).div(2)
}

/** How a tower's options stand inside CLIP's configuration: without an architecture of their own. */
function towerCodec(family: Pick<ModelFamily, "readConfig" | "writeConfig" | "name">, key: string) {
  return {
    read: (published: unknown) => {
      if (typeof published !== "object" || published === null) return published ?? {}
      return family.readConfig({ ...published, architectures: null }, { source: `config.json: ${key}` })
    },
    write: (own: unknown) => {
      const { architectures: _, ...rest } = family.writeConfig(own as Readonly<Record<string, unknown>>)
      return rest
    },
  }
}

const pair = defineModel({
  name: "clip",
  config,
  architectures: { contrastive: "CLIPModel" },
  build: (config, init) => new Clip(config, init),
  codecs: {
    text: towerCodec(clipText as unknown as ModelFamily, "text_config"),
    vision: towerCodec(clipVision as unknown as ModelFamily, "vision_config"),
  },
  check: ({ text, vision }) => {
    checkText(text)
    checkVision(vision)
  },
  weights: {
    rules: [
      ...clipTextNames<ClipConfig>("text.", config => config.text.width),
      ...clipVisionNames<ClipConfig>("vision.", config => config.vision.width),
      ["logit_scale", "logitScale"],
    ],
    skipped: unseen,
  },
})

/** Older files say some options of a tower a second time, in `text_config_dict` and `vision_config_dict`; these count. */
function joined(published: PublishedConfig): PublishedConfig {
  const { text_config_dict: text, vision_config_dict: vision, ...rest } = published
  const both = (key: string, more: unknown): object =>
    typeof more === "object" && more !== null ? { [key]: { ...(published[key] as object | null), ...more } } : {}
  return { ...rest, ...both("text_config", text), ...both("vision_config", vision) }
}

/** The CLIP family. */
export const clip: typeof pair = {
  ...pair,
  readConfig: (published, options) => pair.readConfig(joined(published), options),
}
