// AutoProcessor, AutoImageProcessor, AutoFeatureExtractor: pictures and sound as what models are called with.

import { z } from "zod"
import { type Declaration, declare, option } from "../../config/index.ts"
import {
  type AudioSource,
  type ImageSource,
  logMelExtractor,
  pictureProcessor,
  readAudio,
  readImage,
  waveformExtractor,
} from "../../media/index.ts"
import { read } from "../../runtime/index.ts"
import { HeedError, type Tensor } from "../../tensor/index.ts"
import { HostTensor } from "../host-tensor.ts"
import { openBeside } from "../open.ts"
import { openingOf, type PipelineOptions } from "../opening.ts"
import { splitOwn } from "../options.ts"
import { type FolderFile, listOf } from "../task.ts"
import { saveFiles } from "./save.ts"
import { type PretrainedTokenizer, pretrainedTokenizer } from "./tokenizer.ts"

/** What models of pictures and sound are called with; which of them, the model's kind says. */
export type Processed = {
  readonly pixel_values: HostTensor<Float32Array>
  readonly input_features: HostTensor<Float32Array>
  readonly input_values: HostTensor<Float32Array>
  readonly attention_mask: HostTensor<Int32Array>
  readonly input_ids: HostTensor<Int32Array>
}

type Source = ImageSource | AudioSource

/** Pictures, sound and, by AutoProcessor, texts: `processor(image)`, or `processor({ text, images, audio })`. */
export interface PretrainedProcessor {
  (
    inputs:
      | Source
      | readonly Source[]
      | { readonly text?: unknown; readonly images?: unknown; readonly audio?: unknown },
    options?: Readonly<Record<string, unknown>>,
  ): Promise<Processed>
  readonly tokenizer: PretrainedTokenizer | null
  readonly batch_decode: PretrainedTokenizer["batch_decode"]
  readonly decode: PretrainedTokenizer["decode"]
  readonly apply_chat_template: PretrainedTokenizer["apply_chat_template"]
  /** preprocessor_config.json. */
  readonly config: FolderFile
  save_pretrained(folder: string): Promise<void>
}

type Sense = "pictures" | "sound"

const soundOptions = declare(
  { samplingRate: option(z.number().positive().optional(), "Hz of samples that are given; the model's unless given") },
  "processor",
)
const pictureOptions = declare({}, "processor")

/** Which sense a preprocessor_config.json is for. */
function senseOf(config: FolderFile): Sense {
  const kind = String(config.feature_extractor_type ?? config.image_processor_type ?? "")
  return /Whisper|Wav2Vec2|Seq2Seq|Speech/.test(kind) || "sampling_rate" in config ? "sound" : "pictures"
}

type Process = (inputs: unknown, options: Readonly<Record<string, unknown>>) => Promise<Partial<Processed>>

function picturesOf(config: FolderFile): Process {
  const processor = pictureProcessor(config)
  return async (inputs, given) => {
    pictureOptions.parse(given)
    const { list } = listOf("processor", inputs as ImageSource | readonly ImageSource[])
    return { pixel_values: await onHost(processor.process(await Promise.all(list.map(image => readImage(image))))) }
  }
}

function soundOf(config: FolderFile): Process {
  const whisper = /Whisper/.test(String(config.feature_extractor_type)) || "hop_length" in config
  const mel = whisper ? logMelExtractor(config) : null
  const waves = whisper ? null : waveformExtractor(config)
  const { samplingRate } = (mel ?? waves)!
  return async (inputs, given) => {
    const { samplingRate: rate = samplingRate } = soundOptions.parse(given)
    const { list } = listOf("processor", inputs as AudioSource | readonly AudioSource[])
    const sounds = await Promise.all(
      list.map(source =>
        readAudio(source instanceof Float32Array ? { samples: source, samplingRate: rate } : source, { samplingRate }),
      ),
    )
    if (mel) return { input_features: await onHost(mel.extract(sounds)) }
    const { inputValues, attentionMask } = waves!.extract(sounds)
    return {
      input_values: await onHost(inputValues),
      ...(attentionMask ? { attention_mask: await onHost<Int32Array>(attentionMask) } : {}),
    }
  }
}

async function onHost<A extends Float32Array | Int32Array = Float32Array>(x: Tensor): Promise<HostTensor<A>> {
  return new HostTensor<A>(x.dtype === "i32" ? "int32" : "float32", (await read(x)) as A, x.shape)
}

