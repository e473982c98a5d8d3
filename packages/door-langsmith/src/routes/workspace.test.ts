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

const json = (body: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

it('keeps secrets of the workspace, and puts them into rules by name', async () => {
  const at = `${world.url}/langsmith/api/v1/workspaces/current/secrets`
  expect((await world.send('GET', at, { headers: { 'x-api-key': '' } })).status).toBe(401)
  expect(
    (
      await world.send(
        'POST',
        at,
        json([
          { key: 'A', value: 'one' },
          { key: 'B', value: 'two' },
        ]),
      )
    ).status,
  ).toBe(200)
  expect(
    (
      await world.send(
        'POST',
        at,
        json([
          { key: 'B', value: null },
          { key: 'C', value: null },
        ]),
      )
    ).status,
  ).toBe(200)
  expect((await world.send('GET', at)).body).toEqual([{ key: 'A' }])
  const rules = (value: string | undefined) => ({
    proxy_config: {
      rules: [{ name: 'r', match_hosts: ['a.test'], headers: [{ name: 'X', type: 'workspace_secret', value }] }],
    },
  })
  const box = await world.box(rules('Bearer {A}'))
  expect(box.proxy_config.rules[0].headers).toEqual([
    { name: 'X', type: 'workspace_secret', value: 'Bearer {A}', is_set: true },
  ])
  for (const value of ['{NONE}', 'plain', undefined])
    expect((await world.post('/boxes', rules(value))).status, value).toBe(422)
})

it('finds what the caller has made', async () => {
  const { secret } = await world.core.keys.create(world.by, { name: 'second', scopes: ['read', 'write'] })
  const mine = await world.box({ name: 'mine' })
  const other = await world.send('POST', '/boxes', {
    ...json({ name: 'other' }),
    headers: { 'content-type': 'application/json', 'x-api-key': secret },
  })
  expect([mine.created_by, other.body.created_by]).toEqual([world.by.keyId, expect.not.stringMatching(mine.created_by)])
  const names = async (path: string) => (await world.get(path)).body.items.map(({ name }: { name: string }) => name)
  expect(await names('/boxes?created_by=me')).toEqual(['mine'])
  const { body } = await world.post(`/boxes/${other.body.id}/snapshot`, { name: 'snap' })
  expect(body.created_by).toBe(world.by.keyId)
  expect(await names('/snapshots?created_by=me')).toEqual(['snap'])
  expect((await world.get('/boxes?created_by=somebody')).status).toBe(422)
})

it('keeps the resource tags of a box and finds it by them', async () => {
  const both = await world.box({ name: 'both', tag_value_ids: ['one', 'two'] })
  await world.box({ name: 'single', tag_value_ids: ['two'] })
  expect(both).toMatchObject({ tag_value_ids: ['one', 'two'], labels: {} })
  const names = async (path: string) => (await world.get(path)).body.items.map(({ name }: { name: string }) => name)
  expect(await names('/boxes?tag_value_id=two&sort_by=name')).toEqual(['both', 'single'])
  expect(await names('/boxes?tag_value_id=two&tag_value_id=one')).toEqual(['both'])
  const { body } = await world.patch('/boxes/both', { tag_value_ids: [], run_config: { user: 'nobody' } })
  expect(body).toMatchObject({ tag_value_ids: [], run_config: { user: 'nobody' } })
  expect(await names('/boxes?tag_value_id=one')).toEqual([])
  expect((await world.patch('/boxes/single', { name: 'other' })).body.tag_value_ids).toEqual(['two'])
  expect((await world.post('/boxes', { tag_value_ids: ['no space'] })).status).toBe(422)
})

it('mounts volumes of the team', async () => {
  const volume = await world.core.volumes.create(world.by, { name: 'data' })
  const box = await world.box({ volumes: [{ volume: 'data', mount_path: '/mnt/data', read_only: true }] })
  expect(box.volumes).toEqual([{ volume_id: volume.id, volume_name: 'data', mount_path: '/mnt/data', read_only: true }])
  expect((await world.post('/boxes', { volumes: [{ volume: 'data', mount_path: '/proc/x' }] })).status).toBe(422)
})

it('tells what boxes used, in hours or in all', async () => {
  const { id } = await world.box()
  await world.delete(`/boxes/${id}`)
  const end = new Date(Date.now() + 60_000)
  const range = (hours: number) =>
    `start_time=${new Date(end.getTime() - hours * 3_600_000).toISOString()}&end_time=${end.toISOString()}`
  const whole = await world.get(`/usage/costs?${range(24)}&granularity=RESOURCE&resource_ids=${id}&resource_ids=x`)
  expect(whole.body).toMatchObject({
    items: [{ resource_id: id, resource_type: 'SANDBOX', lcu: '0', vcpu_hours: expect.stringMatching(/^\d/) }],
    next_cursor: null,
  })
  const hourly = await world.get(`/usage/costs?${range(2)}`)
  expect(hourly.body.items.map((item: { resource_id: string }) => item.resource_id)).toContain(id)
  expect((await world.get(`/usage/costs?${range(24)}&resource_type=SNAPSHOT`)).body.items).toEqual([])
  expect((await world.get(`/usage/costs?${range(100)}`)).status).toBe(422)
  expect((await world.get(`/usage/costs?${range(24 * 32)}&granularity=RESOURCE`)).status).toBe(422)
  // There are none here, which is what an answer without them says.
  expect((await world.get(`/usage/costs?${range(2)}&granularity=RESOURCE&include_totals=true`)).status).toBe(200)
  expect((await world.get(`/usage/costs?${range(2)}&include_totals=true`)).status).toBe(422)
  expect((await world.get(`/usage/costs?${range(2)}&granularity=RESOURCE&include_daily=true`)).status).toBe(422)
})

it('tells whose a registry is, where its host says so', async () => {
  const urls = {
    'ghcr.io': 'GHCR',
    'https://index.docker.io/v1/': 'DOCKER_HUB',
    '123456789012.dkr.ecr.us-east-1.amazonaws.com': 'ECR',
    'europe-docker.pkg.dev/project': 'GAR',
    'eu.gcr.io': 'GAR',
    'http://localhost:5000': 'DOCKER_REGISTRY',
    'ghcr.io.evil.test': 'DOCKER_REGISTRY',
  }
  for (const [at, [url, provider]] of Object.entries(urls).entries())
    expect((await world.post('/registries', { name: `r${at}`, url })).body, url).toMatchObject({
      name: `r${at}`,
      provider,
    })
  const pages = [await world.get('/registries?limit=5'), await world.get('/registries?limit=5&offset=5')]
  expect(pages.map(({ body }) => [body.items.length, body.offset])).toEqual([
    [5, 5],
    [2, 0],
  ])
})
