import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Core, RootId, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server()
})
afterEach(() => core.close())

const create = async (request: object) => (await core.sandboxes.create(world.by, { image: 'base', ...request })).done
async function write(sandbox: Sandbox, path: string, data: string): Promise<void> {
  const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
  await guest.files.write(path, Readable.from([Buffer.from(data)]))
}
async function read(sandbox: Sandbox, path: string): Promise<string> {
  const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
  return text((await guest.files.read(path)).body)
}
const mount = (volume: string, path = '/data') => ({ volumes: [{ volume, path }] })

it('a volume keeps what sandboxes write, for those that come later and those beside', async () => {
  const volume = await core.volumes.create(world.by, { name: 'data' })
  expect(volume).toMatchObject({ name: 'data', sizeBytes: 10 * 2 ** 30 })
  const one = await create(mount('data'))
  expect(one.volumes).toEqual([{ volumeId: volume.id, path: '/data', readOnly: false }])
  await write(one, '/data/a', 'kept')
  const other = await create({ volumes: [{ volume: volume.id, path: '/mnt/x', readOnly: true }] })
  expect(await read(other, '/mnt/x/a')).toBe('kept')
  await expect(write(other, '/mnt/x/a', 'no')).rejects.toMatchObject({ context: { errno: 'EROFS' } })
  expect(await core.volumes.usage(world.by, 'data')).toEqual({ usedBytes: 4 })
  for (const sandbox of [one, other]) await core.sandboxes.kill(world.by, sandbox.id)
  expect(await read(await create(mount('data')), '/data/a')).toBe('kept')
})

it('is given more room and less, never less than it holds', async () => {
  const { id } = await core.volumes.create(world.by, { name: 'data', sizeBytes: 2 ** 30 })
  const one = await create(mount('data'))
  await write(one, '/data/a', 'x'.repeat(2 ** 21))
  expect(await core.volumes.resize(world.by, 'data', { sizeBytes: 2 ** 31 })).toMatchObject({ id, sizeBytes: 2 ** 31 })
  expect((await core.volumes.get(world.by, id)).sizeBytes).toBe(2 ** 31)
  for (const sizeBytes of [2 ** 20, 2 ** 41, 1.5, Number.NaN])
    await expect(core.volumes.resize(world.by, id, { sizeBytes })).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(core.volumes.resize(world.by, 'none', { sizeBytes: 2 ** 30 })).rejects.toMatchObject({
    code: 'not_found',
  })
  expect((await core.volumes.get(world.by, id)).sizeBytes).toBe(2 ** 31)
})

it('stays as it is over pauses, stops, forks and roll backs, and comes with the memory that holds on to it', async () => {
  await core.volumes.create(world.by, { name: 'data' })
  const sandbox = await create(mount('data'))
  await write(sandbox, '/data/a', '1')
  const memory = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
  const files = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem' })).done
  expect([memory.volumes, files.volumes]).toEqual([sandbox.volumes, []])
  await write(sandbox, '/data/a', '2')
  for (const [rest, back] of [
    ['pause', 'resume'],
    ['stop', 'start'],
  ] as const) {
    await (await core.sandboxes[rest](world.by, sandbox.id)).done
    await (await core.sandboxes[back](world.by, sandbox.id)).done
    expect(await read(sandbox, '/data/a')).toBe('2')
  }
  await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: memory.id })).done
  expect(await read(sandbox, '/data/a')).toBe('2')
  const [child] = await (await core.sandboxes.fork(world.by, sandbox.id, { count: 1, mode: 'all_or_nothing' })).done
  expect(child?.sandbox?.volumes).toEqual(sandbox.volumes)

  const spawned = await (await core.sandboxes.create(world.by, { snapshot: memory.id })).done
  expect(await read(spawned, '/data/a')).toBe('2')
  // A ledger need not keep the order of fields.
  const record = world.host.ledger.committed.snapshots.get(memory.id)
  if (record === undefined) throw new Error('the snapshot has no record')
  const volumes = record.volumes.map(({ volumeId, path, readOnly }) => ({ path, readOnly, volumeId }))
  world.host.ledger.committed.snapshots.set(memory.id, { ...record, volumes })
  const same = await (await core.sandboxes.create(world.by, { snapshot: memory.id, ...mount('data') })).done
  expect(same.volumes).toEqual(sandbox.volumes)
  const bare = await (await core.sandboxes.create(world.by, { snapshot: files.id })).done
  expect(bare.volumes).toEqual([])
  const cold = await (
    await core.sandboxes.create(world.by, { snapshot: memory.id, cold: true, ...mount('data', '/b') })
  ).done
  expect(await read(cold, '/b/a')).toBe('2')
  await expect(core.sandboxes.create(world.by, { snapshot: memory.id, volumes: [] })).rejects.toMatchObject({
    code: 'invalid_argument',
  })
})

