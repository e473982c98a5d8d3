import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

const identity = {
  issuer: 'https://server.test',
  privateKey: generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  }).privateKey,
}
let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld(null, { identity })
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

const data = {
  id: 'data',
  type: 's3',
  mount_path: '/mnt/mounts/data',
  read_only: true,
  s3: {
    endpoint_url: 'https://s3.amazonaws.com',
    region: 'eu-west-1',
    bucket: 'data',
    path_style: false,
    prefix: 'a/b',
  },
}
const objects = {
  id: 'objects',
  type: 'gcs',
  mount_path: '/mnt/mounts/objects',
  read_only: true,
  gcs: { bucket: 'objects' },
}
const aws = {
  access_key_id: { type: 'opaque', value: 'AKIA1' },
  secret_access_key: { type: 'workspace_secret', value: '{AWS}' },
}

it('brings buckets that are only read, with credentials for them alone that nobody is told', async () => {
  const account = JSON.stringify({
    client_email: 'robot@test',
    private_key: identity.privateKey,
    token_uri: 'https://token.test/',
  })
  world.host.buckets.set('s3:data/a/b', { files: { one: '1' }, authorization: 'AKIA1' })
  world.host.buckets.set('gcs:objects/', { files: { two: '2' } })
  await world.core.secrets.set(world.by, 'AWS', { value: 'the-secret' })
  const auth = { aws, gcp: { service_account_json: { type: 'opaque', value: account } } }
  const { status, body: box } = await world.post('/boxes', { mount_config: { auth, mounts: [data, objects] } })
  const shown = {
    auth: {
      aws: {
        access_key_id: { type: 'opaque', is_set: true },
        secret_access_key: { type: 'workspace_secret', value: '{AWS}', is_set: true },
      },
      gcp: { service_account_json: { type: 'opaque', is_set: true } },
    },
    mounts: [data, objects],
  }
  expect([status, box.mount_config, box.proxy_config?.rules ?? []]).toEqual([201, shown, []])
  for (const path of ['data/one', 'objects/two'])
    expect((await world.get(`/../../v2/sandboxes/${box.id}/download?path=/mnt/mounts/${path}`)).status).toBe(200)
  const capture = { name: 'carrying', include: ['mounts'] }
  expect((await world.post(`/boxes/${box.id}/snapshot`, capture)).status).toBe(422)
  const confirmed = { ...capture, confirm_allow_snapshot_secret_values: true }
  const { body: snapshot } = await world.post(`/boxes/${box.id}/snapshot`, confirmed)
  await expect.poll(async () => (await world.get(`/snapshots/${snapshot.id}`)).body.status).toBe('ready')
  expect((await world.box({ snapshot_id: snapshot.id })).mount_config).toEqual(shown)
})

const blobs = {
  id: 'blobs',
  type: 'azure_blob',
  mount_path: '/mnt/mounts/blobs',
  read_only: true,
  azure_blob: { storage_account: 'account', container: 'blobs', prefix: 'a' },
}
const key = Buffer.from('a key of a storage account').toString('base64')
const guid = '6f1b3d5e-0000-4000-8000-1234567890ab'
const provider = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q'

it.each<[string, object, object, object]>([
  ['azure', { account_key: { type: 'opaque', value: key } }, blobs, { account_key: { type: 'opaque', is_set: true } }],
  [
    'azure',
    { sas_token: { type: 'opaque', value: '?sv=1&sig=x' } },
    blobs,
    { sas_token: { type: 'opaque', is_set: true } },
  ],
  ['azure', { tenant_id: guid, client_id: guid }, blobs, { tenant_id: guid, client_id: guid }],
  ['aws', { role_arn: 'arn:aws:iam::123456789012:role/r' }, data, { role_arn: 'arn:aws:iam::123456789012:role/r' }],
  ['gcp', { workload_identity_provider: provider }, objects, { workload_identity_provider: provider }],
])('brings what a cloud hands out for %s %j', async (name, given, mount, shown) => {
  for (const bucket of ['azure:blobs/a', 's3:data/a/b', 'gcs:objects/']) world.host.buckets.set(bucket, { files: {} })
  const { status, body } = await world.post('/boxes', { mount_config: { auth: { [name]: given }, mounts: [mount] } })
  expect([status, body.mount_config]).toEqual([201, { auth: { [name]: shown }, mounts: [mount] }])
})

it.each([{ read_only: false }, {}])('brings buckets that are written to with %j', async (given) => {
  const bucket: Record<string, string> = { one: '1' }
  world.host.buckets.set('gcs:objects/', { files: bucket })
  const { read_only: _, ...mount } = objects
  const auth = { gcp: { workload_identity_provider: provider } }
  const { status, body: box } = await world.post('/boxes', { mount_config: { auth, mounts: [{ ...mount, ...given }] } })
  expect([status, box.mount_config]).toEqual([201, { auth, mounts: [{ ...objects, read_only: false }] }])
  const { remotes } = await world.core.sandboxes.get(world.by, box.id)
  expect(remotes[0]?.auth).toMatchObject({ scopes: ['https://www.googleapis.com/auth/devstorage.read_write'] })
  const { guest } = await world.core.sandboxes.guest(world.by, box.id)
  await guest.files.move('/mnt/mounts/objects/one', '/mnt/mounts/objects/two')
  await world.post(`/boxes/${box.id}/stop`, {})
  expect(bucket).toEqual({ two: '1' })
})

it.each<[number, RegExp, object]>([
  [422, /s3: missing/, { ...data, s3: undefined }],
  [422, /not a URL/, { ...data, s3: { ...data.s3, endpoint_url: 's3' } }],
  [422, /bucket/, { ...data, s3: { ...data.s3, bucket: '../b' } }],
  [422, /No such remote/, { ...data, s3: { ...data.s3, bucket: 'none' } }],
  [400, /contexthub, which is in LangSmith's own cloud/, { ...app, type: 'contexthub', contexthub: { repo: '-/a' } }],
  [422, /refresh_interval_seconds/, { ...app, git: { ...app.git, refresh_interval_seconds: 0.5 } }],
  [422, /mount_path/, { ...app, mount_path: '/srv/app' }],
  [422, /without `\.` and `\.\.`/, { ...app, mount_path: '/mnt/mounts/../../x' }],
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
  expect((await world.post('/boxes', { mount_config: { auth: { aws }, mounts: [app] } })).status).toBe(422)
})
