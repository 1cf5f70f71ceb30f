// heed start: the quick start. A GPT learns the tiny world in about a minute; then what it writes, what it took "it" for, and where
// its heads looked are measured and shown, whatever they are.

import { stat } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { type PronounQuestion, pronounQuestions } from "../data/index.ts"
import { createRun } from "../files/index.ts"
import { tokenizeText } from "../inspect/index.ts"
import type { LanguageModel } from "../models/index.ts"
import { deviceInfo } from "../runtime/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { train, trainingConfig } from "../train/index.ts"
import { drawBars, drawLooks } from "./draw.ts"
import { attentionOf } from "./explain.ts"
import { addFlags, type Flags, valuesOf } from "./flags.ts"
import { chooseMachine, machineOptions } from "./machine.ts"
import { answer, type HeadLook, headLooks, placesOf, tellStories } from "./measure.ts"
import { runsFolder } from "./models.ts"
import { type Corpus, dataOptions, makeModel, openCorpus, shapeOptions } from "./session.ts"
import { asCalled, colours } from "./terminal.ts"
import { sampler, trainInTerminal } from "./training.ts"

const startOptions = declare(
  {
    seconds: option(z.number().min(1).max(3600), "How long the training shall take, about; it decides the steps", {
      default: 55,
    }),
    steps: option(z.int().min(1).optional(), "Updates, instead of what fits into the seconds", { alias: "maxSteps" }),
    seed: option(
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
      "Seed of weights and batches",
      { default: 1 },
    ),
  },
  "start",
)

const shape = shapeOptions.parse({ model: "llama", width: 128, layers: 3, heads: 8 })
const data = dataOptions.parse({ stories: 8000, heldOut: 0.05 })
const recipe = { batchSize: 16, context: 64, learningRate: 6e-3, adamBeta2: 0.98, evalBatches: 8 }

/** Gives the command its flags and what it does. */
export function registerStart(command: Command): void {
  addFlags(command, startOptions, machineOptions)
  command.action(async (flags: Flags) => {
    const { seconds, steps: asked, seed } = valuesOf(startOptions, flags)
    chooseMachine(flags)
    const corpus = await openCorpus(data, recipe.context)
    const { tokenizer } = corpus
    const precision = (await deviceInfo()).bf16 ? "bf16" : "fp32"
    const steps = asked ?? (await stepsFor(corpus, seconds, precision))
    const every = Math.ceil(steps / 4)
    const training = trainingConfig({
      ...recipe,
      steps,
      precision,
      seed,
      evalSteps: every,
      saveSteps: every,
      sampleSteps: every,
      saveTotalLimit: 1,
    })
    const folder = await freeFolder()
    const model = makeModel(shape, tokenizer.vocabularySize, training.context, training.seed)
    console.log(
      `${colours.bold("The tiny world")}: ${corpus.train.length} words of stories about people, animals and things.`,
    )
    console.log(
      `A GPT of Llama's kind, of ${shape.layers} layers, ${shape.heads} heads and width ${shape.width}, learns them from nothing.\n`,
    )
    const run = await createRun(folder, { data, model: shape, training }, { saveTotalLimit: training.saveTotalLimit })
    try {
      const { train, validation } = corpus
      const options = { model, data: { train, validation }, tokenizer, config: training, run }
      // a machine that others use may become slower than it was when the steps were chosen
      const deadline = asked === undefined ? AbortSignal.timeout(seconds * 1250) : undefined
      await trainInTerminal({ ...options, sample: sampler(model, corpus) }, deadline)
    } finally {
      await run.close()
    }
    if (process.exitCode === 130) return // a person stopped it
    await showStories(model, tokenizer)
    await showLooks(model, tokenizer)
    console.log(`\n${colours.green(`The run is saved in ${folder}.`)} ${next(folder)}`)
  })
}

/** How many updates fit into some seconds, measured on a model that is thrown away. */
async function stepsFor(corpus: Corpus, seconds: number, precision: "bf16" | "fp32"): Promise<number> {
  const model = makeModel(shape, corpus.tokenizer.vocabularySize, recipe.context, 1)
  const config = { ...recipe, precision, steps: 100, evalSteps: 0, saveSteps: 0 }
  const began = performance.now()
  const patience = Math.min(3, seconds / 10) * 1000
  const times: number[] = []
  let last = began
  for await (const event of train({ model, data: { train: corpus.train }, config })) {
    if (event.type !== "step") continue
    const now = performance.now()
    times.push(now - last)
    last = now
    if (times.length > 5 && now - began > patience) break
  }
  const settled = times.slice(3).sort((a, b) => a - b) // the first updates compile and warm up
  const perStep = settled[Math.floor(settled.length / 2)]!
  return Math.max(20, Math.min(2500, Math.floor((seconds * 950) / perStep)))
}

