// Where the hub is and where its files are kept on this machine: the environment variables of Hugging Face's own libraries.
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { FileError, quote } from "../errors.ts"

/** Which hub, which cache. What is not given comes from the environment. */
export interface HubOptions {
  /** Address of the hub. Default HF_ENDPOINT, else https://huggingface.co. */
  readonly endpoint?: string
  /** Folder of the cache. Default HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
  readonly cacheFolder?: string
  /** Access token; null: none. Default HF_TOKEN, else the file that `hf auth login` wrote. */
  readonly token?: string | null
  /** true: the network is not used. Default HF_HUB_OFFLINE. */
  readonly offline?: boolean
}

/** The hub and the cache that are meant. */
export interface HubPlace {
  readonly endpoint: string
  readonly cacheFolder: string
  readonly token: string | null
  readonly offline: boolean
}

const expand = (path: string): string => resolve(path.replace(/^~(?=$|\/)/, homedir()))

function fromEnvironment(...names: readonly string[]): string | undefined {
  return names.map(name => process.env[name]?.trim()).find(value => value)
}

const isOn = (value: string | undefined): boolean => /^(1|true|yes|on)$/i.test(value ?? "")

/** Folder of settings and of the cache: HF_HOME, else ~/.cache/huggingface. */
function homeFolder(): string {
  const cache = fromEnvironment("XDG_CACHE_HOME") ?? "~/.cache"
  return expand(fromEnvironment("HF_HOME") ?? join(cache, "huggingface"))
}

/** The folder that models are kept in. */
export function cacheFolderOf({ cacheFolder }: HubOptions = {}): string {
  const given = cacheFolder ?? fromEnvironment("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
  return given === undefined ? join(homeFolder(), "hub") : expand(given)
}

/** Fills what is not given from the environment. Throws FileError for an address that is none. */
export async function hubPlace(options: HubOptions = {}): Promise<HubPlace> {
  const given = options.endpoint ?? fromEnvironment("HF_ENDPOINT") ?? "https://huggingface.co"
  const address = URL.canParse(given) ? new URL(given) : null
  if (address === null || !/^https?:$/.test(address.protocol))
    throw new FileError(
      `hub: expected an address that begins with https:// or http://, but got ${quote(given)}`,
      "set HF_ENDPOINT, or unset it for https://huggingface.co",
    )
  return {
    endpoint: address.href.replace(/\/+$/, ""),
    cacheFolder: cacheFolderOf(options),
    token: options.token === undefined ? await storedToken() : options.token,
    offline: options.offline ?? isOn(fromEnvironment("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
  }
}

async function storedToken(): Promise<string | null> {
  const set = fromEnvironment("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
  if (set !== undefined) return set
  const file = expand(fromEnvironment("HF_TOKEN_PATH") ?? join(homeFolder(), "token"))
  const text = await readFile(file, "utf8").catch(() => "")
  return text.trim() || null
}
