// Data for training: corpora as ids, batches that can be resumed, texts out of files, and the tiny world.
export {
  type Batch,
  type BatchOptions,
  type BatchOrder,
  BatchSampler,
  type BatchState,
  checkSameCorpus,
  type EvaluationOptions,
  evaluationBatches,
} from "./batches.ts"
export { checkVocabulary, TokenDataset } from "./dataset.ts"
export { DataError } from "./errors.ts"
export { hash32, Random } from "./random.ts"
export {
  type Chunks,
  joinTexts,
  type RecordOptions,
  readCsv,
  readJsonl,
  readLines,
  readTexts,
  type TextRecord,
} from "./records.ts"
export * from "./world/index.ts"
