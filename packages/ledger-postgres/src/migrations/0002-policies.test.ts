import { newId, type SandboxId, type SnapshotId, type TeamId } from '@spawnpoint/core'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { PostgresLedger } from '../postgres-ledger.ts'
import type { Tables } from '../tables.ts'
import { embeddedLedger, plainDatabase } from '../testing/scratch.ts'
import { migratorOf } from './index.ts'

vi.setConfig({ hookTimeout: 60_000 })

let server: Awaited<ReturnType<typeof embeddedLedger>>
beforeAll(async () => {
  server = await embeddedLedger()
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

/** A database as the first schema has it. */
async function firstSchema(): Promise<{ databaseUrl: string; db: Kysely<Tables> }> {
  const name = `test_${newId()}`
  const admin = plainDatabase(server.ledger.databaseUrl)
  await sql.raw(`create database ${name}`).execute(admin)
  await admin.destroy()
  const databaseUrl = server.ledger.databaseUrl.replace('///spawnpoint?', `///${name}?`)
  const db = plainDatabase(databaseUrl)
  const { error } = await migratorOf(db.withSchema('spawnpoint')).migrateTo('0001-first')
  if (error) throw error
  return { databaseUrl, db }
}

it('gives rows of the first schema what they lack', async () => {
  const { databaseUrl, db } = await firstSchema()
  const team = newId<TeamId>()
  const [image, origin, later] = [newId(), newId<SnapshotId>(), newId<SnapshotId>()]
  const timeout = '{"timeoutMs":60000,"idleTimeoutMs":null,"onTimeout":"pause"}'
  const insert = async (state: string, source: string | null) => {
    const id = newId<SandboxId>()
    await sql`insert into spawnpoint.sandboxes (id, team_id, state, image_id, source_snapshot_id, defaults, env, labels,
      resources, network, timeout, generation, created_at) values (${id}, ${team}, ${state}, ${image}, ${source},
      '{}', '{}', '{}', '{}', '{"internet":true,"allow":[],"deny":[]}', ${timeout}, 0, now())`.execute(db)
    return id
  }
  const create = (sandbox: SandboxId, snapshot: string | null, detail = '{"cold":false}') =>
    sql`insert into spawnpoint.operations (id, team_id, kind, state, phase, sandbox_id, snapshot_id, detail, created_at)
      values (${newId()}, ${team}, 'sandbox.create', 'done', 'done', ${sandbox}, ${snapshot}, ${detail}, now())`.execute(
      db,
    )
  await sql`insert into spawnpoint.snapshots (id, team_id, kind, state, internal, sandbox_id, image_id, defaults, env,
    resources, generation, size_bytes, labels, created_at) values (${origin}, ${team}, 'memory', 'ready', false,
    ${newId()}, ${image}, '{}', '{}', '{}', 0, 0, '{}', now())`.execute(db)
  const booted = await insert('running', null)
  await create(booted, null)
  const bootedThenRolledBack = await insert('paused', later)
  await create(bootedThenRolledBack, null)
  const spawnedThenRolledBack = await insert('stopped', later)
  await create(spawnedThenRolledBack, origin)
  const forked = await insert('killed', origin)
  const startedCold = await insert('failed', origin)
  await create(startedCold, origin, '{"cold":true}')
  await db.destroy()

  await using ledger = new PostgresLedger({ databaseUrl })
  await ledger.open()
  const read = async (id: SandboxId) => {
    const { ingress, timeout, originSnapshotId, originCold, haltedAt } = (await ledger.read.sandbox(id)) ?? {}
    return { ingress, timeout, originSnapshotId, originCold, halted: haltedAt instanceof Date }
  }
  const same = {
    ingress: { default: 'open', ports: {}, hostHeader: null },
    timeout: { timeoutMs: 60_000, idleTimeoutMs: null, onTimeout: 'pause', autoResume: false, deleteAfterMs: null },
    originCold: false,
  }
  expect(await read(booted)).toEqual({ ...same, originSnapshotId: null, halted: false })
  expect(await read(bootedThenRolledBack)).toEqual({ ...same, originSnapshotId: null, halted: true })
  expect(await read(spawnedThenRolledBack)).toEqual({ ...same, originSnapshotId: origin, halted: true })
  expect(await read(forked)).toEqual({ ...same, originSnapshotId: origin, halted: false })
  expect(await read(startedCold)).toEqual({ ...same, originSnapshotId: origin, originCold: true, halted: true })
})
