import { afterAll, beforeAll, expect, test } from 'vitest'
import { QuotaError, Spawnpoint } from './index.ts'
import { openServerWorld, type ServerWorld } from './testing/server-world.ts'

let world: ServerWorld
let admin: Spawnpoint
beforeAll(async () => {
  world = await openServerWorld()
  admin = new Spawnpoint({ url: world.url, apiKey: world.key })
})
afterAll(() => world[Symbol.asyncDispose]())

const as = (apiKey: string) => new Spawnpoint({ url: world.url, apiKey })

test('teams, their limits and settings', async () => {
  const { team, key, secret } = await admin.teams.create({ name: 'research', limits: { sandboxes: 2 } })
  expect(team.createdAt).toBeInstanceOf(Date)
  expect(key.scopes).toEqual(['read', 'write', 'admin'])
  expect((await admin.teams.list().toArray()).map(({ name }) => name)).toContain('research')
  const changed = await admin.teams.update('research', { limits: { cpus: 1.5 } })
  expect(changed.limits).toMatchObject({ sandboxes: 2, cpus: 1.5, snapshots: null })
  expect(await admin.teams.get(team.id)).toEqual(changed)
  const own = as(secret)
  expect((await own.keys.updateTeam({ snapshotRetentionMs: 5_000 })).snapshotRetentionMs).toBe(5_000)
  expect(await own.keys.team()).toMatchObject({ name: 'research', used: { sandboxes: 0 } })
  await expect(own.teams.list().toArray()).rejects.toMatchObject({ name: 'ForbiddenError', code: 'forbidden' })
})

test('a limit that is reached is a QuotaError, at once', async () => {
  await admin.teams.update('default', { limits: { sandboxes: 0 } })
  const error: unknown = await admin.sandboxes.create({ image: 'base' }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(QuotaError)
  expect(error).toMatchObject({ status: 429, context: { limit: 'sandboxes', allowed: 0, used: 0, asked: 1 } })
  await admin.teams.update('default', { limits: { sandboxes: null } })
})

test('usage as rows and as CSV', async () => {
  await using sandbox = await admin.sandboxes.create({ image: 'base' })
  const rows = await admin.usage.rows({ by: ['day', 'sandbox'] })
  expect(rows.find(({ sandboxId }) => sandboxId === sandbox.id)).toMatchObject({
    teamId: null,
    sandboxSeconds: expect.any(Number),
  })
  expect(await admin.usage.csv({ by: ['sandbox'] })).toContain(`\r\n${sandbox.id},`)
  const [team] = await admin.teams.usage({ team: 'default', from: new Date(Date.now() - 60_000) })
  expect(team).toMatchObject({ teamId: expect.any(String), day: null })
  expect(await admin.teams.csv({ by: ['day'] })).toMatch(/^team_id,day,/)
  await expect(admin.usage.rows({ from: new Date(0) })).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('keys with scopes, and the audit log', async () => {
  const { key, secret } = await admin.keys.create({ name: 'reader', scopes: ['read'], member: 'ana' })
  expect(await as(secret).keys.self()).toMatchObject({ id: key.id, name: 'reader', scopes: ['read'], member: 'ana' })
  expect(key).toMatchObject({ scopes: ['read'], member: 'ana' })
  const reader = as(secret)
  await reader.sandboxes.list().toArray()
  await expect(reader.sandboxes.create({ image: 'base' })).rejects.toMatchObject({ code: 'forbidden' })
  const [entry, ...more] = await admin.audit.list({ member: 'ana', from: new Date(Date.now() - 60_000) }).toArray()
  expect(more).toEqual([])
  expect(entry).toMatchObject({ what: 'sandboxes.create', outcome: 'forbidden', door: 'native', keyName: 'reader' })
  expect(entry?.at).toBeInstanceOf(Date)
})
