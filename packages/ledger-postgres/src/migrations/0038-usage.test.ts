import { type IncarnationId, newId, type SandboxId, type SnapshotId, type TeamId } from '@spawnpoint/core'
import { sql } from 'kysely'
import { expect, it, vi } from 'vitest'
import { PostgresLedger } from '../postgres-ledger.ts'
import { embeddedLedger, plainDatabase } from '../testing/scratch.ts'
import { migratorOf } from './index.ts'

vi.setConfig({ testTimeout: 60_000 })

it('counts what lasts from now on, and lets keys and teams do what they could', async () => {
  await using server = await embeddedLedger()
  const name = `test_${newId()}`
  const admin = plainDatabase(server.ledger.databaseUrl)
  await sql.raw(`create database ${name}`).execute(admin)
  await admin.destroy()
  const databaseUrl = server.ledger.databaseUrl.replace('///spawnpoint?', `///${name}?`)
  await using undo = new AsyncDisposableStack()
  const db = plainDatabase(databaseUrl)
  undo.defer(() => db.destroy())
  const { error } = await migratorOf(db.withSchema('spawnpoint')).migrateTo('0020-schedules')
  if (error) throw error

  const [team, ran, kept, rested] = [newId<TeamId>(), newId<IncarnationId>(), newId<SnapshotId>(), newId<SnapshotId>()]
  const sandbox = async (state: string, incarnation: string | null, paused: string | null) => {
    const id = newId<SandboxId>()
    await sql`insert into spawnpoint.sandboxes (id, team_id, state, image_id, defaults, env, labels, resources, network,
      timeout, ingress, generation, created_at, incarnation_id, paused_snapshot_id) values (${id}, ${team}, ${state},
      ${newId()}, '{}', '{}', '{}', '{"cpus":1.5,"memoryBytes":1024}', '{}', '{}', '{}', 0, now(), ${incarnation},
      ${paused})`.execute(db)
    return id
  }
  const snapshot = (id: string, state: string, internal: boolean, sizeBytes: number) =>
    sql`insert into spawnpoint.snapshots (id, team_id, kind, state, internal, sandbox_id, image_id, defaults, env,
      resources, generation, size_bytes, labels, created_at) values (${id}, ${team}, 'memory', ${state}, ${internal},
      ${newId()}, ${newId()}, '{}', '{}', '{}', 0, ${sizeBytes}, '{}', now())`.execute(db)
  await sql`insert into spawnpoint.teams (id, name, created_at) values (${team}, 'old', now())`.execute(db)
  await sql`insert into spawnpoint.api_keys (id, team_id, name, hint, hash, created_at)
    values (${newId()}, ${team}, 'old', 'sp_1', 'h', now())`.execute(db)
  await sandbox('running', ran, null)
  await sandbox('killed', newId(), null)
  await sandbox('paused', null, rested)
  await snapshot(kept, 'ready', false, 1_000)
  await snapshot(rested, 'ready', true, 200)
  await snapshot(newId(), 'ready', true, 30)
  await snapshot(newId(), 'failed', false, 4)
  await using ledger = new PostgresLedger({ databaseUrl })
  await ledger.open()
  expect((await ledger.read.openIncarnations()).map(({ id }) => id)).toEqual([ran])
  const now = new Date(Date.now() + 3_600_000)
  const [sums, ...more] = await ledger.read.usage({
    teamId: team,
    from: new Date(0),
    to: now,
    now,
    byTeam: false,
    byDay: false,
    bySandbox: false,
    limit: 10,
  })
  expect(more).toEqual([])
  const ranMs = sums?.ranMs ?? 0
  expect(ranMs).toBeGreaterThan(3_000_000)
  expect(sums).toMatchObject({ cpuMs: ranMs * 1.5, memoryByteMs: ranMs * 1_024, storedByteMs: ranMs * 1_200 })
  expect((await ledger.read.keyByHash('h'))?.scopes).toEqual(['read', 'write', 'admin'])
  expect((await ledger.read.team(team))?.limits).toEqual({
    sandboxes: null,
    cpus: null,
    memoryBytes: null,
    snapshots: null,
    storageBytes: null,
    snapshotRetentionMs: null,
  })
})