const isNamed = (inputs: unknown): inputs is Readonly<Record<"text" | "images" | "audio", unknown>> =>
  typeof inputs === "object" && inputs !== null && ("text" in inputs || "images" in inputs || "audio" in inputs)

interface ProcessorClass {
  readonly name: string
  /** Throws HeedError for a model of another sense, FileError, ConfigError, MediaError. */
  from_pretrained(
    nameOrFolder: string,
    options?: Omit<PipelineOptions, "dtype" | "device">,
  ): Promise<PretrainedProcessor>
}

function processorClass(name: string, senses: readonly Sense[], withText: boolean): ProcessorClass {
  return {
    name,
    from_pretrained: async (nameOrFolder, options = {}) => {
      const beside = await openBeside(nameOrFolder, openingOf(name, options))
      const { preprocessor } = beside
      if (!preprocessor)
        throw new HeedError(
          `${name}: expected preprocessor_config.json in ${nameOrFolder}, but there is none`,
          "models that read text alone have AutoTokenizer",
        )
      const sense = senseOf(preprocessor)
      if (!senses.includes(sense))
        throw new HeedError(
          `${name}: expected a model of ${senses.join(" or ")}, but ${nameOrFolder} is one of ${sense}`,
          sense === "sound" ? "AutoFeatureExtractor or AutoProcessor opens it" : "AutoImageProcessor opens it",
        )
      const tokenizer = withText && beside.tokenizer ? pretrainedTokenizer(beside.tokenizer, beside) : null
      return processorOf(name, preprocessor, sense, tokenizer)
    },
  }
}

function processorOf(
  name: string,
  config: FolderFile,
  sense: Sense,
  tokenizer: PretrainedTokenizer | null,
): PretrainedProcessor {
  const process = sense === "pictures" ? picturesOf(config) : soundOf(config)
  const needed = (): PretrainedTokenizer => {
    if (tokenizer) return tokenizer
    throw new HeedError(`${name}: expected a tokenizer for text, but there is none`, "AutoTokenizer opens tokenizers")
  }
  const call = async (inputs: unknown, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> => {
    if (!isNamed(inputs)) return process(inputs, given)
    const { text, images, audio, ...rest } = { ...inputs, ...given }
    const seen = sense === "pictures" ? images : audio
    const wrong = sense === "pictures" ? audio : images
    if (wrong !== undefined && wrong !== null)
      throw new HeedError(`${name}: expected ${sense}, but got ${sense === "pictures" ? "audio" : "images"}`)
    const own = splitOwn((sense === "pictures" ? pictureOptions : soundOptions) as Declaration, rest)
    const encoded = text === undefined || text === null ? {} : needed()(text as string, own.rest)
    const media = seen === undefined || seen === null ? {} : await process(seen, own.own)
    if (Object.keys(own.rest).length > 0 && (text === undefined || text === null)) pictureOptions.parse(own.rest) // refused
    return { ...encoded, ...media }
  }
  return Object.assign(call, {
    tokenizer,
    config,
    batch_decode: ((...args) => needed().batch_decode(...args)) as PretrainedTokenizer["batch_decode"],
    decode: ((...args) => needed().decode(...args)) as PretrainedTokenizer["decode"],
    apply_chat_template: ((...args: Parameters<PretrainedTokenizer["apply_chat_template"]>) =>
      needed().apply_chat_template(...args)) as PretrainedTokenizer["apply_chat_template"],
    save_pretrained: async (folder: string) => {
      await saveFiles(folder, { "preprocessor_config.json": config })
      await tokenizer?.save_pretrained(folder)
    },
  }) as PretrainedProcessor
}

/** Opens what prepares pictures or sound, with the tokenizer beside it. */
export const AutoProcessor = processorClass("AutoProcessor", ["pictures", "sound"], true)

/** Opens what prepares pictures. */
export const AutoImageProcessor = processorClass("AutoImageProcessor", ["pictures"], false)

/** Opens what prepares sound; older folders call that of pictures so, too. */
export const AutoFeatureExtractor = processorClass("AutoFeatureExtractor", ["sound", "pictures"], false)

/** A picture with three channels; `RawImage.read` in transformers.js. */
export const load_image = (source: ImageSource) => readImage(source)

/** Pictures by path, URL or bytes. */
export const RawImage = { read: load_image, fromURL: load_image }

/** Mono samples at a rate in Hz. */
export const read_audio = (source: AudioSource, samplingRate: number) => readAudio(source, { samplingRate })
