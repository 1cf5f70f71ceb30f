// What a run tells while it goes on: the command line draws these, a server streams them, tests count them.

import type { DeviceInfo } from "../runtime/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { LanguageMetrics } from "./metrics.ts"

/** The run begins, or goes on at a step. */
export interface StartEvent {
  readonly type: "start"
  /** Weights, and how many of them are trained. */
  readonly parameters: number
  readonly trainableParameters: number
  /** Tokens of one update. */
  readonly tokensPerStep: number
  /** Updates done before, 0 for a new run, and updates of the whole run. */
  readonly step: number
  readonly steps: number
  readonly device: DeviceInfo
}

/** An update was done. */
export interface StepEvent {
  readonly type: "step"
  /** Updates done so far, this one included. */
  readonly step: number
  readonly loss: number
  readonly learningRate: number
  /** Before clipping. */
  readonly gradientNorm: number
  readonly tokensPerSecond: number
  readonly secondsLeft: number
}

/** The loss on held-out data. */
export interface EvaluationEvent extends LanguageMetrics {
  readonly type: "evaluation"
  readonly step: number
  readonly loss: number
  /** The lowest loss of the run so far, and whether this one is it. */
  readonly best: number
  readonly isBest: boolean
}

/** What the model writes. */
export interface SampleEvent {
  readonly type: "sample"
  readonly step: number
  readonly text: string
}

/** A checkpoint is on disk. */
export interface CheckpointEvent {
  readonly type: "checkpoint"
  readonly step: number
  readonly folder: string
  readonly isBest: boolean
}

/** Something a person should know; the run goes on. */
export interface WarningEvent {
  readonly type: "warning"
  readonly message: string
}

/** The run ends before its last step. */
export interface StoppedEvent {
  readonly type: "stopped"
  readonly reason: "aborted" | "early-stopping"
  readonly step: number
  /** For people: why, and how to go on. */
  readonly message: string
}

/** The last event. */
export interface EndEvent {
  readonly type: "end"
  readonly step: number
  /** Training loss of the last update. */
  readonly loss: number
  readonly best: { readonly step: number; readonly loss: number } | null
  readonly seconds: number
  /** The newest checkpoint. */
  readonly folder: string | null
}

/** Any of them; `type` says which. */
export type TrainingEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | SampleEvent
  | CheckpointEvent
  | WarningEvent
  | StoppedEvent
  | EndEvent

/** A run that cannot go on: a loss that is no number, a disk that is full, a checkpoint of something else. */
export class TrainingError extends HeedError {}
