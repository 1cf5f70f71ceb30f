// Adaptive embeddings and softmax for large vocabularies (Grave et al. 2017; Baevski and Auli 2019): ids, sorted by frequency, are cut
// into sections; rarer sections have narrower embeddings, and each of them is one class of the softmax over the most frequent one.

import {
  concat,
  full,
  linear,
  linearCrossEntropy,
  logicalAnd,
  logSoftmax,
  matmul,
  type Parameter,
  type Tensor,
  ValueError,
  where,
} from "../tensor/index.ts"
import { checkInteger } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Embedding, Linear } from "./layers.ts"
import { Module } from "./module.ts"

/** Sizes of a vocabulary in sections. */
export interface AdaptiveSizes {
  readonly vocabulary: number
  /** First id of each section but the first, rising. */
  readonly cutoffs: readonly number[]
  /** Width of the stream D. */
  readonly width: number
  /** Width of embeddings of the first section E. */
  readonly embeddingWidth: number
  /** How many times narrower each section is than the one before. 1: all sections are rows of one table. */
  readonly shrink: number
}

/** Ids start .. end-1, whose embeddings have this width. */
export interface Section {
  readonly start: number
  readonly end: number
  readonly width: number
}

/** The sections of a vocabulary. Throws ValueError for cutoffs that do not rise within it, or a section without width. */
export function sectionsOf({ vocabulary, cutoffs, embeddingWidth, shrink }: AdaptiveSizes): readonly Section[] {
  checkInteger("adaptive vocabulary", "the shrinking", shrink, 1)
  const ends = [...cutoffs, vocabulary]
  if (ends.some((end, i) => end <= (ends[i - 1] ?? 0)))
    throw new ValueError(
      `adaptive vocabulary: expected cutoffs that rise within the ${vocabulary} tokens, but got ${cutoffs.join(", ")}`,
    )
  return ends.map((end, i) => {
    const width = Math.floor(embeddingWidth / shrink ** i)
    if (width < 1)
      throw new ValueError(
        `adaptive vocabulary: expected embeddings wide enough for ${ends.length} sections, but got ${embeddingWidth}`,
        `each is ${shrink} times narrower than the one before`,
      )
    return { start: ends[i - 1] ?? 0, end, width }
  })
}

/** How the weights of adaptive embeddings and softmax begin. */
export interface AdaptiveDeviations {
  readonly deviation: number
  /** Of projections. */
  readonly projectionDeviation: number
}

/** ids i32 [any] -> √D · projected rows [any D]. */
export class AdaptiveEmbedding extends Module {
  /** One for each section, or a single one. */
  readonly tables: readonly Embedding[]
  /** [D E_i] for each table; none where a single table is as wide as the stream. */
  readonly projections: readonly Linear[]
  readonly sizes: AdaptiveSizes
  readonly sections: readonly Section[]

  constructor(init: Initializer, sizes: AdaptiveSizes, { deviation, projectionDeviation }: AdaptiveDeviations) {
    super()
    const { vocabulary, width, embeddingWidth, shrink } = sizes
    this.sizes = sizes
    this.sections = sectionsOf(sizes)
    const tables = shrink === 1 ? [{ start: 0, end: vocabulary, width: embeddingWidth }] : this.sections
    this.tables = tables.map(one => new Embedding(init, one.end - one.start, one.width, { deviation }))
    this.projections =
      shrink === 1 && width === embeddingWidth
        ? []
        : tables.map(one => new Linear(init, one.width, width, { bias: false, deviation: projectionDeviation }))
  }

  forward(ids: Tensor): Tensor {
    const parts = this.tables.map((table, i) => {
      if (this.tables.length === 1) return this.#wide(table.forward(ids), i)
      const { start, end } = this.sections[i]!
      // the last section takes all that is left, so that ids out of range are noticed
      const inside = i === this.tables.length - 1 ? ids.ge(start) : logicalAnd(ids.ge(start), ids.lt(end))
      const rows = table.forward(where(inside, ids.sub(start), full([], 0, "i32")))
      return this.#wide(where(inside.unsqueeze(-1), rows, full([], 0)), i)
    })
    return parts.reduce((sum, part) => sum.add(part)).mul(Math.sqrt(this.sizes.width))
  }

  #wide(rows: Tensor, i: number): Tensor {
    return this.projections[i]?.forward(rows) ?? rows
  }
}

/** Options of AdaptiveSoftmax. */
export interface AdaptiveSoftmaxOptions extends AdaptiveDeviations {
  /** true: the embedding's tables are the output weights. */
  readonly tied: boolean
  /** For each section, whether the embedding's projection serves in the output too. */
  readonly tiedProjections: readonly boolean[]
}

