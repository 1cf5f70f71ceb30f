// image-to-text: a caption for a picture.

import { declare } from "../config/index.ts"
import { type GenerateOptions, generateIds } from "../generate/index.ts"
import { type ImageSource, pictureProcessor, readImage } from "../media/index.ts"
import { EncoderDecoder } from "../models/index.ts"
import { listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"
import type { GeneratedText } from "./text-generation.ts"

const name = "image-to-text"

const options = declare({}, name)

type CallOptions = GenerateOptions & { readonly [name: string]: unknown }

/** Captions of a picture (several with numReturnSequences), or of each of several pictures. */
export interface ImageToText {
  (image: ImageSource, options?: CallOptions): Promise<GeneratedText[]>
  (images: readonly ImageSource[], options?: CallOptions): Promise<GeneratedText[][]>
}

function open(opened: Opened): ImageToText {
  const { model, run, preprocessor } = opened
  if (!(model instanceof EncoderDecoder) || model.family !== "vision-encoder-decoder")
    refuseModel(name, model, "a model that captions pictures (vision-encoder-decoder)")
  const tokenizer = needTokenizer(name, opened)
  const processor = pictureProcessor(preprocessor ?? {})

  const answer = async (inputs: ImageSource | readonly ImageSource[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf(name, inputs)
    const pixels = processor.process(await Promise.all(list.map(image => readImage(image))))
    const { newIds } = await generateIds(model, pixels, { ...run, ...given, tokenizer })
    const copies = newIds.length / list.length
    const captions = list.map((_, i) =>
      newIds
        .slice(i * copies, (i + 1) * copies)
        .map((ids): GeneratedText => ({ generated_text: tokenizer.decode(ids, { skipSpecialTokens: true }).trim() })),
    )
    return single ? captions[0] : captions
  }
  return answer as ImageToText
}

/** The task. */
export const imageToText: Task<ImageToText> = {
  name,
  aliases: ["image-captioning"],
  summary: "a caption for a picture",
  options,
  generates: true,
  arguments: [{ name: "image", help: "a picture file or its URL", many: true }],
  fromWords: words => [words],
  open,
}
