// The head of a decoder: the next token's logits, or the classes of a text.

import type { Embedding, Initializer } from "../../nn/index.ts"
import { HeedError, type Tensor } from "../../tensor/index.ts"
import type { ForwardOptions } from "../model.ts"
import { ClassificationHead, type ClassificationKind, type HeadOutput, nextTokens, VocabularyHead } from "./heads.ts"

/** Either of them. */
export type LanguageHead = VocabularyHead | ClassificationHead

/** The options a head is made of. */
export interface LanguageHeadConfig {
  readonly head: string
  readonly width: number
  readonly tieEmbeddings: boolean
  readonly deviation: number
  readonly labels: readonly string[]
  readonly problem: ClassificationKind | null
  readonly padToken: number | null
}

/** The head that the option `head` names: "classification", else the next token. */
export function languageHead(init: Initializer, tokens: Embedding, config: LanguageHeadConfig): LanguageHead {
  const { head, width, tieEmbeddings: tied, deviation, labels, problem: kind, padToken } = config
  if (head === "classification")
    return new ClassificationHead(init, width, { classes: labels.length, deviation, kind, padToken })
  return new VocabularyHead(init, tokens, { tied: tied || head === "none", deviation })
}

/** Logits and loss of the stream [B T D] behind ids [B T]. */
export function scoreText(head: LanguageHead, hidden: Tensor, ids: Tensor, options: ForwardOptions): HeadOutput {
  if (head instanceof VocabularyHead) return head.forward(hidden, nextTokens(ids, options))
  return head.forward(hidden, ids, options)
}

/** Logits [… V] of hidden [… D]. Throws HeedError for a classifier. */
export function projectText(head: LanguageHead, hidden: Tensor): Tensor {
  if (head instanceof VocabularyHead) return head.project(hidden)
  throw new HeedError("project: expected a causal model, but got a classifier", 'build it with head "causal"')
}
