// A text passed to a streamer while it is written.

import type { GeneratedBatch, GenerateOptions } from "../../generate/index.ts"
import { HeedError } from "../../tensor/index.ts"
import type { HostTensor } from "../host-tensor.ts"
import type { TextStreamer } from "../streamer.ts"

/** Runs `write`, which takes further options, and tells the streamer each token. prompts: ids [1 T] that the text goes on from. */
export async function streamInto(
  what: string,
  streamer: TextStreamer,
  prompts: HostTensor<Int32Array> | null,
  options: GenerateOptions,
  write: (more: GenerateOptions) => Promise<GeneratedBatch>,
): Promise<GeneratedBatch> {
  const { tokenizer } = streamer
  if (!tokenizer)
    throw new HeedError(
      `${what}.generate: expected a streamer with a tokenizer, but got null`,
      "new TextStreamer(tokenizer)",
    )
  const { num_beams, num_return_sequences } = options as { readonly [name: string]: unknown }
  const texts = (prompts?.dims[0] ?? 1) * Number(options.numReturnSequences ?? num_return_sequences ?? 1)
  if (texts !== 1 || Number(options.numBeams ?? num_beams ?? 1) !== 1)
    throw new HeedError(
      `${what}.generate: expected one text without beams with a streamer, but got ${texts === 1 ? "beams" : `${texts} texts`}`,
      "call it once for each, or leave the streamer out",
    )
  const pieces = tokenizer.streamingDecoder({ skipSpecialTokens: true })
  const prompt = prompts ? prompts.row(0) : []
  for (const id of prompt) pieces.push(id) // what stands before decides how the first token is written
  if (prompts) streamer.begin(tokenizer.decode(prompt, { skipSpecialTokens: true }))
  let told = 0
  const tell = (id: number): void => {
    told++
    streamer.token({ id, text: pieces.push(id) })
  }
  const { stopping_criteria, stoppingCriteria = stopping_criteria ?? [] } = options as GenerateOptions & {
    readonly stopping_criteria?: GenerateOptions["stoppingCriteria"]
  }
  const result = await write({
    stoppingCriteria: [
      ({ ids }) => {
        tell(ids.at(-1)!)
        return false
      },
      ...stoppingCriteria,
    ],
  })
  for (const id of result.newIds[0]!.subarray(told)) tell(id) // the token that ended the text
  streamer.end(pieces.flush())
  return result
}
