// Tasks: text, sound or a picture in, answers out.
export type { Features, NestedNumbers } from "./features.ts"
export type { ModelParts, ProgressInfo } from "./open.ts"
export {
  type CallOf,
  findTask,
  type Pipeline,
  type PipelineOptions,
  pipeline,
  pipelineOptions,
  type TaskName,
  tasks,
} from "./pipeline.ts"
export { TextStreamer, type TextStreamerOptions } from "./streamer.ts"
export type { Answer, Opened, Task, TaskArgument } from "./task.ts"
