// Files on disk: safetensors, run folders with checkpoints, text corpora. `pure.ts` is the part that runs in a browser.
export { type FileContent, type FileWriter, removeLeftovers, writeFileAtomic, writeFolderAtomic } from "./atomic.ts"
export { JsonLines, type Row } from "./jsonl.ts"
export * from "./pure.ts"
export { type BestMark, type Checkpoint, createRun, openRun, Run, type RunOptions } from "./run.ts"
export { openSafetensors, openWeights, type TensorFile, writeSafetensors } from "./safetensors.ts"
export { type ReadTextOptions, readJsonFile, readTextFile } from "./text.ts"
