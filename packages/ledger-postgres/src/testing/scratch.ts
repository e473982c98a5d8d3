import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import type { Log } from '../embedded/supervisor.ts'
import { PostgresLedger } from '../postgres-ledger.ts'
import type { Tables } from '../tables.ts'

/** Collects what was said; quiet unless a test looks. */
export function memoryLog(): Log & { lines: { level: string; context: object; message: string }[] } {
  const lines: { level: string; context: object; message: string }[] = []
  const at = (level: string) => (context: object, message: string) => void lines.push({ level, context, message })
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

export async function scratchDir(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'spawnpoint-ledger-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** An open ledger on a PostgreSQL of its own, both gone afterwards. */
export async function embeddedLedger(): Promise<{ ledger: PostgresLedger; dataDir: string } & AsyncDisposable> {
  await using undo = new AsyncDisposableStack()
  const scratch = undo.use(await scratchDir())
  const ledger = undo.use(new PostgresLedger({ dataDir: scratch.path, log: memoryLog() }))
  await ledger.open()
  const owned = undo.move()
  return { ledger, dataDir: scratch.path, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A database without our own pool: for what is there before a ledger opens it. */
export function plainDatabase(connectionString: string): Kysely<Tables> {
  const pool = new Pool({ connectionString, max: 1 })
  // It ends before its connections do: a server that is stopped then still has a last word for each, and for those that are
  // idle the pool says it, too.
  pool.on('connect', (client) => client.on('error', () => undefined))
  pool.on('error', () => undefined)
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}
