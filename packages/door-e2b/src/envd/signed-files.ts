import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SpawnpointApi } from '@spawnpoint/core'
import type { Finder } from '@spawnpoint/gateway'
import { ENVD_PORT } from '../secure.ts'
import { isSignedBy, requireUnexpired, type Signed, signedOf } from './access.ts'
import { answerPreflight, openToBrowsers } from './cors.ts'
import { answerError, HttpError } from './http-error.ts'
import { SandboxSearch } from './sandbox-search.ts'

/** As the clients write it: a SHA-256 in base64 */
const SIGNATURE = /^v1_[A-Za-z0-9+/]{43}$/

/**
 * Signed addresses of files on an address that all sandboxes share name no sandbox. The one whose token gives the signature
 * is meant: there is no other way to have it.
 */
export class SignedFiles implements Finder {
  readonly #api: SpawnpointApi
  readonly #search: SandboxSearch

  constructor(api: SpawnpointApi) {
    this.#api = api
    this.#search = new SandboxSearch(api)
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

  async #signer(signed: Signed) {
    if (!SIGNATURE.test(signed.signature ?? '')) return null
    const found = await this.#search.first((sandbox) => isSignedBy(this.#api.tokens, sandbox, signed))
    if (found === 'busy') throw new HttpError(503, 'too many signed addresses at once')
    return found
  }
}
