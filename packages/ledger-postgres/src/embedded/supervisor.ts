import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { unavailable } from '../failures.ts'
import type { ConnectionTarget } from '../pool.ts'
import { type Account, chooseAccount } from './account.ts'
import { Launcher } from './launcher.ts'
import { LogFile } from './log-file.ts'
import { endLeftovers, signalQuietly, takeLock } from './processes.ts'
import { makeRunDir, type RunDir } from './run-dir.ts'
import { initdbArguments, postgresArguments } from './settings.ts'

/** The part of pino's interface that the ledger uses. */
export interface Log {
  info(context: object, message: string): void
  warn(context: object, message: string): void
  error(context: object, message: string): void
}

const DATABASE = 'spawnpoint'
const INIT_MS = 120_000
/** Recovery after a crash reads the log written since the last checkpoint: at most 256 MB. */
const READY_MS = 120_000
const STEADY_MS = 10_000

/** What `start` holds, in the order to give back. */
interface Held {
  cluster: string
  account: Account
  run: RunDir
  log: LogFile
  launcher: Launcher
}

/**
 * Runs a private PostgreSQL in `dataDir/postgres`: makes it at the first start, ends with this process however that
 * ends, and starts it again when it dies on its own. Other things it keeps in `dataDir` are `postgres.lock`,
 * `postgres.log` and, where the account cannot read what npm installed, `postgres-bin-*`.
 */
export class PostgresSupervisor {
  readonly #dataDir: string
  readonly #log: Log
  readonly #stack = new AsyncDisposableStack()
  #child: ChildProcess | null = null
  #stopping = new AbortController()
  #restarting: Promise<void> | null = null
  #failures = 0
  /** It has answered once: from now on a death is followed by a restart instead of a refusal to open */
  #up = false

  constructor(options: { dataDir: string; log: Log }) {
    this.#dataDir = options.dataDir
    this.#log = options.log
  }

