import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const capture = (box: string, body: object) => world.post(`/boxes/${box}/snapshot`, body)
const at = (ref: string) => `/snapshots/${encodeURIComponent(ref)}`

it('have names in parts, with slashes between', async () => {
  const { id } = await world.box()
  const { body } = await capture(id, { name: 'team/tools/py', tag: 'v1' })
  expect(body).toMatchObject({ name: 'team/tools/py', tags: ['v1'] })
  for (const ref of ['team/tools/py:v1', 'team/tools/py', body.id])
    expect((await world.get(at(ref))).body.id).toBe(body.id)
  expect((await world.box({ snapshot: 'team/tools/py:v1' })).snapshot_id).toBe(body.id)
  expect((await world.get(`/snapshots-by-name/${encodeURIComponent('team/tools/py')}`)).body).toEqual({
    name: 'team/tools/py',
    tags: [{ tag: 'v1', snapshot_id: body.id }],
  })
  const found = await world.get('/snapshots?name_contains=LS/py')
  expect(found.body.items.map(({ name }: { name: string }) => name)).toEqual(['team/tools/py'])
  expect((await world.get(`/snapshots-by-name/${encodeURIComponent('team/tools/py:v1')}`)).status).toBe(422)
  for (const name of ['', 'a//b', '/a', 'a/', 'a..b', 'a/.b'])
    expect((await capture(id, { name })).status, name).toBe(422)
  expect((await capture(id, { name: 'system/mine' })).status).toBe(403)
  const other = await capture(id, { name: 'other/thing' })
  expect((await world.delete(at('other/thing'))).status).toBe(204)
  expect((await world.get(at(other.body.id))).status).toBe(404)
})

it('built from images have the tag of the image, unless told another', async () => {
  const build = async (docker_image: string, more: object = {}) => {
    const { body } = await world.post('/snapshots', { name: 'py', docker_image, fs_capacity_bytes: 2 ** 30, ...more })
    await expect.poll(async () => (await world.get(at(body.id))).body.status).toBe('ready')
    return (await world.get(at(body.id))).body
  }
  expect((await build('r.test/python:3.12-slim')).tags).toEqual(['3.12-slim'])
  const last = await build('r.test/python:3.13')
  expect((await world.get(at('py'))).body.id).toBe(last.id)
  expect((await world.get(at('py:3.12-slim'))).body.tags).toEqual(['3.12-slim'])
  const digest = await build(`r.test/python@sha256:${'0'.repeat(64)}`)
  expect(digest.tags).toEqual(['latest'])
  expect((await build('r.test/python:3.14', { tag: 'next' })).tags).toEqual(['next'])
  expect((await world.get(at('py'))).body.id).toBe(digest.id)
  const bad = await world.post('/snapshots', { name: 'py', docker_image: 'Not One', fs_capacity_bytes: 2 ** 30 })
  expect(bad.body.detail[0].loc).toEqual(['body', 'docker_image'])
})

it('are there at once where that is all it takes, also of a box that is stopped', async () => {
  const { id } = await world.box()
  expect((await capture(id, { name: 'a' })).body.status).toBe('ready')
  await world.post(`/boxes/${id}/stop`, {})
  expect((await capture(id, { name: 'b' })).body).toMatchObject({ status: 'ready', source_sandbox_id: id })
  expect((await world.get(`/boxes/${id}/status`)).body.status).toBe('ready')
})

it('give their boxes a larger disk where that was asked for, and no smaller one', async () => {
  const { id, fs_capacity_bytes: had } = await world.box()
  const larger = await capture(id, { name: 'larger', fs_capacity_bytes: had + 2 ** 30 })
  expect(larger.body.fs_capacity_bytes).toBe(had + 2 ** 30)
  expect((await world.box({ snapshot_id: larger.body.id })).fs_capacity_bytes).toBe(had + 2 ** 30)
  for (const fs_capacity_bytes of [had - 2 ** 20, 2 ** 60]) {
    const { status, body } = await capture(id, { name: 'other', fs_capacity_bytes })
    expect([status, body.detail[0].loc]).toEqual([422, ['body', 'fs_capacity_bytes']])
  }
})

it('are made of checkpoints: those of the box that have no name yet', async () => {
  const { id } = await world.box({ name: 'source' })
  const other = await world.box()
  const taken = async (box: string) =>
    (await (await world.core.snapshots.create(world.by, box, { kind: 'filesystem', labels: { by: 'schedule' } })).done)
      .id
  const checkpoint = await taken(id)
  const { status, body } = await capture('source', {
    name: 'team/kept',
    checkpoint,
    description: 'x',
    labels: { a: '1' },
  })
  expect([status, body]).toMatchObject([
    201,
    { id: checkpoint, name: 'team/kept', tags: ['latest'], description: 'x', labels: { by: 'schedule', a: '1' } },
  ])
  expect((await world.get(at('team/kept'))).body.id).toBe(checkpoint)
  expect((await world.box({ snapshot_name: 'team/kept' })).snapshot_id).toBe(checkpoint)
  const again = await capture(id, { name: 'team/kept', tag: 'v2', checkpoint })
  expect(again.body.tags).toEqual(expect.arrayContaining(['latest', 'v2']))
  const named = await capture(id, { name: 'named' })
  for (const none of ['nothing', named.body.id, await taken(other.id)]) {
    const refused = await capture(id, { name: 'never', checkpoint: none })
    expect([refused.status, refused.body.detail.message]).toEqual([
      400,
      expect.stringContaining('checkpoint not found'),
    ])
  }
  expect((await capture(id, { name: 'never', checkpoint, include: ['all'] })).status).toBe(422)
  expect((await world.get('/snapshots-by-name/never')).status).toBe(404)
})
