import { ledgerContract } from '@spawnpoint/contracts/ledger'
import { sampleEvent, sampleSandbox } from '@spawnpoint/contracts/ledger-samples'
import { newId } from '@spawnpoint/core'
import { Client } from 'pg'
import { expect, it } from 'vitest'
import { PostgresLedger } from './postgres-ledger.ts'
import { embeddedLedger } from './testing/scratch.ts'

ledgerContract('embedded PostgreSQL', embeddedLedger)

ledgerContract('PostgreSQL at DATABASE_URL', async () => {
  await using undo = new AsyncDisposableStack()
  const { databaseUrl } = undo.use(await emptyDatabase())
  const ledger = undo.use(new PostgresLedger({ databaseUrl }))
  await ledger.open()
  const owned = undo.move()
  return { ledger, [Symbol.asyncDispose]: () => owned.disposeAsync() }
})

/** An empty database of a PostgreSQL that stands for somebody else's. */
async function emptyDatabase(): Promise<{ databaseUrl: string } & AsyncDisposable> {
  const other = await embeddedLedger()
  await query(other.ledger.databaseUrl, 'create database elsewhere')
  return {
    databaseUrl: other.ledger.databaseUrl.replace('///spawnpoint?', '///elsewhere?'),
    [Symbol.asyncDispose]: () => other[Symbol.asyncDispose](),
  }
}

async function query(databaseUrl: string, sql: string): Promise<void> {
  const client = new Client(databaseUrl)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

it('makes the schema once when several servers meet an empty database', async () => {
  await using empty = await emptyDatabase()
  const { databaseUrl } = empty
  await using undo = new AsyncDisposableStack()
  const ledgers = [1, 2, 3].map(() => undo.use(new PostgresLedger({ databaseUrl })))
  await Promise.all(ledgers.map((ledger) => ledger.open()))
  const sandbox = sampleSandbox(newId())
  await ledgers[0]?.transact((tx) => tx.putSandbox(sandbox))
  expect(await ledgers[2]?.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('refuses a database that a newer server has used', async () => {
  await using empty = await emptyDatabase()
  const { databaseUrl } = empty
  await using ledger = new PostgresLedger({ databaseUrl })
  await ledger.open()
  await ledger.close()
  await query(
    databaseUrl,
    `insert into spawnpoint.migrations (name, timestamp) values ('9999-future', '2099-01-01T00:00:00.000Z')`,
  )
  await expect(ledger.open()).rejects.toThrow(/newer/)
})

it('rejects unavailable when the database is not there', async () => {
  await using ledger = new PostgresLedger({ databaseUrl: 'postgresql://postgres@127.0.0.1:1/none' })
  await expect(ledger.open()).rejects.toMatchObject({ code: 'unavailable' })
})

it('rejects unavailable when the connection goes in the middle of a transaction, which then never was', async () => {
  await using own = await embeddedLedger()
  const { ledger } = own
  const sandbox = sampleSandbox(newId())
  const drop = `select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'spawnpoint' and pid <> pg_backend_pid()`
  const attempt = ledger.transact(async (tx) => {
    await tx.putSandbox(sandbox)
    await query(ledger.databaseUrl, drop)
    await tx.addEvent(sampleEvent(sandbox.teamId))
  })
  await expect(attempt).rejects.toMatchObject({ code: 'unavailable' })
  expect(await ledger.read.sandbox(sandbox.id)).toBeNull()
})

it('keeps the reason why work was refused even when the connection goes before the rollback', async () => {
  await using own = await embeddedLedger()
  const refusal = new Error('refused')
  const attempt = own.ledger.transact(async (tx) => {
    await tx.sandbox(newId())
    const drop = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'spawnpoint'`
    await query(own.ledger.databaseUrl, drop)
    throw refusal
  })
  await expect(attempt).rejects.toBe(refusal)
})

it('makes room for transactions whose work runs several queries at once', async () => {
  await using own = await embeddedLedger()
  const sandboxes = Array.from({ length: 20 }, () => sampleSandbox(newId()))
  await own.ledger.transact((tx) => Promise.all(sandboxes.map((sandbox) => tx.putSandbox(sandbox))))
  for (const sandbox of sandboxes) expect(await own.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('refuses numbers beyond what JavaScript counts, and numbers that are none', async () => {
  await using own = await embeddedLedger()
  for (const generation of [1.5, Number.NaN, 2 ** 70]) {
    const sandbox = sampleSandbox(newId(), { generation })
    const put = own.ledger.transact((tx) => tx.putSandbox(sandbox))
    await expect(put, String(generation)).rejects.toMatchObject({ code: 'invalid_argument' })
  }
})
