// Inside a model: who looks at whom, what it expects next, which continuation it finds more likely. The weights here are random,
// so its opinions are too; open a trained model in its place.
import "heed"
import { worldTokenizer } from "heed/data"
import { nextTokenProbabilities, scoreContinuations, tapsOf, wordAttention } from "heed/inspect"
import { gpt2 } from "heed/models"

const tokenizer = worldTokenizer()
const shape = { layers: 2, heads: 4, width: 64, context: 64, vocabulary: tokenizer.vocabularySize, deviation: 0.2 }
const model = gpt2.build(shape, { seed: 5 })
const sentence = "The cat did not cross the road because it was too tired"

const { heads, candidates } = await wordAttention(model, tokenizer, sentence, "it", ["cat", "road"])
for (const { layer, head, candidates: shares, elsewhere } of heads.slice(0, 3)) {
  const seen = candidates.map(({ word }, i) => `${word} ${(100 * shares[i]!).toFixed(1)} %`).join(", ")
  console.log(`layer ${layer} head ${head} looks from "it" at ${seen}, elsewhere ${(100 * elsewhere).toFixed(1)} %`)
}

for (const { id, probability } of await nextTokenProbabilities(model, tokenizer.encode(sentence), 3))
  console.log(`next: ${JSON.stringify(tokenizer.tokens[id])} ${(100 * probability).toFixed(1)} %`)

for (const { candidate, logProbability } of await scoreContinuations(model, tokenizer, sentence, [" .", " and"]))
  console.log(`log-probability of ${JSON.stringify(candidate)}: ${logProbability.toFixed(3)}`)

console.log(`${tapsOf(model).length} inner values can be asked for, such as ${tapsOf(model).slice(0, 4).join(", ")}`)
