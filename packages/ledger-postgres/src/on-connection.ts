import { type DatabaseConnection, DummyDriver, Kysely, PostgresDialect } from 'kysely'
import type { LedgerClient, LedgerPool } from './pool.ts'
import type { Tables } from './tables.ts'

export interface Connections {
  pool: LedgerPool
  db: Kysely<Tables>
}

/**
 * Asks on one connection, each question the moment it is put, without waiting for the answers to earlier ones. Kysely's own
 * transactions wait: a round trip for each statement. Rejects once `isOver`: the connection is another's then.
 */
export function onConnection({ db, pool }: Connections, client: LedgerClient, isOver: () => boolean): Kysely<Tables> {
  const connection: DatabaseConnection = {
    async executeQuery({ sql, parameters }) {
      if (isOver()) throw new Error('This transaction has ended')
      const { rows, rowCount, command } = await client.query<never>(sql, parameters)
      return { rows, ...(command === 'SELECT' ? {} : { numAffectedRows: BigInt(rowCount ?? 0) }) }
    },
    streamQuery: () => {
      throw new Error('the ledger reads page by page')
    },
  }
  const dialect = new PostgresDialect({ pool })
  const executor = db.getExecutor().withConnectionProvider({ provideConnection: (ask) => ask(connection) })
  return new Kysely<Tables>({ config: { dialect }, driver: new DummyDriver(), dialect, executor })
}
