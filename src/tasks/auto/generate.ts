// model.generate(): ids in, ids out, as transformers gives them: with their prompt, in one tensor.

import { forgetDecoders, type GenerateOptions, generateIds, writingModel } from "../../generate/index.ts"
import { EncoderDecoder, type Model } from "../../models/index.ts"
import { HeedError, Tensor } from "../../tensor/index.ts"
import type { Tokenizer } from "../../text/index.ts"
import { HostTensor } from "../host-tensor.ts"
import { TextStreamer } from "../streamer.ts"
import type { Opened } from "../task.ts"
import { hostValue, inputTensor, type ModelInputs, withoutSegments } from "./inputs.ts"
import { streamInto } from "./streamed.ts"
import { whisperStarts } from "./whisper-starts.ts"

/** What was written, with return_dict_in_generate. */
export interface GeneratedOutputs {
  readonly sequences: HostTensor<Int32Array>
  /** Of beam search. */
  readonly sequences_scores?: HostTensor<Float32Array>
  /** [rows V] of each step as a token was chosen, with output_scores. */
  readonly scores?: readonly HostTensor<Float32Array>[]
  /** [rows V] of each step as the model made them, with output_logits. */
  readonly logits?: readonly HostTensor<Float32Array>[]
}

/** Writes on from inputs; options of generation may stand among the inputs or behind them. */
export interface GenerateCall {
  (
    inputs: ModelInputs & { readonly return_dict_in_generate: true },
    options?: Readonly<Record<string, unknown>>,
  ): Promise<GeneratedOutputs>
  (
    inputs: ModelInputs | HostTensor | Tensor,
    options?: Readonly<Record<string, unknown>>,
  ): Promise<HostTensor<Int32Array>>
}

/** The function of a model. Throws HeedError for models that do not write once it is called. */
export function generateCall(what: string, opened: Opened): GenerateCall {
  const { model, run } = opened
  const call = async (first: unknown, second: Readonly<Record<string, unknown>> = {}): Promise<unknown> => {
    writingModel(what, model)
    const bare = first instanceof HostTensor || first instanceof Tensor || Array.isArray(first)
    const whole = { ...(bare ? { inputs: first } : (first as object | undefined)), ...second } as Record<
      string,
      unknown
    >
    const { generation_config, return_dict_in_generate: asDict, ...given } = withoutSegments(model, whole)
    const { input, prompts, left } = inputsOf(what, model, given)
    const { output_scores, output_logits, streamer, tokenizer, assistant_model, ...rest } = {
      ...(generation_config as object | undefined),
      ...left,
    } as Record<string, unknown>
    const options = {
      ...run,
      ...(await startsOf(opened, input, rest)),
      ...(assistant_model ? { assistantModel: ownModel(assistant_model) } : {}),
      ...(output_logits ? { stepLogits: true } : {}),
      ...(output_scores ? { stepScores: true } : {}),
      ...(tokenizer ? { tokenizer: ownTokenizer(tokenizer) } : opened.tokenizer ? { tokenizer: opened.tokenizer } : {}),
    } as GenerateOptions
    const write = (more: GenerateOptions) => generateIds(model, input, { ...options, ...more })
    const result = streamer
      ? await streamInto(what, checkStreamer(what, streamer), prompts, options, write)
      : await write({})
    const sequences = prompts ? behindPrompts(prompts, result) : matrix(result.sequences)
    if (!asDict) return sequences
    const steps = (rows: readonly Float32Array[]): HostTensor<Float32Array>[] =>
      rows.map(
        row => new HostTensor<Float32Array>("float32", row, [sequences.dims[0]!, row.length / sequences.dims[0]!]),
      )
    return {
      sequences,
      ...(result.scores ? { sequences_scores: new HostTensor("float32", result.scores, [result.scores.length]) } : {}),
      ...(result.stepScores ? { scores: steps(result.stepScores) } : {}),
      ...(result.stepLogits ? { logits: steps(result.stepLogits) } : {}),
    }
  }
  return call as GenerateCall
}

/** Frees what generation keeps of a model. */
export const forget = (model: Model): void => forgetDecoders(model)

interface GenerationInputs {
  /** Ids without padding, or pixels or sound. */
  readonly input: readonly Int32Array[] | Tensor
  /** Of models that go on from a text: the ids as they were given. */
  readonly prompts: HostTensor<Int32Array> | null
  /** What else was given. */
  readonly left: Readonly<Record<string, unknown>>
}

