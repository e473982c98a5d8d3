import { sampleEvent, sampleKey, sampleSandbox, sampleSnapshot } from '@spawnpoint/contracts/ledger-samples'
import { type LedgerTx, newId, type UsageInterval } from '@spawnpoint/core'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { PostgresLedger } from './postgres-ledger.ts'
import { embeddedLedger } from './testing/scratch.ts'

vi.setConfig({ hookTimeout: 60_000 })

let server: Awaited<ReturnType<typeof embeddedLedger>>
beforeAll(async () => {
  server = await embeddedLedger()
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

/** Connections of the ledgers at this database. */
async function connections(databaseUrl: string): Promise<number> {
  await using undo = new AsyncDisposableStack()
  const client = undo.adopt(new Client(databaseUrl), (one) => one.end())
  await client.connect()
  const ours = `select count(*)::int as count from pg_stat_activity
    where application_name = 'spawnpoint' and datname = current_database()`
  return (await client.query<{ count: number }>(ours)).rows[0]?.count ?? Number.NaN
}

describe('what cannot be sent', () => {
  const interval: UsageInterval = {
    id: newId(),
    kind: 'incarnation',
    teamId: newId(),
    sandboxId: newId(),
    cpus: 1,
    memoryBytes: 1,
    storedBytes: 0,
    startedAt: new Date(Number.NaN),
    endedAt: null,
  }
  const ways: Record<string, (tx: LedgerTx) => Promise<unknown>> = {
    'a beginning': (tx) => tx.beginUsage(interval),
    'an end': (tx) => tx.endUsage(newId(), new Date(Number.NaN)),
    'a key': (tx) => tx.tieIdempotency(newId(), 'nul \u0000', newId()),
  }
  it.each(Object.entries(ways))('is refused with all that went before it: %s', async (_name, write) => {
    const sandbox = sampleSandbox(newId())
    const attempt = server.ledger.transact(async (tx) => {
      await tx.putSandbox(sandbox)
      await write(tx)
    })
    await expect(attempt).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await server.ledger.read.sandbox(sandbox.id)).toBeNull()
  })
})

it('prepares a statement anew that was first asked where nothing could be done any more', async () => {
  const { ledger } = server
  const teamId = newId<never>()
  const hash = `hash-${newId()}`
  await ledger.transact((tx) => tx.putKey(sampleKey(teamId), hash))
  const [taken, ...later] = Array.from({ length: 4 }, () => sampleSnapshot(teamId))
  const attempt = ledger.transact(async (tx) => {
    // Behind what is refused, on a connection that has not seen this statement: once to be prepared, once as if it were.
    const refused = tx.putKey(sampleKey(teamId), hash)
    if (taken) await Promise.all([tx.putSnapshot(taken), tx.putSnapshot(taken)])
    await refused
  })
  await expect(attempt).rejects.toMatchObject({ constraint: 'api_keys_hash' })
  // The pool gives back the connection that it was given last.
  await ledger.transact((tx) => Promise.all(later.map((snapshot) => tx.putSnapshot(snapshot))))
  for (const snapshot of later) expect(await ledger.read.snapshot(snapshot.id)).toEqual(snapshot)
})

it('tells a deadlock from what only followed it, and tries again', async () => {
  const { ledger } = server
  const teamId = newId<never>()
  const pair = [sampleSandbox(teamId), sampleSandbox(teamId)] as const
  await ledger.transact((tx) => Promise.all(pair.map((sandbox) => tx.putSandbox(sandbox))))
  let attempts = 0
  const meet = Promise.withResolvers<void>()
  const cross = (first: 0 | 1) =>
    ledger.transact(async (tx) => {
      await tx.lockSandbox(pair[first].id)
      attempts += 1
      if (attempts === 2) meet.resolve()
      await meet.promise
      // Sent together: if the lock is refused, so is the event.
      await Promise.all([tx.lockSandbox(pair[1 - first]?.id ?? newId()), tx.putSnapshot(sampleSnapshot(teamId))])
      await tx.addEvent(sampleEvent(teamId))
    })
  await Promise.all([cross(0), cross(1)])
  expect(attempts).toBe(3)
  expect(await ledger.read.events({ teamId }, 0, 5)).toHaveLength(2)
  expect((await ledger.read.snapshots({ teamId }, { limit: 5 })).items).toHaveLength(2)
})

it('ends what is under way before it closes, and leaves no connection', async () => {
  const { databaseUrl } = server.ledger
  await using other = new PostgresLedger({ databaseUrl })
  const before = await connections(databaseUrl)
  await other.open()
  const sandbox = sampleSandbox(newId())
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const writing = other.transact(async (tx) => {
    await tx.putSandbox(sandbox)
    await tx.sandbox(sandbox.id)
    begun.resolve()
    await goOn.promise
    await tx.addEvent(sampleEvent(sandbox.teamId))
  })
  await begun.promise
  let closed = false
  const closing = other.close().then(() => {
    closed = true
  })
  await server.ledger.read.sandbox(sandbox.id)
  expect(closed).toBe(false)
  goOn.resolve()
  await Promise.all([writing, closing])
  expect(await server.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
  await expect.poll(() => connections(databaseUrl)).toBe(before)
})
