import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import pg, { type PoolClient, type PoolConfig } from 'pg'
import { endsConnection, STATEMENT_TIMEOUT_MS, translate } from './failures.ts'

const INT8 = 20

/** bigint columns hold sizes and numbers far below 2^53; one that does not is a fault, never a rounded number. */
function parseSafeInteger(digits: string): number {
  const value = Number(digits)
  if (!Number.isSafeInteger(value)) throw new RangeError(`Integer out of range in the ledger: ${digits}`)
  return value
}

const types: NonNullable<PoolConfig['types']> = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary'
      ? parseSafeInteger
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
}

export type ConnectionTarget = Pick<PoolConfig, 'connectionString' | 'host' | 'port' | 'user' | 'database'>

/**
 * The driver's pool with three habits put right: failures in our own codes, statements are prepared, and a connection that
 * failed is thrown away instead of being given to the next. Questions go out as they are asked, and are answered in order.
 */
export class LedgerPool implements PostgresPool {
  /** Kysely would take these over for connections of its own, which we never ask it to make. */
  readonly options = {}
  readonly #pool: pg.Pool
  readonly #clients = new WeakMap<PoolClient, LedgerClient>()
  readonly #names = new StatementNames()
  readonly #answerMs: number

  constructor(target: ConnectionTarget, options: { size: number; timeouts: boolean }) {
    this.#pool = new pg.Pool({
      ...target,
      types,
      pipeline: true,
      max: options.size,
      application_name: 'spawnpoint',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      ...(options.timeouts && {
        statement_timeout: STATEMENT_TIMEOUT_MS,
        idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      }),
    })
    // The server's own timeout comes first unless the network swallows its answer.
    this.#answerMs = options.timeouts ? STATEMENT_TIMEOUT_MS + 5_000 : 0
    // Idle connections die with the server; the pool has dropped them already and the next query makes new ones.
    this.#pool.on('error', () => undefined)
    // A checked-out connection that dies between two queries tells nobody else; the next query on it rejects.
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
  }

  async connect(): Promise<LedgerClient> {
    const client = await this.#pool.connect().catch((thrown: unknown) => {
      throw translate(thrown)
    })
    let wrapped = this.#clients.get(client)
    if (!wrapped) {
      wrapped = new LedgerClient(client, this.#names, this.#answerMs)
      this.#clients.set(client, wrapped)
    }
    return wrapped
  }

  end(): Promise<void> {
    return this.#pool.end()
  }
}

/** More different statements than the ledger asks often: prepared ones take memory of every connection. */
const MAX_PREPARED = 200

/**
 * Names under which statements are prepared, each once on a connection: the database then reads and plans them no more. It
 * halves what a short one takes.
 */
class StatementNames {
  readonly #names = new Map<string, string>()

  /** `undefined` for what is not prepared: what takes no parameters is hardly planned at all. */
  of(sql: string, parameters: readonly unknown[]): string | undefined {
    if (parameters.length === 0) return undefined
    const known = this.#names.get(sql)
    if (known !== undefined || this.#names.size >= MAX_PREPARED) return known
    const name = `s${this.#names.size}`
    this.#names.set(sql, name)
    return name
  }
}

/** What only reads may be sent before its transaction is known to have begun. */
const READS = /^\s*select\b/i

export class LedgerClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #names: StatementNames
  readonly #answerMs: number
  /** Of the latest transaction. Also once it is answered: what waits for it goes out before what is asked later. */
  #beginning: Promise<unknown> | null = null
  /** What may go out with `#beginning` */
  #company: 'read' | 'any' | 'none' = 'none'
  #broken = false
  #unanswered = 0

  /** `answerMs`: how long one answer may take, 0 for ever. */
  constructor(client: PoolClient, names: StatementNames, answerMs: number) {
    this.#client = client
    this.#names = names
    this.#answerMs = answerMs
  }

  /**
   * Begins a transaction. The first question after it goes out with it if it only reads, or if it would do no harm were there
   * no transaction; everything else waits until it has begun, or fails as it did.
   */
  async begin(first: 'read' | 'any'): Promise<void> {
    const beginning = this.#run('start transaction isolation level read committed', [])
    this.#beginning = beginning
    this.#company = first
    try {
      await beginning
    } catch (thrown) {
      // Whatever it is good for, nobody is to find it like this.
      this.#broken = true
      throw thrown
    }
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query(cursor: never): never
  query<R>(sql: string, parameters: readonly unknown[] = []): Promise<PostgresQueryResult<R>> {
    const beginning = this.#beginning
    if (beginning === null) return this.#run(sql, parameters)
    const goesAlong = this.#company === 'any' || (this.#company === 'read' && READS.test(sql))
    this.#company = 'none'
    if (!goesAlong) return beginning.then(() => this.#run(sql, parameters))
    const answer = this.#run<R>(sql, parameters)
    answer.catch(() => {}) // told below, unless it is the beginning that failed
    return beginning.then(() => answer)
  }

  async #run<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    this.#unanswered += 1
    try {
      const name = this.#names.of(sql, parameters)
      // Those in front of it may each take their time.
      const query_timeout = this.#answerMs * this.#unanswered
      const statement = { text: sql, values: [...parameters], query_timeout, ...(name === undefined ? {} : { name }) }
      return (await this.#client.query(statement)) as unknown as PostgresQueryResult<R>
    } catch (thrown) {
      this.#broken ||= endsConnection(thrown)
      throw translate(thrown)
    } finally {
      this.#unanswered -= 1
    }
  }

  release(discard?: boolean): void {
    this.#client.release(discard || this.#broken)
  }
}
