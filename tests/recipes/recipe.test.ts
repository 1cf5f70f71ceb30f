// Recipes run from the text to the verdict; whether they reach it is found by running them whole.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { runRecipe } from "../../recipes/recipe.ts"
import { shakespeareChar } from "../../recipes/shakespeare-char.ts"
import { freshFolder } from "../files/folder.ts"
import { corpus } from "../train/tiny.ts"

test("a recipe trains on a text and says whether it reached its result", async () => {
  const data = join(await freshFolder(), "text.txt")
  writeFileSync(data, corpus)
  const small = { ...shakespeareChar, model: { ...shakespeareChar.model, options: { layers: 1, heads: 2, width: 32 } } }
  const verdict = async (loss: number) => {
    const training = { steps: 4, evalSteps: 2, evalBatches: 1, batchSize: 2 }
    const events = runRecipe({ ...small, reaches: { ...small.reaches, loss } }, { data, training })
    const all = []
    for await (const event of events) all.push(event)
    expect(all.filter(({ type }) => type === "step")).toHaveLength(4)
    return all.at(-1)
  }
  expect(await verdict(0.01)).toMatchObject({ type: "result", wanted: 0.01, reached: false })
  expect(await verdict(100)).toMatchObject({ type: "result", reached: true })
})
