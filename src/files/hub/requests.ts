// Requests to the hub: patience with a busy server (back-off, Retry-After), a limit on silence, and one clear error for each way to
// fail. The library gets this as its `fetch`, because its own retries nothing, times out never and sends the token where a link says.
import { setTimeout as sleep } from "node:timers/promises"
import { FileError, quote } from "../errors.ts"
import type { HubPlace } from "./place.ts"

/** The hub refused or could not be reached. */
export class HubError extends FileError {
  /** HTTP status; undefined where no answer came. */
  readonly status: number | undefined

  constructor(message: string, hint: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, hint, { cause: options.cause })
    this.status = options.status
  }
}

/** A request failed and is made again. */
export interface RetryEvent {
  readonly type: "retry"
  /** What was asked for: a file, or the list of files. */
  readonly what: string
  readonly seconds: number
  readonly reason: string
}

/** How requests are made. */
export interface Patience {
  /** Attempts after the first. */
  readonly retries: number
  /** First pause, milliseconds; it doubles each time. */
  readonly pause: number
  /** Longest silence of a connection, milliseconds. */
  readonly silence: number
}

/** The pauses that a person would accept. */
export const usualPatience: Patience = { retries: 5, pause: 1000, silence: 30_000 }
const longestPause = 60_000

const retried = [408, 425, 429, 500, 502, 503, 504]

/** What a request is about, and who hears of its retries. */
export interface RequestContext {
  readonly place: HubPlace
  /** The model, for errors. */
  readonly name: string
  readonly revision: string
  readonly patience: Patience
  readonly onRetry: (event: RetryEvent) => void
  readonly signal?: AbortSignal
}

/**
 * An answer of the hub whose status says success, or 416. Statuses that pass are tried again. `silence` ends the request when it is
 * called no more: call it at each sign of life. Throws HubError, or the signal's reason.
 */
export async function request(
  context: RequestContext,
  url: string,
  what: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly response: Response; readonly watch: Watch }> {
  const { place, patience, signal } = context
  const own = new URL(url).origin === new URL(place.endpoint).origin
  if (!own)
    throw new HubError(
      `${context.name}: expected the hub to refer to itself, but ${what} leads to ${quote(url)}`,
      "this is no Hugging Face hub, or it was made to mislead: check HF_ENDPOINT",
    )
  // fetch itself takes the token away where a redirect leads to another server
  const all = { "user-agent": "heed", ...(place.token ? { authorization: `Bearer ${place.token}` } : {}), ...headers }
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const watch = new Watch(patience.silence, signal)
    try {
      const response = await fetch(url, { headers: all, signal: watch.signal })
      if (response.ok || response.status === 416) return { response, watch }
      const wait = pauseFor(attempt, patience, response)
      if (!retried.includes(response.status) || attempt >= patience.retries || wait > longestPause)
        throw await refusal(context, response, what, attempt)
      await response.body?.cancel()
      watch.end()
      await pause(context, what, wait, `the hub answered ${response.status}`)
    } catch (cause) {
      watch.end()
      signal?.throwIfAborted()
      if (cause instanceof FileError) throw cause
      if (attempt >= patience.retries) throw unreachable(context, cause, what)
      await pause(context, what, pauseFor(attempt, patience), reasonOf(cause))
    }
  }
}

/** Waits before something is tried again, and says so. */
export async function pause(context: RequestContext, what: string, wait: number, reason: string): Promise<void> {
  context.onRetry({ type: "retry", what, seconds: wait / 1000, reason })
  await sleep(wait, undefined, context.signal ? { signal: context.signal } : {}).catch(() => {})
  context.signal?.throwIfAborted()
}

/** Milliseconds to wait: what the server asks for, else twice as long each time. */
export function pauseFor(attempt: number, patience: Patience, response?: Response): number {
  const asked = response?.headers.get("retry-after")?.trim() ?? ""
  if (/^\d+(\.\d+)?$/.test(asked)) return Number(asked) * 1000
  const date = Date.parse(asked)
  if (asked !== "" && !Number.isNaN(date)) return Math.max(0, date - Date.now())
  return Math.min(longestPause, patience.pause * 2 ** attempt)
}