async function freeFolder(): Promise<string> {
  for (let number = 1; ; number++) {
    const folder = join(runsFolder, `start-${number}`)
    const isFree = await stat(folder).then(
      () => false,
      () => true,
    )
    if (isFree) return folder
  }
}

async function showStories(model: LanguageModel, tokenizer: Tokenizer): Promise<void> {
  const count = 64
  const { texts, grammatical, accepted } = await tellStories(model, tokenizer, count, { temperature: 0.7, seed: 1 })
  console.log(`\n${colours.bold("What it writes")}`)
  for (const text of texts.slice(0, 3)) console.log(`  ${text}`)
  console.log(
    `Of ${count} stories, ${grammatical} consist of the world's sentences, and in ${accepted} everything agrees (who is who, where things are, why).`,
  )
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

async function showLooks(model: LanguageModel, tokenizer: Tokenizer): Promise<void> {
  const questions = pronounQuestions(2, 100)
  const shown = shownQuestion()
  const pair = [shown, twinOf(shown)]
  const looks = await headLooks(model, tokenizer, questions.slice(0, 40))
  const inside = async (question: PronounQuestion) => {
    const { text, places } = placesOf(tokenizer, question)
    return { places, attention: await attentionOf(model, tokenizeText(tokenizer, text)) }
  }

  const watching = highest(looks.pronoun, look => look.antecedent)
  console.log(`\n${colours.bold(`Where it looks from "${shown.pronounText}"`)}: ${nameOf(watching)}`)
  const { attention, places } = await inside(shown)
  console.log(drawBars(attention, watching.layer, watching.head, places.pronoun))
  console.log(
    `Of all heads this one looks most from the pronoun at what it means: over 40 such sentences ${percent(watching.antecedent)} of its look, and ${percent(watching.other)} at the other thing that it could mean.`,
  )

  console.log(`\n${colours.bold(`What it took "${shown.pronounText}" for`)}`)
  console.log(
    `A GPT reads from left to right: at "${shown.pronounText}" the reason is still to come. What it made of both shows in the word it expects next:`,
  )
  for (const { question, ...chances } of await answer(model, tokenizer, pair))
    console.log(
      `  ${question.sentence} The ${colours.bold("…")}   ${question.antecedentText} ${percent(chances.antecedent)}, ${question.wrongText} ${percent(chances.other)}`,
    )
  const answers = await answer(model, tokenizer, questions)
  const right = answers.filter(one => one.antecedent > one.other).length
  const mean = (pick: (one: (typeof answers)[number]) => number): number =>
    answers.reduce((sum, one) => sum + pick(one), 0) / answers.length
  console.log(
    `Over ${answers.length} such sentences it found what was meant likelier ${right} times (chance: ${Math.round(answers.length / 2)}); on average it gave ${percent(mean(one => one.antecedent))} to that word and ${percent(mean(one => one.other))} to the other.`,
  )

  const choosing = highest(looks.last, look => look.antecedent - look.other)
  if (choosing.antecedent - choosing.other < 0.1) {
    console.log('No single head tells them apart by where it looks from that last "The": several do it together.')
    return
  }
  console.log(
    `The head that tells them apart best by where it looks from that last "The": ${nameOf(choosing)}, over 40 sentences ${percent(choosing.antecedent)} at what was meant, ${percent(choosing.other)} at the other. In these two:`,
  )
  for (const { attention, places } of await Promise.all(pair.map(inside)))
    console.log(`  ${drawLooks(attention, places.last, [[choosing.layer, choosing.head]])}`)
}

const nameOf = ({ layer, head }: HeadLook): string => `layer ${layer + 1}, head ${head + 1}`

function highest(looks: readonly HeadLook[], value: (look: HeadLook) => number): HeadLook {
  return looks.reduce((best, look) => (value(look) > value(best) ? look : best))
}

/** The sentence that everybody knows; this seed tells it. */
function shownQuestion(): PronounQuestion {
  const all = pronounQuestions(2344, 60, { shapes: ["cross"] })
  const known = all.find(({ sentence }) => sentence === "The animal didn't cross the street because it was too tired.")
  return known ?? all[0]!
}

/** The same sentence with a reason that speaks of the other thing. */
function twinOf(question: PronounQuestion): PronounQuestion {
  const { sentence, twin, prompt, antecedentText, wrongText } = question
  return {
    ...question,
    sentence: twin,
    prompt: prompt!.replace(sentence, twin),
    antecedentText: wrongText,
    wrongText: antecedentText,
  }
}

function next(folder: string): string {
  return asCalled(
    [
      "Next, for example:",
      `  heed generate --model ${folder} "One day" --temperature 0.8`,
      `  heed explain "The dog didn't cross the road because it was too wide." --model ${folder}`,
      `  heed train your-text.txt`,
    ].join("\n"),
  )
}
