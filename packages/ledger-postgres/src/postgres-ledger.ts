import { setTimeout as pause } from 'node:timers/promises'
import { isCode, type Ledger, type LedgerReads, type LedgerTx } from '@spawnpoint/core'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { type Log, PostgresSupervisor } from './embedded/supervisor.ts'
import { isRetryable, unavailable } from './failures.ts'
import { migrate } from './migrations/index.ts'
import { type ConnectionTarget, LedgerPool } from './pool.ts'
import { PostgresReads } from './reads.ts'
import type { Tables } from './tables.ts'
import { PostgresTx } from './transaction.ts'

export type PostgresLedgerOptions =
  /** A PostgreSQL, 15 or newer, that somebody else runs; the schema `spawnpoint` in it is ours. */
  | { databaseUrl: string }
  /** A private PostgreSQL under `dataDir`, started and stopped with the ledger. */
  | { dataDir: string; log: Log }

/**
 * Two pools: work inside a transaction that also reads outside it would otherwise wait for a connection that only the
 * end of such work gives back.
 */
const TRANSACTIONS = 8
const READS = 4
const ATTEMPTS = 10
/** As many connections as may be found cut, one after the other, before the database counts as gone */
const UNBEGUN_ATTEMPTS = 3

/**
 * The ledger on PostgreSQL. Rejects `unavailable` while the database cannot be reached and goes on by itself afterwards;
 * when the connection is lost during a commit, `unavailable` leaves open whether it happened.
 */
export class PostgresLedger implements Ledger, AsyncDisposable {
  readonly read: LedgerReads
  readonly #options: PostgresLedgerOptions
  #supervisor: PostgresSupervisor | null = null
  #db: { transactions: Kysely<Tables>; reads: Kysely<Tables> } | null = null
  #target: ConnectionTarget | null = null

  constructor(options: PostgresLedgerOptions) {
    this.#options = options
    this.read = new PostgresReads(() => this.#opened().reads)
  }

  /** Rejects `unavailable` when the database does not come up or belongs to another server that runs. */
  async open(): Promise<void> {
    if (this.#db) return
    try {
      this.#target = await this.#connectionTarget()
      await migrateAt(this.#target)
      this.#db = {
        transactions: connect(this.#target, { size: TRANSACTIONS, timeouts: true }),
        reads: connect(this.#target, { size: READS, timeouts: true }),
      }
    } catch (thrown) {
      await this.close()
      throw thrown
    }
  }

  /** Lets transactions under way end, then stops the private PostgreSQL if there is one. */
  async close(): Promise<void> {
    const db = this.#db
    this.#db = null
    await Promise.all([db?.transactions.destroy(), db?.reads.destroy()])
    await this.#supervisor?.stop()
    this.#supervisor = null
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** How other libraries of this server reach the same database. */
  get databaseUrl(): string {
    const target = this.#target
    if (!target) throw unavailable('The ledger is not open')
    if (target.connectionString) return target.connectionString
    const { user = '', host = '', database = '' } = target
    return `postgresql:///${database}?host=${encodeURIComponent(host)}&user=${user}`
  }

  async transact<T>(
    work: (tx: LedgerTx) => Promise<T>,
    { durability = 'now' }: { durability?: 'now' | 'later' } = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      let begun = false
      try {
        return await this.#attempt((tx) => {
          begun = true
          return work(tx)
        }, durability)
      } catch (thrown) {
        // A connection of the pool that was cut while nobody used it: nothing was asked on it yet, and others are there.
        const unbegun = !begun && isCode(thrown, 'unavailable') && attempt < UNBEGUN_ATTEMPTS
        if (!unbegun && !isRetryable(thrown)) throw thrown
        if (attempt === ATTEMPTS) throw unavailable('Too many transactions at once on the same rows', thrown)
        await pause(Math.random() * 5 * attempt)
      }
    }
  }

  async #attempt<T>(work: (tx: LedgerTx) => Promise<T>, durability: 'now' | 'later'): Promise<T> {
    let refused: { thrown: unknown } | undefined
    // READ COMMITTED: each statement sees what was committed before it, and locked rows are read as they are now. The
    // stricter levels would fail whoever waited for a lock, which is the common case here, not the rare one.
    const transaction = this.#opened().transactions.transaction().setIsolationLevel('read committed')
    try {
      return await transaction.execute(async (db) => {
        try {
          const tx = new PostgresTx(db)
          const result = await work(tx)
          await tx.finish()
          // Its place in the log is before that of all that commit after it, whose flush takes it along.
          if (durability === 'later') await sql`set local synchronous_commit to off`.execute(db)
          return result
        } catch (thrown) {
          refused = { thrown }
          throw thrown
        }
      })
    } catch (thrown) {
      // When the connection is gone the rollback fails too, and would hide why the work was refused.
      throw refused ? refused.thrown : thrown
    }
  }

  #opened(): { transactions: Kysely<Tables>; reads: Kysely<Tables> } {
    if (!this.#db) throw unavailable('The ledger is not open')
    return this.#db
  }

  async #connectionTarget(): Promise<ConnectionTarget> {
    if ('databaseUrl' in this.#options) return { connectionString: this.#options.databaseUrl }
    this.#supervisor = new PostgresSupervisor(this.#options)
    return await this.#supervisor.start()
  }
}

function connect(target: ConnectionTarget, options: { size: number; timeouts: boolean }): Kysely<Tables> {
  const dialect = new PostgresDialect({ pool: new LedgerPool(target, options) })
  return new Kysely<Tables>({ dialect }).withSchema('spawnpoint')
}

/** On a connection without time limits: a migration may take as long as it needs. */
async function migrateAt(target: ConnectionTarget): Promise<void> {
  const db = connect(target, { size: 1, timeouts: false })
  try {
    await migrate(db)
  } finally {
    await db.destroy()
  }
}