/** What a model goes on from, or what its encoder reads. Throws HeedError. */
function inputsOf(what: string, model: Model, given: ModelInputs): GenerationInputs {
  const reads =
    model.family === "whisper"
      ? "input_features"
      : model.family === "vision-encoder-decoder"
        ? "pixel_values"
        : "input_ids"
  const { inputs, [reads]: named, attention_mask: mask, ...left } = given
  const value = named ?? inputs
  if (value === undefined || value === null)
    throw new HeedError(
      `${what}.generate: expected ${reads}, but got ${Object.keys(given).join(", ") || "nothing"}`,
      "pass what the tokenizer or the processor gives",
    )
  if (reads !== "input_ids")
    return {
      input: inputTensor(model, reads, value),
      prompts: null,
      left: mask === undefined ? left : { ...left, attentionMask: inputTensor(model, "attention_mask", mask) },
    }
  if (value instanceof Tensor)
    throw new HeedError(
      `${what}.generate: expected input_ids as numbers of the host, but got a lazy tensor`,
      "await x.read()",
    )
  const ids = hostValue(model, "input_ids", value)
  if (ids.dims.length !== 2)
    throw new HeedError(`${what}.generate: expected input_ids [texts, tokens], but got [${ids.dims.join(" ")}]`)
  const seen = mask === undefined || mask === null ? null : hostValue(model, "attention_mask", mask)
  if (seen && seen.size !== ids.size)
    throw new HeedError(
      `${what}.generate: expected attention_mask [${ids.dims.join(" ")}] as input_ids, but got [${seen.dims.join(" ")}]`,
    )
  const rows = Array.from({ length: ids.dims[0]! }, (_, i) =>
    Int32Array.from(ids.row(i)).filter((_, t) => seen === null || seen.row(i)[t] !== 0),
  )
  const writes = !(model instanceof EncoderDecoder)
  return { input: rows, prompts: writes ? (ids as HostTensor<Int32Array>) : null, left }
}

/** What the decoder begins with, where somebody says it; options besides. */
async function startsOf(
  opened: Opened,
  input: readonly Int32Array[] | Tensor,
  { decoder_input_ids, ...rest }: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const { model } = opened
  if (decoder_input_ids !== undefined && decoder_input_ids !== null) {
    const ids = hostValue(model, "decoder_input_ids", decoder_input_ids)
    return { ...rest, decoderInputIds: Array.from({ length: ids.dims[0]! }, (_, i) => ids.row(i)) }
  }
  return model.family === "whisper" && input instanceof Tensor ? whisperStarts(opened, input, rest) : rest
}

function checkStreamer(what: string, streamer: unknown): TextStreamer {
  if (streamer instanceof TextStreamer) return streamer
  throw new HeedError(
    `${what}.generate: expected a TextStreamer, but got ${typeof streamer}`,
    "new TextStreamer(tokenizer, { callback_function: text => … })",
  )
}

const ownModel = (given: unknown): Model =>
  typeof given === "function" && "model" in given ? (given.model as Model) : (given as Model)

const ownTokenizer = (given: unknown): Tokenizer =>
  typeof given === "function" && "tokenizer" in given ? (given.tokenizer as Tokenizer) : (given as Tokenizer)

type Result = Awaited<ReturnType<typeof generateIds>>

/** The prompts as they were given, with their padding, and what follows. */
function behindPrompts(prompts: HostTensor<Int32Array>, { sequences, newIds }: Result): HostTensor<Int32Array> {
  const most = Math.max(...newIds.map(row => row.length))
  const copies = newIds.length / prompts.dims[0]!
  return matrix(
    sequences.map((row, i) => {
      const prompt = prompts.row(Math.floor(i / copies))
      const whole = new Int32Array(prompt.length + most)
      whole.set(prompt)
      whole.set(row.subarray(row.length - most), prompt.length)
      return whole
    }),
  )
}

function matrix(rows: readonly Int32Array[]): HostTensor<Int32Array> {
  const T = rows[0]!.length
  const data = new Int32Array(rows.length * T)
  for (const [i, row] of rows.entries()) data.set(row, i * T)
  return new HostTensor<Int32Array>("int32", data, [rows.length, T])
}
