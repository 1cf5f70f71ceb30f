// image-classification: which class a picture is of.

import { z } from "zod"
import { declare, type InputOf, option } from "../config/index.ts"
import { type ImageSource, pictureProcessor, readImage } from "../media/index.ts"
import { compile, readOn } from "../runtime/index.ts"
import type { Tensor } from "../tensor/index.ts"
import { largest, softmaxRow } from "./encoder.ts"
import { readCall } from "./options.ts"
import { labelsOf, listOf, type Opened, refuseModel, type Task } from "./task.ts"
import type { Classification } from "./text-classification.ts"

const name = "image-classification"

const options = declare(
  {
    topK: option(z.int().min(1).nullable(), "How many classes are given, most likely first; all where null", {
      default: 5,
    }),
  },
  name,
)

type CallOptions = InputOf<typeof options> & { readonly [name: string]: unknown }

/** The classes of a picture, or of each of several. */
export interface ImageClassification {
  (image: ImageSource, options?: CallOptions): Promise<Classification[]>
  (images: readonly ImageSource[], options?: CallOptions): Promise<Classification[][]>
}

function open(opened: Opened): ImageClassification {
  const { model, run, preprocessor } = opened
  if (model.family !== "vit" || model.config.head !== "classification")
    refuseModel(name, model, "a model that classifies pictures")
  const labels = labelsOf(model)
  const processor = pictureProcessor(preprocessor ?? {})
  const forward = compile((pixels: Tensor) => model.inEvaluation(() => model.forward(pixels).logits!), run)

  const answer = async (inputs: ImageSource | readonly ImageSource[], given: CallOptions = {}): Promise<unknown> => {
    const { list, single } = listOf(name, inputs)
    const { topK, signal } = readCall(options, given)
    const pixels = processor.process(await Promise.all(list.map(image => readImage(image, signal ? { signal } : {}))))
    const logits = await forward.run([pixels], signal ? { signal } : {})
    const [data] = await readOn(run.device, [logits])
    const N = logits.shape[1]!
    const classes = list.map((_, i) => {
      const scores = softmaxRow((data as Float32Array).subarray(i * N, (i + 1) * N))
      return largest(scores, topK).map((k): Classification => ({ label: labels[k] ?? `LABEL_${k}`, score: scores[k]! }))
    })
    return single ? classes[0] : classes
  }
  return answer as ImageClassification
}

/** The task. */
export const imageClassification: Task<ImageClassification> = {
  name,
  aliases: [],
  summary: "which class a picture is of",
  options,
  arguments: [{ name: "image", help: "a picture file or its URL", many: true }],
  fromWords: words => [words],
  open,
}
