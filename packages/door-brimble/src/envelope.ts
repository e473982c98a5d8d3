import { createHash } from 'node:crypto'
import {
  invalidArgument,
  isCode,
  type Principal,
  type SpawnpointApi,
  SpawnpointError,
  toSpawnpointError,
} from '@spawnpoint/core'
import type { Answer, Call } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { refusal } from './errors.ts'

const LOOK_MS = 100
/** Less than clients wait for what takes longest */
const JOIN_MS = 90_000
const ID = /^[a-f0-9]{24}$/

export function idParam(noun: 'sandbox' | 'snapshot' | 'volume' | 'team' | 'environment') {
  return z.string().regex(ID, `Invalid ${noun} id`)
}

export function ok(data: unknown, message: string, status = 200): Answer {
  return { status, body: { message, data } }
}

export function acknowledged(message: string): Answer {
  return { status: 200, body: { message } }
}

const number = (min: number, max: number, otherwise: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(otherwise)

export const pageQuery = z.object({ page: number(1, 1_000_000, 1), limit: number(1, 100, 15) })

export const teamPageQuery = pageQuery.extend({ teamId: idParam('team').optional() })

/** One page of a list that is here in full, newest first. */
export function paginated<T>(
  all: readonly T[],
  { page, limit }: z.output<typeof pageQuery>,
  show: (one: T) => unknown,
) {
  return {
    data: all.slice((page - 1) * limit, page * limit).map(show),
    totalCount: all.length,
    currentPage: page,
    totalPages: Math.max(1, Math.ceil(all.length / limit)),
    limit,
  }
}

/** Runs `work` once for the request's `idempotency-key`, if it has one. */
export async function once(api: SpawnpointApi, call: Call, work: (by: Principal) => Promise<Answer>): Promise<Answer> {
  const key = call.request.headers['idempotency-key']
  if (key === undefined) return work(call.by)
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(key))
    throw invalidArgument('idempotency-key', '1 to 200 printable characters without spaces')
  const { method, url } = call.request
  const hash = createHash('sha256')
    .update(JSON.stringify([method, url, call.body]))
    .digest('hex')
  const { status, body } = await joined(api, call, `brimble:${key}`, hash, async (by) => {
    try {
      const answer = await work(by)
      return { status: answer.status, body: answer.body }
    } catch (thrown) {
      const refused = refusal(toSpawnpointError(thrown))
      // What may be otherwise next time is not kept.
      if (refused.status >= 500 || refused.status === 429) throw thrown
      return { status: refused.status, body: refused.body }
    }
  })
  return { status, body }
}

/**
 * A client that has lost patience asks again with the same key while we are still at it: it gets that request's answer. After
 * a while it is refused as what it may try again.
 */
async function joined(api: SpawnpointApi, { by, signal }: Call, ...[key, hash, work]: Keyed) {
  for (const until = Date.now() + JOIN_MS; ; ) {
    try {
      return await api.idempotency.once(by, key, hash, work)
    } catch (error) {
      // Everything else that is under way is an answer.
      if (!isCode(error, 'operation_in_progress')) throw error
      if (signal.aborted || Date.now() >= until)
        throw new SpawnpointError('unavailable', error.message, { reason: error.message })
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

type Keyed = Parameters<SpawnpointApi['idempotency']['once']> extends [Principal, ...infer Rest] ? Rest : never
