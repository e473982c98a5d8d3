import type { IdempotencyApi, Principal } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import type { Parts } from '../parts.ts'
import type { IdempotencyRecord } from '../ports/index.ts'

/** Keys older than this are free again, in milliseconds. */
export const IDEMPOTENCY_TTL_MS = 24 * 3600 * 1000

export class Idempotency implements IdempotencyApi {
  readonly #parts: Parts
  readonly #startedAt: Date

  constructor(parts: Parts) {
    this.#parts = parts
    this.#startedAt = parts.clock.now()
  }

  async once(by: Principal, key: string, requestHash: string, work: () => Promise<{ status: number; body: unknown }>) {
    if (key.length < 1 || key.length > 255) throw invalidArgument('Idempotency-Key', '1 to 255 characters')
    const { ledger, clock } = this.#parts
    const fresh = { teamId: by.teamId, key, requestHash, response: null, createdAt: clock.now() }
    const earlier = await ledger.transact(async (tx) => {
      const record = await tx.claimIdempotency(fresh)
      if (record === null || !this.#isStale(record)) return record
      await tx.releaseIdempotency(by.teamId, key)
      return tx.claimIdempotency(fresh)
    })
    if (earlier !== null) {
      if (earlier.requestHash !== requestHash) {
        throw new SpawnpointError('idempotency_mismatch', 'This idempotency key was used for another request', { key })
      }
      if (earlier.response === null) {
        throw new SpawnpointError(
          'operation_in_progress',
          'The first request with this idempotency key is still under way',
          {
            resource: 'operation',
            id: key,
            operation: key,
          },
        )
      }
      return { ...earlier.response, replayed: true }
    }
    let response: { status: number; body: unknown }
    try {
      response = await work()
    } catch (error) {
      await ledger.transact((tx) => tx.releaseIdempotency(by.teamId, key))
      throw error
    }
    await ledger.transact((tx) =>
      response.status >= 500 ? tx.releaseIdempotency(by.teamId, key) : tx.finishIdempotency(by.teamId, key, response),
    )
    return { ...response, replayed: false }
  }

  /** Old enough, or claimed by a server that died before it had an answer: what that was doing has been undone since. */
  #isStale(record: IdempotencyRecord): boolean {
    const now = this.#parts.clock.now().getTime()
    if (record.createdAt.getTime() < now - IDEMPOTENCY_TTL_MS) return true
    return record.response === null && record.createdAt < this.#startedAt
  }
}
