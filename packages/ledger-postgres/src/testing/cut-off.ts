import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { Ledger, SandboxId } from '@spawnpoint/core'
import { recordsOf, TEAM } from './writer.ts'

/** Starts a writer on `dataDir`, runs `cut` after `count` acknowledged records, kills it; returns all acknowledged. */
export async function writeUntil(dataDir: string, count: number, cut: () => Promise<void>): Promise<string[]> {
  // Dies with this process, so that a failing or killed test leaves none behind.
  const script = fileURLToPath(new URL('writer.ts', import.meta.url))
  const child = spawn('setpriv', ['--pdeathsig=KILL', process.execPath, script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const acknowledged: string[] = []
  let cutting: Promise<void> | null = null
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'open') acknowledged.push(line)
    if (acknowledged.length >= count) cutting ??= cut().finally(() => child.kill('SIGKILL'))
  }
  await exited
  if (!cutting) throw new Error(`The writer ended by itself after ${acknowledged.length} records`)
  await cutting
  return acknowledged
}

/** Numbers of acknowledged records that the ledger does not hold whole, with operation and event. */
export async function missing(ledger: Ledger, acknowledged: string[]): Promise<string[]> {
  const lost: string[] = []
  for (const n of acknowledged) {
    const { sandbox, operation } = recordsOf(n)
    const events = await ledger.read.events({ teamId: TEAM, sandboxId: n as SandboxId }, 0, 2)
    const whole =
      isDeepStrictEqual(await ledger.read.sandbox(sandbox.id), sandbox) &&
      isDeepStrictEqual(await ledger.read.operation(operation.id), operation) &&
      events.length === 1
    if (!whole) lost.push(n)
  }
  return lost
}
