import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const rule = { name: 'api', match_hosts: ['a.test'], headers: [{ name: 'X', type: 'opaque', value: 'hunter2' }] }
const settings = { labels: { own: '1' }, idle_ttl_seconds: 120, preserve_memory_on_stop: true }

async function capture(id: string, body: object) {
  const answer = await world.post(`/boxes/${id}/snapshot`, { name: 'snap', ...body })
  if (answer.status === 201)
    await expect.poll(async () => (await world.get(`/snapshots/${answer.body.id}`)).body.status).toBe('ready')
  return answer
}

it('carries what it is told to from a box to those that begin with its snapshot', async () => {
  const { id } = await world.box({ ...settings, proxy_config: { rules: [rule] } })
  expect((await capture(id, { include: ['all'] })).status).toBe(422)
  const { body } = await capture(id, { include: ['all'], confirm_allow_snapshot_secret_values: true })
  const names = ['mounts', 'proxy_config', 'env_vars', 'resources', 'lifecycle', 'labels']
  const opaque = [{ name: 'X', type: 'opaque', is_set: true }]
  expect(body).toMatchObject({ included: names, labels: { own: '1' }, proxy_config: { rules: [{ headers: opaque }] } })
  const child = await world.box({ snapshot_id: body.id, labels: { more: '2' } })
  expect(child).toMatchObject({
    ...settings,
    labels: { own: '1', more: '2' },
    proxy_config: { rules: [{ name: 'api' }] },
  })
  const { incarnationId } = await world.core.sandboxes.get(world.by, child.id)
  expect(world.host.incarnations.get(incarnationId ?? ('' as never))?.credentials[0]?.headers).toEqual([
    { name: 'X', value: 'hunter2' },
  ])
  const other = await world.box({ snapshot_id: body.id, idle_ttl_seconds: 60, proxy_config: { rules: [] } })
  expect(other).toMatchObject({ idle_ttl_seconds: 60, proxy_config: { rules: [] } })
  // What such a box is captured as carries nothing by itself.
  expect((await capture(child.id, {})).body).toMatchObject({ included: [], labels: {} })
})

it('carries nothing that it is not told to', async () => {
  const { id } = await world.box({ ...settings, proxy_config: { rules: [rule] } })
  const { body } = await capture(id, { include: ['labels'] })
  expect(body).toMatchObject({ included: ['labels'], labels: { own: '1' } })
  expect(body).not.toHaveProperty('proxy_config')
  const child = await world.box({ snapshot_id: body.id })
  expect(child).toMatchObject({ idle_ttl_seconds: 600, preserve_memory_on_stop: false, proxy_config: { rules: [] } })
  expect((await capture(id, { include: ['secrets'] })).status).toBe(422)
})

it('records a command and ports with a capture, over those of what its box began with, and runs none of it', async () => {
  const { id } = await world.box()
  const asked = { entrypoint: ['/app'], cmd: ['--serve'], exposed_ports: [8080] }
  const { body } = await capture(id, { image_config: asked })
  expect(body.image_config).toEqual(asked)
  const snapshot = await world.core.snapshots.get(world.by, body.id)
  expect(snapshot.defaults).toMatchObject({
    startCommand: ['/app', '--serve'],
    entrypoint: ['/app'],
    exposedPorts: [8080],
  })
  const child = await world.box({ snapshot_id: body.id })
  const { incarnationId } = await world.core.sandboxes.get(world.by, child.id)
  const begun = world.host.incarnations.get(incarnationId ?? ('' as never))
  expect(begun?.machine.identity?.defaults.startCommand).toEqual([])
  const next = await capture(child.id, { image_config: { cmd: ['--check'] } })
  expect(next.body.image_config).toEqual({ ...asked, cmd: ['--check'] })
  const none = await capture(child.id, { image_config: { cmd: [], entrypoint: [], exposed_ports: [] } })
  expect(none.body.image_config).toEqual({ entrypoint: [], cmd: [], exposed_ports: [] })
  expect((await capture(child.id, {})).body.image_config).toEqual(asked)
  expect((await capture(id, { image_config: { exposed_ports: [0] } })).status).toBe(422)
})
