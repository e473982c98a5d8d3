import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, vi } from 'vitest'
import { processesIn } from './embedded/processes.ts'
import { PostgresLedger } from './postgres-ledger.ts'
import { missing, writeUntil } from './testing/cut-off.ts'
import { memoryLog, scratchDir } from './testing/scratch.ts'

// Every round starts a server that writes and another that reads.
vi.setConfig({ testTimeout: 120_000 })

it('loses nothing acknowledged when the server is killed while it writes, and PostgreSQL ends by itself', async () => {
  await using scratch = await scratchDir()
  const acknowledged: string[] = []
  for (let round = 0; round < 4; round += 1) {
    const count = 20 + Math.floor(Math.random() * 200)
    acknowledged.push(...(await writeUntil(scratch.path, count, async () => undefined)))
    // Every other round meets PostgreSQL while it is still ending.
    if (round % 2 === 0) await ended(join(scratch.path, 'postgres'))
    await using ledger = new PostgresLedger({ dataDir: scratch.path, log: memoryLog() })
    await ledger.open()
    expect(await missing(ledger, acknowledged)).toEqual([])
  }
  expect(acknowledged.length).toBeGreaterThan(80)
})

async function ended(cluster: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while ((await processesIn(cluster)).length > 0) {
    if (performance.now() > deadline) throw new Error('PostgreSQL outlives its server')
    await pause(5)
  }
}

it('loses nothing acknowledged in a power cut', async () => {
  await using scratch = await scratchDir()
  const script = fileURLToPath(new URL('testing/power-cut.ts', import.meta.url))
  const alone = ['--mount', '--propagation=private', '--pid', '--fork', '--kill-child', '--mount-proc']
  const command = ['--pdeathsig=KILL', 'unshare', ...alone, process.execPath, script, scratch.path, '3']
  const { stdout } = await promisify(execFile)('setpriv', command)
  const { acknowledged, lost } = JSON.parse(stdout) as { acknowledged: number; lost: number }
  expect(acknowledged).toBeGreaterThan(60)
  expect(lost).toBe(0)
})
