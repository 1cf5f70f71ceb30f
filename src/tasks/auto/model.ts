// A model as transformers has it: a function of named inputs that gives named outputs, with generate() and save_pretrained().

import { familyOf, type Model, saveModel } from "../../models/index.ts"
import { type CompiledFunction, compile, readOn } from "../../runtime/index.ts"
import { HeedError, type Tensor } from "../../tensor/index.ts"
import { HostTensor } from "../host-tensor.ts"
import type { FolderFile, Opened, RunOptions } from "../task.ts"
import { forget, type GenerateCall, generateCall } from "./generate.ts"
import { type Flags, type ModelInputs, readCall } from "./inputs.ts"
import { leavesOf, mapOutputs, type Naming, type Published, publishedOutputs } from "./outputs.ts"

/** A model as a function. O: its outputs. */
export interface PretrainedModel<O = Readonly<Record<string, unknown>>> {
  (inputs: ModelInputs): Promise<O>
  /** The same. */
  forward(inputs: ModelInputs): Promise<O>
  generate: GenerateCall
  /** heed's own model. */
  readonly model: Model
  /** config.json, with what it leaves out. */
  readonly config: FolderFile
  /** generation_config.json; empty where there is none. */
  readonly generation_config: FolderFile
  /** Writes config.json, model.safetensors and generation_config.json into a folder. Throws FileError. */
  save_pretrained(folder: string): Promise<void>
  /** Frees the programs that were compiled for it. */
  dispose(): Promise<void>
}

interface Arguments {
  readonly input: Tensor
  readonly options: Readonly<Record<string, Tensor | readonly Tensor[]>>
}

type Program = CompiledFunction<[Arguments], Published<Tensor>>

/** An open model as a function; `what` names it in errors. */
export function pretrainedModel<O>(what: string, opened: Opened, naming: Naming): PretrainedModel<O> {
  const { model, run, published, generation } = opened
  const programs = new Map<string, Program>() // one for each thing that is asked for; each compiles once a shape
  const programOf = (flags: Flags, fixed: Readonly<Record<string, number>>): Program => {
    const key = JSON.stringify([flags, Object.entries(fixed).sort()])
    const known = programs.get(key)
    if (known) return known
    const program = compile(
      ({ input, options }: Arguments) =>
        model.inEvaluation(() =>
          publishedOutputs(model, model.forward(input, { ...options, ...fixed, outputs: flags }), naming),
        ),
      run,
    )
    programs.set(key, program)
    return program
  }
  const forward = async (inputs: ModelInputs): Promise<O> => {
    const asked =
      naming === "base" ? ["labels", "start_positions", "next_sentence_label"].find(name => name in inputs) : null
    if (asked)
      throw new HeedError(
        `${what}: expected no ${asked} for a model without its head, which has no loss`,
        "AutoModelForCausalLM, AutoModelForMaskedLM and so on open models with their heads",
      )
    const { input, options, fixed, flags } = readCall(what, model, inputs)
    const outputs = await programOf(flags, fixed)({ input, options })
    return (await onHost(outputs, run)) as O
  }
  return Object.assign((inputs: ModelInputs) => forward(inputs), {
    forward,
    generate: generateCall(what, opened),
    model,
    config: { ...familyOf(model).writeConfig(model.config), ...published },
    generation_config: generation,
    save_pretrained: (folder: string) => saveModel(model, folder),
    dispose: async () => {
      programs.clear()
      forget(model)
    },
  })
}

/** Outputs as tensors of the host. */
async function onHost(outputs: Published<Tensor>, { device }: RunOptions): Promise<Published<HostTensor>> {
  const tensors = [...new Set(leavesOf(outputs))]
  const data = await readOn(device, tensors)
  const known = new Map(
    tensors.map((x, i) => [
      x,
      new HostTensor(x.dtype === "i32" ? "int32" : "float32", data[i] as Float32Array, x.shape),
    ]),
  )
  return mapOutputs(outputs, x => known.get(x)!)
}
