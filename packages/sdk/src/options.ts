import { byFetch, type Send } from './answer.ts'
import { SpawnpointError } from './errors.ts'
import { byNodeHttp } from './node-http.ts'

export interface SpawnpointOptions {
  /** Address of the server; default `SPAWNPOINT_URL`, then `http://127.0.0.1:7300` */
  url?: string | undefined
  /** Default `SPAWNPOINT_API_KEY` */
  apiKey?: string | undefined
  /** Domain (and port) under which the server offers the sandboxes' ports, if it has one; default `SPAWNPOINT_DOMAIN` */
  domain?: string | undefined
  /** Milliseconds for a whole call, repeats included, unless the call says otherwise; 0 for no limit. Default 60,000. */
  timeoutMs?: number | undefined
  /** When and how often a call that may safely be repeated is repeated */
  retry?: Partial<RetryPolicy> | undefined
  /** Default the runtime's own way of sending requests */
  fetch?: typeof globalThis.fetch | undefined
}

export interface RetryPolicy {
  /** Repeats after the first attempt; default 5 */
  repeats: number
  /** Longest pause before the first repeat, in milliseconds; doubles from one to the next. Default 200. */
  baseMs: number
  /** Longest pause of all, in milliseconds; default 5,000 */
  maxMs: number
  /** Milliseconds that a broken stream of output or events is reconnected for before it fails; default 60,000 */
  reconnectMs: number
}

export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason */
  signal?: AbortSignal | undefined
  /** Milliseconds for the whole call, repeats included; 0 for no limit */
  timeoutMs?: number | undefined
}

export interface ResolvedOptions {
  /** Without a slash at the end */
  url: string
  apiKey: string | undefined
  domain: string | undefined
  timeoutMs: number
  retry: RetryPolicy
  fetch: typeof globalThis.fetch
  send: Send
}

export const DEFAULT_URL = 'http://127.0.0.1:7300'

/** Fills in what is absent from the environment and the defaults. Throws `invalid_argument` for an unusable address. */
export function resolveOptions(options: SpawnpointOptions): ResolvedOptions {
  const env = environment()
  const url = (options.url ?? (env.SPAWNPOINT_URL || DEFAULT_URL)).replace(/\/+$/, '')
  if (!/^https?:\/\/./.test(url) || !URL.canParse(url)) {
    const message = `The server's address must start with http:// or https://, not ${JSON.stringify(url)}`
    throw new SpawnpointError('invalid_argument', message, { issues: [{ path: 'url', message }] })
  }
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  return {
    url,
    apiKey: (options.apiKey ?? env.SPAWNPOINT_API_KEY) || undefined,
    domain: (options.domain ?? env.SPAWNPOINT_DOMAIN) || undefined,
    timeoutMs: options.timeoutMs ?? 60_000,
    retry: { repeats: 5, baseMs: 200, maxMs: 5_000, reconnectMs: 60_000, ...options.retry },
    fetch,
    send: options.fetch === undefined ? (byNodeHttp(byFetch(fetch)) ?? byFetch(fetch)) : byFetch(fetch),
  }
}

/** Absent in browsers. */
function environment(): Record<string, string | undefined> {
  return globalThis.process?.env ?? {}
}