/** Logits of a section (with those of the rarer sections as classes behind the first) come from these. */
interface SectionWeights {
  /** [B T E_i] */
  readonly hidden: Tensor
  /** [n E_i] */
  readonly rows: Tensor
  /** [n] */
  readonly bias: Tensor
}

/** hidden [B T D] -> log-probabilities of all tokens [B T V]. */
export class AdaptiveSoftmax extends Module {
  /** [sections-1 E]: the rarer sections as classes. */
  readonly clusterWeight: Parameter | null
  readonly clusterBias: Parameter | null
  /** As the embedding's tables are divided. */
  readonly biases: readonly Parameter[]
  /** Where they are not the embedding's. */
  readonly tables: readonly Parameter[]
  /** [D E_i]; null where the embedding's serves, or there is none. */
  readonly projections: readonly (Parameter | null)[]
  readonly #embedding: AdaptiveEmbedding

  constructor(init: Initializer, embedding: AdaptiveEmbedding, options: AdaptiveSoftmaxOptions) {
    super()
    const { sections, sizes, tables, projections } = embedding
    const { deviation, projectionDeviation, tied, tiedProjections } = options
    const clusters = sections.length - 1
    this.#embedding = embedding
    this.clusterWeight = clusters > 0 ? init.normal([clusters, sizes.embeddingWidth], deviation) : null
    this.clusterBias = clusters > 0 ? init.constant([clusters], 0) : null
    this.biases = tables.map(({ weight }) => init.constant([weight.shape[0]!], 0))
    this.tables = tied ? [] : tables.map(({ weight }) => init.normal(weight.shape, deviation))
    this.projections = sections.map(({ width }, i) => {
      if (projections.length === 0 || tiedProjections[i]) return null
      return init.normal([sizes.width, sizes.shrink === 1 ? sizes.embeddingWidth : width], projectionDeviation)
    })
  }

  /** What the logits of section i are made of. */
  #section(hidden: Tensor, i: number): SectionWeights {
    const { tables, projections, sections } = this.#embedding
    const rowsOf = (at: number): Tensor => this.tables[at] ?? tables[at]!.weight
    const single = tables.length === 1
    const { start, end } = sections[i]!
    const part = (x: Tensor): Tensor => (single && sections.length > 1 ? x.slice(0, start, end) : x.current())
    const rows = part(rowsOf(single ? 0 : i))
    const bias = part(this.biases[single ? 0 : i]!)
    const projection = this.projections[i] ?? (single ? projections[0] : projections[i])?.weight
    const narrow = projection ? matmul(hidden, projection.cast("f32")) : hidden
    if (i > 0 || !this.clusterWeight) return { hidden: narrow, rows, bias }
    return {
      hidden: narrow,
      rows: concat([rows, this.clusterWeight]),
      bias: concat([bias, this.clusterBias!]),
    }
  }

  forward(hidden: Tensor): Tensor {
    const { sections } = this.#embedding
    const scores = sections.map((_, i) => {
      const { hidden: narrow, rows, bias } = this.#section(hidden, i)
      return logSoftmax(linear(narrow, rows, bias), -1)
    })
    const [head, ...tails] = scores as [Tensor, ...Tensor[]]
    const frequent = sections[0]!.end
    return concat(
      [
        head.slice(-1, 0, frequent),
        ...tails.map((tail, i) => tail.add(head.slice(-1, frequent + i, frequent + i + 1))), // p(section) · p(token)
      ],
      -1,
    )
  }

  /** -log p of targets i32 [B T], 0 where they are below 0: [B T]. The log-probabilities of other tokens never exist. */
  losses(hidden: Tensor, targets: Tensor): Tensor {
    return this.within(() => {
      const { sections } = this.#embedding
      const frequent = sections[0]!.end
      const none = full([], -100, "i32")
      const known = where(targets.ge(0), targets, none)
      const classes = sections
        .slice(1)
        .reduce((found, { start }, i) => where(known.ge(start), full([], frequent + i, "i32"), found), known)
      return sections
        .map(({ start, end }, i) => {
          const { hidden: narrow, rows, bias } = this.#section(hidden, i)
          // the last section takes all that is left, so that ids out of range are noticed
          const inside = i === sections.length - 1 ? known.ge(start) : logicalAnd(known.ge(start), known.lt(end))
          const wanted = i === 0 ? classes : where(inside, known.sub(start), none)
          return linearCrossEntropy(narrow, rows, wanted, { bias, reduction: "none" })
        })
        .reduce((sum, one) => sum.add(one))
    })
  }
}
