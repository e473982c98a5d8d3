import type { OutgoingAuth, OutgoingValue } from '@spawnpoint/core'
import {
  type Asker,
  type AwsKeys,
  azureResourceOf,
  entraToken,
  federatedGoogleToken,
  googleToken,
  KeptAnswers,
  ownToken,
  roleKeys,
} from '@spawnpoint/outbound'
import type { Log } from '../../../log.ts'
import { isSignedByOthers, signAws } from './aws.ts'
import { hasSas, signAzure, withAzureToken, withSas } from './azure.ts'
import { askCallback, type CallbackAuth } from './callback.ts'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'
import { filledIn } from './placeholders.ts'

/** What processes inside have for a key, see the core's stand-ins */
const STAND_IN_KEY_ID = /^AKIASPAWNPOINT/
const TOKEN = /\{([^{}]*)\}/g
const NOTHING: Authorized = { set: [] }

/** Puts into requests what rules other than plain headers say. Answers are kept as long as the rules that they are for. */
export class Authorizer {
  readonly #asker: Asker
  readonly #log: Log
  readonly #headers = new KeptAnswers<Authorized['set']>()
  readonly #tokens = new KeptAnswers<string>()
  readonly #keys = new KeptAnswers<AwsKeys>()

  constructor(asker: Asker, log: Log) {
    this.#asker = asker
    this.#log = log
  }

  /** Rejects `NotAuthorized`; then the request does not go out at all. */
  async authorize(auth: OutgoingAuth, request: OutgoingRequest): Promise<Authorized> {
    if (auth.type === 'callback')
      return { set: await this.#asked('callback resolution failed', this.#callback(auth, request)) }
    // On the open wire a token is anybody's; what asks for nothing goes on without.
    if (request.port !== 443) return NOTHING
    const { target, host } = request
    const token = (key: string, ask: Parameters<KeptAnswers<string>['getUntil']>[2]) =>
      this.#asked('no token was given out', this.#tokens.getUntil(auth, key, ask))
    switch (auth.type) {
      case 'aws': {
        const [accessKeyId, secretAccessKey] = auth.values.map(opened)
        if (accessKeyId === undefined || secretAccessKey === undefined) throw new NotAuthorized(502, 'a key is missing')
        return signedForAws(request, { accessKeyId, secretAccessKey })
      }
      case 'aws_role': {
        const keys = this.#keys.getUntil(auth, '', () => roleKeys(this.#asker, auth))
        return signedForAws(request, await this.#asked('no keys were given out', keys))
      }
      case 'google': {
        const [account = ''] = auth.values.map(opened)
        return bearer(await token('', () => googleToken(this.#asker, account, auth.scopes)))
      }
      case 'google_identity':
        return bearer(await token('', () => federatedGoogleToken(this.#asker, auth)))
      case 'azure_identity': {
        const resource = azureResourceOf(auth, host)
        if (resource === undefined || (resource === 'storage' && hasSas(target))) return NOTHING
        return withAzureToken(request, await token(resource, () => entraToken(this.#asker, auth, resource)))
      }
      case 'azure_key': {
        const [key = ''] = auth.values.map(opened)
        return hasSas(target) ? NOTHING : signAzure(request, auth.account, key)
      }
      case 'azure_sas': {
        const [sas = ''] = auth.values.map(opened)
        return hasSas(target) ? NOTHING : withSas(request, sas)
      }
      case 'identity': {
        const names = [
          ...new Set(auth.tokenHeaders.flatMap(({ template }) => [...template.matchAll(TOKEN)].map(tokenName))),
        ]
        const tokens = new Map<string, string>()
        for (const name of names) tokens.set(name, await token(name, () => ownToken(auth, auth.audiences[name] ?? '')))
        const set = auth.tokenHeaders.map(({ name, template }) => ({
          name,
          value: template.replace(TOKEN, (_, one: string) => tokens.get(one) ?? ''),
        }))
        return { set }
      }
      case 'placeholders':
        return filledIn(auth.values, request)
      default:
        auth satisfies never
        throw new NotAuthorized(502, 'this kind of credential is not known')
    }
  }

  #callback(auth: CallbackAuth, request: OutgoingRequest): Promise<Authorized['set']> {
    const ask = () => askCallback(this.#asker, auth, request)
    if (auth.wholeRequest) return ask()
    const kept = async () => ({ value: await ask(), forMs: auth.ttlMs })
    return this.#headers.get(auth, `${request.host}:${request.port}`, kept)
  }

  /** Why is for the log: what a service answers is not the guest's to read. */
  async #asked<T>(failure: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (error instanceof NotAuthorized) throw error
      this.#log.warn({ error: String(error) }, `A request was refused: ${failure}`)
      throw new NotAuthorized(502, failure)
    }
  }
}

async function signedForAws(request: OutgoingRequest, keys: AwsKeys): Promise<Authorized> {
  const isOwn = (keyId: string) => keyId === keys.accessKeyId || STAND_IN_KEY_ID.test(keyId)
  return isSignedByOthers(request.target, isOwn) ? NOTHING : await signAws(request, keys)
}

function bearer(token: string): Authorized {
  return { set: [{ name: 'Authorization', value: `Bearer ${token}` }] }
}

function opened({ name, value }: OutgoingValue): string {
  if (value === null) throw new NotAuthorized(502, `the credential ${name} cannot be read; set it again`)
  return value
}

function tokenName([, name = '']: RegExpExecArray): string {
  return name
}
