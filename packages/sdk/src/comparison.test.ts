import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GuestError, type Sandbox, type Snapshot, Spawnpoint } from './index.ts'
import { openServerWorld, type ServerWorld } from './testing/server-world.ts'

let world: ServerWorld
let client: Spawnpoint
let sandbox: Sandbox
let before: Snapshot
let after: Snapshot
beforeAll(async () => {
  world = await openServerWorld()
  client = new Spawnpoint({ url: world.url, apiKey: world.key })
  sandbox = await client.sandboxes.create({ image: 'base' })
  await sandbox.files.write('/srv/config', 'port=80\nhost=here\n')
  before = await sandbox.snapshot({ kind: 'memory' })
  await sandbox.files.write('/srv/config', 'port=81\nhost=here\n', { mode: 0o600 })
  await sandbox.files.chmod('/srv/config', 0o600)
  for (const n of [1, 2, 3]) await sandbox.files.write(`/srv/many/${n}`, String(n))
  await sandbox.processes.start(['sleep', '1000'])
  after = await sandbox.snapshot({ kind: 'filesystem' })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe('a snapshot', () => {
  test('shows its files without being started', async () => {
    expect((await after.files.list('/srv', { depth: 2, pageSize: 2 }).toArray()).map(({ path }) => path)).toEqual([
      ...['/srv/config', '/srv/many', '/srv/many/1', '/srv/many/2', '/srv/many/3'],
    ])
    expect(await after.files.stat('/srv/config')).toMatchObject({ mode: 0o600, sizeBytes: 18 })
    expect(await before.files.readText('/srv/config')).toBe('port=80\nhost=here\n')
    expect(await before.files.readText('/srv/config', { offset: 5, length: 2 })).toBe('80')
    expect(await before.files.exists('/srv/many')).toBe(false)
    await expect(before.files.read('/srv/many/1')).rejects.toThrow(GuestError)
    const { items, incomplete } = await after.files.search({ content: 'host', path: '/srv' })
    expect([items.map(({ file, line }) => [file.path, line]), incomplete]).toEqual([[['/srv/config', 2]], null])
    const pieces: Uint8Array[] = []
    for await (const piece of after.files.archive('/srv/many')) pieces.push(piece)
    expect(Buffer.concat(pieces).toString('latin1', 0, 5)).toBe('many/')
  })

  test('says what is different in another', async () => {
    const { files, processes, ports, memory, ...sides } = await before.diff(after)
    expect(sides).toEqual({
      before: { snapshotId: before.id, sandboxId: null, at: before.info.createdAt },
      after: { snapshotId: after.id, sandboxId: null, at: after.info.createdAt },
    })
    expect(files.changed).toMatchObject([
      { path: '/srv/config', differs: ['content', 'mode'], before: { mode: 0o644 }, after: { mode: 0o600 } },
    ])
    expect(files.changed[0]?.after?.modifiedAt).toBeInstanceOf(Date)
    expect(files.counts).toEqual({ added: 4, removed: 0, changed: 1 })
    expect(processes).toMatchObject({ started: [{ command: 'sleep 1000' }], ended: [] })
    expect([ports, memory?.length]).toEqual([{ opened: [], closed: [] }, 1])
    expect((await before.diff(after.id, { path: '/srv/many', limit: 1 })).files).toMatchObject({
      ...{ added: [{ path: '/srv/many' }], truncated: true, counts: { changed: 0 } },
    })
    expect(await before.diffText(after, '/srv/config')).toMatchObject({
      ...{ outcome: 'text', unified: expect.stringContaining('-port=80\n+port=81\n') },
    })
    const census = await after.census()
    expect(census?.at).toBeInstanceOf(Date)
    expect(census?.processes).toMatchObject([{ command: 'sleep 1000' }])
  })
})

describe('a sandbox', () => {
  test('says what is different since a snapshot, and takes files back from it', async () => {
    expect((await sandbox.diff(after)).files.counts).toEqual({ added: 0, removed: 0, changed: 0 })
    expect((await sandbox.diffText(before.id, '/srv/config')).outcome).toBe('text')
    expect(await sandbox.files.copyFrom(before, '/srv/config')).toEqual({ entries: 1, bytes: 18 })
    expect(await sandbox.files.readText('/srv/config')).toBe('port=80\nhost=here\n')
    await sandbox.files.copyFrom(after.id, '/srv/many', { to: '/srv/again', owner: 'root' })
    expect((await sandbox.files.list('/srv/again')).map(({ name }) => name)).toEqual(['1', '2', '3'])
  })
})
