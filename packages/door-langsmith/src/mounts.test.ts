import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
  world.host.repositories.set('https://git.test/app.git#main', { files: { a: '1' } })
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const app = {
  id: 'app',
  type: 'git',
  mount_path: '/mnt/mounts/app',
  git: {
    remote_url: 'https://git.test/app.git',
    ref: { type: 'branch', name: 'main' },
    refresh_interval_seconds: 60,
  },
}
const create = (...mounts: object[]) => world.post('/boxes', { mount_config: { auth: {}, mounts } })

it('brings a repository, says so, and has a snapshot carry it that is told to', async () => {
  const { status, body: box } = await create(app)
  const mount_config = { auth: {}, mounts: [app] }
  expect([status, box.mount_config]).toEqual([201, mount_config])
  expect((await world.get(`/boxes/${box.id}`)).body.mount_config).toEqual(mount_config)
  expect((await world.get(`/../../v2/sandboxes/${box.id}/download?path=/mnt/mounts/app/a`)).status).toBe(200)
  expect((await world.box()).mount_config).toBeUndefined()
  const capture = async (name: string, include: string[]) => {
    const { body } = await world.post(`/boxes/${box.id}/snapshot`, { name, include })
    await expect.poll(async () => (await world.get(`/snapshots/${body.id}`)).body.status).toBe('ready')
    return body
  }
  const [bare, carrying] = [await capture('bare', []), await capture('carrying', ['mounts'])]
  expect([bare.mount_config, carrying.mount_config]).toEqual([undefined, mount_config])
  expect((await world.box({ snapshot_id: bare.id })).mount_config).toBeUndefined()
  expect((await world.box({ snapshot_id: carrying.id })).mount_config).toEqual(mount_config)
  expect((await world.box({ snapshot_id: carrying.id, mount_config: { mounts: [] } })).mount_config).toBeUndefined()
})

it.each<[number, RegExp, object]>([
  [400, /contexthub, which is in LangSmith's own cloud/, { ...app, type: 'contexthub', contexthub: { repo: '-/a' } }],
  [400, /mounts\[0\]: the type azure_blob/, { ...app, type: 'azure_blob' }],
  [422, /refresh_interval_seconds/, { ...app, git: { ...app.git, refresh_interval_seconds: 0.5 } }],
  [422, /mount_path/, { ...app, mount_path: '/srv/app' }],
  [422, /not of git/, { ...app, read_only: true }],
  [422, /name/, { ...app, id: 'a b' }],
  [422, /https/, { ...app, git: { remote_url: 'http://git.test/app.git' } }],
  [422, /git: missing/, { ...app, git: undefined }],
  [422, /No such remote/, { ...app, git: { remote_url: 'https://git.test/none.git' } }],
])('refuses with %i what says %s', async (status, reason, mount) => {
  const answer = await create(mount)
  expect([answer.status, JSON.stringify(answer.body.detail)]).toEqual([status, expect.stringMatching(reason)])
  expect((await world.get('/boxes')).body.sandboxes).toEqual([])
})

it('refuses credentials that no mount is for', async () => {
  const aws = { access_key_id: { type: 'opaque', value: 'a' }, secret_access_key: { type: 'opaque', value: 'b' } }
  expect((await world.post('/boxes', { mount_config: { auth: { aws }, mounts: [app] } })).status).toBe(422)
})
