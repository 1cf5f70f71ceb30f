// Which files of a repository a model needs: configuration, tokenizer, templates, and its weights once, in the format we like best.
import { FileError, quote } from "../errors.ts"
import { weightFiles } from "../weights.ts"
import type { HubFile } from "./download.ts"

const needed: readonly RegExp[] = [
  /^(config|generation_config|preprocessor_config|processor_config|image_processor|video_preprocessor_config)\.json$/,
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|target_vocab|normalizer)\.json$/,
  /^(vocab|merges)\.txt$/,
  /^(tokenizer|spiece|sentencepiece\.bpe|sentencepiece|spm|prophetnet)\.model$/,
  /^(source|target)\.spm$/,
  /^chat_template\.(jinja|json)$/,
  /^additional_chat_templates\/[^/]+\.jinja$/,
  /^(modules|sentence_bert_config|config_sentence_transformers)\.json$/,
  /^\d+_[A-Za-z]+\/config\.json$/,
  /^adapter_config\.json$/,
  /^adapter_model\.safetensors$/,
]

/** What to download: files at once, or the index that names the shards. */
export interface Chosen {
  readonly files: readonly HubFile[]
  /** An index of shards among `files`, to be read for the rest. */
  readonly index: { readonly path: string; readonly ending: string } | null
}

/** Files that a model needs, with its weights or without, or those that fit `patterns` (`*` stands for anything). Throws FileError where nothing fits. */
export function chooseFiles(
  all: readonly HubFile[],
  name: string,
  patterns?: readonly string[],
  weights = true,
): Chosen {
  if (patterns) return { files: matching(all, name, patterns), index: null }
  const others = all.filter(({ path }) => needed.some(pattern => pattern.test(path)))
  if (!weights && others.length > 0) return { files: others, index: null }
  for (const { file, ending } of weightFiles) {
    const single = all.find(({ path }) => path === file)
    if (single) return { files: [...others, single], index: null }
    const index = all.find(({ path }) => path === `${file}.index.json`)
    if (index) return { files: [...others, index], index: { path: index.path, ending } }
  }
  if (others.some(({ path }) => path === "adapter_model.safetensors")) return { files: others, index: null }
  throw new FileError(
    `${name}: expected model.safetensors or pytorch_model.bin, but it has ${listed(all) || "no files"}`,
    "weights of another format: look for a version of the model in safetensors, or name files to download: --files",
  )
}

/** The shards that an index names, as files. Throws FileError for one that is not listed. */
export function shardFiles(all: readonly HubFile[], shards: Iterable<string>, name: string, index: string): HubFile[] {
  return [...new Set(shards)].sort().map(shard => {
    const file = all.find(({ path }) => path === shard)
    if (file) return file
    throw new FileError(
      `${name}: expected the file ${quote(shard)} that ${index} names, but it is not there`,
      "the repository is not whole",
    )
  })
}

function matching(all: readonly HubFile[], name: string, patterns: readonly string[]): HubFile[] {
  const chosen = new Set<HubFile>()
  for (const pattern of patterns) {
    const letters = pattern.split("*").map(part => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"))
    const form = new RegExp(`^${letters.join(".*")}$`)
    const found = all.filter(({ path }) => form.test(path))
    if (found.length === 0)
      throw new FileError(
        `${name}: expected a file that fits ${quote(pattern)}, but it has ${listed(all) || "none"}`,
        "* stands for any letters",
      )
    for (const file of found) chosen.add(file)
  }
  return [...chosen]
}

function listed(all: readonly HubFile[]): string {
  const names = all.map(({ path }) => quote(path))
  return names.slice(0, 8).join(", ") + (names.length > 8 ? ` and ${names.length - 8} more` : "")
}
