// Tasks: text, sound or a picture in, answers out.
export * from "./auto/index.ts"
export type { Features } from "./features.ts"
export { HostTensor as Tensor, type HostType, type NestedNumbers, type SliceOf } from "./host-tensor.ts"
export type { ModelParts, ProgressInfo } from "./open.ts"
export { type PipelineOptions, pipelineOptions } from "./opening.ts"
export {
  type CallOf,
  findTask,
  type Pipeline,
  pipeline,
  type TaskName,
  tasks,
} from "./pipeline.ts"
export { TextStreamer, type TextStreamerOptions } from "./streamer.ts"
export type { Answer, Opened, Task, TaskArgument } from "./task.ts"
