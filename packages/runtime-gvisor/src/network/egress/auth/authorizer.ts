import type { OutgoingAuth, OutgoingValue } from '@spawnpoint/core'
import type { Asker } from '@spawnpoint/outbound'
import { googleToken } from '@spawnpoint/outbound'
import type { Log } from '../../../log.ts'
import { isSignedByOthers, signAws } from './aws.ts'
import { askCallback } from './callback.ts'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'

/** Before a token ends it is got anew, in milliseconds */
const MARGIN_MS = 60_000
const MAX_KEPT = 256
/** What processes inside have for a key, see the core's stand-ins */
const STAND_IN_KEY_ID = /^AKIASPAWNPOINT/

interface Kept {
  answer: Promise<{ value: Authorized; forMs: number }>
  /** By `performance.now()`; `Infinity` while it is under way */
  until: number
}

/** Puts into requests what rules other than plain headers say. Answers are kept as long as the rules that they are for. */
export class Authorizer {
  readonly #asker: Asker
  readonly #log: Log
  readonly #kept = new WeakMap<OutgoingAuth, Map<string, Kept>>()

  constructor(asker: Asker, log: Log) {
    this.#asker = asker
    this.#log = log
  }

  /** Rejects `NotAuthorized`; then the request does not go out at all. */
  async authorize(auth: OutgoingAuth, request: OutgoingRequest): Promise<Authorized> {
    // On the open wire a token is anybody's; what asks for nothing goes on without.
    if (auth.type !== 'callback' && request.port !== 443) return { set: [] }
    if (auth.type === 'aws') {
      const [accessKeyId, secretAccessKey] = auth.values.map(opened)
      if (accessKeyId === undefined || secretAccessKey === undefined) throw new NotAuthorized(502, 'a key is missing')
      const isOwn = (keyId: string) => keyId === accessKeyId || STAND_IN_KEY_ID.test(keyId)
      if (isSignedByOthers(request.target, isOwn)) return { set: [] }
      return await signAws(request, { accessKeyId, secretAccessKey })
    }
    if (auth.type === 'google') {
      const [account = ''] = auth.values.map(opened)
      return await this.#once(auth, '', 'no token was given out', async () => {
        const { token, forMs } = await googleToken(this.#asker, account, auth.scopes)
        return { value: { set: [{ name: 'Authorization', value: `Bearer ${token}` }] }, forMs: forMs - MARGIN_MS }
      })
    }
    const ask = async () => ({ value: { set: await askCallback(this.#asker, auth, request) }, forMs: auth.ttlMs })
    const failure = 'callback resolution failed'
    if (!auth.wholeRequest) return await this.#once(auth, `${request.host}:${request.port}`, failure, ask)
    try {
      return (await ask()).value
    } catch (error) {
      throw this.#refused(error, failure)
    }
  }

  async #once(auth: OutgoingAuth, key: string, failure: string, ask: () => Kept['answer']): Promise<Authorized> {
    const kept = this.#kept.get(auth) ?? new Map<string, Kept>()
    this.#kept.set(auth, kept)
    const before = kept.get(key)
    if (before !== undefined && before.until > performance.now()) return (await this.#settled(before, failure)).value
    const mine: Kept = { answer: ask(), until: Number.POSITIVE_INFINITY }
    const [oldest] = kept.keys()
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    kept.set(key, mine)
    try {
      const { value, forMs } = await this.#settled(mine, failure)
      mine.until = performance.now() + forMs
      return value
    } catch (error) {
      if (kept.get(key) === mine) kept.delete(key)
      throw error
    }
  }

  async #settled({ answer }: Kept, failure: string) {
    try {
      return await answer
    } catch (error) {
      throw this.#refused(error, failure)
    }
  }

  /** Why is for the log: what a service answers is not the guest's to read. */
  #refused(error: unknown, failure: string): NotAuthorized {
    if (error instanceof NotAuthorized) return error
    this.#log.warn({ error: String(error) }, `A request was refused: ${failure}`)
    return new NotAuthorized(502, failure)
  }
}

function opened({ name, value }: OutgoingValue): string {
  if (value === null) throw new NotAuthorized(502, `the credential ${name} cannot be read; set it again`)
  return value
}
