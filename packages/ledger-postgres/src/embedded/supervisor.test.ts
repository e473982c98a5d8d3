import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { sampleSandbox } from '@spawnpoint/contracts/ledger-samples'
import { isCode, newId, type Sandbox } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { PostgresLedger } from '../postgres-ledger.ts'
import { embeddedLedger, memoryLog, scratchDir } from '../testing/scratch.ts'
import { chooseAccount } from './account.ts'
import { findBinaries } from './binaries.ts'
import { Launcher } from './launcher.ts'
import { LogFile } from './log-file.ts'
import { processesIn } from './processes.ts'
import { makeRunDir } from './run-dir.ts'
import { postgresArguments } from './settings.ts'

// Every test starts servers: half a second on an idle machine, many times that on a busy one.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

// Most tests close and open one cluster again and again: making one, and deleting its 1,000 files, takes a second.
let own: Awaited<ReturnType<typeof embeddedLedger>>
beforeAll(async () => {
  own = await embeddedLedger()
})
beforeEach(() => own.ledger.open())
afterAll(async () => {
  await own?.[Symbol.asyncDispose]()
})

/** Writes one row, so that a test can tell whether the ledger works and still knows it. */
async function write(ledger: PostgresLedger): Promise<Sandbox> {
  const sandbox = sampleSandbox(newId())
  await ledger.transact((tx) => tx.putSandbox(sandbox))
  return sandbox
}

async function postmasterOf(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
}

