import type { IncomingMessage, ServerResponse } from 'node:http'
import { type SpawnpointApi, Turns } from '@spawnpoint/core'
import type { Finder } from '@spawnpoint/gateway'
import { ENVD_PORT } from '../secure.ts'
import { isSignedBy, requireUnexpired, type Signed, signedOf } from './access.ts'
import { answerPreflight, openToBrowsers } from './cors.ts'
import { answerError, HttpError } from './http-error.ts'

/** As the clients write it: a SHA-256 in base64 */
const SIGNATURE = /^v1_[A-Za-z0-9+/]{43}$/
/** Addresses that wait to be looked up: who has no key can make any number of them up */
const MAX_WAITING = 256

/**
 * Signed addresses of files on an address that all sandboxes share name no sandbox. The one whose token gives the signature
 * is meant: there is no other way to have it.
 */
export class SignedFiles implements Finder {
  readonly #api: SpawnpointApi
  readonly #turns = new Turns<'look'>()
  #waiting = 0

  constructor(api: SpawnpointApi) {
    this.#api = api
  }

  matches({ url = '/' }: IncomingMessage): boolean {
    return url.startsWith('/files?') && /[?&]signature=/.test(url)
  }

  async find(req: IncomingMessage, res: ServerResponse) {
    openToBrowsers(res)
    if (req.method === 'OPTIONS') {
      answerPreflight(req, res)
      return null
    }
    const signed = signedOf(new URLSearchParams(req.url?.slice('/files?'.length)), req.method)
    try {
      // First, as it is cheap: a link that is passed around after its time does not go through all sandboxes.
      requireUnexpired(signed, new Date())
      const found = await this.#signer(signed)
      if (found === null) throw new HttpError(401, 'invalid signature')
      return { ...found, port: ENVD_PORT }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      answerError(res, error)
      return null
    }
  }

  /** One address after the other: each is held against every sandbox there is. */
  async #signer(signed: Signed) {
    if (!SIGNATURE.test(signed.signature ?? '')) return null
    if (this.#waiting >= MAX_WAITING) throw new HttpError(503, 'too many signed addresses at once')
    this.#waiting += 1
    try {
      return await this.#turns.take('look', () => this.#find(signed))
    } finally {
      this.#waiting -= 1
    }
  }

  async #find(signed: Signed) {
    for await (const reached of this.#api.sandboxes.reachAll()) {
      if (isSignedBy(this.#api.tokens, reached.sandbox, signed)) return reached
    }
    return null
  }
}
