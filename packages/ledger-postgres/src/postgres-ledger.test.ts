import { ledgerContract } from '@spawnpoint/contracts/ledger'
import { sampleEvent, sampleSandbox } from '@spawnpoint/contracts/ledger-samples'
import { newId } from '@spawnpoint/core'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { PostgresLedger } from './postgres-ledger.ts'
import { embeddedLedger } from './testing/scratch.ts'

// A first start takes most of a second on an idle machine, many times that on a busy one.
vi.setConfig({ hookTimeout: 60_000 })

ledgerContract('embedded PostgreSQL', embeddedLedger)

/** Also stands for a PostgreSQL of somebody else's, with a database for each test. */
let server: Awaited<ReturnType<typeof embeddedLedger>>
beforeAll(async () => {
  server = await embeddedLedger()
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

ledgerContract('PostgreSQL at DATABASE_URL', async () => {
  const ledger = new PostgresLedger({ databaseUrl: await emptyDatabase() })
  await ledger.open()
  return { ledger, [Symbol.asyncDispose]: () => ledger.close() }
})

async function emptyDatabase(): Promise<string> {
  const name = `test_${newId()}`
  await query(server.ledger.databaseUrl, `create database ${name}`)
  return server.ledger.databaseUrl.replace('///spawnpoint?', `///${name}?`)
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
  const databaseUrl = await emptyDatabase()
  await using undo = new AsyncDisposableStack()
  const ledgers = [1, 2, 3].map(() => undo.use(new PostgresLedger({ databaseUrl })))
  await Promise.all(ledgers.map((ledger) => ledger.open()))
  const sandbox = sampleSandbox(newId())
  await ledgers[0]?.transact((tx) => tx.putSandbox(sandbox))
  expect(await ledgers[2]?.read.sandbox(sandbox.id)).toEqual(sandbox)
})

it('refuses a database that a newer server has used', async () => {
  const databaseUrl = await emptyDatabase()
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
  const { ledger } = server
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
  const refusal = new Error('refused')
  const attempt = server.ledger.transact(async (tx) => {
    await tx.sandbox(newId())
    const drop = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'spawnpoint'`
    await query(server.ledger.databaseUrl, drop)
    throw refusal
  })
  await expect(attempt).rejects.toBe(refusal)
})

it('goes on with another connection where one was cut while nobody used it', async () => {
  const { ledger } = server
  const sandbox = sampleSandbox(newId())
  // Several connections, all of them idle when they are cut.
  await Promise.all(Array.from({ length: 4 }, () => ledger.transact((tx) => tx.sandbox(sandbox.id))))
  await query(
    ledger.databaseUrl,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'spawnpoint'`,
  )
  await ledger.transact((tx) => tx.putSandbox(sandbox))
  await expect.poll(() => ledger.read.sandbox(sandbox.id).catch(() => null)).toEqual(sandbox)
})

it('makes room for transactions whose work runs several queries at once', async () => {
  const sandboxes = Array.from({ length: 20 }, () => sampleSandbox(newId()))
  await server.ledger.transact((tx) => Promise.all(sandboxes.map((sandbox) => tx.putSandbox(sandbox))))
  for (const sandbox of sandboxes)
    await expect.poll(() => server.ledger.read.sandbox(sandbox.id).catch(() => null)).toEqual(sandbox)
})

it('refuses numbers beyond what JavaScript counts, and numbers that are none', async () => {
  for (const generation of [1.5, Number.NaN, 2 ** 70]) {
    const sandbox = sampleSandbox(newId(), { generation })
    const put = server.ledger.transact((tx) => tx.putSandbox(sandbox))
    await expect(put, String(generation)).rejects.toMatchObject({ code: 'invalid_argument' })
  }
})
