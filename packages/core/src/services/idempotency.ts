import type { IdempotencyApi, Principal, StoredAnswer } from '../api.ts'
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

/** A request that this server works on. */
interface UnderWay {
  requestHash: string
  /** Set when it has been answered; resolves, never rejects, when the answer is stored */
  storing: Promise<void> | null
}

export class Idempotency implements IdempotencyApi {
  readonly #parts: Parts
  /** By team and key: an unanswered record of any other request is a dead server's */
  readonly #underWay = new Map<string, UnderWay>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async once(
    by: Principal,
    key: string,
    requestHash: string,
    work: (by: Principal) => Promise<{ status: number; body: unknown }>,
    { early = false, keep = false }: { early?: boolean; keep?: boolean } = {},
  ) {
    if (key.length < 1 || key.length > 255) throw invalidArgument('Idempotency-Key', '1 to 255 characters')
    const name = `${by.teamId} ${key}`
    for (let other = this.#underWay.get(name); other !== undefined; other = this.#underWay.get(name)) {
      if (other.requestHash !== requestHash) throw mismatch(key)
      if (other.storing === null) throw inProgress(key, key)
      await other.storing
    }
    const own: UnderWay = { requestHash, storing: null }
    this.#underWay.set(name, own)
    try {
      const claim = this.#claim(by, key, requestHash)
      const begun = claim.then((earlier) => {
        if (earlier?.record.response) throw inProgress(key, key)
        return earlier?.operation ?? null
      })
      begun.catch(() => {}) // told below
      const begin = () => work({ ...by, once: { key, begun } })
      const ahead = early ? begin() : null
      // Where the claim says that it is not to be, it does nothing, and ends with that.
      if (ahead !== null) await Promise.allSettled([ahead])
      const earlier = await claim
      const stored = earlier?.record.response ?? null
      if (stored !== null) return { ...stored, replayed: true }
      const response = await (ahead ?? begin())
      if (response.status < 500) {
        if (keep) await this.#parts.ledger.transact((tx) => tx.finishIdempotency(by.teamId, key, response))
        else own.storing = this.#store(by, key, response)
      }
      return { ...response, replayed: earlier !== null }
    } finally {
      if (own.storing === null) this.#underWay.delete(name)
      else void own.storing.then(() => this.#underWay.delete(name))
    }
  }

  async answers(by: Principal, prefix: string, limit: number): Promise<StoredAnswer[]> {
    const { ledger, clock, config } = this.#parts
    // What was answered already is among them.
    const given = [...this.#underWay].filter(([name]) => name.startsWith(`${by.teamId} ${prefix}`))
    await Promise.all(given.map(([, { storing }]) => storing))
    const since = clock.now().getTime() - config.keep.idempotencyMs
    const found = await ledger.read.idempotentUnder(by.teamId, prefix, limit)
    return found.flatMap(({ key, response, createdAt: at }) =>
      response === null || at.getTime() < since ? [] : [{ key, body: response.body, at }],
    )
  }

  /** Resolves when every answer that was given is stored. */
  async idle(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map(({ storing }) => storing))
  }

  /** Behind the caller's back: an answer that is not stored, for whatever reason, is judged by its operation when the key comes again. */
  async #store(by: Principal, key: string, response: { status: number; body: unknown }): Promise<void> {
    try {
      await this.#parts.ledger.transact((tx) => tx.finishIdempotency(by.teamId, key, response), { durability: 'later' })
    } catch (error) {
      this.#parts.log.warn({ err: error, key }, 'an answer is not stored under its idempotency key')
    }
  }

  /** Claims the key; `null` if it was free. */
  #claim(by: Principal, key: string, requestHash: string): Promise<Earlier | null> {
    const { ledger, clock } = this.#parts
    const fresh = { teamId: by.teamId, key, requestHash, operationId: null, response: null, createdAt: clock.now() }
    const claim = async (tx: LedgerTx): Promise<Earlier | null> => {
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
    }
    // What is begun under the key is committed after it, and takes it along.
    return ledger.transact(claim, { durability: 'later' })
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
export async function begunBefore(by: Principal, kind: OperationKind): Promise<Operation | null> {
  const begun = (await by.once?.begun) ?? null
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