it('keeps everything over close and open, and leaves no process and no directory in /run', async () => {
  const { ledger, dataDir } = own
  const socketDir = new URL(ledger.databaseUrl).searchParams.get('host') ?? ''
  const sandbox = await write(ledger)
  await ledger.close()
  expect(await processesIn(join(dataDir, 'postgres'))).toEqual([])
  await expect(stat(join(socketDir, '..'))).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(ledger.read.sandbox(sandbox.id)).rejects.toMatchObject({ code: 'unavailable' })
  await expect(ledger.transact(async () => 1)).rejects.toMatchObject({ code: 'unavailable' })
  await ledger.open()
  expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('refuses a second server on the same data directory, and the first one goes on', async () => {
  await using second = new PostgresLedger({ dataDir: own.dataDir, log: memoryLog() })
  await expect(second.open()).rejects.toMatchObject({ code: 'unavailable', message: /Another server/ })
  const sandbox = await write(own.ledger)
  expect(await own.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('starts PostgreSQL again when it is killed; meanwhile calls reject unavailable', async () => {
  const { ledger, dataDir } = own
  const sandbox = await write(ledger)
  for (let round = 0; round < 2; round += 1) {
    const killed = await postmasterOf(dataDir)
    process.kill(killed, 'SIGKILL')
    // The backends notice within moments; until the new postmaster is ready every call must reject, and with this code.
    let refusals = 0
    for (;;) {
      const found = await ledger.read.sandbox(sandbox.id).catch((thrown: unknown) => {
        if (!isCode(thrown, 'unavailable')) throw thrown
        refusals += 1
        return null
      })
      if (found && (await processesIn(join(dataDir, 'postgres'))).every((pid) => pid !== killed) && refusals > 0) break
    }
    await write(ledger)
    expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
    expect(await postmasterOf(dataDir)).not.toBe(killed)
  }
})

it('ends a PostgreSQL that a dead server left running, and takes its place', async () => {
  const { ledger, dataDir } = own
  const sandbox = await write(ledger)
  await ledger.close()
  const cluster = join(dataDir, 'postgres')
  await using undo = new AsyncDisposableStack()
  const account = await chooseAccount(cluster)
  // The directory of the ledger itself, which removes it when it closes.
  const run = await makeRunDir(dataDir, account)
  const log = undo.use(new LogFile(join(dataDir, 'left.log')))
  const launcher = await Launcher.prepare(account, run, dataDir)
  const left = await launcher.start('postgres', cluster, 'INT', log.fd, (data) => postgresArguments(data, run.socket))
  undo.defer(() => void left.kill('SIGKILL'))
  while (!(await log.tail(4096)).includes('ready to accept connections')) expect(left.exitCode).toBeNull()

  const ended = once(left, 'exit')
  await ledger.open()
  expect((await ended)[0]).toBe(0)
  expect(await postmasterOf(dataDir)).not.toBe(left.pid)
  expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('starts although the process ids that an earlier PostgreSQL noted now belong to a zombie and to a stranger', async () => {
  const { ledger, dataDir } = own
  const sandbox = await write(ledger)
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
  const content = await readFile(pidFile, 'utf8')
  await ledger.close()

  await using undo = new AsyncDisposableStack()
  // Starts a child that ends when told to, and becomes a program that never asks for its end.
  const script = '(read -r line <&3) & echo $!; exec sleep 60 3<&-'
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] })
  undo.defer(() => void parent.kill('SIGKILL'))
  const zombie = Number(String((await once(parent.stdout as Readable, 'data'))[0]))
  await expect.poll(() => readFile(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n')
  ;(parent.stdio[3] as Writable).end()
  while (!/\) Z /.test(await readFile(`/proc/${zombie}/stat`, 'utf8'))) expect(parent.exitCode).toBeNull()

  const { uid, gid } = await stat(join(dataDir, 'postgres'))
  for (const pid of [zombie, process.pid]) {
    await writeFile(pidFile, content.replace(/^\d+/, String(pid)))
    await chown(pidFile, uid, gid)
    await ledger.open()
    expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
    await ledger.close()
  }
})

it('runs from its real place where the account can walk there, and from a private mount where it cannot', async () => {
  await using scratch = await scratchDir()
  const commandLine = async () => {
    await using ledger = new PostgresLedger({ dataDir: join(scratch.path, 'data'), log: memoryLog() })
    await ledger.open()
    await write(ledger)
    return await readFile(`/proc/${await postmasterOf(join(scratch.path, 'data'))}/cmdline`, 'utf8')
  }
  await chmod(scratch.path, 0o700)
  expect(await commandLine()).toMatch(/-D\0\/run\/spawnpoint-pg-\w+\/data\0/)
  expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain('spawnpoint-pg-')
  await chmod(scratch.path, 0o755)
  expect(await commandLine()).toContain(`-D\0${join(scratch.path, 'data', 'postgres')}\0`)
})

it('copies programs that the account may not read, once per version', async () => {
  await using scratch = await scratchDir()
  const dataDir = join(scratch.path, 'data')
  await mkdir(join(dataDir, 'postgres-bin-1.0.0'), { recursive: true })
  const installed = findBinaries()
  const hidden = join(scratch.path, 'native')
  await cp(installed.root, hidden, { recursive: true })
  for (const part of ['.', 'bin', 'bin/initdb', 'bin/postgres', 'lib', 'lib/libssl.so.1.1']) {
    await chmod(join(hidden, part), 0o700)
  }
  await using undo = new AsyncDisposableStack()
  const account = await chooseAccount(join(dataDir, 'postgres'))
  const run = await makeRunDir(dataDir, account)
  undo.defer(() => run.remove())
  const log = undo.use(new LogFile(join(dataDir, 'initdb.log')))
  for (let time = 0; time < 2; time += 1) {
    const launcher = await Launcher.prepare(account, run, dataDir, { ...installed, root: hidden })
    const initdb = await launcher.start('initdb', dataDir, 'KILL', log.fd, () => ['--version'])
    expect([await once(initdb, 'exit'), await log.tail(500)]).toEqual([[0, null], expect.stringContaining('18')])
  }
  expect((await readdir(dataDir)).filter((name) => name.startsWith('postgres-bin-'))).toEqual([
    `postgres-bin-${installed.version}`,
  ])
})

it('goes on after a first start that was cut off', async () => {
  await using scratch = await scratchDir()
  await mkdir(join(scratch.path, 'postgres.new-abc123', 'base'), { recursive: true })
  await using ledger = new PostgresLedger({ dataDir: scratch.path, log: memoryLog() })
  await ledger.open()
  await write(ledger)
  expect((await readdir(scratch.path)).sort()).toEqual(['postgres', 'postgres.lock', 'postgres.log'])
})

it('rejects with what PostgreSQL said when it cannot start, and leaves nothing running', async () => {
  const { ledger, dataDir } = own
  await ledger.close()
  await writeFile(join(dataDir, 'postgres', 'postgresql.conf'), 'no_such_setting = 1\n')
  await expect(ledger.open()).rejects.toMatchObject({ code: 'unavailable', message: /no_such_setting/ })
  expect(await processesIn(join(dataDir, 'postgres'))).toEqual([])
  await writeFile(join(dataDir, 'postgres', 'postgresql.conf'), '')
  await ledger.open()
  await write(ledger)
})

it('keeps its log small', async () => {
  await using scratch = await scratchDir()
  const path = join(scratch.path, 'postgres.log')
  await writeFile(path, `${'x'.repeat(5 * 2 ** 20)}end`)
  using log = new LogFile(path)
  await log.bound()
  expect((await stat(path)).size).toBe(0)
  expect((await readFile(`${path}.1`, 'utf8')).length).toBe(2 ** 20)
  expect((await readFile(`${path}.1`, 'utf8')).endsWith('end')).toBe(true)
})
