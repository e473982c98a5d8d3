import { setTimeout as pause } from 'node:timers/promises'
import { isCode, type Ledger, type LedgerReads, type LedgerTx } from '@spawnpoint/core'
import { Kysely, PostgresDialect } from 'kysely'
import { type Log, PostgresSupervisor } from './embedded/supervisor.ts'
import { isRetryable, unavailable } from './failures.ts'
import { migrate } from './migrations/index.ts'
import { type Connections, onConnection } from './on-connection.ts'
import { type ConnectionTarget, LedgerPool } from './pool.ts'
import { PostgresReads } from './reads.ts'
import type { Tables } from './tables.ts'
import { PostgresTx } from './transaction.ts'
import { WritesBehind } from './writes-behind.ts'

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
  #db: { transactions: Connections; reads: Connections } | null = null
  #target: ConnectionTarget | null = null

  constructor(options: PostgresLedgerOptions) {
    this.#options = options
    this.read = new PostgresReads(() => this.#opened().reads.db)
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
    // Not Kysely's `destroy`, which ends only what was asked through Kysely: transactions are not.
    await Promise.all([db?.transactions.pool.end(), db?.reads.pool.end()])
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
        return await this.#attempt(work, durability, () => {
          begun = true
        })
      } catch (thrown) {
        // A connection of the pool that was cut while nobody used it: nothing has happened on it, and others are there.
        const unbegun = !begun && isCode(thrown, 'unavailable') && attempt < UNBEGUN_ATTEMPTS
        if (!unbegun && !isRetryable(thrown)) throw thrown
        if (attempt === ATTEMPTS) throw unavailable('Too many transactions at once on the same rows', thrown)
        await pause(Math.random() * 5 * attempt)
      }
    }
  }

  /**
   * READ COMMITTED: each statement sees what was committed before it, and locked rows are read as they are now. The
   * stricter levels would fail whoever waited for a lock, which is the common case here, not the rare one.
   */
  async #attempt<T>(work: (tx: LedgerTx) => Promise<T>, durability: 'now' | 'later', begun: () => void): Promise<T> {
    const { transactions } = this.#opened()
    const client = await transactions.pool.connect()
    let [asking, over] = [true, false]
    try {
      const beginning = client.begin(durability === 'later' ? 'any' : 'read').then(begun)
      beginning.catch(() => {}) // whatever is asked after it fails as it does
      const isOver = () => !asking
      const writes = new WritesBehind()
      const tx = new PostgresTx(onConnection(transactions, client, isOver), writes, isOver)
      try {
        const result = await work(tx)
        tx.finish()
        asking = false
        // Its place in the log is before that of all that commit after it, whose flush takes it along.
        if (durability === 'later') writes.add(client.query('set local synchronous_commit to off', []))
        await writes.committed(client.query('commit', []))
        over = true
        return result
      } catch (thrown) {
        asking = false
        const refusal = await writes.refusal(thrown)
        // When the connection is gone this fails too, and is not why the work was refused.
        if (!over) over = await didWork(client.query('rollback', []))
        throw refusal
      }
    } finally {
      client.release(!over)
    }
  }

  #opened(): { transactions: Connections; reads: Connections } {
    if (!this.#db) throw unavailable('The ledger is not open')
    return this.#db
  }

  async #connectionTarget(): Promise<ConnectionTarget> {
    if ('databaseUrl' in this.#options) return { connectionString: this.#options.databaseUrl }
    this.#supervisor = new PostgresSupervisor(this.#options)
    return await this.#supervisor.start()
  }
}

const didWork = (asked: Promise<unknown>): Promise<boolean> =>
  asked.then(
    () => true,
    () => false,
  )

function connect(target: ConnectionTarget, options: { size: number; timeouts: boolean }): Connections {
  const pool = new LedgerPool(target, options)
  return { pool, db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema('spawnpoint') }
}

/** On a connection without time limits: a migration may take as long as it needs. */
async function migrateAt(target: ConnectionTarget): Promise<void> {
  const { db, pool } = connect(target, { size: 1, timeouts: false })
  try {
    await migrate(db)
  } finally {
    await pool.end()
  }
}
