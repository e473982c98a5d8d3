import { randomBytes } from 'node:crypto'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'

const PURPOSE = 'hyperbrowser-file'
const DEFAULT_SECONDS = 3600
const MAX_SECONDS = 7 * 24 * 3600

export type Method = 'PUT' | 'GET'

export interface Presigned {
  token: string
  expiresAt: Date
}

/** What a token stands for; it carries all but the path, which its address names. */
interface Grant {
  expiresAt: number
  /** Of one that works once; empty otherwise */
  nonce: string
  runAs: string
}

/** A token that reads or writes one path of one sandbox without any key. */
export function presign(
  { tokens }: SpawnpointApi,
  sandbox: string,
  method: Method,
  path: string,
  options: { seconds: number | undefined; oneTime: boolean; runAs: string | undefined },
): Presigned {
  // Nothing is what is said of the default.
  const seconds = Math.min(options.seconds || DEFAULT_SECONDS, MAX_SECONDS)
  const grant: Grant = {
    expiresAt: Date.now() + seconds * 1000,
    nonce: options.oneTime ? randomBytes(12).toString('hex') : '',
    runAs: options.runAs ?? '',
  }
  const body = Buffer.from(JSON.stringify(grant)).toString('base64url')
  const proof = tokens.issue(PURPOSE, subject(sandbox, method, path, body))
  return { token: `${body}.${proof}`, expiresAt: new Date(grant.expiresAt) }
}

/** As whom the bearer acts. Rejects `unauthenticated`; one that works once is used up by this. */
export async function redeem(
  api: SpawnpointApi,
  by: Principal,
  sandbox: string,
  method: Method,
  path: string,
  token: string,
): Promise<{ runAs: string | undefined }> {
  const [body = '', proof = ''] = token.slice(0, 2_048).split('.')
  if (!api.tokens.verify(PURPOSE, subject(sandbox, method, path, body), proof)) throw invalid()
  // It is our own, so it parses.
  const grant = JSON.parse(Buffer.from(body, 'base64url').toString()) as Grant
  if (grant.expiresAt <= Date.now()) throw invalid()
  if (grant.nonce !== '') await useUp(api, by, grant.nonce)
  return { runAs: grant.runAs === '' ? undefined : grant.runAs }
}

/** Of two at the same moment one gets it: the ledger decides, so it holds over a restart as well. */
async function useUp(api: SpawnpointApi, by: Principal, nonce: string): Promise<void> {
  let mine = false
  try {
    const use = async () => {
      mine = true
      return { status: 200, body: null }
    }
    await api.idempotency.once(by, `hyperbrowser-file:${nonce}`, nonce, use, { keep: true })
  } catch (error) {
    if (!(error instanceof SpawnpointError) || error.code !== 'operation_in_progress') throw error
  }
  if (!mine) throw invalid()
}

function subject(sandbox: string, method: Method, path: string, body: string): string {
  return JSON.stringify([sandbox, method, path, body])
}

function invalid(): SpawnpointError {
  return new SpawnpointError('unauthenticated', 'The address is not valid, has expired, or was used already', {})
}
