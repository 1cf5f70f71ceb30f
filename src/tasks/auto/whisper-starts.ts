// What Whisper's decoder begins with when generate() is asked for a language, a task or times.

import { HeedError, type Tensor } from "../../tensor/index.ts"
import type { Opened } from "../task.ts"
import { heardLanguages } from "../whisper-recognition.ts"
import { timestampRules } from "../whisper-timestamps.ts"
import { whisperPrompt, whisperTokens } from "../whisper-tokens.ts"

/** Options of generation with the decoder's first ids for each of several sounds, features [B mels frames]. Throws HeedError, ValueError. */
export async function whisperStarts(
  { model, tokenizer, generation, run }: Opened,
  features: Tensor,
  given: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const { language, task, return_timestamps: timestamps, is_multilingual, ...rest } = given
  const known = { ...generation, ...(is_multilingual === undefined ? {} : { is_multilingual }) }
  const asked = language !== undefined || task !== undefined || timestamps !== undefined
  if (!tokenizer && generation.no_timestamps_token_id === undefined) {
    if (!asked) return rest
    throw new HeedError(
      "generate: expected a Whisper with its tokenizer or its generation_config.json for language, task and times, but there is neither",
      "pass decoder_input_ids instead",
    )
  }
  const tokens = whisperTokens({ generation: known, tokenId: token => tokenizer?.tokenId(token) })
  const count = features.shape[0]!
  const languages =
    typeof language === "string" || !tokens.tasks
      ? new Array<string | undefined>(count).fill(language as string | undefined)
      : await heardLanguages(model, features, tokens, { ...run })
  const rules = timestamps === true ? [timestampRules(tokens)] : []
  const own = (rest.logits_processor ?? rest.logitsProcessor ?? []) as readonly unknown[]
  const { logits_processor: _, ...others } = rest
  return {
    ...others,
    ...(rules.length + own.length > 0 ? { logitsProcessor: [...rules, ...own] } : {}),
    decoderInputIds: languages.map(one =>
      whisperPrompt(tokens, {
        ...(one === undefined ? {} : { language: one }),
        ...(task === undefined ? {} : { task: task as "transcribe" }),
        timestamps: timestamps === true,
      }),
    ),
  }
}