/** Ends a request when nothing came for too long, or when the caller wants to stop. */
export class Watch {
  readonly signal: AbortSignal
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly controller = new AbortController()
  private readonly silence: number
  private readonly outer: AbortSignal | undefined
  private readonly stop = () => this.controller.abort(this.outer?.reason)

  constructor(silence: number, outer: AbortSignal | undefined) {
    this.silence = silence
    this.outer = outer
    this.signal = this.controller.signal
    outer?.addEventListener("abort", this.stop, { once: true })
    this.alive()
  }

  /** Something came. */
  alive(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(
      () => this.controller.abort(new Error(`nothing came for ${this.silence / 1000} seconds`)),
      this.silence,
    )
    this.timer.unref()
  }

  end(): void {
    clearTimeout(this.timer)
    this.outer?.removeEventListener("abort", this.stop)
  }
}

/** Why a connection failed, in a few words. */
export function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const { code, message } = inner as { readonly code?: string; readonly message?: string }
  const words: Readonly<Record<string, string>> = {
    ENOTFOUND: "the name of the server is not known",
    EAI_AGAIN: "the name of the server cannot be looked up",
    ECONNREFUSED: "the server refuses connections",
    ECONNRESET: "the connection was cut",
    UND_ERR_SOCKET: "the connection was cut",
    UND_ERR_CONNECT_TIMEOUT: "the server does not answer",
    ETIMEDOUT: "the server does not answer",
  }
  return words[code ?? ""] ?? message ?? String(cause)
}

/** The error for a server that cannot be reached, or cuts every connection. */
export function unreachable({ place, name }: RequestContext, cause: unknown, what: string): HubError {
  return new HubError(
    `${name}: expected ${what} from ${place.endpoint}, but ${reasonOf(cause)}`,
    "check the network (and HF_ENDPOINT); what was downloaded is kept, and the same command goes on from there",
    { cause },
  )
}

async function refusal(
  { place, name, revision }: RequestContext,
  response: Response,
  what: string,
  attempt: number,
): Promise<HubError> {
  const { status } = response
  const code = response.headers.get("x-error-code") ?? ""
  const host = place.endpoint
  await response.body?.cancel()
  const give = (got: string, hint: string) => new HubError(`${name}: expected ${what}, but ${got}`, hint, { status })
  if (status === 401)
    return place.token
      ? give(
          `${host} does not accept the token (401)`,
          `the token may be wrong or too old: look at ${host}/settings/tokens`,
        )
      : give(
          `${host} lets nobody in without a token (401)`,
          "there is no such model, or it is private: check the name, or set HF_TOKEN",
        )
  if (status === 403)
    return give(
      `${host} does not let ${place.token ? "this token" : "you"} in (403)`,
      `the model may ask to accept its conditions: open ${host}/${name}, then set HF_TOKEN to a token of that account`,
    )
  if (status === 404 && code === "RevisionNotFound")
    return give(`it has no revision ${quote(revision)} (404)`, `its branches and tags are at ${host}/${name}/tree/main`)
  if (status === 404 && code === "EntryNotFound")
    return give("it is listed but not there (404)", "the repository changed meanwhile: pull again")
  if (status === 404)
    return give(`${host} has no such model (404)`, `check the name: ${host}/models?search=${name.split("/").at(-1)}`)
  const tries = attempt > 0 ? `, ${attempt + 1} times` : ""
  if (status === 429) {
    const wait = Math.ceil(pauseFor(0, usualPatience, response) / 1000)
    return give(
      `${host} has had too many requests (429${tries})`,
      `try again in ${wait} seconds${place.token ? "" : "; with HF_TOKEN set more are allowed"}`,
    )
  }
  return give(
    `${host} answered ${status}${tries}`,
    status >= 500 ? "the hub is in trouble: try again later" : "check HF_ENDPOINT",
  )
}
