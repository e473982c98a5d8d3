import { createHash } from 'node:crypto'
import { invalidArgument, type Principal, type SpawnpointApi, toSpawnpointError } from '@spawnpoint/core'
import { problemOf, WORDINGS } from './problem.ts'
import type { Call } from './route.ts'

export interface StoredAnswer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

/** The key of a request that has one. Rejects `invalid_argument`. */
export function idempotencyKey(headers: Record<string, string | string[] | undefined>): string | null {
  const given = headers['idempotency-key']
  if (given === undefined) return null
  if (typeof given !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(given)) {
    throw invalidArgument('Idempotency-Key', 'Expected 1 to 255 printable characters without spaces')
  }
  return given
}

/**
 * Runs `work` once for the key of this request. Refusals that trying again would not change are kept like answers; the
 * others are thrown, so that the key stays free.
 */
export async function answerOnce(
  api: SpawnpointApi,
  call: Call,
  key: string,
  work: (by: Principal) => Promise<StoredAnswer>,
  { early }: { early: boolean },
): Promise<StoredAnswer> {
  const { method, url } = call.request
  const hash = createHash('sha256')
    .update(JSON.stringify([method, url, call.body]))
    .digest('hex')
  const answer = async (by: Principal) => {
    try {
      const { status, body, headers = {} } = await work(by)
      return { status, body: { headers, body } }
    } catch (thrown) {
      const error = toSpawnpointError(thrown)
      if (WORDINGS[error.code].retry) throw thrown
      const problem = problemOf(error, call.request.id)
      return {
        status: problem.status,
        body: { headers: { 'content-type': 'application/problem+json' }, body: problem },
      }
    }
  }
  const { status, body, replayed } = await api.idempotency.once(call.by, key, hash, answer, { early })
  const stored = body as { headers: Record<string, string>; body: unknown }
  const headers = replayed ? { ...stored.headers, 'idempotency-replayed': 'true' } : stored.headers
  return { status, body: stored.body, headers }
}
