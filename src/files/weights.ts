// The weights of a Hugging Face folder: safetensors before PyTorch's .bin, one file before shards.
import { join } from "node:path"
import { exists } from "./bytes-at.ts"
import { FileError } from "./errors.ts"
import { openSafetensors } from "./safetensors.ts"
import { openShards, type TensorFile } from "./tensor-file.ts"
import { openTorch } from "./torch.ts"

/** Names that weights have, in the order they are looked for. */
export const weightFiles = [
  { file: "model.safetensors", ending: ".safetensors", open: openSafetensors },
  { file: "pytorch_model.bin", ending: ".bin", open: openTorch },
] as const

/**
 * Opens a model's weights in a Hugging Face folder: `model.safetensors` or its shards, else `pytorch_model.bin` or its shards.
 * Throws FileError where none is there, or where index and shards disagree.
 */
export async function openWeights(folder: string): Promise<TensorFile> {
  for (const { file, ending, open } of weightFiles) {
    const single = join(folder, file)
    if (await exists(single)) return open(single)
    const index = `${single}.index.json`
    if (await exists(index)) return openShards(folder, index, ending, open)
  }
  if (!(await exists(folder)))
    throw new FileError(`${folder}: expected the folder of a model, but there is no such folder`, "check the path")
  throw new FileError(
    `${folder}: expected model.safetensors, pytorch_model.bin or the index of their shards, but got none of them`,
    "name the folder of a model; weights of TensorFlow, Flax or ONNX must be saved with safetensors first",
  )
}
