// Decoders are kept for the next text of the same model: their programs are recorded, their memory is there.

import type { Model } from "../models/model.ts"
import { chosenDevice } from "../runtime/index.ts"
import { CachedDecoder, type Decoder, type DecoderRequest } from "./decoder.ts"
import { forgetReaders } from "./source.ts"
import { WholeDecoder } from "./whole.ts"
import { isCaching, type WritingModel } from "./writing.ts"

interface Idle {
  readonly key: string
  readonly decoder: Decoder
}

/** What is asked of a decoder that is lent. */
export interface LendRequest extends DecoderRequest {
  /** false: everything is read again for each token. */
  readonly useCache: boolean
}

const idle = new WeakMap<Model, Idle[]>()
const idleLimit = 2

const keyOf = ({ batch, device, precision, cacheType, states, useCache }: LendRequest): string =>
  [batch, device ?? chosenDevice(), precision ?? "fp32", cacheType ?? "f32", states ?? false, useCache].join()

/** Runs `fn` with a decoder that nobody else uses; its programs and memory are kept for the next text of the same model. */
export async function* withDecoder<E>(
  model: WritingModel,
  request: LendRequest,
  fn: (decoder: Decoder) => AsyncGenerator<E, void, void>,
): AsyncGenerator<E, void, void> {
  const waiting = idle.get(model) ?? []
  idle.set(model, waiting)
  const key = keyOf(request)
  const capacity = Math.min(model.context, request.positions)
  const at = waiting.findIndex(one => one.key === key && one.decoder.capacity >= capacity)
  const decoder = at >= 0 ? waiting.splice(at, 1)[0]!.decoder : openDecoder(model, request)
  let failed = false
  try {
    yield* fn(decoder)
  } catch (problem) {
    failed = true
    throw problem
  } finally {
    // one that failed may hold broken numbers: it is not kept
    if (!failed) waiting.unshift({ key, decoder })
    waiting.length = Math.min(waiting.length, idleLimit)
  }
}

function openDecoder(model: WritingModel, request: LendRequest): Decoder {
  return request.useCache && isCaching(model) ? new CachedDecoder(model, request) : new WholeDecoder(model, request)
}

/** Forgets the programs and caches kept for a model; needed when its modules, not only its weights, were exchanged. */
export function forgetDecoders(model: Model): void {
  idle.delete(model)
  forgetReaders(model)
}
