import type { IdempotencyApi, Principal } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import type { Operation, OperationKind } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { IdempotencyRecord, LedgerTx } from '../ports/index.ts'
import { auditAccepted } from './audit.ts'

/** The record of an earlier request, and what it began. */
interface Earlier {
  record: IdempotencyRecord
  operation: Operation | null
}

export class Idempotency implements IdempotencyApi {
  readonly #parts: Parts
  /** Digests of the requests that this server works on, by team and key: an unanswered record of any other is a dead server's */
  readonly #underWay = new Map<string, string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async once(
    by: Principal,
    key: string,
    requestHash: string,
    work: (by: Principal) => Promise<{ status: number; body: unknown }>,
  ) {
    if (key.length < 1 || key.length > 255) throw invalidArgument('Idempotency-Key', '1 to 255 characters')
    const name = `${by.teamId} ${key}`
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) throw underWay === requestHash ? inProgress(key, key) : mismatch(key)
    this.#underWay.set(name, requestHash)
    try {
      const earlier = await this.#claim(by, key, requestHash)
      const stored = earlier?.record.response ?? null
      if (stored !== null) return { ...stored, replayed: true }
      const response = await work({ ...by, once: { key, begun: earlier?.operation ?? null } })
      // What is not stored, for whatever reason, is judged by its operation when the key comes again.
      if (response.status < 500) {
        await this.#parts.ledger.transact((tx) => tx.finishIdempotency(by.teamId, key, response))
      }
      return { ...response, replayed: earlier !== null }
    } finally {
      this.#underWay.delete(name)
    }
  }

  /** Claims the key; `null` if it was free. */
  #claim(by: Principal, key: string, requestHash: string): Promise<Earlier | null> {
    const { ledger, clock } = this.#parts
    const fresh = { teamId: by.teamId, key, requestHash, operationId: null, response: null, createdAt: clock.now() }
    return ledger.transact(async (tx) => {
      const record = await tx.claimIdempotency(fresh)
      if (record === null) return null
      const operation = record.operationId === null ? null : await tx.operation(record.operationId)
      if (this.#isFree({ record, operation })) {
        await tx.releaseIdempotency(by.teamId, key)
        await tx.claimIdempotency(fresh)
        return null
      }
      if (record.requestHash !== requestHash) throw mismatch(key)
      if (record.response === null && operation?.state === 'open') throw inProgress(operation.id, operation.kind)
      return { record, operation }
    })
  }

  /** Old enough, or of a request that left nothing: it was never answered, and what it began, if anything, was undone. */
  #isFree({ record, operation }: Earlier): boolean {
    const { clock, config } = this.#parts
    if (record.createdAt.getTime() < clock.now().getTime() - config.keep.idempotencyMs) return true
    return record.response === null && (operation === null || operation.state === 'failed')
  }
}

/**
 * Ties the key that this is asked under, if any, to the operation that answers it, and notes who has asked for it: in the
 * transaction that accepts it.
 */
export async function tie(tx: LedgerTx, by: Principal, operation: Operation): Promise<void> {
  await auditAccepted(tx, by, operation)
  if (by.once !== undefined) await tx.tieIdempotency(by.teamId, by.once.key, operation.id)
}

/** The operation whose outcome answers a request that is asked again; `null` if there is none and it has to be begun. */
export function begunBefore(by: Principal, kind: OperationKind): Operation | null {
  const begun = by.once?.begun ?? null
  return begun?.kind === kind ? begun : null
}

function inProgress(id: string, operation: string): SpawnpointError {
  return new SpawnpointError(
    'operation_in_progress',
    'The first request with this idempotency key is still under way',
    { resource: 'operation', id, operation },
  )
}

function mismatch(key: string): SpawnpointError {
  return new SpawnpointError('idempotency_mismatch', 'This idempotency key was used for another request', { key })
}