it('is deleted when no living sandbox mounts it, with all that is in it', async () => {
  const { id } = await core.volumes.create(world.by, { name: 'data' })
  const sandbox = await create(mount('data'))
  const memory = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
  await (await core.sandboxes.stop(world.by, sandbox.id)).done
  await expect(core.volumes.delete(world.by, 'data')).rejects.toMatchObject({
    code: 'in_use',
    context: { resource: 'volume', id, by: [sandbox.id] },
  })
  await core.sandboxes.kill(world.by, sandbox.id)
  await core.volumes.delete(world.by, 'data')
  expect([...world.host.roots.keys()]).toEqual([])
  await expect(core.volumes.get(world.by, id)).rejects.toMatchObject({ code: 'not_found' })
  // The memory cannot go on without it; the files can.
  await expect(core.sandboxes.create(world.by, { snapshot: memory.id })).rejects.toMatchObject({ code: 'not_found' })
  expect((await (await core.sandboxes.create(world.by, { snapshot: memory.id, cold: true })).done).state).toBe(
    'running',
  )
})

it('is not written to for a trial, and does not leave the server', async () => {
  await core.volumes.create(world.by, { name: 'data' })
  const sandbox = await create(mount('data'))
  const memory = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
  for (const refused of [
    core.snapshots.drill(world.by, memory.id, {}),
    core.archives.pushSnapshot(world.by, memory.id, { reference: 'registry.test/team/state:v1' }),
  ])
    await expect(refused).rejects.toMatchObject({ code: 'incompatible', context: { needs: 'volumes at /data' } })
})