  /**
   * Returns once it answers. Rejects `unavailable` when another server holds the data directory or PostgreSQL does not
   * come up; call `stop` then too.
   */
  async start(): Promise<ConnectionTarget> {
    const began = performance.now()
    await mkdir(this.#dataDir, { recursive: true })
    const lock = await takeLock(join(this.#dataDir, 'postgres.lock'))
    this.#stack.defer(() => lock.release())
    const cluster = join(this.#dataDir, 'postgres')
    const account = await chooseAccount(cluster)
    const run = await makeRunDir(this.#dataDir, account)
    this.#stack.defer(() => run.remove())
    const log = this.#stack.use(new LogFile(join(this.#dataDir, 'postgres.log')))
    await log.bound()
    const launcher = await Launcher.prepare(account, run, this.#dataDir)
    const held = { cluster, account, run, log, launcher }
    await endLeftovers(cluster, run.socket)
    const first = await this.#initialize(held)
    await this.#spawn(held)
    const target = { host: run.socket, port: 5432, user: 'postgres', database: DATABASE }
    await this.#ready(target, log)
    this.#up = true
    if (!this.#child || !isAlive(this.#child)) throw unavailable(`PostgreSQL ended: ${await log.tail(2000)}`)
    const took = Math.round(performance.now() - began)
    this.#log.info({ took, first, pid: this.#child?.pid }, 'PostgreSQL is up')
    return target
  }

  /** Ends PostgreSQL cleanly, by force if it does not within 20 s, and gives everything back. Repeatable. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#restarting
    const child = this.#child
    if (child && isAlive(child)) {
      const ended = once(child, 'exit')
      for (const [signal, waitMs] of [
        ['SIGINT', 20_000],
        ['SIGQUIT', 5_000],
        ['SIGKILL', 5_000],
      ] as const) {
        if (child.pid) signalQuietly(child.pid, signal)
        if (await Promise.race([ended.then(() => true), pause(waitMs, false, { ref: false })])) break
        this.#log.warn({ signal }, 'PostgreSQL does not end')
      }
    }
    this.#child = null
    try {
      await this.#stack.disposeAsync()
    } catch (error) {
      this.#log.warn({ error }, 'PostgreSQL ended, but not all of its traces could be removed')
    }
  }

  /** Makes the cluster where there is none. It appears whole, under a rename, or not at all. */
  async #initialize({ cluster, account, log, launcher }: Held): Promise<boolean> {
    const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => null) // the first start
    if (version !== null) {
      if (version.trim() === '18') return false
      throw unavailable(`${cluster} was made by PostgreSQL ${version.trim()}, this one is 18`)
    }
    for (const name of await readdir(this.#dataDir)) {
      if (name.startsWith('postgres.new-')) await rm(join(this.#dataDir, name), { recursive: true, maxRetries: 5 })
    }
    const unfinished = await mkdtemp(join(this.#dataDir, 'postgres.new-'))
    if (account.other) await chown(unfinished, account.uid, account.gid)
    const initdb = await launcher.start('initdb', unfinished, 'KILL', log.fd, initdbArguments)
    const [code] = await exitWithin(initdb, INIT_MS)
    if (code !== 0) throw unavailable(`initdb failed: ${await log.tail(2000)}`)
    await rename(unfinished, cluster)
    await using parent = await open(this.#dataDir)
    await parent.sync()
    return true
  }

  async #spawn(held: Held): Promise<void> {
    const { cluster, run, log, launcher } = held
    const args = (data: string) => postgresArguments(data, run.socket)
    // INT is the fast shutdown: sessions end, a checkpoint is written, the next start needs no recovery.
    this.#child = await launcher.start('postgres', cluster, 'INT', log.fd, args)
    // A missing `setpriv` arrives here and not as a rejection; there is no process then and no exit.
    this.#child.on('error', (error) => this.#log.error({ error }, 'PostgreSQL cannot be started'))
    const began = performance.now()
    this.#child.once('exit', (code, signal) => {
      if (performance.now() - began > STEADY_MS) this.#failures = 0
      if (this.#up) this.#died(held, { code, signal })
    })
  }

  async #ready(target: ConnectionTarget, log: LogFile): Promise<void> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      const refusal = await tryConnect(target)
      if (refusal === null) return
      if (refusal instanceof DatabaseError && refusal.code === '3D000') {
        // The first start, or one cut off between initdb and here.
        await createDatabase(target)
        continue
      }
      if (!this.#child || !isAlive(this.#child)) throw unavailable(`PostgreSQL ended: ${await log.tail(2000)}`, refusal)
      if (performance.now() > deadline) throw unavailable('PostgreSQL does not answer', refusal)
      await pause(5)
    }
  }

  #died(held: Held, exit: { code: number | null; signal: string | null }): void {
    if (this.#stopping.signal.aborted) return
    this.#log.error({ ...exit, log: join(this.#dataDir, 'postgres.log') }, 'PostgreSQL died')
    this.#restarting = this.#restart(held)
  }

  /** Tries until there is a process again or the ledger closes: at once, then 0.1 s, 0.2 s … 5 s apart. Never rejects. */
  async #restart(held: Held): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const delay = this.#failures === 0 ? 0 : Math.min(50 * 2 ** this.#failures, 5_000)
      this.#failures += 1
      try {
        await pause(delay, undefined, { signal: this.#stopping.signal })
        // Somebody who cleans /tmp may have taken it away.
        await makeRunDir(this.#dataDir, held.account)
        await endLeftovers(held.cluster, held.run.socket)
        await this.#spawn(held)
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        this.#log.error({ error }, 'PostgreSQL cannot be started again')
        continue
      }
      if (this.#child?.pid === undefined) continue
      this.#log.info({ pid: this.#child.pid }, 'PostgreSQL was started again')
      return
    }
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

async function exitWithin(child: ChildProcess, ms: number): Promise<[number | null]> {
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    return [code]
  } finally {
    clearTimeout(timer)
  }
}

/** `null` when the server lets us in, else why not. */
async function tryConnect(target: ConnectionTarget): Promise<unknown> {
  const client = new Client({ ...target, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    return null
  } catch (thrown) {
    return thrown
  } finally {
    await client.end().catch(() => undefined) // it never was connected
  }
}

async function createDatabase(target: ConnectionTarget): Promise<void> {
  const client = new Client({ ...target, database: 'postgres' })
  await client.connect()
  try {
    await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}
