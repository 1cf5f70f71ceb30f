// npx tsx recipes/main.ts <recipe> <text file> [fp32|bf16] [steps]: runs a recipe and says whether it reached its result.

import type { Recipe } from "./recipe.ts"
import { runRecipe } from "./recipe.ts"
import { shakespeareChar } from "./shakespeare-char.ts"

const recipes: readonly Recipe[] = [shakespeareChar]

const [name, data, precision = "fp32", steps] = process.argv.slice(2)
const recipe = recipes.find(one => one.name === name)
if (!recipe || !data || (precision !== "fp32" && precision !== "bf16")) {
  console.error("usage: npx tsx recipes/main.ts <recipe> <text file> [fp32|bf16] [steps]\n")
  for (const one of recipes) console.error(`  ${one.name}: ${one.about}\n    text: ${one.text}`)
  process.exit(2)
}

const control = new AbortController()
process.once("SIGINT", () => control.abort())
const training = { precision, ...(steps === undefined ? {} : { steps: Number(steps) }) } as const
for await (const event of runRecipe(recipe, { data, training, signal: control.signal })) {
  if (event.type === "evaluation") console.log(`step ${event.step}: held-out loss ${event.loss.toFixed(4)}`)
  if (event.type === "warning") console.log(event.message)
  if (event.type === "result") {
    const { loss, wanted, reached, seconds } = event
    const verdict = `${reached ? "reached" : "MISSED"}: ${loss.toFixed(4)}, wanted at most ${wanted}`
    console.log(`${recipe.name} ${precision} ${verdict}, in ${seconds.toFixed(1)} s`)
    process.exitCode = reached ? 0 : 1
  }
}