it('refuses what cannot be mounted, and other names, sizes and teams', async () => {
  await core.volumes.create(world.by, { name: 'data' })
  const bad = [
    '/',
    'data',
    '/tmp',
    '/tmp/x',
    '/var',
    '/proc/1',
    '/a/../b',
    '/a//b',
    '/a/',
    '/./a',
    `/${'x'.repeat(2000)}`,
  ]
  for (const path of bad)
    await expect(create(mount('data', path)), path).rejects.toMatchObject({ code: 'invalid_argument' })
  const twice = { volumes: [...mount('data', '/a').volumes, ...mount('data', '/a/b').volumes] }
  await expect(create(twice)).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(create(mount('none'))).rejects.toMatchObject({ code: 'not_found' })
  for (const sizeBytes of [0, -1, 1.5, 2 ** 41, Number.NaN])
    await expect(core.volumes.create(world.by, { name: 'x', sizeBytes })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  await expect(core.volumes.create(world.by, { name: '../x' })).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(core.volumes.create(world.by, { name: 'data' })).rejects.toMatchObject({ code: 'name_taken' })
  const { key } = await core.createTeam('others')
  const theirs = await core.authenticate(key)
  await expect(core.volumes.get(theirs, 'data')).rejects.toMatchObject({ code: 'not_found' })
  await expect(core.volumes.delete(theirs, 'data')).rejects.toMatchObject({ code: 'not_found' })
  expect((await core.volumes.list(world.by, {}, { limit: 10 })).items.map(({ name }) => name)).toEqual(['data'])
  expect((await core.sandboxes.list(world.by, {}, { limit: 10 })).items).toEqual([])
  expect(world.host.roots.size).toBe(1)
})

it('a server that dies while one is made or deleted leaves a whole one or none', async () => {
  for (const request of ['create', 'delete'] as const) {
    for (let n = 0; ; n += 1) {
      const dying = new World()
      const first = await dying.server()
      if (request === 'delete') await first.volumes.create(dying.by, { name: 'data' })
      await first.idle()
      dying.host.faults.reset()
      dying.host.faults.crashCall(n, 'before')
      const work =
        request === 'create' ? first.volumes.create(dying.by, { name: 'data' }) : first.volumes.delete(dying.by, 'data')
      const failed = await work.then(
        () => false,
        () => true,
      )
      dying.host.faults.reset()
      await using next = await dying.server()
      const { items } = await next.volumes.list(dying.by, {}, { limit: 10 })
      expect([...dying.host.roots.keys()], `${request} ${n}`).toEqual(items.map(({ id }) => id))
      if (!failed) {
        expect(items).toHaveLength(request === 'create' ? 1 : 0)
        break
      }
    }
  }
})

it('its files are read and changed without a sandbox, and sandboxes see it', async () => {
  const { volumeFiles: files } = core
  const volume = await core.volumes.create(world.by, { name: 'data' })
  const sandbox = await create(mount('data'))
  const bytes = (text: string) => Readable.from([Buffer.from(text)])
  const made = await files.write(world.by, 'data', '/in/a', bytes('out'), { parents: true })
  expect(made).toMatchObject({ path: '/in/a', sizeBytes: 3, uid: 1000, gid: 1000, mode: 0o666 })
  expect(await read(sandbox, '/data/in/a')).toBe('out')
  await write(sandbox, '/data/in/b', 'inside')
  expect(await text((await files.read(world.by, volume.id, '/in/b', { offset: 2 })).body)).toBe('side')
  expect((await files.list(world.by, 'data', '/', { depth: 2 })).items.map(({ path }) => path)).toEqual([
    '/in',
    '/in/a',
    '/in/b',
  ])
  expect(await files.makeDir(world.by, 'data', '/in/dir')).toMatchObject({ type: 'directory', mode: 0o777 })
  expect(await files.change(world.by, 'data', '/in/a', { mode: 0o600 })).toMatchObject({ mode: 0o600, uid: 1000 })
  await files.remove(world.by, 'data', '/in')
  await expect(files.stat(world.by, 'data', '/in')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
  for (const wrong of [{ uid: -1 }, { gid: 2 ** 32 }, { mode: 0o10000 }, { mode: 1.5 }])
    await expect(files.write(world.by, 'data', '/x', bytes(''), wrong)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  await expect(files.list(world.by, 'data', '/', { depth: 65 })).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(files.stat(world.by, 'other', '/')).rejects.toMatchObject({ context: { resource: 'volume' } })
  await core.volumes.create(world.by, { name: 'gone' })
  await core.volumes.delete(world.by, 'gone')
  await expect(files.remove(world.by, 'gone', '/x')).rejects.toMatchObject({ context: { resource: 'volume' } })
})

it('of the work in its files the audit log tells once, and a key that may only read cannot', async () => {
  await core.volumes.create(world.by, { name: 'data' })
  const api = core.through('e2b')
  const { secret } = await core.keys.create(world.by, { name: 'writer', scopes: ['write'] })
  const writer = await api.authenticate(secret)
  for (const path of ['/a', '/b']) await api.volumeFiles.makeDir(writer, 'data', path)
  const reader = await api.authenticate((await core.keys.create(world.by, { name: 'r', scopes: ['read'] })).secret)
  expect((await api.volumeFiles.list(reader, 'data', '/')).items).toHaveLength(2)
  await expect(api.volumeFiles.remove(reader, 'data', '/a')).rejects.toMatchObject({ code: 'forbidden' })
  await core.close()
  core = await world.server()
  expect((await core.audit.list(world.by, { what: 'volumeFiles.' }, { limit: 9 })).items).toMatchObject([
    { what: 'volumeFiles.makeDir', target: 'data', keyName: 'writer' },
  ])
})

it('stays of its size where its files cannot be bounded anew, and of two sizes has the later', async () => {
  const { id } = await core.volumes.create(world.by, { name: 'data', sizeBytes: 2 ** 30 })
  const bound = () => world.host.roots.get(id as unknown as RootId)?.tree.limitBytes
  world.host.faults.failNext('pool.limitRoot', new Error('no'))
  await expect(core.volumes.resize(world.by, id, { sizeBytes: 2 ** 31 })).rejects.toBeDefined()
  expect([(await core.volumes.get(world.by, id)).sizeBytes, bound()]).toEqual([2 ** 30, 2 ** 30])
  const held = world.host.faults.hang('pool.limitRoot')
  const first = core.volumes.resize(world.by, id, { sizeBytes: 2 ** 31 })
  await held.reached
  const second = core.volumes.resize(world.by, id, { sizeBytes: 2 ** 32 })
  held.release()
  await Promise.all([first, second])
  expect([(await core.volumes.get(world.by, id)).sizeBytes, bound()]).toEqual([2 ** 32, 2 ** 32])
})

it('is gone for a new size that was asked for before it was deleted', async () => {
  const { id } = await core.volumes.create(world.by, { name: 'data' })
  const held = world.host.faults.hang('pool.limitRoot')
  const resized = core.volumes.resize(world.by, id, { sizeBytes: 2 ** 31 })
  await held.reached
  // No lock of the ledger is held while the pool works.
  await core.volumes.delete(world.by, id)
  held.release()
  await expect(resized).rejects.toMatchObject({ code: 'not_found', context: { resource: 'volume', ref: id } })
  expect((await core.volumes.list(world.by, {}, { limit: 10 })).items).toEqual([])
  expect([...world.host.roots.keys()]).toEqual([])
})
