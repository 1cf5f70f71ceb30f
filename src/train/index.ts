// Training: objectives, optimizers, schedules, the loop and its events.
export { restoreTraining, saveTraining, type TrainingState } from "./checkpoint.ts"
export {
  checkTraining,
  makeOptimizer,
  type OptimizerName,
  optimizerNames,
  scheduleOptions,
  type TrainingConfig,
  type TrainingInput,
  trainingConfig,
  trainingOptions,
} from "./config.ts"
export * from "./events.ts"
export { type Lesson, type LessonTensors, lessonTensors, modelLoss, type Rows } from "./lesson.ts"
export { type TrainOptions, train } from "./loop.ts"
export { type LanguageMetrics, languageMetrics, Pace, type TextSize, textSize } from "./metrics.ts"
export { causalLanguageModelling, ignoredTarget, type Objective } from "./objective.ts"
export {
  clipByGlobalNorm,
  type DecayOptions,
  followRule,
  globalNorm,
  type Optimizer,
  type UpdateRule,
} from "./optimizer.ts"
export * from "./optimizers/index.ts"
export { checkSchedule, type ScheduleName, type ScheduleOptions, scheduleFactor, scheduleNames } from "./schedule.ts"
export { type Evaluation, evaluation, type StepResult, type TrainingStep, trainingStep } from "./step.ts"
export { type TrainOnEvent, type TrainOnOptions, trainOn, trainOnOptions } from "./train-on.ts"
